"""What `flow` does around the search, in C: the calls of `flow.c`. All sides are 2 and more."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmfd_cli.compiled import call

_Flow: TypeAlias = NDArray[np.float32]
_Luma: TypeAlias = NDArray[np.uint8]


def follow(image: NDArray[Any], flow: _Flow) -> NDArray[Any]:
    """As `flow.follow`, of bytes, `[h, w]`, or pairs of float32, `[h, w, 2]`."""
    image, flow = np.ascontiguousarray(image), np.ascontiguousarray(flow, np.float32)
    rows, columns = flow.shape[:2]
    found = np.empty((rows, columns, *image.shape[2:]), image.dtype)
    name = "follow_bytes" if image.ndim == 2 else "follow_pairs"
    call(name, image, *image.shape[:2], flow, rows, columns, _scratch(16 * columns), found)
    return found


def enlarged(flow: _Flow, factor: int, corner: tuple[float, float]) -> _Flow:
    """`[h, w, 2]` to so many times the sides and as long displacements (x, y), which are counted from `corner`, (x, y)."""
    flow = np.ascontiguousarray(flow, np.float32)
    rows, columns = flow.shape[:2]
    found = np.empty((rows * factor, columns * factor, 2), np.float32)
    call("enlarge_pairs", flow, rows, columns, factor, *corner, _scratch(8 * (columns + 2)), found)
    return found


def steadied(flow: _Flow, current: _Luma, neighbour: _Luma, affine: _Flow, tolerance: float, resting_tolerance: float) -> _Flow:
    """As `flow._steadied`; `affine` is the motion of the picture, `[2, 3]`, as (x, y, 1) give (x, y) of a displacement."""
    _check(current, neighbour, flow)
    found, (height, width) = np.array(flow, np.float32, order="C"), current.shape
    lumas = np.ascontiguousarray(current, np.uint8), np.ascontiguousarray(neighbour, np.uint8)
    scratch = _scratch(11 * current.size + 48 * (width + 64))
    call("steady", *lumas, height, width, affine.astype(np.float32), tolerance, resting_tolerance, scratch, found)
    return found


def darker(luma: _Luma, before: _Luma, flow: _Flow, alike: float, slow_px: float) -> _Luma:
    """The darker of two pictures where they are alike, by so many times their mean difference, and `flow` is slow."""
    _check(luma, before, flow)
    (height, width), found = luma.shape, np.empty(luma.shape, np.uint8)
    given = np.ascontiguousarray(luma, np.uint8), np.ascontiguousarray(before, np.uint8), np.ascontiguousarray(flow, np.float32)
    call("darker", *given, height, width, alike, slow_px, _scratch(3 * luma.size + 8 * (width + 64)), found)
    return found


def _check(one: _Luma, other: _Luma, flow: _Flow) -> None:
    if not one.shape == other.shape == flow.shape[:2]:
        raise ValueError(f"pictures of {one.shape} and {other.shape} and a flow of {flow.shape}")


def _scratch(size: int) -> NDArray[np.uint8]:
    return np.empty(size, np.uint8)
