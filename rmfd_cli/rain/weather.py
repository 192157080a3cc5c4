"""What the weather is over one clip: every number that the renderer needs, fixed before the first frame.

`sample_weather` draws the mixture that training sees; `presets` has the weathers with names.
"""

import dataclasses

import numpy as np
import torch

from rmfd_cli.rain.elements import (
    CLEAR,
    DRY,
    PERFECT_CAMERA,
    Camera,
    Lens,
    NoiseLayer,
    Particles,
    Splashes,
    StreakLayer,
    Veil,
    View,
    Weather,
)
from rmfd_cli.rain.light import to_light
from rmfd_cli.rain.styles import (
    log_uniform,
    sample_camera,
    sample_graded_layers,
    sample_noise_layers,
    sample_streak_layers,
    sample_thick_layers,
    sample_veil,
    tinted,
)

__all__ = [
    "CLEAR",
    "DRY",
    "PERFECT_CAMERA",
    "Camera",
    "Lens",
    "NoiseLayer",
    "Particles",
    "Splashes",
    "StreakLayer",
    "Veil",
    "View",
    "Weather",
    "lit_by",
    "sample_edited",
    "sample_particles",
    "sample_weather",
]


NO_RAIN, THICK, PAINTED = 0.12, 0.10, 0.42
"""Shares of clips without rain, with thick occluding streaks, and with the other styles; the rest are drops in metres."""


def sample_weather(rng: np.random.Generator) -> Weather:
    """One clip's weather at random: from clear air over drizzle in mist to thick occluding streaks.

    Args:
        rng: the source of all randomness; the same state gives the same weather.
    """
    kind, camera, veil = rng.random(), sample_camera(rng), sample_veil(rng)
    if kind >= NO_RAIN + THICK + PAINTED:
        return _sample_physical(rng, veil, camera)
    layers: tuple[StreakLayer, ...] = ()
    noise: tuple[NoiseLayer, ...] = ()
    if NO_RAIN <= kind < NO_RAIN + THICK:
        layers = sample_thick_layers(rng)
    elif kind >= NO_RAIN + THICK:
        if rng.random() < 0.3:
            noise = sample_noise_layers(rng)
        else:
            layers = sample_streak_layers(rng)
    return _painted(rng, layers, noise, veil, camera)


def sample_edited(rng: np.random.Generator) -> Weather:
    """Rain as it is edited into a clip, of every painted style, in clear air; it is not photographed or coded after that."""
    kind = rng.random()
    layers: tuple[StreakLayer, ...] = ()
    noise: tuple[NoiseLayer, ...] = ()
    if kind < 0.3:
        layers = sample_graded_layers(rng)
    elif kind < 0.68:
        layers = sample_streak_layers(rng)
    elif kind < 0.88:
        noise = sample_noise_layers(rng)
    else:
        layers = sample_thick_layers(rng)
    return _painted(rng, layers, noise, CLEAR, PERFECT_CAMERA)


def _painted(
    rng: np.random.Generator, layers: tuple[StreakLayer, ...], noise: tuple[NoiseLayer, ...], veil: Veil, camera: Camera
) -> Weather:
    return Weather(
        layers=layers,
        veil=veil,
        drop_gain=float(rng.uniform(0.2, 1.0)),
        drop_glow=tinted(rng, rng.uniform(0.3, 0.95), 0.05),
        gust_degrees=float(abs(rng.normal(0, 3))) if rng.random() < 0.5 else 0.0,
        camera=camera,
        noise=noise,
    )


def lit_by(weather: Weather, brightest: float) -> Weather:
    """The same weather over a scene that may be darker than daylight: neither veil nor drops outshine what lights them.

    Args:
        weather: as drawn, for daylight unless it is the night's.
        brightest: value of the brightest part of the scene, display-referred, in [0, 1].
    """

    def dimmed(colour: tuple[float, float, float], limit: float) -> tuple[float, float, float]:
        factor = min(1.0, limit / max(*colour, 1e-6))
        return (colour[0] * factor, colour[1] * factor, colour[2] * factor)

    most = float(to_light(torch.tensor(brightest), weather.light))
    veil = dataclasses.replace(weather.veil, airlight=dimmed(weather.veil.airlight, brightest))
    return dataclasses.replace(weather, veil=veil, drop_glow=dimmed(weather.drop_glow, most))


def sample_particles(rng: np.random.Generator) -> Particles:
    """Rain of any rate, exposure and wind; the opacity is exaggerated on 60 % of clips, as published sets do."""
    driving = rng.random() < 0.3
    return Particles(
        rain_rate_mm_h=log_uniform(rng, 1, 150),
        exposure_s=log_uniform(rng, 1 / 1000, 1 / 30),
        wind_right_m_s=float(rng.normal(0, 2.0)),
        wind_towards_m_s=float(rng.uniform(2, 15)) if driving else float(rng.normal(0, 1.0)),
        gust_m_s=float(rng.uniform(0, 1.5)),
        turbulence_m_s=float(rng.uniform(0.05, 0.5)),
        opacity_gain=log_uniform(rng, 1, 12) if rng.random() < 0.6 else 1.0,
        ripple=float(rng.uniform(0, 0.4)) if rng.random() < 0.5 else 0.0,
    )


def _sample_physical(rng: np.random.Generator, veil: Veil, camera: Camera) -> Weather:
    # A veil is estimated and inverted in display light, so that linear light is for clips without one.
    clear = veil.optical_depth == 0
    return Weather(
        layers=(),
        veil=veil,
        drop_gain=float(rng.uniform(0.8, 1.6)),
        drop_glow=tinted(rng, rng.uniform(0.0, 0.5), 0.08),
        gust_degrees=0.0,
        camera=camera,
        particles=sample_particles(rng),
        splashes=Splashes(float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.2, 0.7))) if rng.random() < 0.1 else None,
        view=View(
            field_of_view_degrees=log_uniform(rng, 10, 65),
            height_m=float(rng.uniform(1, 5)),
            horizon=float(rng.uniform(0.25, 0.6)),
            focus_m=log_uniform(rng, 3, 15),
            aperture_mm=log_uniform(rng, 0.5, 3),
        ),
        light="linear" if clear and rng.random() < 0.8 else "display",
        sky_bias=float(rng.uniform(0.4, 1.0)),
    )
