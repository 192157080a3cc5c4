"""Painted rain: layers of streaks in the style of image editors and published data sets, in pixels and frames."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rmfd_cli.rain import seeds
from rmfd_cli.rain.elements import StreakLayer
from rmfd_cli.rain.raster import Segments

LONGEST = 2.2
"""Streaks are no longer than so many times the layer's length."""
_CYCLES = 2.5
"""Periods of the brightness oscillation along a painted streak."""


@dataclass(frozen=True)
class Streaks:
    """All streaks of a layer, each field `[N]`."""

    layer: StreakLayer
    box: tuple[float, float, float]
    """Width and height of the torus that drops fall through, and how far it begins outside the frame, in pixels."""
    length_px: Tensor
    thickness: Tensor
    lean_degrees: Tensor
    """From the vertical, without the gust."""
    place: Tensor
    """`[2, N]` in [0, 1): where in the box the streak is at time 0."""
    drift: Tensor
    """`[2, N]`: mean direction over the clip, of unit length."""
    phase: Tensor
    gust_degrees: float
    frames: int


def scatter_streaks(
    layer: StreakLayer, frames: int, height: int, width: int, gust_degrees: float, generator: torch.Generator
) -> Streaks:
    """Draws what is random of a layer.

    Args:
        layer: what the streaks look like.
        frames: over which the gust unfolds.
        height: H in pixels.
        width: W in pixels.
        gust_degrees: the direction swings by this much over the clip, as a quarter of a sine.
        generator: source of randomness, and the device to work on.
    """
    device = generator.device
    longest = layer.length_px * min(LONGEST, math.exp(3 * layer.length_spread)) + 1
    margin = longest + 3 * layer.width_px
    box = (width + 2 * margin, height + 2 * margin, margin)
    count = round(layer.density * box[0] * box[1])
    size, fade, lean = torch.randn(3, count, generator=generator, device=device)
    length = (layer.length_px * torch.exp(layer.length_spread * size)).clamp(1.0, longest)
    opacity = (layer.opacity * torch.exp(layer.opacity_spread * fade)).clamp(0.01, 0.97)
    lean = layer.angle_degrees + layer.angle_spread_degrees * lean
    swings = [_swing(gust_degrees, frame, frames) for frame in range(max(frames, 1))]
    drift = sum((_direction(lean + swing) for swing in swings), torch.zeros(2, count, device=device)) / len(swings)
    place = torch.rand(2, count, generator=generator, device=device)
    phase = torch.rand(count, generator=generator, device=device)
    return Streaks(layer, box, length, -torch.log1p(-opacity), lean, place, drift, phase, gust_degrees, frames)


def painted_at(streaks: Streaks, frame: int, seed: int, stream: int) -> Segments:
    """The streaks of one frame.

    Args:
        streaks: the layer.
        frame: absolute number.
        seed: of the clip, for layers that are new in every frame.
        stream: of the layer, likewise.
    """
    layer, (box_w, box_h, margin), length = streaks.layer, streaks.box, streaks.length_px
    way = length * layer.step
    place, phase = streaks.place, streaks.phase
    if layer.motion == "falling":
        # Drops move in straight lines on a torus, so that as many enter the box as leave it.
        # In double precision, since a long clip's way is thousands of boxes.
        x = (place[0] * box_w + way.double() * frame * streaks.drift[0]).remainder(box_w).float()
        y = (place[1] * box_h + way.double() * frame * streaks.drift[1]).remainder(box_h).float()
        dx, dy = way * streaks.drift[0], way * streaks.drift[1]
    else:
        generator = seeds.frame_generator(seed, stream, frame, place.device)
        place = torch.rand(3, len(length), generator=generator, device=place.device)
        x, y, phase = place[0] * box_w, place[1] * box_h, place[2]
        dx = dy = torch.zeros_like(x)
    x, y = x % box_w - margin, y % box_h - margin
    across, down = _direction(streaks.lean_degrees + _swing(streaks.gust_degrees, frame, streaks.frames))
    zero = torch.zeros_like(x)
    return Segments(
        x,
        y,
        x + across * length,
        y + down * length,
        sigma_px=zero + (layer.width_px if layer.width_px >= 0.2 else 0.0),
        thickness=streaks.thickness,
        taper=zero + layer.taper,
        ripple=zero + layer.ripple,
        phase=phase,
        cycles=zero + _CYCLES,
        z_m=zero,
        dx=dx,
        dy=dy,
    )


def _swing(gust_degrees: float, frame: int, frames: int) -> float:
    return gust_degrees * math.sin(frame / max(frames, 8) * (math.pi / 2))


def _direction(degrees: Tensor) -> Tensor:
    """`[2, N]` (right, down) of unit length."""
    angle = torch.deg2rad(degrees)
    return torch.stack([torch.sin(angle), torch.cos(angle)])
