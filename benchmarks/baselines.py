"""Derainers without learning, for comparison: temporal medians, plain and aligned by dense optical flow."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Clip = NDArray[np.float32]
"""`[T, H, W, 3]` RGB in [0, 1]."""


def plain_median(clip: Clip, radius: int, frames: Sequence[int] | None = None) -> Clip:
    """Median over 2·radius + 1 frames, pixel by pixel; of the frames asked for, or all."""
    asked = range(len(clip)) if frames is None else frames
    return np.stack([np.median([clip[k] for k in _around(t, radius, len(clip))], axis=0) for t in asked])


def aligned_median(clip: Clip, radius: int, frames: Sequence[int] | None = None) -> Clip:
    """The same after DIS flow at full resolution has brought the neighbours into register."""
    asked = range(len(clip)) if frames is None else frames
    return np.stack([np.median(_aligned(clip, t, radius), axis=0) for t in asked])


def replace_outliers(clip: Clip, median: Clip) -> Clip:
    """The input, except where it is brighter than the median: blended in over 4 to 12 code values, the mask blurred 3×3."""
    restored = []
    for frame, middle in zip(clip, median, strict=True):
        excess = (frame - middle).mean(-1) * 255
        mask = cv2.blur(np.clip((excess - 4) / 8, 0, 1), (3, 3))[..., None]
        restored.append(frame * (1 - mask) + middle * mask)
    return np.stack(restored)


def _around(t: int, radius: int, frames: int) -> list[int]:
    return [min(max(t + k, 0), frames - 1) for k in range(-radius, radius + 1)]


def _aligned(clip: Clip, t: int, radius: int) -> list[NDArray[np.float32]]:
    height, width = clip.shape[1:3]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor((clip[k] * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for k in _around(t, radius, len(clip))]
    frames = []
    for k, luma in zip(_around(t, radius, len(clip)), grey, strict=True):
        if k == t:
            frames.append(clip[t])
            continue
        flow = dis.calc(grey[radius], luma, None)
        frames.append(cv2.remap(clip[k], x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    return frames
