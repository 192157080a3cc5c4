"""The veil of distant rain: transmission over the scene's depth, and its flicker."""

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.rain.weather import Veil


def draw_veil(veil: Veil, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Transmission, airlight and accumulation flow over a clip.

    Depth is a prior, not a measurement: a plane that recedes upwards, smooth hills and valleys, and brightness of the scene
    as a cue, in a random mixture. It cannot know a near object from a far one.

    Args:
        veil: what the veil is like.
        clean: background `[T, 3, H, W]` in [0, 1].
        generator: source of randomness, on the clip's device.

    Returns:
        transmission `[T, 1, H, W]` in (0, 1], airlight `[1, 3, 1, 1]`, flow `[T, 1, H, W]` of zero mean.
    """
    frames, _, height, width = clean.shape
    device = clean.device
    airlight = torch.tensor(veil.airlight, device=device).view(1, 3, 1, 1)
    if veil.optical_depth == 0:
        one = torch.ones(frames, 1, height, width, device=device)
        return one, airlight, torch.zeros_like(one)
    depth = _depth_prior(clean, generator)
    optical_depth = veil.optical_depth * (1 - veil.relief + veil.relief * depth)
    sheets = _smooth_noise(frames, height, width, 3, generator)
    transmission = torch.exp(-optical_depth * (1 + 0.15 * sheets).clamp(min=0.2))
    flicker = _smooth_noise(frames, height, width, 4, generator)
    # More veil, more flicker: clear air does not flicker.
    flow = veil.flow * airlight.mean() * (1 - transmission) * (flicker - flicker.mean())
    return transmission, airlight, flow


def _depth_prior(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Relative depth `[T, 1, H, W]` ≥ 0 with mean near 1."""
    *_, height, width = clean.shape
    mix = torch.rand(4, generator=generator, device=clean.device)
    rows = torch.linspace(1, 0, height, device=clean.device).view(1, 1, height, 1)
    horizon = 0.3 + 0.5 * mix[3]
    plane = (0.15 / (horizon + 0.15 - rows).clamp(min=0.08)).clamp(max=1.5)
    hills = 0.5 + 0.5 * _smooth_noise(1, height, width, 4, generator)
    light = clean.mean(1, keepdim=True)
    light = F.interpolate(F.avg_pool2d(light, 4, ceil_mode=True), size=(height, width), mode="bilinear")
    depth = mix[0] * plane + mix[1] * hills + 1.5 * mix[2] * light
    return depth / depth.mean().clamp(min=1e-3)


def _smooth_noise(frames: int, height: int, width: int, cells: int, generator: torch.Generator) -> Tensor:
    """`[T, 1, H, W]`, smooth in space and time, about unit amplitude."""
    moments = max(2, frames // 3 + 1)
    grid = torch.randn(1, 1, moments, cells, cells + 1, generator=generator, device=generator.device)
    smooth = F.interpolate(grid, size=(frames, height, width), mode="trilinear", align_corners=True)
    return smooth[0, 0].unsqueeze(1)
