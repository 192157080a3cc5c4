"""Rainy clips with their ground truth: packed as they are drawn and handed over, and as numbers that are learnt from.

Packed, a pixel takes 14 bytes where its numbers take 60: what processes hand over and devices keep is bounded by memory.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from rmfd_cli import physics
from rmfd_cli.model.flow import SHRINK
from rmfd_cli.model.image import enlarge

KNOWN = torch.ones(1, 1, 1, 1, dtype=torch.bool)
NOT_REAL = torch.zeros(1, 1, 1, 1, 1)


class Batch(NamedTuple):
    """Some frames of rainy clips, `[B, T, C, H, W]` float32 in [0, 1]."""

    rainy: Tensor
    clean: Tensor
    """B as the same camera takes it without rain."""
    hazy: Tensor
    """H: what is left of `rainy` once streaks and drops are gone."""
    transmission: Tensor
    airlight: Tensor
    """A, `[B, 1, 3, 1, 1]`."""
    flow: Tensor
    """U, one channel."""
    to_previous: Tensor
    """As in `Packed`."""
    clean_known: Tensor
    """`[B, T or 1, 1, 1, 1]`: 1 where `clean` is ground truth, 0 where mere filling."""
    veil_known: Tensor
    """The same of `transmission`, `airlight` and `flow`, `[B, 1, 1, 1, 1]`."""
    hazy_known: Tensor
    """The same of `hazy`, `[B, T or 1, 1, H or 1, W or 1]`."""
    real: Tensor = NOT_REAL
    """`[B, 1, 1, 1, 1]`: 1 for real rain, of which no frame of the whole clip has ground truth."""


class Packed(NamedTuple):
    """Whole clips, `[B, T, C, H, W]`, or one without the first dimension."""

    rainy: Tensor
    """uint8, as cameras store it."""
    clean: Tensor
    """uint8."""
    transmission: Tensor
    """float16."""
    airlight: Tensor
    """`[B, 1, 3, 1, 1]` float32."""
    flow: Tensor
    """float16."""
    to_previous: Tensor
    to_following: Tensor
    """`[B, T, ⌈H/2⌉, ⌈W/2⌉, 2]` float32, estimated on the rainy frames as at inference; zero at the ends of the clip."""
    clean_known: Tensor = KNOWN
    """Bool, and of the shape that it has in `Batch`, like the next two."""
    veil_known: Tensor = KNOWN
    hazy_known: Tensor = KNOWN

    def part(self, frames: range) -> Batch:
        """Some frames of the clips; H is composed of B and the veil."""
        x = Packed(*(x[:, frames.start : frames.stop] if x.shape[1] > 1 else x for x in self))
        clean, transmission, flow = to_numbers(x.clean), x.transmission.float(), x.flow.float()
        hazy = physics.add_veil(clean, transmission, x.airlight, flow)
        real = ~self.clean_known.any(1, keepdim=True)
        masks = (mask.float() for mask in (x.clean_known, x.veil_known, x.hazy_known, real))
        return Batch(to_numbers(x.rainy), clean, hazy, transmission, x.airlight, flow, x.to_previous, *masks)

    def to(self, device: torch.device) -> "Packed":
        """The same clips on another device."""
        return Packed(*(x.to(device, non_blocking=True) for x in self))


def pack(
    rainy: Tensor, clean: Tensor, veil: tuple[Tensor, Tensor, Tensor], flows: tuple[Tensor, Tensor], **known: Tensor
) -> Packed:
    """One clip, or several.

    Args:
        rainy: `[..., T, 3, H, W]` float32 in [0, 1].
        clean: the same.
        veil: T and A and U.
        flows: to the previous and to the following frame.
        known: `clean_known`, `veil_known` and `hazy_known` where not everything is.
    """
    transmission, airlight, flow = veil
    return Packed(to_bytes(rainy), to_bytes(clean), transmission.half(), airlight, flow.half(), *flows, **known)


def to_bytes(pictures: Tensor) -> Tensor:
    """Pictures in [0, 1], rounded to uint8."""
    return (pictures * 255).round_().clamp_(0, 255).to(torch.uint8)


def to_numbers(pictures: Tensor) -> Tensor:
    """Undoes `to_bytes`, up to the rounding."""
    return pictures.float() / 255


def full_size(flows: Tensor, size: tuple[int, int]) -> Tensor:
    """Flows of a `Packed`, `[N, h, w, 2]`, in pixels of frames of (H, W): `[N, H, W, 2]`, as `flow.enlarge_flow` has them."""
    large = enlarge(flows.permute(0, 3, 1, 2).contiguous() * SHRINK, SHRINK)
    return large[..., : size[0], : size[1]].permute(0, 2, 3, 1).contiguous()


def stack(clips: list[Packed]) -> Packed:
    """Several clips, without their first dimension, to one batch."""
    return Packed(*(torch.stack(column) for column in zip(*clips, strict=True)))


def concatenate(batches: list[Packed]) -> Packed:
    """Several batches to one; what one has but once for all frames or pixels is repeated where another has it for each."""
    columns = []
    for column in zip(*batches, strict=True):
        sizes = [max(lengths) for lengths in zip(*(x.shape[1:] for x in column), strict=True)]
        columns.append(torch.cat([x.expand(-1, *sizes) for x in column]))
    return Packed(*columns)
