"""Scenes with detail at several sizes, and streaks over them."""

import cv2
import numpy as np
from numpy.typing import NDArray


def texture(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """Smooth random luma in [0, 1] with detail at several sizes, `[height, width]`."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.random((height // px + 2, width // px + 2), np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        for px in (4, 9, 23)
    ]
    return np.asarray((sum(layers) - 0.9) / 1.5, np.float32).clip(0.05, 0.95)


def rained_on(luma: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Bright upright streaks over a frame."""
    rng = np.random.default_rng(seed)
    streaks = np.zeros_like(luma)
    for _ in range(luma.size // 1200):
        x, y = int(rng.integers(luma.shape[1])), int(rng.integers(-20, luma.shape[0]))
        cv2.line(streaks, (x, y), (x + 2, y + 30), float(rng.uniform(0.3, 0.6)), 3)
    return np.clip(luma + streaks, 0, 1)
