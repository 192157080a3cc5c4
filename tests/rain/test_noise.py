"""Painted noise is as opaque as its layer says, however long, wide or slanting its streaks are."""

import dataclasses
import math

import pytest
import torch

from rmfd_cli.rain.noise import noise_at, scatter_noise
from rmfd_cli.rain.weather import NoiseLayer

SPARSE = NoiseLayer("scattered", 1e-5, 20.0, 0.0, 0.0, 6.0, 0.5, additive=False)


def painted(**changes) -> torch.Tensor:
    """Optical thickness in units of a streak of mean strength, `[600, 600]`; streaks do not meet."""
    layer = dataclasses.replace(SPARSE, **changes)
    scattered = scatter_noise(layer, 600, 600, torch.Generator().manual_seed(1))
    return noise_at(scattered, 0, 7, 0, torch.device("cpu"))[0] / -math.log1p(-layer.opacity)


@pytest.mark.parametrize("length", [5.0, 7.9, 8.1, 12.0, 15.9, 16.1, 31.9, 33.0])
def test_a_streak_is_as_opaque_whatever_its_length(length):
    drawn = painted(length_px=length)
    columns = drawn[:, (drawn > 0).any(0)]
    for column in columns.T:
        assert len(column[column > 0].unique()) == 1, "each of its pixels alike"
    assert painted(length_px=20.0).max().item() == pytest.approx(drawn.max().item(), rel=1e-6)


def test_a_streak_is_as_long_as_asked():
    drawn = painted(length_px=21.0)
    lengths = (drawn[:, (drawn > 0).any(0)] > 0).sum(0)
    assert int(lengths.max()) == 21


@pytest.mark.parametrize("grain", [0.3, 0.5, 0.8, 2.0])
@pytest.mark.parametrize("angle", [0.0, 10.0, -80.0])
def test_a_wide_streak_is_as_opaque_on_its_centre_line(grain, angle):
    assert painted(grain_px=grain, angle_degrees=angle).max() == pytest.approx(painted().max().item(), rel=0.05)


def test_strengths_are_1_in_the_mean_and_2_at_most():
    drawn = painted(share=1e-3, length_px=1.0)
    assert drawn[drawn > 0].mean().item() == pytest.approx(1.0, abs=0.1)
    assert 1.9 < drawn.max() <= 2.0
