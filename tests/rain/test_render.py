"""Rain that is reproducible, layered, moving, and absent when there is none."""

import dataclasses

import numpy as np
import pytest
import torch

from rmfd_cli import physics
from rmfd_cli.rain.camera import compress
from rmfd_cli.rain.render import render, render_layers
from rmfd_cli.rain.streaks import draw_streaks
from rmfd_cli.rain.weather import DRY, PERFECT_CAMERA, StreakLayer, Veil, sample_weather


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def clean() -> torch.Tensor:
    return torch.rand(4, 3, 40, 56, generator=generator(9)) * 0.8


def layer(**changes) -> StreakLayer:
    thin = StreakLayer(
        motion="falling",
        density=0.002,
        length_px=10.0,
        length_spread=0.0,
        width_px=0.0,
        angle_degrees=0.0,
        angle_spread_degrees=0.0,
        step=1.5,
        opacity=0.5,
        opacity_spread=0.0,
        taper=0.0,
        ripple=0.0,
        additive=False,
    )
    return dataclasses.replace(thin, **changes)


def draw(streaks: StreakLayer, frames: int = 3, seed: int = 0) -> torch.Tensor:
    return draw_streaks(streaks, frames, 80, 90, gust_degrees=0.0, generator=generator(seed))


def test_dry_weather_is_the_identity(clean):
    rainy, target, layers = render(clean, DRY, generator())
    assert torch.equal(rainy, clean)
    assert torch.equal(target, clean)
    assert torch.equal(physics.compose(clean, layers), clean)


@pytest.mark.parametrize("seed", range(12))
def test_the_same_seed_gives_the_same_rain_and_another_seed_other_rain(clean, seed):
    weather = sample_weather(np.random.default_rng(seed))
    assert weather == sample_weather(np.random.default_rng(seed))
    assert weather != sample_weather(np.random.default_rng(seed + 1))
    first, second = (render(clean, weather, generator(3))[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("seed", range(25))
def test_any_sampled_weather_composes_to_the_rainy_clip_and_inverts_to_the_clean_one(clean, seed):
    weather = dataclasses.replace(sample_weather(np.random.default_rng(seed)), camera=PERFECT_CAMERA)
    rainy, _, layers = render(clean, weather, generator(seed))
    composed = physics.compose(clean, layers)
    torch.testing.assert_close(rainy, composed.clamp(0, 1))
    torch.testing.assert_close(physics.invert(composed, layers), clean, atol=2e-4, rtol=0)
    assert layers.transmission.min() > 0
    assert layers.transmission.max() <= 1
    assert layers.occlusion.min() >= 0
    assert layers.occlusion.max() < 1


def test_streaks_cover_what_density_length_and_opacity_say():
    thickness = draw(layer(density=0.01))
    # A thin line of opacity a carries −ln(1 − a) per pixel of its length.
    expected = 0.01 * 10.0 * -np.log(0.5)
    assert thickness.mean().item() == pytest.approx(expected, rel=0.1)


def test_wide_streaks_are_as_opaque_on_their_centre_line_as_thin_ones():
    thin = draw(layer(density=0.0005, length_px=40.0)).amax()
    wide = draw(layer(density=0.0005, length_px=40.0, width_px=2.0)).amax()
    assert wide.item() == pytest.approx(thin.item(), rel=0.45)


def test_falling_drops_are_the_same_drops_one_step_further_down():
    frames = draw(layer(angle_degrees=0.0, length_px=8.0, step=2.0, density=0.003))
    shifted = torch.roll(frames[0], 16, dims=1)[:, 30:]
    torch.testing.assert_close(shifted, frames[1][:, 30:], atol=2e-3, rtol=0)


def test_scattered_drops_are_new_in_every_frame():
    frames = draw(layer(motion="scattered"))
    similarity = torch.corrcoef(frames.flatten(1))[0, 1]
    assert similarity < 0.2


def test_streaks_lean_with_their_angle():
    tall, leaning = (draw(layer(angle_degrees=a, density=0.001, length_px=20.0)) for a in (0.0, 60.0))

    def aspect(thickness: torch.Tensor) -> float:
        vertical = (thickness[..., 1:, :] - thickness[..., :-1, :]).abs().sum()
        horizontal = (thickness[..., 1:] - thickness[..., :-1]).abs().sum()
        return (vertical / horizontal).item()

    assert aspect(tall) < 0.3
    assert aspect(leaning) > 1.2


def test_transmission_follows_the_optical_depth(clean):
    for depth in (0.1, 0.5, 1.2):
        veil = Veil(optical_depth=depth, relief=0.0, airlight=(0.8, 0.8, 0.8), flow=0.02)
        layers = render_layers(clean, dataclasses.replace(DRY, veil=veil), generator())
        assert -torch.log(layers.transmission).mean().item() == pytest.approx(depth, rel=0.35)
        assert abs(layers.flow.mean().item()) < 2e-3


def test_compression_hurts_more_at_lower_quality_and_keeps_odd_sizes(clean):
    odd = torch.nn.functional.avg_pool2d(clean, 5, stride=1, padding=2)[..., :37, :51]
    errors = [(compress(odd, quality) - odd).square().mean().item() for quality in (95, 70, 30)]
    assert compress(odd, 70).shape == odd.shape
    assert errors == sorted(errors)
    assert errors[0] < errors[2] / 1.5
