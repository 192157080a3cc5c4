"""What the weather is over one clip: every number that the renderer needs, sampled from a random generator.

Lengths are in pixels of the rendered frame and times in frames, so that a `Weather` fits any clip; the ranges come from the
imaging geometry of rain (a 2 mm drop at 2 m, seen by a 56° lens of 640 px, leaves a streak 0.6 px wide and 2 to 65 px long
for exposures of 1 to 33 ms) and from how published data sets exaggerate it.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Motion = Literal["falling", "scattered"]
"""falling: the same drops move on from frame to frame. scattered: each frame draws its own, as image editors do."""


@dataclass(frozen=True)
class StreakLayer:
    """Drops at about one distance from the camera."""

    motion: Motion
    density: float
    """Streaks per pixel of the frame."""
    length_px: float
    """Median streak length, the way a drop moves during the exposure."""
    length_spread: float
    """Standard deviation of the logarithm of the length from drop to drop."""
    width_px: float
    """Standard deviation of a streak's cross-section; 0 is as thin as the pixel grid allows."""
    angle_degrees: float
    """Mean direction from the vertical, positive to the right."""
    angle_spread_degrees: float
    step: float
    """Way from frame to frame in streak lengths: one over the exposure's share of the frame interval."""
    opacity: float
    """Median opacity at a streak's centre line, in [0, 1]."""
    opacity_spread: float
    """Standard deviation of the logarithm of the opacity."""
    taper: float
    """Share of the length over which a streak fades in and out, in [0, 1]."""
    ripple: float
    """Amplitude of the brightness oscillation along a streak, in [0, 1]."""
    additive: bool
    """True: light is added (streak layer S). False: the drop covers the background (occlusion α, colour L)."""


@dataclass(frozen=True)
class Veil:
    """Rain accumulation and its flow."""

    optical_depth: float
    """Mean of −ln T over the frame; 0 is clear air."""
    relief: float
    """How far optical depth follows scene depth, in [0, 1]; 0 is the same everywhere."""
    airlight: tuple[float, float, float]
    """Colour of the veil, RGB in [0, 1]."""
    flow: float
    """Amplitude of the accumulation flow U relative to the airlight."""


@dataclass(frozen=True)
class Camera:
    """What the camera does to the picture after the rain."""

    read_noise: float
    """Standard deviation, in units of [0, 1]."""
    shot_noise: float
    """Noise variance per unit of brightness."""
    sharpen: float
    """Strength of an unsharp mask; negative blurs."""
    jpeg_quality: int
    """IJG quality of block compression; 100 leaves the picture alone."""


@dataclass(frozen=True)
class Weather:
    """Everything that is sampled once per clip."""

    layers: tuple[StreakLayer, ...]
    veil: Veil
    drop_gain: float
    """How much of the blurred scene's light a drop shows."""
    drop_glow: tuple[float, float, float]
    """Light that a drop shows besides, RGB in [0, 1]: the bright sky it refracts."""
    gust_degrees: float
    """How far the rain's direction swings during the clip."""
    camera: Camera


CLEAR = Veil(optical_depth=0.0, relief=0.0, airlight=(0.8, 0.8, 0.8), flow=0.0)
PERFECT_CAMERA = Camera(read_noise=0.0, shot_noise=0.0, sharpen=0.0, jpeg_quality=100)
DRY = Weather(layers=(), veil=CLEAR, drop_gain=1.0, drop_glow=(0.0, 0.0, 0.0), gust_degrees=0.0, camera=PERFECT_CAMERA)
"""No rain at all: rendering it gives the clean clip back."""


def sample_weather(rng: np.random.Generator) -> Weather:
    """One clip's weather at random: from clear air over drizzle in mist to thick occluding streaks.

    Args:
        rng: the source of all randomness; the same state gives the same weather.
    """
    return Weather(
        layers=_sample_layers(rng),
        veil=_sample_veil(rng),
        drop_gain=float(rng.uniform(0.2, 1.0)),
        drop_glow=_tinted(rng, rng.uniform(0.3, 0.95), 0.05),
        gust_degrees=float(abs(rng.normal(0, 3))) if rng.random() < 0.5 else 0.0,
        camera=_sample_camera(rng),
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _tinted(rng: np.random.Generator, level: float, tint: float) -> tuple[float, float, float]:
    red, green, blue = np.clip(level * (1 + rng.uniform(-tint, tint, 3)), 0, 1)
    return float(red), float(green), float(blue)


def _sample_layers(rng: np.random.Generator) -> tuple[StreakLayer, ...]:
    if rng.random() < 0.07:
        return ()
    angle = float(rng.normal(0, 12))
    motion: Motion = "falling" if rng.random() < 0.65 else "scattered"
    # Layers of one shower share wind and exposure; distance scales length and width together.
    length = _log_uniform(rng, 6, 70)
    step = _log_uniform(rng, 1.0, 12)
    heavy = _log_uniform(rng, 0.1, 4.0)
    additive = bool(rng.random() < 0.35)
    layers = []
    for near in sorted(rng.uniform(0, 1, rng.integers(1, 4))):
        scale = 0.4 + 1.4 * near
        thick = bool(rng.random() < 0.08)
        width = float(rng.uniform(0.8, 2.5)) if thick else float(max(0.0, rng.uniform(-0.5, 0.25) + 0.5 * near))
        streak_length = float(np.clip(length * scale, 2.0, 90))
        # Coverage (density × length × width) stays bounded, or nothing of the scene is left to learn from.
        density = min(_log_uniform(rng, 4e-4, 1e-2) * heavy, 0.35 / (streak_length * (1 + 2.5 * width)))
        layers.append(
            StreakLayer(
                motion=motion,
                density=density,
                length_px=streak_length,
                length_spread=float(rng.uniform(0.05, 0.6)),
                width_px=width,
                angle_degrees=angle + float(rng.normal(0, 1.5)),
                angle_spread_degrees=_log_uniform(rng, 0.2, 6),
                step=step,
                opacity=float(rng.uniform(0.5, 0.95)) if thick else _log_uniform(rng, 0.06, 0.8),
                opacity_spread=float(rng.uniform(0.1, 0.8)),
                taper=float(rng.uniform(0, 1)),
                ripple=float(rng.uniform(0, 0.5)) if rng.random() < 0.3 else 0.0,
                additive=additive and not thick,
            )
        )
    if rng.random() < 0.12:
        layers.append(_sparkle(rng, angle))
    if rng.random() < 0.12:
        layers.append(_defocused(rng, angle, motion))
    return tuple(layers)


def _sparkle(rng: np.random.Generator, angle: float) -> StreakLayer:
    """Short bright points, as drops that catch the light and as the noise of synthetic sets."""
    return StreakLayer(
        motion="scattered",
        density=_log_uniform(rng, 3e-4, 8e-3),
        length_px=float(rng.uniform(1, 3.5)),
        length_spread=0.3,
        width_px=float(rng.uniform(0, 0.8)),
        angle_degrees=angle,
        angle_spread_degrees=20.0,
        step=3.0,
        opacity=_log_uniform(rng, 0.1, 0.8),
        opacity_spread=0.5,
        taper=0.0,
        ripple=0.0,
        additive=bool(rng.random() < 0.5),
    )


def _defocused(rng: np.random.Generator, angle: float, motion: Motion) -> StreakLayer:
    """A few drops close to the lens: wide, faint, fast."""
    return StreakLayer(
        motion=motion,
        density=_log_uniform(rng, 2e-5, 3e-4),
        length_px=_log_uniform(rng, 30, 120),
        length_spread=0.4,
        width_px=float(rng.uniform(2.0, 6.0)),
        angle_degrees=angle,
        angle_spread_degrees=3.0,
        step=_log_uniform(rng, 1.0, 4),
        opacity=_log_uniform(rng, 0.06, 0.4),
        opacity_spread=0.4,
        taper=float(rng.uniform(0, 1)),
        ripple=0.0,
        additive=False,
    )


def _sample_veil(rng: np.random.Generator) -> Veil:
    airlight = _tinted(rng, rng.uniform(0.5, 0.98), 0.06)
    if rng.random() < 0.55:
        return Veil(optical_depth=0.0, relief=0.0, airlight=airlight, flow=0.0)
    return Veil(
        optical_depth=_log_uniform(rng, 0.04, 1.4),
        relief=float(rng.uniform(0, 1)),
        airlight=airlight,
        flow=float(rng.uniform(0, 0.04)) if rng.random() < 0.5 else 0.0,
    )


def _sample_camera(rng: np.random.Generator) -> Camera:
    return Camera(
        read_noise=_log_uniform(rng, 1e-3, 1.2e-2) if rng.random() < 0.5 else 0.0,
        shot_noise=_log_uniform(rng, 1e-5, 4e-4) if rng.random() < 0.5 else 0.0,
        sharpen=float(rng.uniform(-0.4, 0.8)) if rng.random() < 0.4 else 0.0,
        jpeg_quality=int(rng.integers(45, 97)) if rng.random() < 0.4 else 100,
    )
