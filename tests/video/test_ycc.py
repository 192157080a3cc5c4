"""What the network sees of planes, and what its change may and may not do to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmfd_cli import compiled
from rmfd_cli.types import Matrix, Ycc
from rmfd_cli.video.ycc import add_change, rgb_change, turned, ycc_of_planes, ycc_of_rgb
from tests.video.planes import (
    FORMATS,
    MATRICES,
    SIZES,
    chroma_shape,
    colour_of,
    layout,
    random_planes,
    smooth_rgb,
    stored_planes,
)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", FORMATS)
def test_planes_and_the_rgb_that_they_stand_for_are_seen_alike(name: str, matrix: Matrix, full_range: bool) -> None:
    form, colour = layout(name), colour_of(matrix, full_range)
    for width, height in SIZES:
        image = smooth_rgb(width, height, 0.3)
        if name.startswith("gray"):
            image = np.repeat(image[..., :1], 3, axis=-1)
        seen, meant = (
            ycc_of_planes(stored_planes(image, form, colour), form, colour),
            ycc_of_rgb(image.astype(np.float32), matrix),
        )
        assert seen.luma.shape == (height, width)
        assert seen.chroma.shape == meant.chroma.shape == (2, *chroma_shape(width, height, (1, 1)))
        assert seen.luma.dtype == seen.chroma.dtype == np.float32
        assert np.abs(seen.luma - meant.luma).max() < (0.003 if form.bits == 8 else 0.001)
        assert np.abs(seen.chroma - meant.chroma).max() < 0.02


@pytest.mark.parametrize("name", ["yuv420p", "yuv444p10le"])
def test_codes_outside_the_legal_range_are_seen_as_its_ends(name: str) -> None:
    planes = random_planes(name, 64, 48)
    seen = ycc_of_planes(planes, layout(name), colour_of("bt709", False))
    assert (seen.luma.min(), seen.luma.max()) == pytest.approx((0, 1), abs=1e-6)
    assert -0.5 <= seen.chroma.min() < seen.chroma.max() <= 0.5


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_change_of_colours_comes_back_as_rgb(matrix: Matrix) -> None:
    for width, height in SIZES:
        rgb = (smooth_rgb(width, height, 0.3) - 0.5).astype(np.float32)
        assert np.abs(rgb_change(ycc_of_rgb(rgb, matrix), matrix) - rgb).max() < 0.03


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_turning_there_and_back_is_the_identity(degrees: int) -> None:
    image = ycc_of_rgb(smooth_rgb(33, 18, 0.1).astype(np.float32))
    upright = turned(image, degrees)
    assert upright.luma.shape == ((33, 18) if degrees in (90, 270) else (18, 33))
    assert upright.chroma.shape == ((2, 17, 9) if degrees in (90, 270) else (2, 9, 17))
    back = turned(upright, -degrees)
    assert all(np.array_equal(one, other) for one, other in zip(image, back, strict=True))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("full_range", [False, True])
def test_no_change_changes_nothing(name: str, full_range: bool) -> None:
    for width, height in SIZES:
        planes = random_planes(name, width, height)
        kept = [plane.copy() for plane in planes]
        zero = ycc_of_rgb(np.zeros((height, width, 3), np.float32))
        for matrix in MATRICES:
            result = add_change(planes, layout(name), colour_of(matrix, full_range), zero)
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
    result = add_change(planes, layout(name), colour_of("bt709", False), ycc_of_rgb(residual, "bt709"))
    shift_x, shift_y = layout(name).chroma_shift
    for index, (before, after) in enumerate(zip(planes, result, strict=True)):
        x, y = (shift_x, shift_y) if index else (0, 0)
        changed = before != after
        changed[16 >> y : 32 >> y, 16 >> x : 48 >> x] = False
        assert not changed.any()
    assert (planes[0] != result[0]).any()


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("name", ["yuv420p", "yuv444p", "yuv420p10le", "gray", "yuv444p16le"])
def test_a_change_of_brightness_moves_luma_alone_and_by_the_right_number_of_codes(name: str, full_range: bool) -> None:
    bits = layout(name).bits
    middle = 2 ** (bits - 1)
    planes = tuple(np.full_like(plane, middle) for plane in random_planes(name, 32, 16))
    residual = np.full((16, 32, 3), 0.1, np.float32)
    span = 2**bits - 1 if full_range else 219 * 2 ** (bits - 8)
    for strength in (1.0, 0.5, -1.0):
        result = add_change(planes, layout(name), colour_of("bt601", full_range), ycc_of_rgb(residual), strength)
        assert set(np.unique(result[0])) == {round(middle + 0.1 * span * strength)}
        assert all(np.array_equal(before, after) for before, after in zip(planes[1:], result[1:], strict=True))


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", FORMATS)
def test_the_difference_of_two_pictures_turns_the_codes_of_one_into_the_other(
    name: str, matrix: Matrix, full_range: bool
) -> None:
    form, colour = layout(name), colour_of(matrix, full_range)
    for width, height in SIZES:
        before, after = smooth_rgb(width, height, 0.0), smooth_rgb(width, height, 0.4)
        if name.startswith("gray"):
            before, after = (np.repeat(image[..., :1], 3, axis=-1) for image in (before, after))

        start, end = (stored_planes(image, form, colour) for image in (before, after))
        result = add_change(start, form, colour, ycc_of_rgb((after - before).astype(np.float32), matrix))
        for index, (got, want) in enumerate(zip(result, end, strict=True)):
            # Chroma that is finer than the network's, or coarser in one direction, is interpolated.
            interpolated = index and form.chroma_shift != (1, 1)
            assert np.abs(got.astype(int) - want.astype(int)).max() <= (max(2, 0.012 * 2**form.bits) if interpolated else 1.5)


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
    noise = ycc_of_rgb(np.random.default_rng(seed).normal(amount, 1, (height, width, 3)).astype(np.float32))
    result = add_change(planes, form, colour_of("bt709", full_range), noise, amount)
    scale = 2 ** (form.bits - 8)
    for index, (before, after) in enumerate(zip(planes, result, strict=True)):
        assert after.shape == before.shape
        assert after.max() <= 2**form.bits - 1
        if not full_range:
            high = (240 if index else 235) * scale
            assert (after <= np.maximum(before, high)).all()
            assert (after >= np.minimum(before, 16 * scale)).all()


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_compiled_gives_the_same_to_the_bit(name: str, full_range: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    form, colour, rng = layout(name), colour_of("bt709", full_range), np.random.default_rng(11)
    planes = random_planes(name, 37, 22, seed=3)
    change = Ycc(*(rng.normal(0, 0.3, shape).astype(np.float32) for shape in ((22, 37), (2, 11, 19))))
    change.luma[3, :4] = 5, -5, 0.5 / 219, -0.5 / 219
    found = ycc_of_planes(planes, form, colour), add_change(planes, form, colour, change, 0.7)
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    wanted = ycc_of_planes(planes, form, colour), add_change(planes, form, colour, change, 0.7)
    for one, other in zip((*found[0], *found[1]), (*wanted[0], *wanted[1]), strict=True):
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)


@pytest.mark.parametrize("there", [True, False])
def test_a_change_as_large_as_can_be_ends_at_what_can_be_stored(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "is_there", lambda: there and compiled._library() is not None)
    form = layout("yuv420p10le")
    planes = tuple(np.full(shape, 1500 if shape == (4, 6) else 512, np.uint16) for shape in ((4, 6), (2, 3), (2, 3)))
    change = Ycc(np.zeros((4, 6), np.float32), np.zeros((2, 2, 3), np.float32))
    full = add_change(planes, form, colour_of("bt709", True), change)
    assert (full[0] == 1023).all()
    change.luma[0], change.luma[1] = 1e8, -1e8
    limited = add_change((np.full((4, 6), 400, np.uint16), *planes[1:]), form, colour_of("bt709", False), change)
    assert (limited[0][0] == 940).all()
    assert (limited[0][1] == 64).all()
    assert (limited[0][2:] == 400).all()


def test_a_change_of_another_size_is_refused() -> None:
    planes, colour = random_planes("yuv420p", 16, 16), colour_of("bt709", False)
    change = Ycc(np.zeros((8, 16), np.float32), np.zeros((2, 4, 8), np.float32))
    with pytest.raises(ValueError, match=r"\(16, 16\) and a change of \(8, 16\)"):
        add_change(planes, layout("yuv420p"), colour, change)
