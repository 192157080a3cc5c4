"""The veil of distant rain: transmission over the scene's depth, and its flicker."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.physics import T_MIN
from rmfd_cli.rain.depth import DepthPrior, relative_depth
from rmfd_cli.rain.elements import Veil
from rmfd_cli.rain.fields import SmoothField, draw_field, field_at

THICKEST = -math.log(T_MIN)
"""Optical depth that the veil keeps to, so that the layers can always be inverted; farther things have become airlight."""
SHEETS = 0.15
"""Standard deviation of the veil's thickness as sheets of rain pass."""


@dataclass(frozen=True)
class VeilFields:
    """What is random of a veil."""

    sheets: SmoothField
    flicker: SmoothField


def draw_veil(frames: int, frame_rate: float, generator: torch.Generator) -> VeilFields:
    """Sheets, which take about a second to pass, and flicker over a clip."""
    return VeilFields(draw_field(frames, 3, generator, every=frame_rate), draw_field(frames, 4, generator, centred=True))


def veil_at(
    veil: Veil, fields: VeilFields, prior: DepthPrior, clean: Tensor, depth_m: Tensor | None, frame: int
) -> tuple[Tensor, Tensor]:
    """Transmission T = exp(−β·d), d the depth, and the flow U in one frame.

    Args:
        veil: what the veil is like.
        fields: what is random of it.
        prior: shape of the scene, for the part of the veil that is not given per metre.
        clean: background `[3, H, W]`, display-referred.
        depth_m: `[1, H, W]`; needed where `veil.extinction_per_m` is not 0, and used for the relative depth if given.
        frame: absolute number.

    Returns:
        transmission `[1, H, W]` in [`T_MIN`, 1], flow `[1, H, W]`, which under an even veil has a mean near 0 over the
        clip, relative to the airlight's mean.
    """
    *_, height, width = clean.shape
    if veil.optical_depth == 0 and veil.extinction_per_m == 0:
        return torch.ones(1, height, width, device=clean.device), torch.zeros(1, height, width, device=clean.device)
    thickness = torch.zeros(1, height, width, device=clean.device)
    if veil.optical_depth > 0:
        relative = torch.ones_like(thickness)
        if veil.relief > 0:
            relative = F.interpolate(relative_depth(prior, clean)[None], size=(height, width), mode="bilinear")[0]
        thickness = veil.optical_depth * (1 - veil.relief + veil.relief * relative)
    if veil.extinction_per_m > 0 and depth_m is not None:
        thickness = thickness + veil.extinction_per_m * depth_m
    sheets = (1 + SHEETS * field_at(fields.sheets, frame, height, width)).clamp(min=0.2)
    transmission = torch.exp(-(thickness * sheets).clamp(max=THICKEST))
    if veil.flow == 0:
        return transmission, torch.zeros_like(transmission)
    # More veil, more flicker: clear air does not flicker.
    return transmission, veil.flow * (1 - transmission) * field_at(fields.flicker, frame, height, width)
