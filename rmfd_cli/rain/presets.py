"""Weathers with names.

Classes of rain by rate: light to 2.5 mm/h, moderate to 7.6, heavy above (Glossary of Meteorology of the American Meteorological
Society, "rain"); violent above 50 mm/h (UK Met Office, showers; the US National Weather Service draws the same line). Drizzle
has rates below 1 mm/h, and is told from rain by its mist.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np

from rmfd_cli.errors import UsageError
from rmfd_cli.rain import microphysics
from rmfd_cli.rain.elements import Camera, Coder, Lens, Particles, Splashes, Veil, View
from rmfd_cli.rain.styles import log_uniform, tinted
from rmfd_cli.rain.weather import Weather, sample_edited, sample_weather

LONGEST_EXPOSURE_S = 0.1
"""Video has no longer ones; streaks would be so faint that they are not drawn."""
_TRIES = 1000


def preset(
    name: str,
    rng: np.random.Generator,
    *,
    rain_rate_mm_h: float | None = None,
    visibility_m: float | None = None,
    wind_m_s: float | None = None,
    exposure_s: float | None = None,
) -> Weather:
    """A weather of that name.

    Args:
        name: one of `PRESETS`.
        rng: the source of all randomness; the same state gives the same weather.
        rain_rate_mm_h: rain rate in place of the preset's own; the veil follows it unless visibility is given too, except in
            `drizzle-veil` and `random`, which have a veil of their own.
        visibility_m: how far one sees, after Koschmieder.
        wind_m_s: steady wind from left to right.
        exposure_s: time that the shutter is open for.

    Raises:
        UsageError: there is no such preset, it has nothing of what is to be changed, or a number is out of its range.
    """
    if name not in PRESETS:
        raise UsageError(f"no preset is called {name!r}; there are {', '.join(PRESETS)}")
    if rain_rate_mm_h is not None and not 0 <= rain_rate_mm_h <= 500:
        raise UsageError(f"the rain rate is {rain_rate_mm_h:g} mm/h; it goes from 0 to 500")
    if visibility_m is not None and not 0 < visibility_m < math.inf:
        raise UsageError(f"the visibility is {visibility_m:g} m; it has to be positive and finite")
    if wind_m_s is not None and not abs(wind_m_s) <= 60:
        raise UsageError(f"the wind is {wind_m_s:g} m/s; it goes from -60 to 60")
    if exposure_s is not None and not 0 < exposure_s <= LONGEST_EXPOSURE_S:
        raise UsageError(f"the exposure is {exposure_s:g} s; it goes from above 0 to {LONGEST_EXPOSURE_S:g}")
    weather = PRESETS[name](rng)
    if rain_rate_mm_h is not None or wind_m_s is not None or exposure_s is not None:
        # Painted rain has no metres and seconds to change.
        for _ in range(_TRIES):
            if weather.particles is not None:
                break
            weather = PRESETS[name](rng)
        else:
            raise UsageError(f"the preset {name!r} is painted rain: it has no rain rate, wind or exposure to change")
    particles, veil = weather.particles, weather.veil
    follows = particles is not None and veil.extinction_per_m == microphysics.extinction_per_m(particles.rain_rate_mm_h)
    if particles is not None:
        changes = {"rain_rate_mm_h": rain_rate_mm_h, "wind_right_m_s": wind_m_s, "exposure_s": exposure_s}
        particles = dataclasses.replace(particles, **{k: float(v) for k, v in changes.items() if v is not None})
    if visibility_m is not None:
        extinction = microphysics.extinction_of_visibility(visibility_m)
        veil = dataclasses.replace(veil, optical_depth=0.0, extinction_per_m=extinction)
    elif rain_rate_mm_h is not None and follows:
        veil = dataclasses.replace(veil, extinction_per_m=microphysics.extinction_per_m(rain_rate_mm_h))
    return dataclasses.replace(weather, particles=particles, veil=veil)


def _rain(
    rng: np.random.Generator,
    rates: tuple[float, float],
    exposures: tuple[float, float] = (1 / 400, 1 / 80),
    opacity_gain: tuple[float, float] = (3.0, 8.0),
) -> Weather:
    """Daylight rain in metres, seconds and linear light.

    Opacity is that of physics times a gain: a drop refracts the sky, which is often several times brighter than the white of
    the picture, and the picture cannot hold that light.
    """
    rate = log_uniform(rng, *rates)
    return Weather(
        layers=(),
        veil=Veil(
            optical_depth=0.0,
            relief=1.0,
            airlight=tinted(rng, rng.uniform(0.72, 0.88), 0.015),
            flow=float(rng.uniform(0.005, 0.025)),
            extinction_per_m=microphysics.extinction_per_m(rate),
        ),
        drop_gain=1.0,
        drop_glow=tinted(rng, rng.uniform(0.25, 0.55), 0.04),
        gust_degrees=0.0,
        camera=Camera(0.004, 5e-5, sharpen=0.2, jpeg_quality=100, coder=Coder("h264", int(rng.integers(18, 27)))),
        particles=Particles(
            rain_rate_mm_h=rate,
            exposure_s=log_uniform(rng, *exposures),
            wind_right_m_s=float(rng.normal(0, 1.5)),
            wind_towards_m_s=float(rng.normal(0, 0.7)),
            gust_m_s=float(rng.uniform(0.1, 0.8)),
            turbulence_m_s=0.3,
            opacity_gain=log_uniform(rng, *opacity_gain),
            ripple=float(rng.uniform(0.1, 0.3)),
        ),
        splashes=Splashes(share=0.15, opacity=float(rng.uniform(0.25, 0.5))),
        view=View(field_of_view_degrees=float(rng.uniform(35, 60)), horizon=float(rng.uniform(0.35, 0.5))),
        light="linear",
        sky_bias=0.9,
    )


def _light(rng: np.random.Generator) -> Weather:
    return _rain(rng, (0.5, 2.5))


def _moderate(rng: np.random.Generator) -> Weather:
    return _rain(rng, (2.6, 7.6))


def _heavy(rng: np.random.Generator) -> Weather:
    return _rain(rng, (7.7, 50.0))


def _violent(rng: np.random.Generator) -> Weather:
    return _rain(rng, (50.0, 150.0))


def _drizzle_veil(rng: np.random.Generator) -> Weather:
    weather = _rain(rng, (0.2, 1.0))
    mist = microphysics.extinction_of_visibility(log_uniform(rng, 150, 800))
    return dataclasses.replace(weather, splashes=None, veil=dataclasses.replace(weather.veil, extinction_per_m=mist))


def _night(rng: np.random.Generator) -> Weather:
    weather = _rain(rng, (4.0, 40.0), exposures=(1 / 60, 1 / 30), opacity_gain=(4.0, 10.0))
    return dataclasses.replace(
        weather,
        veil=dataclasses.replace(weather.veil, airlight=tinted(rng, rng.uniform(0.08, 0.2), 0.1)),
        drop_gain=0.5,
        drop_glow=(0.03, 0.03, 0.035),
        camera=Camera(0.012, 2e-4, sharpen=0.0, jpeg_quality=100, coder=Coder("h264", int(rng.integers(22, 31)))),
        lamp_gain=float(rng.uniform(6.0, 15.0)),
    )


def _windshield(rng: np.random.Generator) -> Weather:
    weather = _rain(rng, (2.6, 30.0))
    particles = weather.particles and dataclasses.replace(weather.particles, wind_towards_m_s=float(rng.uniform(4, 15)))
    lens = Lens(
        drops=int(log_uniform(rng, 80, 500)),
        radius_px=log_uniform(rng, 4, 10),
        running_px=float(rng.uniform(0.5, 6)) if rng.random() < 0.6 else 0.0,
        blur=float(rng.uniform(0.15, 0.6)),
    )
    return dataclasses.replace(weather, particles=particles, splashes=None, lens=lens)


PRESETS: Mapping[str, Callable[[np.random.Generator], Weather]] = {
    "random": sample_weather,
    "edited": sample_edited,
    "light": _light,
    "moderate": _moderate,
    "heavy": _heavy,
    "violent": _violent,
    "drizzle-veil": _drizzle_veil,
    "night": _night,
    "windshield": _windshield,
}
"""Name to a function that draws a weather of that kind; `random` is what training sees, `edited` what data sets
made with image and video editors look like."""
