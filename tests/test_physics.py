"""The inverse undoes the forward model, and no rain changes nothing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rmfd_cli import physics
from rmfd_cli.physics import RainLayers


def layers(seed: int, t_low: float, alpha_high: float) -> tuple[torch.Tensor, RainLayers]:
    generator = torch.Generator().manual_seed(seed)

    def rand(channels: int) -> torch.Tensor:
        return torch.rand(2, channels, 5, 7, generator=generator, dtype=torch.float64)

    clean = rand(3)
    return clean, RainLayers(
        transmission=t_low + (1 - t_low) * rand(1),
        airlight=rand(3)[..., :1, :1],
        flow=0.1 * (rand(1) - 0.5),
        streaks=rand(3),
        occlusion=alpha_high * rand(1),
        occluder=rand(3),
    )


@given(seed=st.integers(0, 2**31), t_low=st.floats(physics.T_MIN, 1.0), alpha_high=st.floats(0.0, 0.99))
@settings(max_examples=60, deadline=None)
def test_invert_undoes_compose_wherever_transmission_is_at_least_t_min(seed, t_low, alpha_high):
    clean, rain = layers(seed, t_low, alpha_high)
    torch.testing.assert_close(physics.invert(physics.compose(clean, rain), rain), clean, atol=1e-9, rtol=0)


def test_below_t_min_the_inverse_is_damped_not_exploding():
    clean = torch.ones(1, 3, 4, 4)
    transmission = torch.full((1, 1, 4, 4), 0.001)
    airlight = torch.zeros(1, 3, 1, 1)
    hazy = physics.add_veil(clean, transmission, airlight)
    recovered = physics.remove_veil(hazy, transmission, airlight)
    assert recovered.max().item() == pytest.approx(0.001 / physics.T_MIN, rel=1e-5)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20, deadline=None)
def test_no_rain_in_no_change_out(seed):
    clean, rain = layers(seed, 0.5, 0.5)
    dry = RainLayers(
        transmission=torch.ones_like(rain.transmission),
        airlight=rain.airlight,
        flow=torch.zeros_like(rain.flow),
        streaks=torch.zeros_like(rain.streaks),
        occlusion=torch.zeros_like(rain.occlusion),
        occluder=rain.occluder,
    )
    assert torch.equal(physics.compose(clean, dry), clean)
    assert torch.equal(physics.invert(clean, dry), clean)


def test_without_flow_and_occlusion_it_is_the_model_that_the_released_reference_inverts():
    clean, rain = layers(3, 0.2, 0.0)
    rain = rain._replace(flow=torch.zeros_like(rain.flow), streaks=torch.zeros_like(rain.streaks))
    transmission, airlight = rain.transmission, rain.airlight
    hazy = clean * transmission + airlight * (1 - transmission)
    torch.testing.assert_close(physics.compose(clean, rain), hazy)


def test_gradients_reach_every_layer_through_the_inverse():
    clean, rain = layers(5, 0.3, 0.5)
    rain = RainLayers(*(layer.requires_grad_() for layer in rain))
    physics.invert(clean, rain).square().sum().backward()
    for name, layer in rain._asdict().items():
        assert layer.grad is not None, name
        assert layer.grad.abs().sum() > 0, name
