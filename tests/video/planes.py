"""Planes to test with, and the equations of the standards in float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmfd_cli.types import Colour, Matrix, PlaneFormat, Planes
from rmfd_cli.video.colour import native_format

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


def stored_planes(rgb: NDArray[np.float64], form: PlaneFormat, colour: Colour) -> Planes:
    """The rounded code values of a picture; grey is that of its luma."""
    luma, *chroma = exact_codes(rgb, form.bits, colour)
    planes = [luma] if form.name.startswith("gray") else [luma, *(shrink(plane, form.chroma_shift) for plane in chroma)]
    return tuple(np.rint(plane).astype(np.uint8 if form.bits == 8 else np.uint16) for plane in planes)


def shrink(plane: NDArray[np.float64], shift: tuple[int, int]) -> NDArray[np.float64]:
    """Box average over the pixels that exist, the plain way."""
    rows, columns = (np.arange(0, plane.shape[axis], 1 << shift[1 - axis]) for axis in (0, 1))

    def sums(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)

    return sums(plane) / sums(np.ones_like(plane))
