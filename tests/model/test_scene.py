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


def half_grey(changed: int, before: int = 0, after: int = 255) -> tuple[np.ndarray, np.ndarray]:
    """Two frames of 768 pixels, of which so many change while the others stay grey."""
    frames = np.full((2, 24, 32), 128, np.uint8)
    frames[:, np.arange(768).reshape(24, 32) < changed] = np.array([[before], [after]])
    return frames[0], frames[1]


def test_a_cut_leaves_less_than_two_thirds_of_the_values_as_they_were():
    # Of two histograms that share nothing but a part of the pixels, χ² is the rest.
    assert not is_cut(*half_grey(round(0.34 * 768)))
    assert is_cut(*half_grey(round(0.36 * 768)))


def test_a_frame_whose_values_all_change_a_little_is_no_cut():
    assert not is_cut(*half_grey(768, 100, 130))
    assert is_cut(*half_grey(768, 100, 131))


def test_frames_of_two_sizes_are_a_cut():
    scene = picture(0, 0, 250)
    assert is_cut(scene, scene[:, :-1])
