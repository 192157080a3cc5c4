"""Colours against the standards' own equations in float64, and what a residual may and may not do to the planes."""

from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rmfd_cli.types import Colour, Matrix, PlaneFormat, Planes
from rmfd_cli.video.colour import (
    add_residual,
    choose_colour,
    native_format,
    nearest_planar,
    rotate_stored,
    rotate_upright,
    to_planar,
    to_rgb,
)
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.conftest import Clip

WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
MATRICES: list[Matrix] = ["bt601", "bt709", "bt2020"]
FORMATS = [
    *("yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "gray"),
    *("yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv444p16le", "gray10le"),
]
SIZES = [(64, 48), (65, 49), (33, 18), (17, 17)]


def colour_of(matrix: Matrix, full_range: bool) -> Colour:
    return Colour(matrix, full_range, 2, 2, 2, 2 if full_range else 1)


def layout(name: str) -> PlaneFormat:
    plane_format = native_format(name)
    assert plane_format is not None
    return plane_format


def chroma_shape(width: int, height: int, shift: tuple[int, int]) -> tuple[int, int]:
    return -(-height // (1 << shift[1])), -(-width // (1 << shift[0]))


def random_planes(name: str, width: int, height: int, seed: int = 0, anything: bool = True) -> Planes:
    """Any storable code values, or legal limited-range ones only."""
    form = layout(name)
    rng = np.random.default_rng(seed)
    scale = 2 ** (form.bits - 8)
    low, high = (0, 2**form.bits - 1) if anything else (16 * scale, 235 * scale)
    dtype = np.uint8 if form.bits == 8 else np.uint16
    shapes = [(height, width)]
    if not name.startswith("gray"):
        shapes += [chroma_shape(width, height, form.chroma_shift)] * 2
    return tuple(rng.integers(low, high + 1, shape).astype(dtype) for shape in shapes)


def exact_codes(rgb: NDArray[Any], bits: int, colour: Colour) -> list[NDArray[np.float64]]:
    """(Y, Cb, Cr) of RGB in [0, 1] at full resolution, unrounded, by the equations of BT.601, BT.709 and BT.2020."""
    red_weight, blue_weight = WEIGHTS[colour.matrix]
    red, green, blue = (rgb[..., channel].astype(np.float64) for channel in range(3))
    luma = red_weight * red + (1 - red_weight - blue_weight) * green + blue_weight * blue
    cb, cr = (blue - luma) / (2 * (1 - blue_weight)), (red - luma) / (2 * (1 - red_weight))
    if colour.full_range:
        top, middle = 2**bits - 1, 2 ** (bits - 1)
        return [luma * top, cb * top + middle, cr * top + middle]
    scale = 2 ** (bits - 8)
    return [(219 * luma + 16) * scale, (224 * cb + 128) * scale, (224 * cr + 128) * scale]


def smooth_rgb(width: int, height: int, phase: float) -> NDArray[np.float64]:
    """A gently varying picture within [0.2, 0.8]."""
    x, y = np.arange(width)[None, :] / 64, np.arange(height)[:, None] / 64
    waves = [np.sin(x + phase) + 0 * y, np.cos(y - phase) + 0 * x, np.sin(x + y + 2 * phase)]
    return 0.5 + 0.3 * np.stack(waves, axis=-1)


def shrink(plane: NDArray[np.float64], shift: tuple[int, int]) -> NDArray[np.float64]:
    """Box average over the pixels that exist, the plain way."""
    rows, columns = (np.arange(0, plane.shape[axis], 1 << shift[1 - axis]) for axis in (0, 1))

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)

    return sums(plane) / sums(np.ones_like(plane))


def frame_of(planes: Planes, name: str) -> av.VideoFrame:
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, name)
    for target, plane in zip(frame.planes, planes, strict=True):
        stride = target.line_size // plane.itemsize
        rows = np.zeros((target.buffer_size // target.line_size, stride), plane.dtype)
        rows[: plane.shape[0], : plane.shape[1]] = plane
        target.update(rows.tobytes())
    return frame


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("full_range", [False, True])
def test_zero_residual_changes_nothing(name: str, full_range: bool) -> None:
    for width, height in SIZES:
        planes = random_planes(name, width, height)
        kept = [plane.copy() for plane in planes]
        zero = np.zeros((height, width, 3), np.float32)
        for matrix in MATRICES:
            result = add_residual(planes, layout(name), colour_of(matrix, full_range), zero)
            for before, copy, after in zip(planes, kept, result, strict=True):
                assert after.dtype == before.dtype
                assert np.array_equal(before, after)
                assert np.array_equal(before, copy)


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv411p"])
def test_pixels_outside_the_change_are_bit_identical(name: str) -> None:
    width, height = 65, 49
    planes = random_planes(name, width, height)
    residual = np.zeros((height, width, 3), np.float32)
    residual[16:32, 16:48] = -0.1
    result = add_residual(planes, layout(name), colour_of("bt709", False), residual)
    shift_x, shift_y = layout(name).chroma_shift
    for index, (before, after) in enumerate(zip(planes, result, strict=True)):
        x, y = (shift_x, shift_y) if index else (0, 0)
        changed = before != after
        changed[16 >> y : 32 >> y, 16 >> x : 48 >> x] = False
        assert not changed.any()
    assert (planes[0] != result[0]).any()


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("name", ["yuv420p", "yuv444p", "yuv420p10le", "gray", "yuv444p16le"])
def test_grey_residual_moves_luma_alone_and_by_the_right_number_of_codes(name: str, full_range: bool) -> None:
    bits = layout(name).bits
    middle = 2 ** (bits - 1)
    planes = tuple(np.full_like(plane, middle) for plane in random_planes(name, 32, 16))
    residual = np.full((16, 32, 3), 0.1, np.float32)
    span = 2**bits - 1 if full_range else 219 * 2 ** (bits - 8)
    for strength in (1.0, 0.5, -1.0):
        result = add_residual(planes, layout(name), colour_of("bt601", full_range), residual, strength)
        assert set(np.unique(result[0])) == {round(middle + 0.1 * span * strength)}
        assert all(np.array_equal(before, after) for before, after in zip(planes[1:], result[1:], strict=True))


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", FORMATS)
def test_residual_between_two_pictures_turns_the_codes_of_one_into_the_other(
    name: str, matrix: Matrix, full_range: bool
) -> None:
    form, colour = layout(name), colour_of(matrix, full_range)
    for width, height in SIZES:
        before, after = smooth_rgb(width, height, 0.0), smooth_rgb(width, height, 0.4)
        if name.startswith("gray"):
            before, after = (np.repeat(image[..., :1], 3, axis=-1) for image in (before, after))

        def codes(image: NDArray[np.float64], form: PlaneFormat = form, colour: Colour = colour) -> Planes:
            luma, *chroma = exact_codes(image, form.bits, colour)
            planes = [luma, *(shrink(plane, form.chroma_shift) for plane in chroma)]
            return tuple(np.rint(plane).astype(np.uint8 if form.bits == 8 else np.uint16) for plane in planes)

        start = codes(before)[:1] if name.startswith("gray") else codes(before)
        result = add_residual(start, form, colour, (after - before).astype(np.float32))
        for got, want in zip(result, codes(after), strict=False):
            assert np.abs(got.astype(int) - want.astype(int)).max() <= 1.5


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(FORMATS),
    full_range=st.booleans(),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    amount=st.floats(-3, 3, width=32),
    seed=st.integers(0, 2**31),
)
def test_results_stay_storable_and_legal(name: str, full_range: bool, size: tuple[int, int], amount: float, seed: int) -> None:
    width, height = size
    form = layout(name)
    planes = random_planes(name, width, height, seed)
    noise = np.random.default_rng(seed).normal(size=(height, width, 3)).astype(np.float32)
    result = add_residual(planes, form, colour_of("bt709", full_range), noise * np.float32(amount))
    scale = 2 ** (form.bits - 8)
    for index, (before, after) in enumerate(zip(planes, result, strict=True)):
        assert after.shape == before.shape
        assert after.max() <= 2**form.bits - 1
        if not full_range:
            high = (240 if index else 235) * scale
            assert (after <= np.maximum(before, high)).all()
            assert (after >= np.minimum(before, 16 * scale)).all()


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", FORMATS)
def test_rgb_is_what_the_standard_says(name: str, matrix: Matrix, full_range: bool) -> None:
    form, colour = layout(name), colour_of(matrix, full_range)
    for width, height in [(64, 48), (161, 91)]:
        image = smooth_rgb(width, height, 0.3)
        if name.startswith("gray"):
            image = np.repeat(image[..., :1], 3, axis=-1)
        luma, *chroma = exact_codes(image, form.bits, colour)
        planes = [luma] if name.startswith("gray") else [luma, *(shrink(plane, form.chroma_shift) for plane in chroma)]
        stored = tuple(np.rint(plane).astype(np.uint8 if form.bits == 8 else np.uint16) for plane in planes)
        rgb = to_rgb(frame_of(stored, name), colour, VideoReformatter())
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
def test_upright_is_how_ffmpeg_shows_it(clip: Clip, degrees: int) -> None:
    path = clip(media.rotated, degrees=degrees) if degrees else clip(media.cfr)
    with VideoReader(path) as reader:
        assert reader.info.rotation_degrees == degrees
        luma = next(iter(reader)).planes[0][..., None]
    upright = rotate_upright(luma, degrees)
    shown = media.ffmpeg("-i", media.url(path), "-frames:v", "1", "-vf", "extractplanes=y", "-f", "rawvideo", "pipe:1")
    assert np.array_equal(np.frombuffer(shown, np.uint8).reshape(upright.shape), upright)
    assert np.array_equal(rotate_stored(upright, degrees), luma)
