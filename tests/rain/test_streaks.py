"""Painted rain: layers of streaks and of blurred noise."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from rmfd_cli.rain.noise import noise_at, scatter_noise
from rmfd_cli.rain.raster import draw
from rmfd_cli.rain.streaks import painted_at, scatter_streaks
from rmfd_cli.rain.weather import NoiseLayer, StreakLayer


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


def paint(streaks: StreakLayer, frames: int = 3, seed: int = 0) -> torch.Tensor:
    """`[T, 1, 80, 90]`."""
    scattered = scatter_streaks(streaks, frames, 80, 90, 0.0, torch.Generator().manual_seed(seed))
    return torch.stack([draw(painted_at(scattered, frame, 7, 0), 80, 90).thickness for frame in range(frames)])


def blurred(frames: int = 3, **changes) -> torch.Tensor:
    noise = NoiseLayer("scattered", 0.002, 12.0, 0.0, 0.5, 6.0, 0.5, additive=True)
    scattered = scatter_noise(dataclasses.replace(noise, **changes), 80, 90, torch.Generator().manual_seed(1))
    return torch.stack([noise_at(scattered, frame, 7, 0, torch.device("cpu")) for frame in range(frames)])


def lean(thickness: torch.Tensor) -> float:
    """Change downwards over change across: small where streaks are upright."""
    vertical = (thickness[..., 1:, :] - thickness[..., :-1, :]).abs().sum()
    horizontal = (thickness[..., 1:] - thickness[..., :-1]).abs().sum()
    return (vertical / horizontal).item()


def test_streaks_cover_what_density_length_and_opacity_say():
    # A thin line of opacity a carries −ln(1 − a) per pixel of its length.
    assert paint(layer(density=0.01)).mean().item() == pytest.approx(0.01 * 10.0 * -np.log(0.5), rel=0.1)


def test_wide_streaks_are_as_opaque_on_their_centre_line_as_thin_ones():
    thin = paint(layer(density=0.0005, length_px=40.0)).amax()
    wide = paint(layer(density=0.0005, length_px=40.0, width_px=2.0)).amax()
    assert wide.item() == pytest.approx(thin.item(), rel=0.45)


def test_falling_drops_are_the_same_drops_one_step_further_down():
    frames = paint(layer(length_px=8.0, step=2.0, density=0.003))
    shifted = torch.roll(frames[0], 16, dims=1)[:, 30:70]
    torch.testing.assert_close(shifted, frames[1][:, 30:70], atol=2e-3, rtol=0)


def test_scattered_drops_are_new_in_every_frame():
    frames = paint(layer(motion="scattered"))
    assert torch.corrcoef(frames.flatten(1))[0, 1] < 0.2


def test_streaks_lean_with_their_angle():
    assert lean(paint(layer(angle_degrees=0.0, density=0.001, length_px=20.0))) < 0.3
    assert lean(paint(layer(angle_degrees=60.0, density=0.001, length_px=20.0))) > 1.2


def test_blurred_noise_is_as_opaque_and_as_upright_as_asked():
    upright = blurred()
    assert lean(upright) < 0.4
    assert lean(blurred(angle_degrees=70.0)) > 1.2
    assert 0.3 < 1 - np.exp(-upright.amax().item()) < 0.9
    assert (upright < 0.01).float().mean() > 0.5


def test_blurred_noise_is_new_in_every_frame_or_moves_on():
    frames = blurred()
    assert torch.corrcoef(frames.flatten(1))[0, 1] < 0.2
    moving = blurred(motion="falling")
    torch.testing.assert_close(moving[1, 0, 6:], moving[0, 0, :-6])


@pytest.mark.parametrize("angle", [-30.0, 30.0])
def test_painted_streaks_lie_along_the_way_that_they_fall(angle):
    scattered = scatter_streaks(layer(angle_degrees=angle), 3, 80, 90, 0.0, torch.Generator().manual_seed(0))
    streaks = painted_at(scattered, 1, 7, 0)
    across, down = streaks.x1 - streaks.x0, streaks.y1 - streaks.y0
    torch.testing.assert_close(across, torch.full_like(across, 10 * math.sin(math.radians(angle))), atol=1e-4, rtol=0)
    torch.testing.assert_close(down, torch.full_like(down, 10 * math.cos(math.radians(angle))), atol=1e-4, rtol=0)
    torch.testing.assert_close(torch.stack([streaks.dx, streaks.dy]), 1.5 * torch.stack([across, down]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("angle", [-30.0, 30.0])
def test_scattered_streaks_lean_to_the_side_of_their_angle(angle):
    leaning = layer(motion="scattered", angle_degrees=angle)
    streaks = painted_at(scatter_streaks(leaning, 3, 80, 90, 0.0, torch.Generator().manual_seed(0)), 1, 7, 0)
    slope = (streaks.x1 - streaks.x0) / (streaks.y1 - streaks.y0)
    torch.testing.assert_close(slope, torch.full_like(slope, math.tan(math.radians(angle))), atol=1e-4, rtol=0)
