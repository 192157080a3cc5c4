"""What training minimises: every factor of the rain model against the simulator's layers, and the result against the truth."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rmfd_cli import physics
from rmfd_cli.metrics import ssim
from rmfd_cli.model.align import warp
from rmfd_cli.model.image import CELL_PX, Image, enlarge, to_rgb
from rmfd_cli.model.values import Restored
from rmfd_cli.training.packed import Batch, full_size

HIGHEST_DB = 50.0
"""What is nearer to the truth cannot be seen; without a limit, a clip without rain decides the mean."""
LEAST_SHARE = 1e-3
"""Where less is known of a clip, it counts less."""


@dataclass(frozen=True)
class LossWeights:
    """The weight of each term, and why it is there."""

    image: float = 0.0035
    """Decibels on the refined B: the aim itself, as it is scored. The worst pixels of a clip count most, which are those
    under rain, and clips alike, however hard it rains (docs/decisions.md)."""
    structure: float = 0.1
    """1 − SSIM on the refined B: fine texture that a mean absolute error gives up first. The paper trains on SSIM alone, which
    leaves the overall brightness free."""
    coarse: float = 0.001
    """Decibels on B after the inversion: stage 1 has to stand on its own physics, with stage 2 to correct it."""
    hazy: float = 0.5
    """Charbonnier on H: streaks and drops gone before the veil is touched."""
    transmission: float = 0.3
    """Squared error on T: most clips are clear, and under an absolute error T = 1 everywhere is where learning stops."""
    airlight: float = 0.1
    """L1 on A where there is a veil to see it by."""
    flow: float = 0.2
    """L1 on U."""
    change: float = 0.2
    """Charbonnier on the change of B from frame to frame: no flicker."""
    dark_change: float = 0.1
    """Real rain only: L1 between the darkest colours of consecutive results in register, as the reference's code has it without
    registering. Rain that is left comes and goes."""
    dark: float = 0.01
    """Real rain only: the darkest colour of the result, as the reference's code has it. A veil that is left brightens it."""
    adversary: float = 0.002
    """Stage 2 only: minus the discriminator's score of the results."""


class ClipEstimates(NamedTuple):
    """Estimates of all frames of a clip, `[B, T, C, H, W]`."""

    image: Tensor
    coarse: Tensor
    hazy: Tensor
    transmission: Tensor
    airlight: Tensor
    flow: Tensor

    @staticmethod
    def of(restored: Restored, frames: int) -> "ClipEstimates":
        """What was restored of clips, `[T·B, …]` frame by frame, as clips: images as RGB, the veil at their size."""
        image, coarse, hazy = (to_rgb(Image(*(x.float() for x in picture))) for picture in restored[:3])
        veil = enlarge(restored.veil.float(), CELL_PX)
        transmission, flow = veil[..., : image.shape[-2], : image.shape[-1]].chunk(2, 1)
        parts = image, coarse, hazy, transmission, restored.airlight, flow
        return ClipEstimates(*(part.view(frames, -1, *part.shape[1:]).transpose(0, 1) for part in parts))


def losses(estimates: ClipEstimates, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """Every weighted term by name; their sum is what training minimises."""
    veiled = (1 - batch.transmission).mean((2, 3, 4), keepdim=True)
    share, known = balance(batch), batch.clean_known.expand(-1, batch.rainy.shape[1], -1, -1, -1)
    clean, certain = _truth(estimates, batch)
    terms = {
        "image": decibels(estimates.image - clean, certain),
        "structure": ((1 - _ssim(estimates.image, clean)) * known[..., 0, 0, 0]).mean(),
        "coarse": decibels(estimates.coarse - clean, known),
        "hazy": charbonnier((estimates.hazy - batch.hazy) * share * batch.hazy_known),
        "transmission": ((estimates.transmission - batch.transmission) * batch.veil_known).square().mean(),
        "airlight": ((estimates.airlight - batch.airlight).abs() * veiled * batch.veil_known).mean(),
        "flow": ((estimates.flow - batch.flow).abs() * batch.veil_known).mean(),
        "change": charbonnier((estimates.image.diff(dim=1) - clean.diff(dim=1)) * share * known[:, 1:]),
    }
    terms |= _dark_terms(estimates.image, batch)
    return {name: getattr(weights, name) * value for name, value in terms.items()}


def _truth(estimates: ClipEstimates, batch: Batch) -> tuple[Tensor, Tensor]:
    """B, and how certain it is, 0 to 1: the clean clip, or, of real rain, what is trusted of H less the veil as estimated."""
    if batch.clean_known.all():
        return batch.clean, batch.clean_known
    transmission, airlight, flow = (x.detach() for x in (estimates.transmission, estimates.airlight, estimates.flow))
    unveiled = physics.remove_veil(batch.hazy, transmission, airlight, flow)
    certain = torch.where(batch.clean_known > 0, batch.clean_known, batch.hazy_known)
    return torch.where(batch.clean_known > 0, batch.clean, unveiled), certain


def _dark_terms(image: Tensor, batch: Batch) -> dict[str, Tensor]:
    """What is asked of results on real rain without any truth; 0 where the batch has none."""
    real = batch.real
    if not real.any():
        return dict.fromkeys(("dark_change", "dark"), image.new_zeros(()))
    dark = image.amin(2, keepdim=True)
    flows = full_size(batch.to_previous[:, 1:].flatten(0, 1), (dark.shape[-2], dark.shape[-1]))
    before = warp(dark[:, :-1].flatten(0, 1), flows)
    change = (dark[:, 1:] - before.view_as(dark[:, 1:])).abs()
    agree = batch.hazy_known.expand_as(dark)[:, 1:]
    return {"dark_change": (change * agree * real).mean(), "dark": (dark.clamp(min=0) * real).mean()}


def _ssim(images: Tensor, truth: Tensor) -> Tensor:
    """SSIM per frame, `[B, T]`."""
    return ssim(images.flatten(0, 1), truth.flatten(0, 1)).view(images.shape[:2])


def balance(batch: Batch) -> Tensor:
    """A factor per clip, `[B, 1, 1, 1, 1]`, that keeps downpours from drowning drizzle in the loss.

    A violent clip's error is fifty times a light one's, while in decibels both matter alike; errors are scaled by the inverse
    square root of how far the rainy clip is from the clean one, half way between the two.
    """
    certain = torch.maximum(batch.clean_known, batch.hazy_known)
    damage = ((batch.rainy - batch.clean).abs() * certain).mean((1, 2, 3, 4), keepdim=True)
    return (0.03 / (damage + 0.005)).sqrt()


def decibels(error: Tensor, certain: Tensor) -> Tensor:
    """How far the PSNR of clips lies below `HIGHEST_DB`, in dB, running out at 0 where there is no error; their mean.

    Args:
        error: `[B, T, C, H, W]`.
        certain: 0 to 1, of what broadcasts to it: which errors are real.
    """
    share = certain.expand(-1, error.shape[1], 1, *error.shape[3:]).mean((1, 2, 3, 4))
    squared = (error * certain).square().mean((1, 2, 3, 4)) / share.clamp(min=LEAST_SHARE)
    return 10 * torch.log10(1 + squared * 10 ** (HIGHEST_DB / 10)).mean()


def charbonnier(error: Tensor, epsilon: float = 1e-3) -> Tensor:
    """Mean of √(x² + ε²): an absolute error that is smooth at zero."""
    return (error.square() + epsilon**2).sqrt().mean()
