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
    # A box blur by doubling: the mean of two copies, then of two copies of that, twice as far apart.
    doublings = max(1, math.ceil(math.log2(layer.length_px)))
    spacing = layer.length_px / 2**doublings
    for k in range(doublings):
        shift = spacing * 2**k
        grains = grains + torch.roll(grains, (round(shift * down), round(shift * across)), (0, 1))
    thickness = -math.log1p(-layer.opacity) * grains[reach : reach + height, reach : reach + width]
    return thickness[None]


def _grains(layer: NoiseLayer, height: int, width: int, generator: torch.Generator) -> Tensor:
    """Sparse grains of random strength, `[h, w]`, of mean peak 1."""
    noise = torch.rand(height, width, generator=generator, device=generator.device)
    # What the threshold leaves is stretched to [0, 1], as the levels tool of an editor does.
    grains = ((noise - (1 - layer.share)) / layer.share).clamp(min=0)
    if layer.grain_px < 0.2:
        return grains
    radius = max(1, math.ceil(2.5 * layer.grain_px))
    offsets = torch.arange(-radius, radius + 1, device=noise.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / layer.grain_px) ** 2)
    padded = F.pad(grains[None, None], (radius,) * 4, mode="circular")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[0, 0]
