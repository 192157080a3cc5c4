"""Copies of a frame are no witnesses: they are found, left out, and get the change of what they repeat."""

import numpy as np
import pytest
import torch

from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.placing import find_weights
from rmfd_cli.model.repeats import MOST_TIMES, WithoutCopies
from rmfd_cli.model.streaming import restore
from rmfd_cli.video.ycc import ycc_of_rgb
from tests.model.rainy import rained_on, texture


def pictures(count: int) -> list[np.ndarray]:
    """Luma of 32×48 pixels with streaks that are elsewhere in each."""
    return [np.round(255 * rained_on(texture(32, 48), seed)).astype(np.uint8) for seed in range(count)]


def shown(frames: list[np.ndarray]) -> list[int]:
    """How often each picture that is not a copy of the one before is shown."""
    stream = WithoutCopies(frames, lambda luma: luma)
    return [len(stream.run()) for _ in list(stream)]


def noisy(frame: np.ndarray, seed: int, amplitude: int = 4) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, frame.shape)
    return (frame.clip(10, 245) + noise).astype(np.uint8)


@pytest.mark.parametrize("times", [[1, 1, 1, 1], [2, 2, 2], [1, 1, 1, 2, 1, 1, 1, 2], [4, 4], [1, 2, 3, 1]])
def test_copies_are_counted_whether_or_not_a_coder_has_been_at_them(times):
    exact = [frame for frame, count in zip(pictures(len(times)), times, strict=True) for _ in range(count)]
    assert shown(exact) == times
    # What the first two frames of a video differ by can be compared with nothing.
    lead = noisy(255 - exact[0], 99)
    assert shown([lead, *(noisy(frame, seed) for seed, frame in enumerate(exact))]) == [1, *times]


def test_a_picture_that_stands_is_not_waited_for_without_end():
    assert shown(pictures(1) * 10) == [MOST_TIMES, MOST_TIMES, 10 - 2 * MOST_TIMES]


def test_faint_rain_in_front_of_a_resting_camera_makes_no_copies():
    scene = np.round(200 * texture(32, 48)).astype(np.uint8)
    frames = [scene.copy() for _ in range(6)]
    for frame, column in zip(frames, range(4, 40, 6), strict=True):
        frame[8:16, column : column + 2] += 16
    assert shown(frames) == [1] * 6
    # Nor after a cut, whose own difference says nothing of them.
    assert shown([*(np.full((32, 48), 250, np.uint8) for _ in range(1)), *frames]) == [1] * 7


def test_copies_get_the_change_of_the_frame_they_repeat():
    model, scene = load_model(find_weights("small")).requires_grad_(False), texture(64, 96)
    rainy = [np.round(255 * rained_on(scene, seed)).astype(np.uint8)[..., None].repeat(3, 2) for seed in range(4)]

    def changes(frames: list[np.ndarray]) -> list[np.ndarray]:
        return [change.luma for change in restore(map(ycc_of_rgb, frames), model, torch.device("cpu"))]

    once, times = changes(rainy), [1, 3, 1, 2]
    often = changes([frame for frame, count in zip(rainy, times, strict=True) for _ in range(count)])
    for change, of_copy in zip(
        [change for change, count in zip(once, times, strict=True) for _ in range(count)], often, strict=True
    ):
        np.testing.assert_array_equal(change, of_copy)
    assert all(np.abs(change).max() > 0.1 for change in once)
