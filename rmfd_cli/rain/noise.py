"""Rain as it is made in an image editor: a layer of noise, blurred along the direction of fall."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.rain import seeds
from rmfd_cli.rain.elements import NoiseLayer


@dataclass(frozen=True)
class Noise:
    """What is random of a layer: the tile of noise that moves, or none where every frame has its own."""

    layer: NoiseLayer
    size: tuple[int, int]
    """Height and width of the frame."""
    tile: Tensor | None
    """`[h, w]`, a torus."""


def scatter_noise(layer: NoiseLayer, height: int, width: int, generator: torch.Generator) -> Noise:
    """Draws what is random of a layer; sizes are in pixels."""
    if layer.motion == "scattered":
        return Noise(layer, (height, width), None)
    margin = 2 * math.ceil(layer.length_px)
    return Noise(layer, (height, width), _grains(layer, height + margin, width + margin, generator))


def noise_at(noise: Noise, frame: int, seed: int, stream: int, device: torch.device) -> Tensor:
    """Optical thickness of a layer in one frame, `[1, H, W]` ≥ 0.

    Args:
        noise: the layer.
        frame: absolute number.
        seed: of the clip, for layers that are new in every frame.
        stream: of the layer, likewise.
        device: where to work.
    """
    layer, (height, width) = noise.layer, noise.size
    angle = math.radians(layer.angle_degrees)
    across, down = math.sin(angle), math.cos(angle)
    reach = math.ceil(layer.length_px)
    if noise.tile is None:
        generator = seeds.frame_generator(seed, stream, frame, device)
        grains = _grains(layer, height + 2 * reach, width + 2 * reach, generator)
    else:
        shifts = (round(frame * layer.step_px * down), round(frame * layer.step_px * across))
        grains = torch.roll(noise.tile, shifts, (0, 1))
    # One copy a pixel along the longer axis: a streak covers each of its pixels once, however long it is.
    longer = max(abs(down), abs(across))
    streaks = _copies(grains, max(1, round(layer.length_px * longer)), (down / longer, across / longer))
    thickness = -math.log1p(-layer.opacity) * streaks[reach : reach + height, reach : reach + width]
    return thickness[None]


def _copies(plane: Tensor, count: int, step_px: tuple[float, float]) -> Tensor:
    """The sum of so many copies of a torus `[h, w]`, each a step (down, right) from the one before, by doubling."""

    def moved(copies: Tensor, steps: int) -> Tensor:
        return torch.roll(copies, (round(steps * step_px[0]), round(steps * step_px[1])), (0, 1))

    total, done, power = torch.zeros_like(plane), 0, 1
    while True:
        if count & power:
            total, done = total + moved(plane, done), done + power
        if done == count:
            return total
        plane, power = plane + moved(plane, power), 2 * power


def _grains(layer: NoiseLayer, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Sparse grains of random strength, `[h, w]`: drawn out to a streak, its centre line is 1 in the mean, 2 at most."""
    noise = torch.rand(height, width, generator=generator, device=generator.device)
    # What the threshold leaves is stretched evenly, as the levels tool of an editor does.
    grains = 2 * ((noise - (1 - layer.share)) / layer.share).clamp(min=0)
    if layer.grain_px < 0.2:
        return grains
    radius = max(1, math.ceil(2.5 * layer.grain_px))
    offsets = torch.arange(-radius, radius + 1, device=noise.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / layer.grain_px) ** 2)
    padded = F.pad(grains[None, None], (radius,) * 4, mode="circular")
    # What one way takes from the centre line, the copies along the streak add up to again.
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), (kernel / kernel.sum()).view(1, 1, -1, 1))[0, 0]
