"""Where one scene ends and another begins."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

MIN_CHANGE = 0.12
"""Mean absolute change of luma, of 1, below which frames belong together however their histograms differ."""
MIN_HISTOGRAM_CHANGE = 0.35
"""χ² distance of the luma histograms below which a change is motion, not a cut."""
_BINS = 32
_GRID_PX = (32, 24)


def is_cut(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Whether a cut lies between two adjacent frames.

    Args:
        before: `[H, W]` luma of a frame.
        after: luma of the next.
    """
    if before.shape != after.shape:
        return True
    small_before, small_after = (
        cv2.resize(luma, _GRID_PX, interpolation=cv2.INTER_AREA).astype(np.float32) / 255 for luma in (before, after)
    )
    if float(np.abs(small_before - small_after).mean()) < MIN_CHANGE:
        return False
    return _chi_squared(_histogram(small_before), _histogram(small_after)) > MIN_HISTOGRAM_CHANGE


def _histogram(luma: NDArray[Any]) -> NDArray[Any]:
    counts, _ = np.histogram(luma, bins=_BINS, range=(0.0, 1.0))
    return counts / luma.size


def _chi_squared(p: NDArray[Any], q: NDArray[Any]) -> float:
    """Between 0, the same, and 1, no value in common."""
    total = p + q
    return float(0.5 * (np.square(p - q)[total > 0] / total[total > 0]).sum())
