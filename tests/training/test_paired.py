"""Pairs that are shorter than what is drawn of them."""

import numpy as np
import torch

from rmfd_cli.training.data import draw_batch
from rmfd_cli.training.losses import ClipEstimates, LossWeights, losses
from rmfd_cli.training.packed import Batch, Packed, concatenate
from rmfd_cli.training.paired import Pair, draw_pairs
from rmfd_cli.training.real import draw_real

SHORT, FRAMES = 4, 9


def clip(frames: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (frames, 40, 48, 3)).astype(np.uint8)


def drawn(length: int, size: int = 2) -> Packed:
    pair = Pair(clip(length) + np.uint8(30), clip(length))
    return draw_pairs([pair], 1, 0, size=size, frames=FRAMES, crop_px=32)


def estimates_of(image: torch.Tensor) -> ClipEstimates:
    one = torch.ones_like(image[:, :, :1])
    return ClipEstimates(image, image, image, one, 0.8 * one[..., :1, :1].repeat(1, 1, 3, 1, 1), 0 * one)


def slope(batch: Batch) -> torch.Tensor:
    """How much the loss asks of each frame of an estimate that is the rainy clip, the largest of a pixel, `[T]`."""
    image = batch.rainy.clone().requires_grad_(True)
    total = torch.stack(list(losses(estimates_of(image), batch, LossWeights()).values())).sum()
    (gradient,) = torch.autograd.grad(total, image)
    return gradient.abs().amax((0, 2, 3, 4))


def test_a_short_pair_teaches_nothing_where_it_stands_still():
    packed = drawn(SHORT)
    assert torch.equal(packed.rainy[:, SHORT:], packed.rainy[:, SHORT - 1 : SHORT].expand(-1, FRAMES - SHORT, -1, -1, -1))
    asked = slope(packed.part(range(FRAMES)))
    assert (asked[:SHORT] > 0).all()
    assert not asked[SHORT:].any()
    assert not slope(packed.part(range(SHORT, FRAMES))).any()


def test_a_pair_that_is_long_enough_teaches_all_along():
    assert (slope(drawn(FRAMES).part(range(FRAMES))) > 0).all()


def test_it_shares_a_batch_with_simulated_and_real_rain():
    simulated = draw_batch([clip(FRAMES)], 1, 0, size=1, frames=FRAMES, crop_px=32)
    real = draw_real([clip(FRAMES)], 1, 0, size=1, frames=FRAMES, crop_px=32)
    batch = concatenate([simulated, drawn(SHORT, size=1), real]).part(range(FRAMES))
    assert batch.clean_known[:, :, 0, 0, 0].tolist() == [
        [1.0] * FRAMES,
        [1.0] * SHORT + [0.0] * (FRAMES - SHORT),
        [0.0] * FRAMES,
    ]
    assert batch.real.flatten().tolist() == [0, 0, 1]
    terms = losses(estimates_of(batch.rainy), batch, LossWeights())
    assert all(torch.isfinite(value) for value in terms.values())
