"""Adversarial learning: a discriminator that looks at real clean video and at what the network makes of rain.

The paper's stage 2 has a discriminator of single images. This one sees three consecutive frames, so that rain that comes and
goes gives itself away, and gives a score per patch: how a streak looks is a matter of a few dozen pixels.
"""

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from rmfd_cli.training.parallel import Ranks, synchronized

FRAMES = 3
LEARNING_RATE = 4e-4
SURROUNDINGS_PX = 15
CONTRAST = 4.0
"""Brings the departures of pixels from their surroundings to about ±1."""


class Discriminator(nn.Module):
    """Spectrally normalised convolutions (Miyato et al., ICLR 2018), so that its slope stays bounded without a penalty.

    It sees detail alone, how pixels depart from their surroundings, since with whole pictures it learns which scene it was. The
    last convolution is free to scale the scores, or learning is slow.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        widths = (3 * FRAMES, width, 2 * width, 3 * width)
        self.body = nn.ModuleList(
            spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)) for inputs, outputs in itertools.pairwise(widths)
        )
        self.head = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, triples: Tensor) -> Tensor:
        """Three frames as channels, `[N, 9, H, W]`, to a score per patch, `[N, 1, H/8, W/8]`: high for clean video."""
        x = CONTRAST * (triples - F.avg_pool2d(triples, SURROUNDINGS_PX, 1, SURROUNDINGS_PX // 2, count_include_pad=False))
        for layer in self.body:
            x = F.leaky_relu(layer(x), 0.2)
        scores: Tensor = self.head(x)
        return scores


class Adversary(NamedTuple):
    """The discriminator and what trains it."""

    judge: Discriminator
    optimizer: torch.optim.Optimizer
    together: nn.Module
    """The judge, with gradients averaged over all processes that train."""


def make_adversary(ranks: Ranks, device: torch.device) -> Adversary:
    """A discriminator at its beginning; its random weights are torch's own next ones."""
    judge = Discriminator().to(device)
    optimizer = torch.optim.Adam(judge.parameters(), lr=LEARNING_RATE, betas=(0.5, 0.99))
    return Adversary(judge, optimizer, synchronized(judge, ranks))


def deception(judge: Discriminator, restored: Tensor) -> Tensor:
    """What the network minimises: minus the judge's score of its video.

    Args:
        judge: its parameters take no part.
        restored: `[B, T, 3, H, W]`, T at least three.
    """
    frozen = [parameter.requires_grad_(False) for parameter in judge.parameters()]
    loss: Tensor = -judge(triples(restored)).mean()
    for parameter in frozen:
        parameter.requires_grad_(True)
    return loss


def judge_better(adversary: Adversary, clean: Tensor, restored: Tensor) -> float:
    """One step of the discriminator with the hinge loss: scores above 1 for clean video, below −1 for the network's.

    Args:
        adversary: is changed.
        clean: real clean video, `[B, T, 3, H, W]`.
        restored: the network's, of the same shape but for B.

    Returns:
        The loss before the step: 2 where it cannot tell them apart, 0 where it always can.

    Raises:
        FloatingPointError: that loss is not finite; no parameter was changed.
    """
    real, made = triples(clean), triples(restored.detach())
    scores = adversary.together(torch.cat([real, made])).split([len(real), len(made)])
    loss: Tensor = F.relu(1 - scores[0]).mean() + F.relu(1 + scores[1]).mean()
    value = float(loss.detach())
    if not math.isfinite(value):
        raise FloatingPointError("the discriminator's loss is not a number")
    adversary.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    adversary.optimizer.step()
    return value


def triples(clip: Tensor) -> Tensor:
    """Consecutive frames in threes, `[B, T, 3, H, W]` to `[N, 9, H, W]`.

    Each begins where the one before it ended; of an even number of frames, the last three follow besides.
    """
    last = clip.shape[1] - FRAMES
    starts = [*range(0, last, FRAMES - 1), last]
    return torch.cat([clip[:, t : t + FRAMES].flatten(1, 2) for t in starts])
