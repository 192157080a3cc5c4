"""What training minimises: every factor of the rain model against the simulator's layers, and the result against the truth."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rmfd_cli.metrics import ssim
from rmfd_cli.model.network import Restored
from rmfd_cli.training.data import Batch


@dataclass(frozen=True)
class LossWeights:
    """The weight of each term, and why it is there."""

    image: float = 1.0
    """Charbonnier on the refined B: the aim itself."""
    structure: float = 0.1
    """1 − SSIM on the refined B: fine texture that a mean absolute error gives up first. The paper trains on SSIM alone, which
    leaves the overall brightness free."""
    coarse: float = 0.3
    """Charbonnier on B after the inversion: stage 1 has to stand on its own physics, with stage 2 to correct it."""
    hazy: float = 0.5
    """Charbonnier on H: streaks and drops gone before the veil is touched."""
    transmission: float = 0.1
    """Squared error on T: most clips are clear, and under an absolute error T = 1 everywhere is where learning stops."""
    airlight: float = 0.1
    """L1 on A where there is a veil to see it by."""
    flow: float = 0.2
    """L1 on U."""
    change: float = 0.2
    """Charbonnier on the change of B from frame to frame: no flicker."""


class ClipEstimates(NamedTuple):
    """A step's estimates stacked over a clip, `[B, T, C, H, W]`."""

    image: Tensor
    coarse: Tensor
    hazy: Tensor
    transmission: Tensor
    airlight: Tensor
    flow: Tensor

    @staticmethod
    def of(steps: list[Restored]) -> "ClipEstimates":
        """Stacks the steps of a clip in time order."""
        return ClipEstimates(*(torch.stack(column, 1) for column in zip(*steps, strict=True)))


def losses(estimates: ClipEstimates, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """Every weighted term by name; their sum is what training minimises."""
    veiled = (1 - batch.transmission).mean((2, 3, 4), keepdim=True)
    share = balance(batch)
    terms = {
        "image": charbonnier((estimates.image - batch.clean) * share),
        "structure": 1 - ssim(estimates.image.flatten(0, 1), batch.clean.flatten(0, 1)).mean(),
        "coarse": charbonnier((estimates.coarse - batch.clean) * share),
        "hazy": charbonnier((estimates.hazy - batch.hazy) * share),
        "transmission": (estimates.transmission - batch.transmission).square().mean(),
        "airlight": ((estimates.airlight - batch.airlight).abs() * veiled).mean(),
        "flow": (estimates.flow - batch.flow).abs().mean(),
        "change": charbonnier((estimates.image.diff(dim=1) - batch.clean.diff(dim=1)) * share),
    }
    return {name: getattr(weights, name) * value for name, value in terms.items()}


def balance(batch: Batch) -> Tensor:
    """A factor per clip, `[B, 1, 1, 1, 1]`, that keeps downpours from drowning drizzle in the loss.

    A violent clip's error is fifty times a light one's, while in decibels both matter alike; errors are scaled by the inverse
    square root of how far the rainy clip is from the clean one, half way between the two.
    """
    damage = (batch.rainy - batch.clean).abs().mean((1, 2, 3, 4), keepdim=True)
    return (0.03 / (damage + 0.005)).sqrt()


def charbonnier(error: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of √(x² + ε²): an absolute error that is smooth at zero."""
    return (error.square() + epsilon**2).sqrt().mean()
