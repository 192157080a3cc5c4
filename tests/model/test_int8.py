"""Convolutions in integers: as near as eight bits allow, at borders too, and without a sum that overflows."""

import copy

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.int8 import Int8Conv, inputs_of, is_supported, numbers_seen_by, ranges_of, seen_by, with_int8, zero_seen_by
from rmfd_cli.model.layers import Rectified
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.passes import convolve
from rmfd_cli.model.placing import placed, precision_for
from rmfd_cli.model.streaming import restore
from rmfd_cli.video.ycc import ycc_of_rgb

CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(not is_supported(), reason="this processor or this torch has no convolutions in integers")


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape))).to(memory_format=torch.channels_last)


@pytest.fixture
def scene() -> list[np.ndarray]:
    wide = cv2.blur(np.random.default_rng(0).integers(0, 256, (48, 96, 3)).astype(np.uint8), (3, 3))
    return [wide[:, 2 * k : 2 * k + 64] for k in range(6)]


@pytest.fixture
def model() -> Rmfd:
    torch.manual_seed(0)
    model = Rmfd(ModelConfig(width=16, deep_width=24, hidden=8, deep_blocks=2)).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("kind", [nn.Conv2d, Rectified])
@pytest.mark.parametrize("shape", [{"padding": 1}, {"padding": 2, "dilation": 2}, {"stride": 2, "padding": 1}, {"bias": False}])
@pytest.mark.parametrize("low", [0.0, -2.0])
@torch.inference_mode()
def test_what_comes_out_is_the_convolution_to_within_its_steps(kind, shape, low):
    conv = kind(24, 16, 3, **shape).to(memory_format=torch.channels_last)
    x = noise(2, 24, 9, 14).clamp(low, 2)
    exact, found = conv(x), Int8Conv(conv, low, 2)(x)
    assert found.shape == exact.shape
    assert found.dtype == torch.float32
    # Where the frame ends, too, beyond which there is nothing.
    assert (found - exact).abs().max() < 0.02 * exact.abs().max()


@pytest.mark.parametrize("sign", [1, -1])
@torch.inference_mode()
def test_the_largest_sums_do_not_overflow(sign):
    conv = nn.Conv2d(64, 16, 3, padding=1)
    conv.weight.data.fill_(sign * 0.1)
    x = torch.full((1, 64, 8, 8), 3.0).to(memory_format=torch.channels_last)
    torch.testing.assert_close(Int8Conv(conv, 0, 3)(x), conv(x), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_rounded_numbers_go_in_as_they_are():
    conv = Int8Conv(nn.Conv2d(8, 4, 1), -1, 1)
    planes = torch.rand(1, 8, 6, 10)
    assert seen_by(conv, planes).dtype == torch.uint8
    assert seen_by(conv, planes).stride() == planes.stride()
    assert torch.equal(conv(seen_by(conv, planes)), conv(planes))


@pytest.mark.parametrize("in_integers", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@torch.inference_mode()
def test_a_sum_is_rectified_after_adding_up(in_integers, bias):
    convs = nn.Conv2d(8, 6, 1, bias=bias), nn.Conv2d(12, 6, 1), nn.Conv2d(6, 4, 1)
    conv, other, taker = (Int8Conv(y, -3, 3) if in_integers else y for y in convs)
    x, y, z = (seen_by(layer, noise(1, c, 6, 10)) for layer, c in ((conv, 8), (other, 12), (taker, 6)))
    expected = (conv(x) + other(y) + numbers_seen_by(taker, z)).clamp(min=0)
    found, (seen,) = convolve(conv, x, [taker], beside=(other, y), more=(taker, z), rectified=True, keep=True)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(seen, seen_by(taker, expected), atol=1 if in_integers else 1e-6, rtol=0)


@torch.inference_mode()
def test_what_is_seen_is_within_half_a_step_of_what_it_was():
    conv, x = Int8Conv(nn.Conv2d(8, 4, 1), -3, 3), noise(1, 8, 6, 10).clamp(-3, 3)
    assert (numbers_seen_by(conv, seen_by(conv, x)) - x).abs().max() < 0.51 * conv.step


@torch.inference_mode()
def test_rounding_changes_no_median():
    conv = Int8Conv(nn.Conv2d(1, 1, 1), -0.9, 1)
    planes = noise(3, 1, 6, 8).clamp(-0.9, 1) * torch.tensor([1.0, 1.0, 0.0]).view(3, 1, 1, 1)
    rounded = seen_by(conv, planes)
    assert rounded[2].unique().tolist() == [zero_seen_by(conv)]
    assert torch.equal(rounded.median(0)[0], seen_by(conv, planes.median(0, keepdim=True)[0])[0])


def test_what_is_beyond_the_range_counts_as_its_end():
    conv = Int8Conv(nn.Conv2d(1, 1, 1), 0, 1)
    x = torch.tensor([0.0, 0.5, 1.0, 7.0]).view(1, 1, 1, 4)
    assert conv.rounded(x).flatten().tolist() == [0, 128, 255, 255]


def test_a_range_leaves_rare_large_numbers_out_and_small_ones_in():
    crowd = torch.rand(1_000_000)
    low, high = ranges_of({"conv": [crowd - 0.5, torch.tensor([20.0])]})["conv"]
    assert low < -0.5
    assert 0.4 < high < 15
    low, high = ranges_of({"conv": [crowd]})["conv"]
    assert low == 0
    assert high == pytest.approx(1, abs=0.03)
    assert ranges_of({"conv": [torch.zeros(10)]})["conv"][1] > 0


def measured(model, frames):
    with inputs_of(model, but=model.recovery.veil) as seen:
        list(restore((ycc_of_rgb(frame) for frame in frames), model, CPU))
    return ranges_of(seen)


def test_a_network_in_integers_restores_as_it_does_in_float32(model, scene):
    model.ranges = measured(model, scene)
    convolutions = {name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)}
    assert model.ranges.keys() == {name for name in convolutions if not name.startswith("recovery.veil.")}
    small = placed(model, CPU, torch.int8)
    assert {name for name, layer in small.named_modules() if isinstance(layer, Int8Conv)} == model.ranges.keys()
    exact, rounded = (
        np.stack([change.luma for change in restore((ycc_of_rgb(frame) for frame in scene), network, CPU)])
        for network in (model, small)
    )
    assert np.abs(exact).mean() > 0.001
    assert 0 < np.abs(rounded - exact).mean() < 0.1 * np.abs(exact).mean()
    assert np.abs(rounded - exact).max() < 0.1


def test_measuring_leaves_no_trace(model, scene):
    before = copy.deepcopy(model)
    measured(model, scene)
    assert not any(layer._forward_pre_hooks for layer in model.modules())
    assert all(torch.equal(a, b) for a, b in zip(before.parameters(), model.parameters(), strict=True))


def test_integers_need_ranges_and_a_cpu(model, scene):
    assert precision_for(CPU, model) != torch.int8
    model.ranges = measured(model, scene)
    assert precision_for(CPU, model) == torch.int8
    assert precision_for(torch.device("cuda"), model) == torch.float32


def test_a_processor_without_the_instructions_goes_without(model, scene, monkeypatch):
    model.ranges = measured(model, scene)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    is_supported.cache_clear()
    try:
        assert precision_for(CPU, model) != torch.int8
    finally:
        is_supported.cache_clear()


def test_the_trial_draws_from_no_generator_of_ours():
    before = torch.get_rng_state()
    is_supported.cache_clear()
    is_supported()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_model_that_is_placed_stays_as_it_is(model, scene):
    model.ranges = measured(model, scene)
    placed(model, CPU, torch.int8)
    assert isinstance(model.recovery.rain, nn.Conv2d)
    assert with_int8(copy.deepcopy(model), {}).state_dict().keys() == model.state_dict().keys()
