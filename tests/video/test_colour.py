"""Colours against the standards' own equations in float64."""

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter

from rmfd_cli.types import Matrix, Planes
from rmfd_cli.video.colour import choose_colour, native_format, nearest_planar, to_planar, to_rgb, upright
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.conftest import Clip
from tests.video.planes import (
    FORMATS,
    MATRICES,
    colour_of,
    layout,
    random_planes,
    smooth_rgb,
    stored_planes,
)


def frame_of(planes: Planes, name: str) -> av.VideoFrame:
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, name)
    for target, plane in zip(frame.planes, planes, strict=True):
        stride = target.line_size // plane.itemsize
        rows = np.zeros((target.buffer_size // target.line_size, stride), plane.dtype)
        rows[: plane.shape[0], : plane.shape[1]] = plane
        target.update(rows.tobytes())
    return frame


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", FORMATS)
def test_rgb_is_what_the_standard_says(name: str, matrix: Matrix, full_range: bool) -> None:
    form, colour = layout(name), colour_of(matrix, full_range)
    for width, height in [(64, 48), (161, 91)]:
        image = smooth_rgb(width, height, 0.3)
        if name.startswith("gray"):
            image = np.repeat(image[..., :1], 3, axis=-1)
        rgb = to_rgb(frame_of(stored_planes(image, form, colour), name), colour, VideoReformatter())
        assert rgb.shape == (height, width, 3)
        assert rgb.dtype == (np.uint8 if form.bits == 8 else np.uint16)
        error = rgb / np.iinfo(rgb.dtype).max - image
        inner = error[4:-4, 4:-4]
        if width % 2:
            # swscale stretches the chroma grid of odd sizes over the picture, off by half a pixel at its end.
            assert np.abs(inner).max() < 0.025
            assert np.abs(inner.mean(axis=(0, 1))).max() < 0.005
        else:
            assert np.abs(inner).max() < (0.01 if form.bits == 8 else 0.005)
            assert np.abs(inner.mean(axis=(0, 1))).max() < 0.001
        assert np.abs(error).max() < 0.03


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le", "gray", "gray16le"])
def test_black_and_white_are_the_ends_of_the_scale(name: str) -> None:
    form = layout(name)
    for full_range in (False, True):
        low, high = (0, 2**form.bits - 1) if full_range else (16 << (form.bits - 8), 235 << (form.bits - 8))
        for code, share in ((low, 0), (high, 1)):
            middle = np.full((8, 8), 2 ** (form.bits - 1), np.uint8 if form.bits == 8 else np.uint16)
            planes = (np.full((16, 16), code, middle.dtype), middle, middle)[: 1 if name.startswith("gray") else 3]
            rgb = to_rgb(frame_of(planes, name), colour_of("bt709", full_range), VideoReformatter())
            assert np.abs(rgb / np.iinfo(rgb.dtype).max - share).max() < 0.0045


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv444p"])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
def test_tagged_videos_show_the_colours_that_went_in(clip: Clip, matrix: Matrix, full_range: bool, pix_fmt: str) -> None:
    path = clip(media.tagged, matrix=matrix, full_range=full_range, pix_fmt=pix_fmt)
    with VideoReader(path) as reader:
        colour = reader.info.colour
        frame = next(iter(reader))
    assert (colour.matrix, colour.full_range) == (matrix, full_range)
    assert colour.tag_matrix == {"bt601": 6, "bt709": 1, "bt2020": 9}[matrix]
    assert colour.tag_range == (2 if full_range else 1)
    got = frame.rgb[40:, 4:-4] / np.iinfo(frame.rgb.dtype).max
    want = media.picture(0)[40:, 4:-4] / 65535
    assert np.abs((got - want).mean(axis=(0, 1))).max() < 0.006


def blank(name: str, width: int = 64, height: int = 48, matrix: int = 2, value_range: int = 0) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, name)
    frame.colorspace, frame.color_range = matrix, value_range
    return frame


@pytest.mark.parametrize(
    ("width", "height", "matrix"),
    [(640, 480, "bt601"), (720, 576, "bt601"), (1280, 536, "bt709"), (960, 720, "bt709"), (1920, 1080, "bt709")],
)
def test_untagged_matrix_goes_by_size(width: int, height: int, matrix: Matrix) -> None:
    colour = choose_colour(blank("yuv420p", width, height))
    assert (colour.matrix, colour.full_range, colour.tag_matrix) == (matrix, False, 2)


@pytest.mark.parametrize(("tag", "matrix"), [(1, "bt709"), (5, "bt601"), (6, "bt601"), (9, "bt2020"), (10, "bt2020")])
def test_a_tag_beats_the_size(tag: int, matrix: Matrix) -> None:
    for width, height in [(320, 240), (1920, 1080)]:
        colour = choose_colour(blank("yuv420p", width, height, matrix=tag))
        assert (colour.matrix, colour.tag_matrix) == (matrix, tag)


def test_range_goes_by_tag_then_by_format() -> None:
    assert choose_colour(blank("yuv420p", value_range=2)).full_range
    assert not choose_colour(blank("yuv420p", value_range=1)).full_range
    assert choose_colour(blank("yuvj420p")).full_range
    assert choose_colour(blank("gray")).full_range
    assert not choose_colour(blank("gray", value_range=1)).full_range


def test_rgb_sources_are_tagged_as_the_yuv_they_become() -> None:
    colour = choose_colour(blank("gbrp", 1920, 1080, matrix=0, value_range=2))
    assert (colour.matrix, colour.tag_matrix, colour.full_range, colour.tag_range) == ("bt709", 1, False, 1)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        *(("yuvj422p", "yuv422p"), ("nv12", "yuv420p"), ("nv16", "yuv422p"), ("nv24", "yuv444p")),
        *(("p010le", "yuv420p10le"), ("p012le", "yuv420p12le"), ("p016le", "yuv420p16le"), ("p210le", "yuv422p10le")),
        *(("yuva420p", "yuv420p"), ("yuva422p10le", "yuv422p10le"), ("uyyvyy411", "yuv411p"), ("ayuv", "yuv444p")),
        *(("pal8", "yuv444p"), ("rgb24", "yuv444p"), ("rgb48le", "yuv444p16le"), ("gbrp12le", "yuv444p12le")),
        *(("monob", "gray"), ("ya8", "gray"), ("ya16le", "gray16le"), ("gray10be", "gray10le")),
        *(("gbrpf32le", "yuv444p16le"), ("yuv440p10le", "yuv440p10le"), ("bayer_rggb8", "yuv444p")),
    ],
)
def test_nearest_planar_format(name: str, nearest: str) -> None:
    assert nearest_planar(av.VideoFormat(name)) == nearest
    assert native_format(nearest) is not None


@pytest.mark.parametrize(("name", "planar"), [("nv12", "yuv420p"), ("nv16", "yuv422p"), ("p010le", "yuv420p10le")])
def test_conversion_to_planar_keeps_every_code(name: str, planar: str) -> None:
    planes = random_planes(planar, 64, 48)
    colour = colour_of("bt709", False)
    packed = VideoReformatter().reformat(frame_of(planes, planar), format=name)
    back = to_planar(packed, planar, colour, VideoReformatter())
    for index, plane in enumerate(planes):
        width = plane.shape[1]
        raw = np.frombuffer(memoryview(back.planes[index]), plane.dtype)
        assert np.array_equal(raw.reshape(plane.shape[0], -1)[:, :width], plane)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_upright_is_how_ffmpeg_shows_it(clip: Clip, degrees: int, mirrored: bool) -> None:
    path = clip(media.mirrored if mirrored else media.rotated, degrees=degrees) if degrees or mirrored else clip(media.cfr)
    with VideoReader(path) as reader:
        assert (reader.info.rotation_degrees, reader.info.is_mirrored) == (degrees, mirrored)
        shown_by_us = upright(next(iter(reader)).planes[0][..., None], reader.info)
    shown = media.ffmpeg("-i", media.url(path), "-frames:v", "1", "-vf", "extractplanes=y", "-f", "rawvideo", "pipe:1")
    assert np.array_equal(np.frombuffer(shown, np.uint8).reshape(shown_by_us.shape), shown_by_us)
