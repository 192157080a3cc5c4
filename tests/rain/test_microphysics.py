"""The physics of drops against its sources."""

import math

import pytest
import torch

from rmfd_cli.rain import microphysics

RATES = (0.5, 2.5, 10.0, 25.0, 50.0, 100.0)


def test_fall_speeds_are_those_of_gunn_and_kinzer():
    measured = torch.tensor([[0.5, 2.06], [1.0, 4.03], [2.0, 6.49], [3.0, 8.06], [4.0, 8.83], [5.0, 9.09]])
    speed = microphysics.terminal_velocity_m_s(measured[:, 0])
    torch.testing.assert_close(speed, measured[:, 1], rtol=0.05, atol=0)
    assert microphysics.terminal_velocity_m_s(torch.tensor(0.05)) == pytest.approx(0.2)


@pytest.mark.parametrize("rate", RATES)
def test_the_size_distribution_carries_the_rain_rate_that_was_asked_for(rate):
    diameter = torch.linspace(microphysics.D_MIN_MM, microphysics.D_MAX_MM, 20_001, dtype=torch.float64)
    number = microphysics.intercept_per_m3_mm(rate) * torch.exp(-microphysics.slope_per_mm(rate) * diameter)
    water = torch.trapezoid(number * microphysics.water_flux_mm_h(diameter), diameter)
    assert water.item() == pytest.approx(rate, rel=1e-4)
    # The normalisation stays close to Marshall and Palmer's own 8000.
    assert 6000 < microphysics.intercept_per_m3_mm(rate) < 9000


@pytest.mark.parametrize("rate", RATES)
def test_sampled_diameters_recompute_the_rain_rate_within_ten_per_cent(rate):
    density = microphysics.number_density_per_m3(rate)
    count = 200_000
    uniform = torch.rand(count, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    low, high = microphysics.D_MIN_MM, microphysics.D_MAX_MM
    diameter = microphysics.sample_diameter_mm(uniform, microphysics.slope_per_mm(rate), low, high)
    assert diameter.min() >= low
    assert diameter.max() <= high
    volume = torch.full_like(diameter, count / density)
    assert microphysics.rain_rate_mm_h(diameter, volume) == pytest.approx(rate, rel=0.1)


def test_numbers_of_classes_of_size_add_up():
    whole = microphysics.number_density_per_m3(10.0)
    parts = [microphysics.number_density_per_m3(10.0, low, low + 1.45) for low in (0.2, 1.65, 3.1, 4.55)]
    assert sum(parts) == pytest.approx(whole)
    assert microphysics.number_density_per_m3(0.0) == 0
    assert microphysics.number_density_per_m3(10.0, 3, 2) == 0


def test_visibility_and_extinction_undo_each_other_and_stop_at_two_per_cent_contrast():
    for visibility in (50.0, 700.0, 1e5):
        extinction = microphysics.extinction_of_visibility(visibility)
        assert microphysics.visibility_m(extinction) == pytest.approx(visibility)
        assert math.exp(-extinction * visibility) == pytest.approx(0.02)
    assert microphysics.visibility_m(microphysics.extinction_per_m(0.0)) == math.inf


def test_extinction_agrees_with_the_geometric_optics_of_the_same_drops():
    for rate in (10.0, 50.0, 150.0):
        diameter = torch.linspace(microphysics.D_MIN_MM, microphysics.D_MAX_MM, 4001, dtype=torch.float64)
        number = microphysics.intercept_per_m3_mm(rate) * torch.exp(-microphysics.slope_per_mm(rate) * diameter)
        # A drop much larger than the wavelength takes away twice its cross-section.
        optics = torch.trapezoid(number * 2 * math.pi / 4 * (diameter * 1e-3) ** 2, diameter).item()
        assert microphysics.extinction_per_m(rate) == pytest.approx(optics, rel=0.2)


def test_drops_flatten_and_ring_slower_as_they_grow():
    diameter = torch.tensor([1.0, 2.0, 3.0, 4.0, 6.0])
    ratio = microphysics.axis_ratio(diameter)
    assert (ratio.diff() < 0).all()
    assert ratio[0] > 0.97
    assert 0.6 < ratio[-1] < 0.75
    hertz = microphysics.oscillation_hz(diameter[:4])
    torch.testing.assert_close(hertz, torch.tensor([344.0, 121.0, 66.0, 43.0]), rtol=0.02, atol=0)
