"""Streaks to pixels: anti-aliased lines with their own width and opacity, hidden behind nearer things of the scene.

Lines are drawn as points along them, each spread over its four nearest pixels, on one canvas per class of width; every canvas
is then blurred to its width. Wide classes have coarse canvases, so that a wide streak costs no more than a thin one.
"""

import functools
import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SLICE = 1 << 20
"""Points drawn at a time, about, which bounds memory."""
FAINTEST = 1e-3
"""Optical thickness that is left out: a quarter of an 8-bit code value at most."""
_RIM = 0.01
"""Cells from the rim of a canvas that points keep."""
_CLASSES = ((0.0, 1), (0.45, 1), (0.75, 1), (1.2, 1), (2.0, 2), (3.2, 2), (5.0, 4), (8.0, 8), (13.0, 8), (21.0, 16))
"""Standard deviation in pixels and canvas scale of the classes; they lie so close that a step between them is not seen."""


class Segments(NamedTuple):
    """Streaks of one frame; each field is `[N]` float32. Pixel (0, 0) has its centre at the origin, y goes down."""

    x0: Tensor
    y0: Tensor
    x1: Tensor
    y1: Tensor
    sigma_px: Tensor
    """Standard deviation of the Gaussian cross-section, beyond that of the pixel grid."""
    thickness: Tensor
    """Optical thickness −ln(1 − opacity) on the centre line of a long streak."""
    taper: Tensor
    """Share of the length over which both ends fade, in [0, 1]."""
    ripple: Tensor
    """Amplitude of the modulation along the streak."""
    phase: Tensor
    """Its phase at the start, in turns."""
    cycles: Tensor
    """Its number of periods along the streak."""
    z_m: Tensor
    """Distance from the camera for the depth test; 0 is in front of everything."""
    dx: Tensor
    dy: Tensor
    """Way of the streak from this frame to the next, in pixels."""


class Drawn(NamedTuple):
    """What the streaks of one frame look like."""

    thickness: Tensor
    """`[1, H, W]` ≥ 0: 1 − exp(−thickness) is the opacity, whatever order the streaks overlap in."""
    motion: Tensor | None
    """`[2, H, W]` (right, down) in pixels per frame, the mean of the streaks at a pixel; 0 where there are none."""


def line_mass(sigma_px: Tensor) -> Tensor:
    """Integral across a streak of unit thickness on its centre line, in pixels: 1 for the thinnest, √(2π)·σ for wide ones."""
    return torch.sqrt(1 + 2 * math.pi * sigma_px**2)


def draw(segments: Segments, height: int, width: int, depth_m: Tensor | None = None, *, with_motion: bool = False) -> Drawn:
    """Optical thickness of all streaks of a frame.

    The same segments give the same pixels on a CPU; on a GPU the order of additions varies in the last bit.

    Args:
        segments: the streaks.
        height: H in pixels.
        width: W in pixels.
        depth_m: `[H, W]`, distance of the scene; points of a streak that lie behind it are not drawn.
        with_motion: whether `Drawn.motion` is wanted.
    """
    device = segments.x0.device
    channels = 3 if with_motion else 1
    image = torch.zeros(channels, height, width, device=device)
    centres = torch.tensor([sigma for sigma, _ in _CLASSES], device=device)
    kind = torch.bucketize(segments.sigma_px, (centres[1:] + centres[:-1]) / 2)
    used = torch.bincount(kind[segments.thickness > FAINTEST]).nonzero()[:, 0].tolist()
    if not used:
        return Drawn(image[:1], image[1:] if with_motion else None)
    shapes = [_canvas_shape(k, height, width) if k in used else (0, 0) for k in range(len(_CLASSES))]
    offsets = [0, *itertools.accumulate(rows * columns for rows, columns in shapes)]
    canvas = torch.zeros(channels, offsets[-1], device=device)
    _splat(canvas, segments, kind, offsets, shapes, depth_m)
    for k in used:
        plane = canvas[:, offsets[k] : offsets[k + 1]].view(channels, 1, *shapes[k])
        image += _blur(plane, k, height, width)
    if not with_motion:
        return Drawn(image, None)
    return Drawn(image[:1], image[1:] / image[:1].clamp(min=1e-6))


def _border(kind: int) -> int:
    """Cells around a canvas: what the blur reaches, and one for the interpolation."""
    sigma, scale = _CLASSES[kind]
    return math.ceil(2.5 * sigma / scale) + 1


def _canvas_shape(kind: int, height: int, width: int) -> tuple[int, int]:
    scale, border = _CLASSES[kind][1], _border(kind)
    # One more cell on every side takes the outer neighbours of points on the rim.
    return -(-height // scale) + 2 * border + 2, -(-width // scale) + 2 * border + 2


def _splat(
    canvas: Tensor,
    segments: Segments,
    kind: Tensor,
    offsets: list[int],
    shapes: list[tuple[int, int]],
    depth_m: Tensor | None,
) -> None:
    """Adds every segment's points to the canvas of its class, each with the area that it stands for."""
    s, device = segments, canvas.device
    classes = [
        (float(scale), _border(k) + 1 - (scale - 1) / (2 * scale), *shape)
        for k, ((_, scale), shape) in enumerate(zip(_CLASSES, shapes, strict=True))
    ]
    scale, shift, tall, wide = torch.tensor(classes, device=device)[kind].T
    x0, y0 = s.x0 / scale + shift, s.y0 / scale + shift
    run_x, run_y = (s.x1 - s.x0) / scale, (s.y1 - s.y0) / scale
    enter, leave = _clip(x0, run_x, wide), _clip(y0, run_y, tall)
    begin, end = torch.maximum(enter[0], leave[0]), torch.minimum(enter[1], leave[1])
    length = torch.hypot(run_x, run_y)
    # Points one pixel apart along the longer axis: bilinear shares of neighbours then add up to an even line.
    steps = torch.maximum(run_x.abs(), run_y.abs())
    visible = (end - begin).clamp(min=0)
    drawn = (end >= begin) & (s.thickness > FAINTEST)
    counts = torch.where(drawn, (steps * visible - _RIM).ceil().clamp(min=1), 0.0)
    part = visible / counts.clamp(min=1)
    # A point stands for its part of the line; a line shorter than a pixel keeps its whole weight.
    mass = s.thickness * line_mass(s.sigma_px) * (length * scale).clamp(min=1) / scale**2 * part
    first = begin + part / 2
    table = [x0 + run_x * first, y0 + run_y * first, run_x * part, run_y * part, mass, wide]
    shaped = bool((s.taper > 0).any() | (s.ripple > 0).any())
    if shaped:
        table += [first, part, s.taper, s.ripple, s.phase, s.cycles]
    packed = torch.stack(table)
    base = torch.tensor(offsets, device=device)[kind]
    many = counts.long()
    ends = torch.cumsum(many, 0)
    cuts = torch.searchsorted(ends, torch.arange(SLICE, int(ends[-1]) + SLICE, SLICE, device=device), right=True).tolist()
    for start, stop in itertools.pairwise([0, *cuts]):
        index = torch.repeat_interleave(many[start:stop]) + start
        skipped = (ends - many)[index] - (ends[start] - many[start])
        number = (torch.arange(len(index), device=device) - skipped).float()
        x, y, step_x, step_y, weight, stride, *shape = packed[:, index]
        x, y = torch.addcmul(x, number, step_x), torch.addcmul(y, number, step_y)
        if shaped:
            weight = weight * _profile(shape[0] + number * shape[1], *shape[2:])
        if depth_m is not None:
            weight = weight * _in_front(x, y, s.z_m[index], scale[index], shift[index], depth_m)
        left, top = x.floor(), y.floor()
        right_share, lower_share = x - left, y - top
        row = stride.long()
        corner = base[index] + top.long() * row + left.long()
        lower = weight * lower_share
        upper = weight - lower
        lower_right, upper_right = lower * right_share, upper * right_share
        for cell, value in (
            (corner, upper - upper_right),
            (corner + 1, upper_right),
            (corner + row, lower - lower_right),
            (corner + row + 1, lower_right),
        ):
            canvas[0].index_add_(0, cell, value)
            if len(canvas) > 1:
                canvas[1].index_add_(0, cell, value * s.dx[index])
                canvas[2].index_add_(0, cell, value * s.dy[index])


def _clip(start: Tensor, run: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of a way at which it enters and leaves the inside of a canvas along one axis, within [0, 1]."""
    run = torch.where(run.abs() < 1e-6, 1e-6, run)
    one, other = (_RIM - start) / run, (size - 1 - _RIM - start) / run
    return torch.minimum(one, other).clamp(min=0), torch.maximum(one, other).clamp(max=1)


def _profile(along: Tensor, taper: Tensor, ripple: Tensor, phase: Tensor, cycles: Tensor) -> Tensor:
    """Relative thickness along a streak."""
    ends = torch.minimum(along, 1 - along) * 2 / taper.clamp(min=1e-3)
    return ends.clamp(max=1.0) * (1 + ripple * torch.sin(2 * math.pi * (phase + cycles * along)))


def _in_front(x: Tensor, y: Tensor, z_m: Tensor, scale: Tensor, shift: Tensor, depth_m: Tensor) -> Tensor:
    """Which points of a canvas lie before the scene."""
    height, width = depth_m.shape
    column = ((x - shift) * scale).round().long().clamp(0, width - 1)
    row = ((y - shift) * scale).round().long().clamp(0, height - 1)
    return z_m < depth_m[row, column]


def _blur(canvas: Tensor, kind: int, height: int, width: int) -> Tensor:
    """A class's canvas `[C, 1, h, w]` to the frame `[C, H, W]`, blurred to its width with its integral kept."""
    sigma, scale = _CLASSES[kind]
    if sigma == 0:
        return canvas[:, 0, 2:-2, 2:-2]
    kernel = _kernel(kind, canvas.device)
    inner = canvas[:, :, 1:-1, 1:-1]
    blurred = F.conv2d(F.conv2d(inner, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))[:, 0]
    if scale > 1:
        blurred = F.interpolate(blurred[None], scale_factor=scale, mode="bilinear")[0]
        return blurred[:, scale : scale + height, scale : scale + width]
    return blurred[:, 1:-1, 1:-1]


@functools.cache
def _kernel(kind: int, device: torch.device) -> Tensor:
    """A class's Gaussian in cells of its canvas, of unit sum."""
    sigma, scale = _CLASSES[kind]
    radius = _border(kind) - 1
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float32, device=device)
    kernel = torch.exp(-0.5 * (offsets * (scale / sigma)) ** 2)
    return kernel / kernel.sum()
