"""How far away the scene is: a prior in metres, for clips that come without a depth map."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.rain.drops import focal_px
from rmfd_cli.rain.elements import View
from rmfd_cli.rain.fields import SmoothField, draw_field, field_at

FARTHEST_M = 1000.0
"""The sky, as far as a veil is concerned."""
NEAREST_M = 1.0
COARSE = 4
"""The prior is smooth; it is made on a grid this much coarser and interpolated."""
_EDGE = 0.01
"""Variance of brightness, white being 1, from which on the prior steps with the picture."""


@dataclass(frozen=True)
class DepthPrior:
    """What is random about the scene's shape."""

    view: View
    mix: tuple[float, float, float, float]
    """Weights of plane, hills and brightness in the relative depth, and where its horizon lies; each in [0, 1]."""
    backdrop_m: float
    """Distance of what stands at the horizon."""
    hills: SmoothField


def draw_depth_prior(view: View, generator: torch.Generator) -> DepthPrior:
    """A random scene for a camera."""
    mix = torch.rand(5, generator=generator, device=generator.device).tolist()
    return DepthPrior(view, (mix[0], mix[1], mix[2], mix[3]), 20 * 10 ** mix[4], draw_field(1, 4, generator))


def relative_depth(prior: DepthPrior, clean: Tensor) -> Tensor:
    """Depth up to a factor, from a receding plane, smooth hills and the brightness of the scene, in a random mixture.

    Args:
        prior: the mixture.
        clean: `[3, H, W]` in [0, 1].

    Returns:
        `[1, H/4, W/4]` (rounded up) ≥ 0 with mean 1.
    """
    light = _coarse_light(clean)
    rows = torch.linspace(1, 0, light.shape[1], device=clean.device).view(1, -1, 1)
    horizon = 0.3 + 0.5 * prior.mix[3]
    plane = (0.15 / (horizon + 0.15 - rows).clamp(min=0.08)).clamp(max=1.5)
    hills = 0.5 + 0.5 * field_at(prior.hills, 0, light.shape[1], light.shape[2])
    depth = prior.mix[0] * plane + prior.mix[1] * hills + 1.5 * prior.mix[2] * light
    return depth.clamp(min=0) / depth.mean().clamp(min=1e-3)


def metric_depth_m(prior: DepthPrior, clean: Tensor) -> Tensor:
    """Depth in metres from a ground plane, a backdrop at the horizon, and a sky where the upper part is bright and even.

    It knows the camera's height and horizon, and nothing of what stands on the ground: a person two metres away is as far as
    the ground behind their head, a white wall high in the picture passes for sky, and the rim of a roof is as soft as the grid.
    Where that matters, depth maps have to be given.

    Args:
        prior: the scene.
        clean: `[3, H, W]` in [0, 1].

    Returns:
        `[1, H, W]` from `NEAREST_M` to `FARTHEST_M`.
    """
    *_, height, width = clean.shape
    light = _coarse_light(clean)
    rows, columns = light.shape[1:]
    ground = ground_depth_m(prior.view, rows, columns, clean.device)
    hills = torch.exp(0.4 * field_at(prior.hills, 0, rows, columns))
    far = torch.minimum(ground, prior.backdrop_m * hills).log()
    # Sky is bright all the way up to the frame's upper rim, from 0.6 of white, and ends at the horizon.
    above = (prior.view.horizon - (torch.arange(rows, device=clean.device) + 0.5) / rows).view(1, -1, 1)
    bright = ((light - 0.6) / 0.2).clamp(0, 1).cummin(1).values
    far = torch.lerp(far, torch.full_like(far, math.log(FARTHEST_M)), bright * (above / 0.1).clamp(0, 1))
    depth = _follow(light, far).exp().clamp(NEAREST_M, FARTHEST_M)
    return F.interpolate(depth[None], size=(height, width), mode="bilinear")[0]


def _follow(light: Tensor, values: Tensor) -> Tensor:
    """Smooths `[1, h, w]` widely, but lets it step where the brightness of the scene steps.

    A guided filter (He, Sun and Tang, PAMI 2013), its coefficients on a grid of half the size. Without it the plane's horizon
    stands as a line across everything that rises over it.
    """
    rows, columns = light.shape[1:]
    small = (max(1, rows // 2), max(1, columns // 2))
    guide, target = (F.adaptive_avg_pool2d(x, small) for x in (light, values))
    radius = max(1, small[0] // 10)
    stack = _box(torch.cat([guide, target, guide * guide, guide * target]), radius)
    slope = (stack[3] - stack[0] * stack[1]) / (stack[2] - stack[0] ** 2 + _EDGE)
    line = _box(torch.stack([slope, stack[1] - slope * stack[0]]), radius)
    line = F.interpolate(line[None], size=(rows, columns), mode="bilinear")[0]
    return line[:1] * light + line[1:]


def _box(planes: Tensor, radius: int) -> Tensor:
    """Mean over a square of 2·radius + 1 pixels, `[N, h, w]`; the rim counts what is inside."""
    size = 2 * radius + 1
    tall = F.avg_pool2d(planes, (size, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(tall, (1, size), 1, (0, radius), count_include_pad=False)


def ground_depth_m(view: View, height: int, width: int, device: torch.device) -> Tensor:
    """Distance of a level ground at every pixel of a frame, `[1, H, W]`; `FARTHEST_M` at the horizon and above."""
    below = torch.arange(height, device=device, dtype=torch.float32) + 0.5 - view.horizon * height
    distance = focal_px(view, width) * view.height_m / below.clamp(min=1e-3)
    return distance.clamp(NEAREST_M, FARTHEST_M).view(1, -1, 1).expand(1, height, width)


def _coarse_light(clean: Tensor) -> Tensor:
    return F.avg_pool2d(clean.mean(0, keepdim=True), COARSE, ceil_mode=True)
