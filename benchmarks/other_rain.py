"""Rain from another generator than the one we train with: layers of noise, blurred along the wind, as image editors make it.

Nothing here is shared with `rmfd_cli.rain`, so that a score on it says something about rain that the network has not seen.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Style:
    """One look of edited-in rain."""

    layers: int
    """Sheets of rain over each other."""
    coverage: float
    """Share of noise pixels that become drops."""
    length_px: tuple[int, int]
    strength: tuple[float, float]
    """Brightness of a sheet."""
    thickness_px: float
    """Gaussian blur across a streak."""
    moving: bool
    """Sheets move down from frame to frame; otherwise every frame has new noise."""
    fog: float
    """Optical depth at the horizon; 0 for none."""


STYLES = {
    "light": Style(2, 0.0015, (10, 22), (0.25, 0.5), 0.4, True, 0.0),
    "heavy": Style(3, 0.0012, (14, 38), (0.4, 0.9), 0.7, False, 0.0),
    "veil": Style(2, 0.002, (10, 26), (0.25, 0.5), 0.5, True, 0.45),
}


def add_rain(clean: NDArray[np.float32], style: Style, seed: int) -> NDArray[np.float32]:
    """Rain over a clip.

    Args:
        clean: `[T, H, W, 3]` in [0, 1].
        style: the look.
        seed: of everything random.

    Returns:
        `[T, H, W, 3]` in [0, 1], rounded to 8 bits.
    """
    rng = np.random.default_rng(seed)
    frames, height, width, _ = clean.shape
    angle = rng.normal(0, 10)
    sheets = [_sheet(style, rng, angle, height, width, frames) for _ in range(style.layers)]
    tint = 1 - 0.06 * rng.random(3)
    rows = np.linspace(1, 0, height)[:, None]
    # Fog thickens towards a horizon a third from the top and stays thick above it.
    fog = np.exp(-style.fog * np.minimum(1.0, 0.35 / np.maximum(1 - rows - 0.3, 0.35)))[None, :, :, None]
    airlight = 0.75 + 0.15 * rng.random()
    rainy = fog * clean + (1 - fog) * airlight * tint
    for sheet in sheets:
        light = sheet[..., None] * tint
        rainy = 1 - (1 - rainy) * (1 - light)
    return (np.round(rainy.clip(0, 1) * 255) / 255).astype(np.float32)


def _sheet(style: Style, rng: np.random.Generator, angle: float, height: int, width: int, frames: int) -> NDArray[np.float64]:
    length = int(rng.integers(*style.length_px))
    strength = rng.uniform(*style.strength)
    kernel = _line(length, angle + rng.normal(0, 2))
    margin = 2 * length

    def noise(rows: int) -> NDArray[np.float64]:
        drops = (rng.random((rows, width + 2 * margin)) < style.coverage) * rng.uniform(0.3, 1.0, (rows, width + 2 * margin))
        streaks = cv2.filter2D(drops, -1, kernel, borderType=cv2.BORDER_WRAP)
        streaks = cv2.GaussianBlur(streaks, (0, 0), style.thickness_px)
        return (streaks / max(np.percentile(streaks, 99.7), 1e-6)).clip(0, 1) * strength

    if not style.moving:
        return np.stack([noise(height + 2 * margin)[margin:-margin, margin:-margin] for _ in range(frames)])
    tall = noise(height + 2 * margin)
    step = int(length * rng.uniform(1.5, 3.5))
    drift = np.tan(np.deg2rad(angle))
    rolled = [np.roll(tall, (t * step, int(t * step * drift)), (0, 1)) for t in range(frames)]
    return np.stack([sheet[margin:-margin, margin:-margin] for sheet in rolled])


def _line(length: int, angle_degrees: float) -> NDArray[np.float64]:
    """A motion-blur kernel: a line through the centre, `angle_degrees` from the vertical."""
    size = length | 1
    kernel = np.zeros((size, size))
    centre = size / 2 - 0.5
    reach = np.array([np.sin(np.deg2rad(angle_degrees)), np.cos(np.deg2rad(angle_degrees))]) * length / 2
    start, end = centre - reach, centre + reach
    cv2.line(
        kernel,
        tuple(np.round(start).astype(int).tolist()),
        tuple(np.round(end).astype(int).tolist()),
        1.0,
        1,
        cv2.LINE_AA,
    )
    return kernel / kernel.sum()
