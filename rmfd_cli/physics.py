"""The rain model on one page: what rain does to an image, and how to undo it.

    hazy      H = T·B + (1 − T)·A + U              rain accumulation (the veil) and its flow
    rainy     O = (1 − α)·(H + S) + α·L            streaks, then occluding drops
    inverse   B = (H − (1 − T)·A − U) / max(T, t_min)

Every argument is a float tensor `[..., C, H, W]` in [0, 1]; the layers broadcast, so that one channel (or one value) may stand
for three. The model is linear, and holds of light (`rain.render`), of display-referred RGB, and of luma and chroma (`model`)
alike, of all its arguments the same. Nothing is clipped here: the camera clips, the model does not. All functions are
differentiable.

Where the terms come from: T, A and S as in the heavy-rain model (Li, Cheong and Tan, CVPR 2019) and in the inversion of the
released code of RMFD (Yang et al., TPAMI 2022), which is this model with U = 0 and α = 0; the occlusion α and its colour L
from the hybrid model of J4R-Net (Liu et al., CVPR 2018); the accumulation flow U from FCRVD (Yang et al., CVPR 2019) and RMFD.
The order of composition (the veil behind the streaks, occluding drops in front of all) is this project's choice.
"""

from typing import NamedTuple

import torch
from torch import Tensor

T_MIN = 0.05
"""Least transmission that the inverse divides by, as in the released code of RMFD."""


class RainLayers(NamedTuple):
    """The independent layers of a rainy clip; hazy and rainy images are computed from them, never stored.

    Shapes are `[..., C, H, W]` with C = 3, or 1 where a layer is the same in all channels.
    """

    transmission: Tensor
    """T in [0, 1]: the share of the background's light that the veil lets through. One channel."""
    airlight: Tensor
    """A in [0, 1]: the colour of the veil."""
    flow: Tensor
    """U: fast, spatially smooth, zero-mean flicker of the veil. One channel."""
    streaks: Tensor
    """S ≥ 0: light added by translucent streaks."""
    occlusion: Tensor
    """α in [0, 1): how much of a pixel drops cover. One channel."""
    occluder: Tensor
    """L in [0, 1]: the colour of those drops."""


def add_veil(clean: Tensor, transmission: Tensor, airlight: Tensor, flow: Tensor | float = 0.0) -> Tensor:
    """Clean background B to hazy image H = T·B + (1 − T)·A + U."""
    return transmission * clean + (1 - transmission) * airlight + flow


def remove_veil(
    hazy: Tensor, transmission: Tensor, airlight: Tensor, flow: Tensor | float = 0.0, t_min: float = T_MIN
) -> Tensor:
    """Hazy image H to clean background B; exact wherever T ≥ `t_min`, damped below."""
    return torch.addcmul(hazy - flow, transmission - 1, airlight) / transmission.clamp(min=t_min)


def add_rain(hazy: Tensor, streaks: Tensor, occlusion: Tensor | float = 0.0, occluder: Tensor | float = 0.0) -> Tensor:
    """Hazy image H to rainy image O = (1 − α)·(H + S) + α·L."""
    return (1 - occlusion) * (hazy + streaks) + occlusion * occluder


def remove_rain(rainy: Tensor, streaks: Tensor, occlusion: Tensor | float = 0.0, occluder: Tensor | float = 0.0) -> Tensor:
    """Rainy image O to hazy image H; needs α < 1, since an opaque drop leaves nothing to recover."""
    return (rainy - occlusion * occluder) / (1 - occlusion) - streaks


def compose(clean: Tensor, layers: RainLayers) -> Tensor:
    """Clean background and all layers to the rainy image, before any camera."""
    hazy = add_veil(clean, layers.transmission, layers.airlight, layers.flow)
    return add_rain(hazy, layers.streaks, layers.occlusion, layers.occluder)


def invert(rainy: Tensor, layers: RainLayers, t_min: float = T_MIN) -> Tensor:
    """Rainy image and all layers to the clean background: undoes `compose` for T ≥ `t_min` and α < 1."""
    hazy = remove_rain(rainy, layers.streaks, layers.occlusion, layers.occluder)
    return remove_veil(hazy, layers.transmission, layers.airlight, layers.flow, t_min)
