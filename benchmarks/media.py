"""Clips for the benchmarks."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.types import Colour, PlaneFormat, Planes, Restore
from rmfd_cli.video.codec import recompress
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.ycc import add_change, rgb_change, ycc_of_planes, ycc_of_rgb

FORMAT = PlaneFormat("yuv420p", 8, (1, 1))
COLOUR = Colour("bt601", full_range=False, tag_matrix=2, tag_primaries=2, tag_transfer=2, tag_range=1)


def read_clip(path: Path, frames: int, max_width: int = 640) -> NDArray[np.float32]:
    """The first frames of a video, scaled down to `max_width` where wider: `[T, H, W, 3]` in [0, 1]."""
    clip = []
    with VideoReader(str(path)) as reader:
        for frame in reader:
            height, width = frame.rgb.shape[:2]
            scale = min(1.0, max_width / width)
            size = (round(width * scale), round(height * scale))
            clip.append(cv2.resize(frame.rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255)
            if len(clip) == frames:
                break
    return np.stack(clip)


def stored(frame: NDArray[np.float32]) -> Planes:
    """An RGB frame in [0, 1] as most videos hold it: 8 bits, 4:2:0."""
    seen = ycc_of_rgb(frame)
    return tuple(np.rint(plane).clip(0, 255).astype(np.uint8) for plane in (16 + 219 * seen.luma, *(128 + 224 * seen.chroma)))


def shown(planes: Planes) -> NDArray[np.float32]:
    """The RGB frame in [0, 1] that `stored` planes stand for."""
    return rgb_change(ycc_of_planes(planes, FORMAT, COLOUR)).clip(0, 1)


def coded(clip: NDArray[np.float32], crf: int, rate: int) -> NDArray[np.float32]:
    """An RGB clip `[T, H, W, 3]` in [0, 1] as a camera's coder leaves it: H.264, `rate` frames a second."""
    pictures = np.round(clip.clip(0, 1) * 255).astype(np.uint8)
    return np.stack(list(recompress(pictures, "h264", crf, frame_rate=rate))).astype(np.float32) / 255


def restored_by(restore: Restore, video: Sequence[Planes]) -> NDArray[np.float32]:
    """What a model makes of `stored` frames, on the way that `rmfd derain` goes: `[T, H, W, 3]` in [0, 1]."""
    changes = restore(ycc_of_planes(planes, FORMAT, COLOUR) for planes in video)
    return np.stack([shown(add_change(planes, FORMAT, COLOUR, change)) for planes, change in zip(video, changes, strict=True)])


def restored_rgb(restore: Restore, rainy: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a model makes of an RGB clip `[T, H, W, 3]` in [0, 1], whose change is added to the very numbers; not clipped."""
    frames = np.round(rainy * 255).astype(np.uint8)
    return rainy + np.stack([rgb_change(change) for change in restore(ycc_of_rgb(frame) for frame in frames)])
