"""What the network sees of a frame, and its change back onto the frame.

What the network gives is never turned back into a picture. Its change is added to the source's own planes, so a pixel that is
not changed keeps its code values bit for bit, and a wrong guess of the matrix cancels.
"""

import ctypes
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli import compiled
from rmfd_cli.types import Colour, Frame, Matrix, PlaneFormat, Planes, Rgb, VideoInfo, Ycc
from rmfd_cli.video.colour import LUMA_WEIGHTS

_HALF = (1, 1)
"""log2 of the subsampling that the network has its chroma in."""


def seen(frame: Frame, info: VideoInfo) -> Ycc:
    """A frame of a video, or a picture, upright, as the network sees it."""
    if not frame.planes:
        return ycc_of_rgb(frame.rgb)
    return turned(ycc_of_planes(frame.planes, info.format, info.colour), info.rotation_degrees)


def ycc_of_planes(planes: Planes, plane_format: PlaneFormat, colour: Colour) -> Ycc:
    """A frame as the network sees it, code values outside the legal range clipped.

    Chroma that is finer than the network's is averaged; where it is coarser, it is repeated. The frame's matrix stays in force.

    Args:
        planes: (Y, Cb, Cr) or (Y,), uint8 or uint16 by `plane_format.bits`.
        plane_format: Their layout.
        colour: Their range.
    """
    bits, (luma_span, chroma_span) = plane_format.bits, code_spans(plane_format.bits, colour.full_range)
    black, middle = (0 if colour.full_range else 16 << (bits - 8)), 128 << (bits - 8)
    size = planes[0].shape[0], planes[0].shape[1]
    if len(planes) == 1:
        chroma = np.zeros((2, -(-size[0] // 2), -(-size[1] // 2)), np.float32)
    else:
        scaled = [_scaled(plane, middle, chroma_span) for plane in planes[1:]]
        chroma = np.stack([resampled(plane, plane_format.chroma_shift, _HALF, size) for plane in scaled])
        np.clip(chroma, -0.5, 0.5, out=chroma)
    return Ycc(_scaled(planes[0], black, luma_span, (black, round(black + luma_span))), chroma)


def add_change(planes: Planes, plane_format: PlaneFormat, colour: Colour, change: Ycc, strength: float = 1.0) -> Planes:
    """Add a change to the planes that `ycc_of_planes` was made of.

    It is added to the original code values, rounded and clipped: to what the depth can store, and in limited range to the legal
    codes, except where the original lies outside them already, which is then as far out as the result may be.

    Args:
        planes: As of `ycc_of_planes`; left as they are.
        plane_format: Likewise.
        colour: Likewise.
        change: Restored minus input, of the same size and orientation.
        strength: Factor on it.

    Returns:
        New planes of the same shapes and dtypes, bit-identical wherever the change is 0.
    """
    bits, full = plane_format.bits, colour.full_range
    luma_span, chroma_span = code_spans(bits, full)
    changed = [_add_codes(planes[0], change.luma, strength * luma_span, bits, None if full else (16, 235))]
    size = change.luma.shape[0], change.luma.shape[1]
    for plane, part in zip(planes[1:], change.chroma, strict=False):
        finer = resampled(part, _HALF, plane_format.chroma_shift, size)
        changed.append(_add_codes(plane, finer, strength * chroma_span, bits, None if full else (16, 240)))
    return tuple(changed)


def ycc_of_rgb(rgb: Rgb, matrix: Matrix = "bt601") -> Ycc:
    """An RGB picture, uint8, uint16 or float32 in [0, 1], as the network sees it."""
    image = rgb if rgb.dtype == np.float32 else rgb.astype(np.float32) * np.float32(1 / np.iinfo(rgb.dtype).max)
    planes: list[Any] = list(cv2.split(cv2.transform(np.ascontiguousarray(image), _matrix(matrix))))
    size = rgb.shape[0], rgb.shape[1]
    return Ycc(planes[0], np.stack([resampled(plane, (0, 0), _HALF, size) for plane in planes[1:]]))


def rgb_change(change: Ycc, matrix: Matrix = "bt601") -> NDArray[np.float32]:
    """A change as one of RGB, `[H, W, 3]`, in units where white is 1."""
    size = change.luma.shape[0], change.luma.shape[1]
    chroma = (resampled(plane, _HALF, (0, 0), size) for plane in change.chroma)
    return np.asarray(cv2.transform(cv2.merge([change.luma, *chroma]), np.linalg.inv(_matrix(matrix))), np.float32)


def turned(image: Ycc, rotation_degrees: int) -> Ycc:
    """Turned counter-clockwise by a multiple of 90 degrees: what is stored as it is shown, or by minus as much, back again."""
    turns = rotation_degrees // 90
    if turns % 4 == 0:
        return image
    luma, chroma = np.rot90(image.luma, turns), np.rot90(image.chroma, turns, axes=(1, 2))
    return Ycc(np.ascontiguousarray(luma), np.ascontiguousarray(chroma))


def code_spans(bits: int, full_range: bool) -> tuple[float, float]:
    """How many codes lie between black and white, and between the extremes of Cb and Cr."""
    if full_range:
        return 2.0**bits - 1, 2.0**bits - 1
    return 219.0 * 2 ** (bits - 8), 224.0 * 2 ** (bits - 8)


def resampled(
    plane: NDArray[np.float32], shift: tuple[int, int], wanted: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.float32]:
    """A plane of a frame of `size` (height, width) at another subsampling; shifts are log2 of (horizontal, vertical) steps.

    Finer samples are averaged, at odd edges those that exist; between coarser ones is interpolated linearly.
    """
    if shift == wanted:
        return plane
    finest = min(shift[0], wanted[0]), min(shift[1], wanted[1])
    if finest != shift:
        factors = (1 << (shift[0] - finest[0]), 1 << (shift[1] - finest[1]))
        larger = (plane.shape[1] * factors[0], plane.shape[0] * factors[1])
        plane = np.asarray(cv2.resize(plane, larger, interpolation=cv2.INTER_LINEAR), np.float32)
        plane = plane[: -(-size[0] // (1 << finest[1])), : -(-size[1] // (1 << finest[0]))]
    return _box_average(plane, (wanted[0] - finest[0], wanted[1] - finest[1]))


def _scaled(
    plane: NDArray[Any], zero: int, span: float, legal: tuple[int, int] = (0, np.iinfo(np.uint16).max)
) -> NDArray[np.float32]:
    """Numbers of code values, which are clipped to the legal ones first."""
    scale, offset = np.float32(1 / span), np.float32(zero / span)
    if compiled.is_there():
        scaled = np.empty(plane.shape, np.float32)
        codes = np.ascontiguousarray(plane)
        compiled.call(f"to_numbers_{8 * codes.itemsize}", codes, _count(codes), *legal, float(scale), float(offset), scaled)
        return scaled
    # Codes of 8 bits are all below the highest of 16.
    clipped = np.clip(plane, legal[0], min(legal[1], np.iinfo(plane.dtype).max))
    return np.asarray(np.multiply(clipped, scale, dtype=np.float32) - offset, np.float32)


def _matrix(matrix: Matrix) -> NDArray[np.float64]:
    """From RGB to Y, Cb, Cr."""
    red, blue = LUMA_WEIGHTS[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    return np.stack([luma, (np.eye(3)[2] - luma) / (2 * (1 - blue)), (np.eye(3)[0] - luma) / (2 * (1 - red))])


def _box_average(plane: NDArray[np.float32], shift: tuple[int, int]) -> NDArray[np.float32]:
    """The mean over steps of 2^shift pixels; at odd edges over those that exist."""
    step_x, step_y = 1 << shift[0], 1 << shift[1]
    if step_x == step_y == 1:
        return plane
    height, width = plane.shape
    columns, rows = -(-width // step_x), -(-height // step_y)
    pad_y, pad_x = rows * step_y - height, columns * step_x - width
    padded = cv2.copyMakeBorder(plane, 0, pad_y, 0, pad_x, cv2.BORDER_CONSTANT, value=0) if pad_y or pad_x else plane
    mean = np.asarray(cv2.resize(padded, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)
    # Each padded cell holds the sum over the real pixels divided by the full cell: scale up by the missing share.
    mean[-1] *= step_y / (step_y - pad_y)
    mean[:, -1] *= step_x / (step_x - pad_x)
    return mean


def _add_codes(
    plane: NDArray[Any], change: NDArray[np.float32], codes: float, bits: int, legal_8_bit: tuple[int, int] | None
) -> NDArray[Any]:
    """`plane + change * codes`, rounded, within the storable codes and, if given, the legal ones or the original's own."""
    if plane.shape != change.shape:
        raise ValueError(f"a plane of {plane.shape} and a change of {change.shape}")
    highest = 2**bits - 1
    low, high = (0, highest) if legal_8_bit is None else (code << (bits - 8) for code in legal_8_bit)
    if compiled.is_there():
        plane, change = np.ascontiguousarray(plane), np.ascontiguousarray(change, np.float32)
        found = np.empty_like(plane)
        limits = low, high, highest
        compiled.call(f"add_change_{8 * plane.itemsize}", plane, change, _count(plane), float(codes), *limits, found)
        return found
    rounded = np.rint(np.clip(change * np.float32(codes), -65535, 65535))
    summed = cv2.add(plane, rounded, dtype=cv2.CV_8U if bits == 8 else cv2.CV_16U)
    # Between two numbers numpy clips ten times as fast as it takes the minimum or maximum of one.
    least, most = np.clip(plane, 0, low), np.clip(plane, high, highest)
    return np.asarray(np.minimum(np.maximum(summed, least), most))


def _count(plane: NDArray[Any]) -> ctypes.c_ssize_t:
    return ctypes.c_ssize_t(plane.size)
