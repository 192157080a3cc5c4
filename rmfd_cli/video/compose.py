"""What is written of a frame: its own samples with the change added, and input and output in one picture."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from rmfd_cli.options import Compare
from rmfd_cli.types import Frame, PlaneFormat, Planes, Rgb, VideoInfo, Ycc
from rmfd_cli.video.colour import plane_array, to_planar, upright
from rmfd_cli.video.ycc import add_change, rgb_change, turned

_LINE_SHARE = 320

Compose: TypeAlias = Callable[[Frame, Ycc], Planes]
"""From a frame and the upright change of the model to what the writer takes."""


def as_stored(info: VideoInfo, strength: float, compare: Compare | None) -> Compose:
    """For videos into videos: the change is added to the frame's own planes, in their stored orientation."""

    def compose(frame: Frame, change: Ycc) -> Planes:
        planes = frame.planes
        if strength:
            planes = add_change(planes, info.format, info.colour, turned(change, -info.rotation_degrees), strength)
        return compare_planes(frame.planes, planes, info, compare) if compare else planes

    return compose


def as_rgb(info: VideoInfo, strength: float, compare: Compare | None, bits: int) -> Compose:
    """For pictures: the change is added to the upright RGB image; samples of the same depth without a change are kept.

    Args:
        info: The source.
        strength: Factor on the change.
        compare: As in `compare_planes`.
        bits: Depth of the result, 8 or 16.
    """
    shown = replace(info, format=PlaneFormat("rgb", bits, (0, 0)), colour=replace(info.colour, full_range=True))
    shown = replace(shown, rotation_degrees=0, is_mirrored=False)

    def compose(frame: Frame, change: Ycc) -> Planes:
        rgb = upright(frame.rgb, info)
        difference = rgb_change(change, info.colour.matrix) * np.float32(strength)
        # The model is shown pictures turned, and not mirrored: rain has no left and right.
        planes = (changed_rgb(rgb, difference[:, ::-1] if info.is_mirrored else difference, bits),)
        size = replace(shown, width_px=rgb.shape[1], height_px=rgb.shape[0])
        return compare_planes((changed_rgb(rgb, np.float32(0), bits),), planes, size, compare) if compare else planes

    return compose


def changed_rgb(rgb: Rgb, change: NDArray[np.float32] | np.float32, bits: int) -> Rgb:
    """A picture with a change added, rounded to 8 or 16 bits.

    Args:
        rgb: uint8 or uint16.
        change: as of `ycc.rgb_change`.
        bits: of the result.
    """
    top = (1 << bits) - 1
    levels = rgb.astype(np.float32) * np.float32(top / np.iinfo(rgb.dtype).max) + change * np.float32(top)
    return np.asarray(np.rint(np.clip(levels, 0, top)), np.uint8 if bits == 8 else np.uint16)


def as_video(info: VideoInfo, compose: Compose) -> Compose:
    """For pictures into videos: the RGB image that `compose` gives in the planes of `info`."""
    reformatter = VideoReformatter()

    def convert(frame: Frame, change: Ycc) -> Planes:
        (rgb,) = compose(frame, change)
        if info.format.name.startswith("gbrp"):
            return tuple(np.ascontiguousarray(rgb[..., channel]) for channel in (1, 2, 0))
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24" if rgb.itemsize == 1 else "rgb48le")
        planar = to_planar(picture, info.format.name, info.colour, reformatter)
        return tuple(np.array(plane_array(planar, index)) for index in range(len(planar.planes)))

    return convert


def composed_size(info: VideoInfo, compare: Compare | None) -> tuple[int, int]:
    """(width, height) of what `as_stored` gives."""
    if compare != "side":
        return info.width_px, info.height_px
    if info.rotation_degrees in (90, 270):
        return info.width_px, 2 * info.height_px
    return 2 * info.width_px, info.height_px


def compare_planes(before: Planes, after: Planes, info: VideoInfo, compare: Compare) -> Planes:
    """One picture out of two: left input, right output, as seen when shown upright.

    Args:
        before: The source's planes.
        after: The restored planes, same shapes.
        info: For format, range and rotation.
        compare: `side` doubles the width; `split` shows the left half of one and the right half of the other, with a
            white line between them.

    Returns:
        Planes in stored orientation.
    """
    turns = info.rotation_degrees // 90
    mirror = slice(None, None, -1) if info.is_mirrored else slice(None)
    shift_x = info.format.chroma_shift[turns % 2]
    width = info.height_px if turns % 2 else info.width_px
    white = _white(info.format, info.colour.full_range)
    composed = []
    for index, (first, second) in enumerate(zip(before, after, strict=True)):
        left, right = upright(first, info), upright(second, info)
        shift = shift_x if index else 0
        if compare == "side":
            # Two odd widths have one chroma column less than twice one of them has.
            columns = -(-2 * width >> shift)
            picture = np.concatenate([left[:, : columns - right.shape[1]], right], axis=1)
        else:
            middle = (width // 2) >> shift
            thickness = max(2, width // _LINE_SHARE // 2 * 2) >> shift
            picture = right.copy()
            picture[:, :middle] = left[:, :middle]
            picture[:, middle : middle + max(1, thickness)] = white[min(index, 1)]
        composed.append(np.ascontiguousarray(np.rot90(picture[:, mirror], -turns)))
    return tuple(composed)


def _white(plane_format: PlaneFormat, full_range: bool) -> tuple[Any, int]:
    scale: int = 1 << (plane_format.bits - 8)
    return ((1 << plane_format.bits) - 1 if full_range else 235 * scale), 128 * scale
