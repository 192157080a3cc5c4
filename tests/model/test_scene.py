"""Cuts are told from motion, flashes of rain and fades."""

import numpy as np

from rmfd_cli.model.scene import is_cut


def picture(seed: int, low: int, high: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (12, 16)).astype(np.uint8).repeat(10, 0).repeat(10, 1)


def test_a_dark_scene_after_a_bright_one_is_a_cut():
    assert is_cut(picture(0, 0, 80), picture(1, 150, 250))


def test_motion_within_a_scene_is_not():
    scene = picture(0, 0, 250)
    assert not is_cut(scene, np.roll(scene, 15, axis=1))


def test_heavy_streaks_over_a_scene_are_not():
    rng = np.random.default_rng(2)
    scene = picture(0, 40, 160)
    rained = np.where(rng.random(scene.shape) < 0.15, 230, scene).astype(np.uint8)
    assert not is_cut(scene, rained)


def test_the_same_frame_is_not():
    scene = picture(0, 0, 250)
    assert not is_cut(scene, scene)
