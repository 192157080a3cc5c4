"""Drops that fall, drawn as anti-aliased streaks: one layer of rain over all frames of a clip at once."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.rain.weather import StreakLayer

SAMPLE_SPACING_PX = 0.7
"""Distance between the points that a streak is drawn with; below one pixel a line shows no beads."""


def draw_streaks(
    layer: StreakLayer,
    frames: int,
    height: int,
    width: int,
    *,
    gust_degrees: float,
    generator: torch.Generator,
) -> Tensor:
    """Optical thickness of one layer of streaks: 1 − exp(−thickness) is the opacity, whatever order drops overlap in.

    Args:
        layer: what the streaks look like.
        frames: T, the number of frames.
        height: H in pixels.
        width: W in pixels.
        gust_degrees: the direction swings by this much over the clip, as a quarter of a sine.
        generator: source of randomness, and the device to draw on.

    Returns:
        `[T, 1, H, W]` ≥ 0, float32, on the generator's device.
    """
    device = generator.device
    margin = layer.length_px * 1.5 + 3 * layer.width_px
    box_w, box_h = width + 2 * margin, height + 2 * margin
    count = round(layer.density * box_w * box_h)
    if count == 0:
        return torch.zeros(frames, 1, height, width, device=device)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    size = normal(count)
    length = (layer.length_px * torch.exp(layer.length_spread * size)).clamp(1.0, 2.2 * layer.length_px + 1)
    opacity = (layer.opacity * torch.exp(layer.opacity_spread * normal(count))).clamp(0.01, 0.97)
    time = torch.arange(frames, device=device, dtype=torch.float32)[:, None]
    swing = layer.angle_degrees + gust_degrees * torch.sin(time / max(frames, 8) * (math.pi / 2))
    angle = torch.deg2rad(swing + layer.angle_spread_degrees * normal(count))
    direction_x, direction_y = torch.sin(angle), torch.cos(angle)

    if layer.motion == "falling":
        # Drops move in straight lines on a torus, so that as many enter the box as leave it.
        travelled = (length * layer.step) * time
        x = uniform(count) * box_w + travelled * direction_x.mean(0)
        y = uniform(count) * box_h + travelled * direction_y.mean(0)
        x, y = x % box_w - margin, y % box_h - margin
    else:
        x = uniform(frames, count) * box_w - margin
        y = uniform(frames, count) * box_h - margin

    length, opacity = length.expand(frames, count), opacity.expand(frames, count)
    frame = torch.arange(frames, device=device)[:, None].expand(frames, count)
    columns = [c.reshape(-1) for c in (x, y, length, opacity, direction_x, direction_y, frame)]
    thickness = _splat(columns, layer, frames, height, width, uniform(frames * count))
    return _widen(thickness, layer.width_px)


def _splat(columns: list[Tensor], layer: StreakLayer, frames: int, height: int, width: int, phase: Tensor) -> Tensor:
    """Points along every streak, each spread over its four nearest pixels."""
    x, y, length, opacity, direction_x, direction_y, frame = columns
    samples = (length / SAMPLE_SPACING_PX).ceil().clamp(min=1).long()
    streak = torch.repeat_interleave(torch.arange(len(samples), device=x.device), samples)
    first = torch.cumsum(samples, 0) - samples
    along = (torch.arange(len(streak), device=x.device) - first[streak] + 0.5) / samples[streak]

    profile = torch.ones_like(along)
    if layer.taper > 0:
        profile = (torch.minimum(along, 1 - along) * (2 / layer.taper)).clamp(max=1.0)
    if layer.ripple > 0:
        profile = profile * (1 + layer.ripple * torch.sin(2 * math.pi * (phase[streak] + 2.5 * along)))
    # A sample stands for length/samples pixels of the line; a sub-pixel dot keeps its whole weight.
    weight = -torch.log1p(-opacity) * (length / samples).clamp(max=1.0)
    weight = weight[streak] * profile
    px = x[streak] + direction_x[streak] * length[streak] * along
    py = y[streak] + direction_y[streak] * length[streak] * along

    inside = (px > -1) & (px < width) & (py > -1) & (py < height)
    px, py, weight, layer_index = px[inside], py[inside], weight[inside], frame[streak][inside]
    left, top = px.floor(), py.floor()
    fx, fy = px - left, py - top
    # One pixel of border on every side takes the parts that fall outside.
    stride = width + 2
    base = (layer_index * (height + 2) + top.long() + 1) * stride + left.long() + 1
    canvas = torch.zeros(frames * (height + 2) * stride, device=x.device)
    for offset, share in (
        (0, (1 - fx) * (1 - fy)),
        (1, fx * (1 - fy)),
        (stride, (1 - fx) * fy),
        (stride + 1, fx * fy),
    ):
        canvas.index_add_(0, base + offset, weight * share)
    return canvas.view(frames, 1, height + 2, stride)[:, :, 1:-1, 1:-1]


def _widen(thickness: Tensor, sigma: float) -> Tensor:
    """Gaussian cross-section of standard deviation `sigma`, the centre line as thick as before."""
    if sigma < 0.2:
        return thickness
    radius = max(1, math.ceil(2.5 * sigma))
    offsets = torch.arange(-radius, radius + 1, device=thickness.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(thickness, (radius, radius, radius, radius))
    blurred = F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))
    # A line of unit integral has peak 1 when drawn on the grid and 1/(σ√2π) when blurred.
    return blurred * math.sqrt(1 + 2 * math.pi * sigma**2)
