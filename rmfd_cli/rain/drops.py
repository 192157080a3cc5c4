"""Drops in the air in front of a camera: where they are at any time, and the streaks that they leave on the picture.

World coordinates are metres, x right, y down, z forward from the camera. Drops of one class of size fill a box that reaches as
far as they can be seen, with the number density of the rain; the box is a torus, so that as many enter as leave and the
density stays as it is. A drop's place is a closed form of the time since the clip began: nothing is carried from frame to
frame, and any frame can be drawn alone.
"""

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from rmfd_cli.rain import microphysics
from rmfd_cli.rain.elements import Particles, View
from rmfd_cli.rain.raster import Segments, line_mass

VISIBLE_WIDTH_PX = 0.15
"""Thinner drops are not drawn; the veil stands for them."""
NEAREST_M = 0.25
FARTHEST_M = 40.0
MOST_DROPS = 400_000
MOST_DROPS_PER_PIXEL = 0.35
"""Above either, the visible width is raised: so many thin streaks are a veil to the eye."""
SIZE_CLASSES = 12
GUST_WAVES = 6
_MOST_OPAQUE = 0.97


@dataclass(frozen=True)
class Drops:
    """Every drop of a clip, each field `[N]`, and the gusts that move all of them."""

    particles: Particles
    view: View
    height: int
    width: int
    diameter_mm: Tensor
    """Of the sphere of the same volume."""
    width_mm: Tensor
    """Across, of the drop as it is flattened by its fall."""
    shadow_mm2: Tensor
    """Area that it covers, seen from the side."""
    fall_m_s: Tensor
    start_m: Tensor
    """`[3, N]` float64: place at time 0, counted from the lower corner of the drop's box."""
    box_m: Tensor
    """`[3, N]` float64: size of the drop's box."""
    corner_m: Tensor
    """`[3, N]` float64: lower corner of the box."""
    sideways_m_s: Tensor
    """`[2, N]`: the drop's own speed right and forward."""
    phase: Tensor
    """Of the brightness oscillation, in turns."""
    gusts: tuple[tuple[tuple[float, float, float], ...], ...]
    """Waves of the wind to the right and towards the camera: amplitude (m/s), angular frequency (1/s), phase."""

    @property
    def volume_m3(self) -> Tensor:
        """Air in which a drop of this size is one of its kind, `[N]`."""
        return self.box_m.prod(0)


def focal_px(view: View, width: int) -> float:
    """Focal length in pixels of a frame `width` pixels wide."""
    return width / 2 / math.tan(math.radians(view.field_of_view_degrees) / 2)


def scatter_drops(particles: Particles, view: View, height: int, width: int, generator: torch.Generator) -> Drops:
    """Fills the air in front of the camera.

    Args:
        particles: the rain.
        view: the camera.
        height: H in pixels.
        width: W in pixels.
        generator: source of randomness, and the device to work on.
    """
    device = generator.device
    most = min(MOST_DROPS, MOST_DROPS_PER_PIXEL * height * width)
    visible_px, boxes = VISIBLE_WIDTH_PX, _boxes(particles, view, height, width, VISIBLE_WIDTH_PX)
    while sum(box[0] for box in boxes) > most:
        visible_px *= 1.15
        boxes = _boxes(particles, view, height, width, visible_px)
    expected = torch.tensor([box[0] for box in boxes], dtype=torch.float64)
    # The number is rounded at random, which keeps its mean; the drops' places are scatter enough.
    counts = (expected + torch.rand(len(boxes), generator=generator, device=device).cpu()).floor().long().to(device)
    # Of a frame so small that no class can be seen, there is no box.
    table = torch.tensor([box[1:] for box in boxes], dtype=torch.float64, device=device).view(len(boxes), 8)
    table = table.repeat_interleave(counts, 0).T.contiguous()
    from_mm, to_mm, box, corner = table[0], table[1], table[2:5], table[5:8]
    number = len(from_mm)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device, dtype=torch.float64)

    slope = microphysics.slope_per_mm(particles.rain_rate_mm_h)
    diameter = microphysics.sample_diameter_mm(uniform(number), slope, from_mm, to_mm).float()
    flat = microphysics.axis_ratio(diameter) ** (1 / 3)
    # Gusts of 2 to 12 s, longer ones stronger, as the wind's spectrum falls with frequency.
    strongest = particles.gust_m_s * math.sqrt(2 / sum(n**-2 for n in range(1, GUST_WAVES + 1)))
    gusts = tuple(
        tuple((strongest / n, 2 * math.pi * n / 12 * (0.8 + 0.4 * u), 2 * math.pi * v) for n, (u, v) in enumerate(waves, 1))
        for waves in uniform(2, GUST_WAVES, 2).tolist()
    )
    return Drops(
        particles,
        view,
        height,
        width,
        diameter_mm=diameter,
        width_mm=diameter / flat,
        shadow_mm2=math.pi / 4 * diameter**2 * flat,
        fall_m_s=microphysics.terminal_velocity_m_s(diameter),
        start_m=uniform(3, number) * box,
        box_m=box,
        corner_m=corner,
        sideways_m_s=(torch.randn(2, number, generator=generator, device=device) * particles.turbulence_m_s),
        phase=uniform(number).float(),
        gusts=gusts,
    )


def _boxes(particles: Particles, view: View, height: int, width: int, visible_px: float) -> list[tuple[float, ...]]:
    """For each class of size: expected drops, least and greatest diameter, the box's size and its corner (3 + 3)."""
    focal = focal_px(view, width)
    edges = torch.logspace(
        math.log10(microphysics.D_MIN_MM), math.log10(microphysics.D_MAX_MM), SIZE_CLASSES + 1, dtype=torch.float64
    ).tolist()
    boxes: list[tuple[float, ...]] = []
    for low, high in itertools.pairwise(edges):
        far = min(FARTHEST_M, focal * high * 1e-3 / visible_px)
        if far <= NEAREST_M:
            continue
        margin = _margin_m(particles)
        size = (width / focal * far + 2 * margin, height / focal * far + 2 * margin, far - NEAREST_M)
        corner = (-size[0] / 2, -view.horizon * height / focal * far - margin, NEAREST_M)
        density = microphysics.number_density_per_m3(particles.rain_rate_mm_h, low, high)
        boxes.append((density * math.prod(size), low, high, *size, *corner))
    return boxes


def _margin_m(particles: Particles) -> float:
    """What a drop moves at most while the shutter is open: streaks reach into the frame from that far outside."""
    return (10 + abs(particles.wind_right_m_s) + 3 * particles.gust_m_s) * particles.exposure_s + 0.02


def wind(drops: Drops, seconds: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Way of the air since time 0 in metres and its speed in m/s, each (right, towards the camera)."""
    steady = (drops.particles.wind_right_m_s, drops.particles.wind_towards_m_s)
    gone, speed = [], []
    for mean, waves in zip(steady, drops.gusts, strict=True):
        gone.append(mean * seconds + sum(a / w * (math.sin(w * seconds + p) - math.sin(p)) for a, w, p in waves))
        speed.append(mean + sum(a * math.cos(w * seconds + p) for a, w, p in waves))
    return (gone[0], gone[1]), (speed[0], speed[1])


def streaks_at(drops: Drops, seconds: float, frame_s: float) -> Segments:
    """The streaks that drops leave while the shutter is open.

    Opacity is the share of the exposure during which a drop covers a point: its area in pixels, spread over the streak's
    length and width, so that what a drop covers in all depends on neither exposure nor defocus.

    Args:
        drops: the drops.
        seconds: when the shutter opens, since the clip began.
        frame_s: time from frame to frame.
    """
    focal = focal_px(drops.view, drops.width)
    (gone_right, gone_towards), (air_right, air_towards) = wind(drops, seconds)
    fall, (right, forward) = drops.fall_m_s, drops.sideways_m_s
    way = torch.stack([right, fall, forward]).double() * seconds
    way += torch.tensor([[gone_right], [0.0], [-gone_towards]], dtype=torch.float64, device=way.device)
    x, y, z = (torch.remainder(drops.start_m + way, drops.box_m) + drops.corner_m).float()

    # Only those in view and over the ground go on; the margin is one streak's length.
    near = z * (0.5 / focal)
    slack = _margin_m(drops.particles)
    top, bottom = -2 * drops.view.horizon * drops.height, 2 * (1 - drops.view.horizon) * drops.height
    lowest = (near * bottom + slack).clamp(max=drops.view.height_m)
    seen = ((x.abs() < near * drops.width + slack) & (y > near * top - slack) & (y < lowest)).nonzero()[:, 0]
    x, y, z, fall, right, forward = x[seen], y[seen], z[seen], fall[seen], right[seen], forward[seen]
    wide, shadow = drops.width_mm[seen], drops.shadow_mm2[seen]

    exposure = drops.particles.exposure_s
    speed = (right + air_right, fall, forward - air_towards)
    centre_x, centre_y = (drops.width - 1) / 2, drops.view.horizon * drops.height - 0.5

    def project(after_s: float) -> tuple[Tensor, Tensor, Tensor]:
        ahead = (z + speed[2] * after_s).clamp(min=NEAREST_M / 2)
        scale = focal / ahead
        return centre_x + (x + speed[0] * after_s) * scale, centre_y + (y + speed[1] * after_s) * scale, scale

    (x0, y0, scale), (x1, y1, _), (x2, y2, _) = project(0.0), project(exposure), project(frame_s)
    width_px = wide * 1e-3 * scale
    blur_px = drops.view.aperture_mm * 1e-3 * (scale - focal / drops.view.focus_m).abs()
    # A disc of diameter d has standard deviation d/4 along a line through it.
    sigma = torch.sqrt(width_px**2 + blur_px**2) / 4
    cross = line_mass(sigma)
    covered = shadow * (1e-3 * scale) ** 2 * drops.particles.opacity_gain
    opacity = covered / (cross * torch.hypot(x1 - x0, y1 - y0).clamp(min=1.0))
    ripple = torch.full_like(z, drops.particles.ripple)
    hertz = microphysics.oscillation_hz(drops.diameter_mm[seen]) if drops.particles.ripple > 0 else ripple
    return Segments(
        x0,
        y0,
        x1,
        y1,
        sigma_px=sigma,
        thickness=-torch.log1p(-opacity.clamp(max=_MOST_OPAQUE)),
        taper=torch.zeros_like(z),
        ripple=ripple,
        phase=drops.phase[seen] + torch.remainder(hertz.double() * seconds, 1.0).float(),
        cycles=hertz * exposure,
        z_m=z,
        dx=x2 - x0,
        dy=y2 - y0,
    )
