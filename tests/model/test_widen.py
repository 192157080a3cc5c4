"""A network that grows keeps what it had learnt, and learns with what is new."""

from dataclasses import replace

import pytest
import torch

from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.image import Image
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.values import Window
from rmfd_cli.model.widen import widen

NARROW = ModelConfig(width=16, deep_width=20, hidden=8, deep_blocks=2, refine_blocks=1)
WIDE = ModelConfig(width=24, deep_width=36, hidden=12, deep_blocks=2, refine_blocks=1)
DEEP = replace(WIDE, deep_blocks=4, refine_blocks=2)


def learnt():
    """A network none of whose layers is silent."""
    torch.manual_seed(3)
    model = Rmfd(NARROW).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.03 * torch.randn_like(parameter)
    return model


def frames(count):
    """Restored frames of a few noisy windows, with what was seen of the veil."""
    torch.manual_seed(4)
    still = torch.zeros(1, 40, 56, 2)
    pictures = [Image(torch.rand(1, 1, 40, 56), torch.rand(1, 2, 20, 28) * 0.2 - 0.1) for _ in range(count + 2)]

    def restored(model):
        state, results = model.initial_state(), []
        with torch.no_grad():
            for k in range(count):
                result, state = model.step(Window(*pictures[k : k + 3], still, still), state)
                results.append(torch.cat([result.image.luma.flatten(), result.veil.flatten(), result.airlight.flatten()]))
        return torch.stack(results)

    return restored


def test_more_channels_change_nothing():
    model, restored = learnt(), frames(4)
    assert torch.allclose(restored(widen(model, WIDE).eval()), restored(model), atol=2e-5)


def test_more_blocks_change_next_to_nothing():
    model, restored = learnt(), frames(4)
    assert (restored(widen(model, DEEP).eval()) - restored(model)).abs().max() < 4 / 255


def test_every_new_channel_can_learn():
    wide = widen(learnt(), DEEP)
    optimizer = torch.optim.SGD(wide.parameters(), lr=0.1)
    frame = Image(torch.rand(1, 1, 40, 56), torch.rand(1, 2, 20, 28) * 0.2 - 0.1)
    still = torch.zeros(1, 40, 56, 2)
    for _ in range(2):  # the first step lets the old layers hear the new channels
        state, total = None, torch.zeros(())
        for _ in range(2):
            restored, state = wide.step(Window(frame, frame, frame, still, still), state)
            total = total + (restored.image.luma - 0.5).square().mean() + restored.veil.square().mean()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    for name in ("enter", "decode.conv", "deep.3.conv"):
        gradient = wide.recovery.get_submodule(name).weight.grad
        assert (gradient.flatten(1).abs().sum(1)[NARROW.deep_width :] > 0).any(), name


def test_a_smaller_network_has_no_room():
    with pytest.raises(ValueError, match="does not fit"):
        widen(Rmfd(WIDE), NARROW)
