"""Drops that cling to the glass before the lens: each a small, soft, upside-down picture of the scene.

They come after the rain in the air and are no layer of the rain model: what they hide is not under a matte but elsewhere.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.rain.elements import Lens

_ROWS = 28
"""The picture in a drop is shrunk and out of focus: it is taken from the frame made this small."""
_RUNNING = 0.08
"""Share of the drops that run down, where any do; only large ones are heavy enough."""


class Drop(NamedTuple):
    """One drop on the glass, in pixels of the frame."""

    x: float
    y: float
    half_width: float
    half_height: float
    lobes: tuple[float, float]
    """Phases of the outline's second and third harmonic."""
    speed: float
    """Way down per frame; 0 for a drop at rest."""


class Glass(NamedTuple):
    """What the drops make of the picture behind, for every pixel."""

    mask: Tensor
    """`[H, W]` in [0, 1]: how much of the pixel is a drop."""
    source: Tensor
    """`[H, W, 2]`: where the drop takes its light from, (x, y) in [-1, 1] across the frame."""
    shade: Tensor
    """`[H, W]`: share of that light which passes."""


@dataclass(frozen=True)
class LensDrops:
    """Drops on the glass of one clip."""

    resting: Glass
    running: tuple[Drop, ...]
    blur: float


def draw_lens(lens: Lens, height: int, width: int, generator: torch.Generator) -> LensDrops:
    """Drops at random places, most of them small; a few run down, if any does."""
    device = generator.device
    u = torch.rand(7, lens.drops, generator=generator, device=device).cpu()
    spread = torch.randn(lens.drops, generator=generator, device=device).cpu()
    radius = (lens.radius_px * height / 480 * torch.exp(0.5 * spread)).clamp(min=1.0)
    speed = (u[2] < _RUNNING) * (radius > 0.9 * lens.radius_px * height / 480) * lens.running_px * height / 480 * (0.3 + u[3])
    flat = torch.where(speed > 0, 1.5, 0.65 + 0.45 * u[4])
    rows = torch.stack([u[0] * width, u[1] * height, radius, radius * flat, speed, u[5], u[6]], 1).tolist()
    drops = [Drop(x, y, w, h, (2 * math.pi * a, 2 * math.pi * b), v) for x, y, w, h, v, a, b in rows]
    resting = _blank(height, width, device)
    for drop in drops:
        if drop.speed == 0:
            _put(resting, drop, drop.y, lens.blur)
    return LensDrops(resting, tuple(drop for drop in drops if drop.speed > 0), lens.blur)


def look_through(drops: LensDrops, image: Tensor, frame: int) -> Tensor:
    """The picture behind the drops.

    Args:
        drops: on the glass.
        image: `[3, H, W]` in [0, 1].
        frame: absolute number.
    """
    *_, height, width = image.shape
    glass = drops.resting
    if drops.running:
        glass = Glass(*(plane.clone() for plane in glass))
        for drop in drops.running:
            # A drop sticks and slips: its way is steady in the mean and stands still once in 50 frames.
            way = drop.speed * (frame + 50 / (2 * math.pi) * math.sin(2 * math.pi * frame / 50))
            room = 2 * drop.half_height
            _put(glass, drop, (drop.y + way + room) % (height + 2 * room) - room, drops.blur)
    small = F.adaptive_avg_pool2d(image[None], (min(_ROWS, height), min(_ROWS * width // height + 1, width)))
    seen = F.grid_sample(small, glass.source[None], mode="bilinear", padding_mode="border", align_corners=False)[0]
    return image + glass.mask * ((seen * glass.shade).clamp(0, 1) - image)


def _blank(height: int, width: int, device: torch.device) -> Glass:
    planes = torch.zeros(4, height, width, device=device)
    return Glass(planes[0], planes[1:3].permute(1, 2, 0).contiguous(), planes[3])


def _put(glass: Glass, drop: Drop, y: float, blur: float) -> None:
    """Adds a drop to the glass, in place, over what is there."""
    height, width = glass.mask.shape
    reach = 1.4
    left, right = (
        max(0, math.floor(drop.x - reach * drop.half_width)),
        min(width, math.ceil(drop.x + reach * drop.half_width) + 1),
    )
    top, bottom = max(0, math.floor(y - reach * drop.half_height)), min(height, math.ceil(y + reach * drop.half_height) + 1)
    if left >= right or top >= bottom:
        return
    device = glass.mask.device
    u = ((torch.arange(left, right, device=device) - drop.x) / drop.half_width)[None, :]
    v = ((torch.arange(top, bottom, device=device) - y) / drop.half_height)[:, None]
    angle = torch.atan2(v, u)
    outline = 1 + 0.10 * torch.cos(2 * angle + drop.lobes[0]) + 0.05 * torch.cos(3 * angle + drop.lobes[1])
    radius = torch.sqrt(u**2 + v**2) / outline
    # The rim is never sharper than a pixel.
    soft = max(blur, 1.2 / min(drop.half_width, drop.half_height))
    mask = ((1 - radius) / soft + 0.5).clamp(0, 1)
    mask = mask * mask * (3 - 2 * mask)
    # The refracted ray leans the other way, the more the nearer to the rim: upside down, shrunk, bent.
    bend = 1 + 0.5 * radius**2
    across = ((drop.x / width * 2 - 1) * 0.7 - 0.35 * u * bend).expand(bottom - top, -1)
    down = (-0.1 - 0.6 * v * bend).expand(-1, right - left)
    # Towards the rim light is lost to reflection inside the drop.
    shade = 1.05 - 0.4 * radius.clamp(max=1.2) ** 4
    window = (slice(top, bottom), slice(left, right))
    over = mask > 0
    glass.source[window] = torch.where(over[..., None], torch.stack([across, down], -1), glass.source[window])
    glass.shade[window] = torch.where(over, shade, glass.shade[window])
    glass.mask[window] = torch.maximum(mask, glass.mask[window])
