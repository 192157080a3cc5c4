"""The camera's coder: every frame comes back in its place, a little worse, and always the same."""

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rmfd_cli.errors import InputError, UsageError
from rmfd_cli.video.codec import Chroma, Codec, recompress
from tests import media

CODECS: list[Codec] = list(get_args(Codec))
CHROMAS: list[Chroma] = list(get_args(Chroma))
each_codec = pytest.mark.parametrize("codec", CODECS)


def numbered(frames: int, width: int = media.WIDTH, height: int = media.HEIGHT) -> NDArray[np.uint8]:
    """`[T, H, W, 3]`, each frame with its number as a barcode."""
    return np.stack([(media.picture(number, width, height) >> 8).astype(np.uint8) for number in range(frames)])


def textured(frames: int, width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """`numbered` with grain that is new in every frame, so that quality has something to take away."""
    grain = np.random.default_rng(seed).normal(0, 12, (frames, height, width, 1))
    return np.clip(numbered(frames, width, height) + grain, 0, 255).astype(np.uint8)


def coded(frames: Any, codec: Codec, crf: int = 23, rate: Fraction | float = 25, chroma: Chroma = "420") -> NDArray[np.uint8]:
    return np.stack(list(recompress(frames, codec, crf, frame_rate=rate, chroma=chroma)))


def psnr(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    error = np.mean((image.astype(np.float64) - reference) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-6)))


@each_codec
@pytest.mark.parametrize("rate", [25, 29.97, Fraction(30000, 1001), 0.5])
def test_every_frame_comes_back_in_its_place(codec: Codec, rate: Fraction | float) -> None:
    result = coded(numbered(64), codec, crf=28, rate=rate)
    assert result.dtype == np.uint8
    assert [media.frame_number(image) for image in result] == list(range(64))


@each_codec
@pytest.mark.parametrize("chroma", CHROMAS)
def test_quality_falls_as_crf_rises(codec: Codec, chroma: Chroma) -> None:
    clip = textured(6, 160, 120)
    scores = [psnr(coded(clip, codec, crf, chroma=chroma), clip) for crf in (0, 10, 18, 26, 34, 42, 51)]
    assert all(better > worse for better, worse in itertools.pairwise(scores)), scores
    assert scores[0] > scores[-1] + 15


def test_crf_0_in_444_loses_no_more_than_the_rounding_of_colours() -> None:
    clip = textured(4, 64, 48)
    lossless = coded(clip, "h264", 0, chroma="444")
    assert np.abs(lossless.astype(int) - clip).max() <= 3
    assert psnr(lossless, clip) > 50
    assert psnr(coded(clip, "hevc", 0, chroma="444"), clip) > 44


@each_codec
@pytest.mark.parametrize("size", [(64, 48), (1280, 16), (16, 720)], ids=["bt601", "bt709 by width", "bt709 by height"])
def test_flat_colours_survive_whatever_the_matrix(codec: Codec, size: tuple[int, int]) -> None:
    for colour in ((200, 40, 60), (30, 180, 70), (40, 60, 210), (255, 255, 255), (0, 0, 0)):
        clip = np.full((2, size[1], size[0], 3), colour, np.uint8)
        assert np.abs(coded(clip, codec, 10).astype(int) - clip).max() <= 4


@each_codec
def test_half_of_the_colour_resolution_is_lost_in_420_only(codec: Codec) -> None:
    stripes = np.zeros((1, 64, 64, 3), np.uint8)
    stripes[:, :, ::2] = (200, 40, 40)
    stripes[:, :, 1::2] = (40, 90, 200)
    assert psnr(coded(stripes, codec, 4, chroma="444"), stripes) > 40
    assert psnr(coded(stripes, codec, 4, chroma="420"), stripes) < 20


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    frames=st.integers(1, 3),
    codec=st.sampled_from(CODECS),
    chroma=st.sampled_from(CHROMAS),
)
def test_any_size_comes_back_as_it_was(width: int, height: int, frames: int, codec: Codec, chroma: Chroma) -> None:
    y, x = np.mgrid[:height, :width]
    clip = np.stack([np.stack([2 * x + 40, 2 * y + 40, x + y + 3 * t], -1) for t in range(frames)]).astype(np.uint8)
    result = coded(clip, codec, 12, chroma=chroma)
    assert result.shape == clip.shape
    assert psnr(result, clip) > 32


def test_the_edge_of_an_odd_size_is_no_worse_than_the_middle() -> None:
    clip = textured(3, 97, 65)
    error = np.abs(coded(clip, "h264", 16).astype(float) - clip)
    assert max(error[:, -1].mean(), error[:, :, -1].mean()) < 1.5 * error[:, 20:-20, 20:-20].mean()


@each_codec
def test_no_frames_give_no_frames(codec: Codec) -> None:
    assert list(recompress([], codec, 23, frame_rate=25)) == []


@each_codec
def test_one_frame_gives_one_frame(codec: Codec) -> None:
    clip = numbered(1)
    assert psnr(coded(clip, codec, 18), clip) > 35


@each_codec
def test_the_same_frames_give_the_same_result(codec: Codec) -> None:
    clip = textured(10, 130, 98)
    first = coded(clip, codec)
    assert np.array_equal(first, coded(list(clip), codec))
    mirrored = clip[:, :, ::-1]
    assert np.array_equal(coded(mirrored, codec), coded(mirrored.copy(), codec)), "whatever the memory layout"


@each_codec
def test_a_frame_comes_back_before_the_next_one_is_taken(codec: Codec) -> None:
    taken = 0

    def frames() -> Iterator[NDArray[np.uint8]]:
        nonlocal taken
        for image in numbered(40):
            taken += 1
            yield image

    for number, image in enumerate(recompress(frames(), codec, 30, frame_rate=25)):
        assert taken == number + 1
        assert media.frame_number(image) == number
    assert taken == 40


@each_codec
def test_the_picture_pulses_once_a_second(codec: Codec) -> None:
    clip = np.repeat(textured(1, 160, 120), 24, axis=0)
    result = coded(clip, codec, crf=34, rate=8)
    changes = np.abs(np.diff(result.astype(float), axis=0)).mean(axis=(1, 2, 3))
    settled = [number + 1 for number in range(4, 23) if changes[number] > 2 * np.median(changes[4:])]
    assert {8, 16} <= set(settled), changes


@pytest.mark.parametrize(
    ("crf", "rate", "word"), [(-1, 25, "crf"), (52, 25, "crf"), (23, 0, "rate"), (23, 2000, "rate"), (23, float("nan"), "rate")]
)
def test_what_no_coder_takes_is_refused_at_once(crf: int, rate: float, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        recompress(numbered(1), "h264", crf, frame_rate=rate)


def test_a_change_of_size_is_named() -> None:
    frames = [*numbered(2), *numbered(1, 64, 48)]
    with pytest.raises(InputError, match="frame 2"):
        list(recompress(frames, "h264", 23, frame_rate=25))
