"""Clips for the benchmarks."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.video.reader import VideoReader


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
