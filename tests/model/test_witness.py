"""What is no rain for certain is left alone while it rains little; what is, is not."""

import numpy as np
import pytest
import torch

from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.image import Image
from rmfd_cli.model.passes import take_off
from rmfd_cli.model.placing import find_weights
from rmfd_cli.model.streaming import restore
from rmfd_cli.model.witness import agreement_of, difference_of, sparing
from rmfd_cli.video.ycc import ycc_of_rgb
from tests.model.rainy import texture

CPU = torch.device("cpu")
DEPARTURE = Image(torch.full((1, 1, 32, 48), -0.2), torch.full((1, 2, 16, 24), 0.02))
NO_RAIN, DRIZZLE, RAIN = (torch.full((1, 1, 1, 1), taken / 255) for taken in (0.1, 0.325, 0.6))


def test_neighbours_agree_where_they_show_the_same_and_not_next_to_where_they_do_not():
    previous, following = torch.zeros(2, 1, 1, 32, 48)
    following[..., :8] = 0.2
    agreement = agreement_of(difference_of(previous, following))
    assert agreement.shape == (1, 1, 4, 6)
    assert agreement[..., :2].max() < 0.01
    torch.testing.assert_close(agreement[..., 2:], torch.ones(1, 1, 4, 4))


def test_a_streak_in_one_of_the_neighbours_does_not_discredit_them():
    previous, following = torch.zeros(2, 1, 1, 32, 48)
    following[..., 4:28, 20] = 0.3
    assert agreement_of(difference_of(previous, following)).min() > 0.5


@pytest.mark.parametrize(("rain", "left"), [(NO_RAIN, 0.0), (DRIZZLE, 0.5), (RAIN, 1.0)])
def test_the_less_it_rains_the_less_is_taken_off_where_neighbours_disagree(rain, left):
    agreement = torch.ones(1, 1, 4, 6)
    agreement[..., :3] = 0.0
    # Nothing is covered, and all places have the same translucent light.
    maps = torch.tensor([0.0] * 16 + [-50.0] * 16 + [0.2] * 16 + [-0.02] * 8 + [0.0] * 6).view(1, 62, 1, 1).expand(1, 62, 8, 12)
    nothing = Image(0 * DEPARTURE.luma, 0 * DEPARTURE.chroma)
    known, spared = (torch.zeros(2, 6), maps, nothing.luma), sparing(agreement, rain)
    spared, taken = take_off(torch.nn.Identity(), *known, nothing, nothing, nothing, None, spared)
    torch.testing.assert_close(spared.luma[..., :20], left * DEPARTURE.luma[..., :20])
    torch.testing.assert_close(spared.chroma[..., :10], left * DEPARTURE.chroma[..., :10])
    torch.testing.assert_close(spared.luma[..., 28:], DEPARTURE.luma[..., 28:])
    torch.testing.assert_close(taken, torch.full((1, 1, 4, 6), 0.2))


def foaming(frames: int) -> list[np.ndarray]:
    """A still scene of 160×480 pixels, with foam along its right edge, and a drop a frame that falls through the left."""
    rng, scene = np.random.default_rng(5), (1.6 * texture(160, 480) - 0.4).clip(0, 0.8)
    clip = []
    for _ in range(frames):
        luma = scene.copy()
        luma[:, 448:] += 0.25 * (rng.random((40, 8)) < 0.2).repeat(4, 0).repeat(4, 1)
        top, left = rng.integers(8, 120), rng.integers(8, 380)
        luma[top : top + 12, left : left + 2] += 0.3
        clip.append(np.repeat((luma.clip(0, 1) * 255).round().astype(np.uint8)[..., None], 3, -1))
    return clip


def test_foam_is_spared_and_a_drop_is_not(monkeypatch):
    model, clip = load_model(find_weights("small")).requires_grad_(False), foaming(8)

    def taken() -> tuple[float, float]:
        """Off the left and off the foam, in code values, but for what is taken off all frames alike."""
        changes = np.stack([change.luma for change in restore(map(ycc_of_rgb, clip), model, CPU)])[3:]
        light = np.abs(changes - np.median(changes, 0)).mean((0, 1)) * 255
        return float(light[:400].mean()), float(light[448:].mean())

    drops, foam = taken()
    monkeypatch.setattr("rmfd_cli.model.network.sparing", lambda agreement, rain: torch.ones_like(agreement))
    all_drops, all_foam = taken()
    assert all_foam > 0.3
    assert foam < 0.35 * all_foam
    assert drops > 0.9 * all_drops > 0.02
