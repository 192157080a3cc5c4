"""Clips for the benchmarks."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.types import Restore
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.ycc import rgb_change, ycc_of_rgb


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


def restored_by(restore: Restore, rainy: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a model makes of a clip `[T, H, W, 3]` in [0, 1], whose frames it gets in 8 bits; not clipped."""
    frames = np.round(rainy * 255).astype(np.uint8)
    return rainy + np.stack([rgb_change(change) for change in restore(ycc_of_rgb(frame) for frame in frames)])
