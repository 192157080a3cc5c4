"""Rain as published data sets paint it, sampled at random: layers of streaks and of blurred noise, veils, cameras.

The ranges come from the imaging geometry of rain (a 2 mm drop at 2 m, seen by a 56° lens of 640 px, leaves a streak 0.6 px wide
and 2 to 65 px long for exposures of 1 to 33 ms) and from how data sets exaggerate it.
"""

import numpy as np

from rmfd_cli.rain.elements import Camera, Coder, Motion, NoiseLayer, StreakLayer, Veil


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform between two limits."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def tinted(rng: np.random.Generator, level: float, tint: float) -> tuple[float, float, float]:
    """A grey of some level, each channel off by up to the share `tint`."""
    red, green, blue = np.clip(level * (1 + rng.uniform(-tint, tint, 3)), 0, 1)
    return float(red), float(green), float(blue)


def sample_streak_layers(rng: np.random.Generator) -> tuple[StreakLayer, ...]:
    """One to five layers of painted streaks that share wind and exposure: near, far, thick, sparkling, out of focus."""
    angle = float(rng.normal(0, 12))
    motion: Motion = "falling" if rng.random() < 0.65 else "scattered"
    length = log_uniform(rng, 6, 70)
    step = log_uniform(rng, 1.0, 12)
    heavy = log_uniform(rng, 0.1, 4.0)
    additive = bool(rng.random() < 0.35)
    layers = []
    for near in sorted(rng.uniform(0, 1, rng.integers(1, 4))):
        # Distance scales length and width together.
        scale = 0.4 + 1.4 * near
        width = float(max(0.0, rng.uniform(-0.5, 0.25) + 0.5 * near))
        streak_length = float(np.clip(length * scale, 2.0, 90))
        density = log_uniform(rng, 4e-4, 1e-2) * heavy
        layers.append(
            StreakLayer(
                motion=motion,
                density=_bounded(density, streak_length, width),
                length_px=streak_length,
                length_spread=float(rng.uniform(0.05, 0.6)),
                width_px=width,
                angle_degrees=angle + float(rng.normal(0, 1.5)),
                angle_spread_degrees=log_uniform(rng, 0.2, 6),
                step=step,
                opacity=log_uniform(rng, 0.06, 0.8),
                opacity_spread=float(rng.uniform(0.1, 0.8)),
                taper=float(rng.uniform(0, 1)),
                ripple=float(rng.uniform(0, 0.5)) if rng.random() < 0.3 else 0.0,
                additive=additive,
            )
        )
    if rng.random() < 0.12:
        layers.append(sample_sparkle(rng, angle))
    if rng.random() < 0.12:
        layers.append(_sample_defocused(rng, angle, motion))
    return tuple(layers)


def sample_thick_layers(rng: np.random.Generator) -> tuple[StreakLayer, ...]:
    """Thick streaks that cover nearly all behind them, alone or over painted rain."""
    angle = float(rng.normal(0, 12))
    width = float(rng.uniform(0.8, 2.5))
    length = log_uniform(rng, 8, 90)
    thick = StreakLayer(
        motion="falling" if rng.random() < 0.65 else "scattered",
        density=_bounded(log_uniform(rng, 4e-5, 1e-2), length, width),
        length_px=length,
        length_spread=float(rng.uniform(0.05, 0.6)),
        width_px=width,
        angle_degrees=angle,
        angle_spread_degrees=log_uniform(rng, 0.2, 6),
        step=log_uniform(rng, 1.0, 12),
        opacity=float(rng.uniform(0.5, 0.95)),
        opacity_spread=float(rng.uniform(0.1, 0.8)),
        taper=float(rng.uniform(0, 1)),
        ripple=float(rng.uniform(0, 0.5)) if rng.random() < 0.3 else 0.0,
        additive=False,
    )
    return (*(sample_streak_layers(rng) if rng.random() < 0.5 else ()), thick)


def sample_graded_layers(rng: np.random.Generator) -> tuple[StreakLayer, ...]:
    """One rain at four distances, as effects of video editors draw it: new in every frame, near streaks long, wide and rare.

    A clip of NTURain, measured, has 450 streaks of more than ten pixels in a frame of 640×480: up to 85 long, 1 to 4 wide, and
    opaque by 0.1 to 0.8, the large ones hardly more than the small.
    """
    angle, spread = float(rng.normal(0, 8)), log_uniform(rng, 1, 6)
    length, width = log_uniform(rng, 8, 30), float(rng.uniform(0, 0.7))
    opacity, additive = log_uniform(rng, 0.08, 0.35), bool(rng.random() < 0.35)
    density, rarer = log_uniform(rng, 5e-4, 4e-3), rng.uniform(1.5, 3)
    length_spread, opacity_spread = float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.3, 0.8))
    taper = float(rng.uniform(0, 1))
    layers = []
    for nearness in (1.0, 1.6, 2.5, 4.0):
        near = nearness * float(rng.uniform(0.8, 1.2))
        layers.append(
            StreakLayer(
                motion="scattered",
                density=_bounded(density * near**-rarer, length * near, width * near),
                length_px=min(length * near, 120.0),
                length_spread=length_spread,
                width_px=width * near,
                angle_degrees=angle,
                angle_spread_degrees=spread,
                step=1.0,
                opacity=opacity,
                opacity_spread=opacity_spread,
                taper=taper,
                ripple=0.0,
                additive=additive,
            )
        )
    return tuple(layers)


def sample_sparkle(rng: np.random.Generator, angle_degrees: float) -> StreakLayer:
    """Short bright points, as drops that catch the light and as the noise of synthetic sets."""
    return StreakLayer(
        motion="scattered",
        density=log_uniform(rng, 3e-4, 8e-3),
        length_px=float(rng.uniform(1, 3.5)),
        length_spread=0.3,
        width_px=float(rng.uniform(0, 0.8)),
        angle_degrees=angle_degrees,
        angle_spread_degrees=20.0,
        step=3.0,
        opacity=log_uniform(rng, 0.1, 0.8),
        opacity_spread=0.5,
        taper=0.0,
        ripple=0.0,
        additive=bool(rng.random() < 0.5),
    )


def sample_noise_layers(rng: np.random.Generator) -> tuple[NoiseLayer, ...]:
    """One or two layers of blurred noise, new in every frame or moving."""
    angle = float(rng.normal(0, 12))
    motion: Motion = "scattered" if rng.random() < 0.6 else "falling"
    additive = bool(rng.random() < 0.6)
    layers = []
    for _ in range(int(rng.integers(1, 3))):
        length = log_uniform(rng, 5, 45)
        grain = float(max(0.0, rng.uniform(-0.3, 0.8)))
        layers.append(
            NoiseLayer(
                motion=motion,
                share=min(log_uniform(rng, 3e-4, 2e-2), 0.5 / (length * (1 + 2.5 * grain))),
                length_px=length,
                angle_degrees=angle + float(rng.normal(0, 1)),
                grain_px=grain,
                step_px=length * log_uniform(rng, 0.5, 4),
                opacity=log_uniform(rng, 0.09, 0.65),
                additive=additive,
            )
        )
    return tuple(layers)


def sample_veil(rng: np.random.Generator) -> Veil:
    """Clear air about half the time, else anything from a hint of haze to thick mist."""
    airlight = tinted(rng, rng.uniform(0.5, 0.98), 0.06)
    if rng.random() < 0.55:
        return Veil(optical_depth=0.0, relief=0.0, airlight=airlight, flow=0.0)
    return Veil(
        optical_depth=log_uniform(rng, 0.04, 1.4),
        relief=float(rng.uniform(0, 1)),
        airlight=airlight,
        flow=float(rng.uniform(0, 0.04)) if rng.random() < 0.5 else 0.0,
    )


def sample_camera(rng: np.random.Generator) -> Camera:
    """Grain, sharpening and block compression, each on some clips only."""
    return Camera(
        read_noise=log_uniform(rng, 1e-3, 1.2e-2) if rng.random() < 0.5 else 0.0,
        shot_noise=log_uniform(rng, 1e-5, 4e-4) if rng.random() < 0.5 else 0.0,
        sharpen=float(rng.uniform(-0.4, 0.8)) if rng.random() < 0.4 else 0.0,
        jpeg_quality=int(rng.integers(45, 97)) if rng.random() < 0.25 else 100,
        coder=_sample_coder(rng),
    )


def _sample_coder(rng: np.random.Generator) -> Coder | None:
    """Mostly none; seldom HEVC, which takes four times as long as H.264 and looks much like it."""
    kind = rng.random()
    if kind < 0.75:
        return None
    return Coder("h264" if kind < 0.97 else "hevc", int(rng.integers(18, 35)))


def _bounded(density: float, length_px: float, width_px: float) -> float:
    """Coverage (density × length × width) stays bounded, or nothing of the scene is left to learn from."""
    return min(density, 0.35 / (length_px * (1 + 2.5 * width_px)))


def _sample_defocused(rng: np.random.Generator, angle_degrees: float, motion: Motion) -> StreakLayer:
    """A few drops close to the lens: wide, faint, fast."""
    return StreakLayer(
        motion=motion,
        density=log_uniform(rng, 2e-5, 3e-4),
        length_px=log_uniform(rng, 30, 120),
        length_spread=0.4,
        width_px=float(rng.uniform(2.0, 6.0)),
        angle_degrees=angle_degrees,
        angle_spread_degrees=3.0,
        step=log_uniform(rng, 1.0, 4),
        opacity=log_uniform(rng, 0.06, 0.4),
        opacity_spread=0.4,
        taper=float(rng.uniform(0, 1)),
        ripple=0.0,
        additive=False,
    )
