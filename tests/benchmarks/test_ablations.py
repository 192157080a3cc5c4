"""Networks of which a part is taken away still make steps, and other ones."""

import ablations
import pytest
import torch

from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.image import Image
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.values import Window


def second_result(model):
    rng = torch.Generator().manual_seed(2)
    first, second, third = (
        Image(torch.rand(1, 1, 32, 48, generator=rng), 0.1 * torch.rand(1, 2, 16, 24, generator=rng)) for _ in range(3)
    )
    still, state = torch.zeros(1, 32, 48, 2), None
    for window in (Window(first, first, second, still, still), Window(first, second, third, still, still)):
        restored, state = model.step(window, state)
    return restored.image.luma


@pytest.mark.parametrize("part", ["without_state", "without_feedback", "without_inversion"])
@torch.inference_mode()
def test_a_step(part):
    torch.manual_seed(0)
    model = Rmfd(ModelConfig(width=16, deep_width=16, hidden=8)).eval()
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    whole = second_result(model)
    with getattr(ablations, part)():
        without = second_result(model)
    assert without.shape == whole.shape
    assert without.isfinite().all()
    assert not torch.equal(without, whole)
