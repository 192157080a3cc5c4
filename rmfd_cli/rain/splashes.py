"""Splashes: large drops that burst on the ground and throw up droplets for a tenth of a second."""

import math

import torch
from torch import Tensor

from rmfd_cli.rain import microphysics, seeds
from rmfd_cli.rain.drops import focal_px
from rmfd_cli.rain.elements import Particles, Splashes, View
from rmfd_cli.rain.raster import Segments

LIFE_S = 0.1
"""A droplet thrown up at 0.5 m/s is back on the ground after this time; faster ones are thinner than can be seen."""
FARTHEST_M = 12.0
LARGE_MM = 1.5
"""Drops below this size leave no burst that a camera sees."""
MOST_PER_FRAME = 250
_DROPLETS = 4
_GRAVITY_M_S2 = 9.81


def splashes_at(
    splashes: Splashes,
    particles: Particles,
    view: View,
    size: tuple[int, int],
    frame: int,
    frame_s: float,
    depth_m: Tensor,
    seed: int,
) -> Segments:
    """The droplets of all bursts that are in the air in one frame; each burst is drawn from the frame in which it begins.

    Args:
        splashes: how many and how bright.
        particles: the rain that makes them.
        view: the camera.
        size: H and W.
        frame: absolute number.
        frame_s: time from frame to frame.
        depth_m: `[H, W]`: only where the scene lies at the ground's distance do drops burst.
        seed: of the clip.
    """
    height, width = size
    focal = focal_px(view, width)
    horizon_px = view.horizon * height
    nearest = max(focal * view.height_m / max(height - horizon_px, 1.0), 0.5)
    area = max(FARTHEST_M**2 - nearest**2, 0.0) / 2 * width / focal
    rate = microphysics.flux_per_m2_s(particles.rain_rate_mm_h, LARGE_MM) * splashes.share * area * frame_s
    count = min(round(rate), MOST_PER_FRAME)
    columns = []
    for birth in range(frame - math.ceil(LIFE_S / frame_s), frame + 1):
        generator = seeds.frame_generator(seed, seeds.SPLASHES, birth, depth_m.device)
        u = torch.rand(4, count, generator=generator, device=depth_m.device)
        jets = torch.rand(3, count, _DROPLETS, generator=generator, device=depth_m.device)
        age = (frame - birth) * frame_s - u[3] * frame_s
        z = torch.sqrt(nearest**2 + u[0] * (FARTHEST_M**2 - nearest**2))
        x = (u[1] - 0.5) * z * (width / focal)
        # Speeds of 0.2 to 0.5 m/s up and outwards: crowns of drops of 2 to 4 mm on a thin film of water.
        up = (0.2 + 0.3 * jets[0]) * (0.5 + u[2][:, None])
        out = (jets[1] - 0.5) * 0.6
        each = (t[:, None].expand(count, _DROPLETS) for t in (x, z, age))
        columns.append([t.reshape(-1) for t in (*each, up, out, jets[2])])
    x, z, age, up, out, big = (torch.cat(column) for column in zip(*columns, strict=True))
    pixels = focal / z

    def place(seconds: Tensor) -> tuple[Tensor, Tensor]:
        rise = (up * seconds - _GRAVITY_M_S2 / 2 * seconds**2).clamp(min=0)
        across = (width - 1) / 2 + (x + out * seconds) * pixels
        return across, horizon_px - 0.5 + (view.height_m - rise) * pixels

    begun = age.clamp(min=0)
    x0, y0 = place(begun)
    x1, y1 = place(begun + min(particles.exposure_s, frame_s))
    x2, y2 = place(begun + frame_s)
    ground = depth_m[y0.round().long().clamp(0, height - 1), x0.round().long().clamp(0, width - 1)]
    alive = (age >= 0) & (age < LIFE_S) & (ground > 0.75 * z) & (ground < 1.35 * z)
    droplet_px = (0.5e-3 + 1.5e-3 * big) * pixels
    fading = (1 - age / LIFE_S).clamp(0, 1)
    opacity = (splashes.opacity * fading * droplet_px.clamp(max=1)).clamp(0, 0.95)
    zero = torch.zeros_like(z)
    return Segments(
        x0,
        y0,
        x1,
        y1,
        sigma_px=droplet_px / 4,
        thickness=torch.where(alive, -torch.log1p(-opacity), zero),
        taper=zero,
        ripple=zero,
        phase=zero,
        cycles=zero,
        z_m=0.7 * z,
        dx=x2 - x0,
        dy=y2 - y0,
    )
