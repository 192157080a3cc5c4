"""Random fields that are smooth in space and time, evaluated at any frame."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class SmoothField:
    """Normal numbers on a coarse grid, interpolated linearly in between."""

    grid: Tensor
    """`[moments, h, w]`."""
    frames: int
    """Over which the moments spread evenly; before and after, the field stands still."""


def draw_field(
    frames: int, cells: int, generator: torch.Generator, *, every: float = 3.0, centred: bool = False
) -> SmoothField:
    """A field of about unit amplitude.

    Args:
        frames: length of the clip.
        every: frames from one random moment to the next; in between the field is interpolated.
        cells: about how many hills there are across the frame.
        generator: source of randomness, and the device.
        centred: whether the mean over the clip is 0: of the field as it goes on between frames and pixels, so that over those
            themselves it is near 0, the nearer the more there are.
    """
    moments = max(2, int(frames / every) + 1)
    grid = torch.randn(moments, cells, cells + 1, generator=generator, device=generator.device)
    if centred:
        # Linear interpolation weighs the rim of the grid half.
        weights = torch.ones_like(grid)
        for axis in range(3):
            for end in (0, grid.shape[axis] - 1):
                weights.select(axis, end).mul_(0.5)
        grid = grid - (grid * weights).sum() / weights.sum()
    return SmoothField(grid, frames)


def field_at(field: SmoothField, frame: int, height: int, width: int) -> Tensor:
    """The field in one frame, `[1, H, W]`."""
    last = len(field.grid) - 1
    time = min(max(frame / max(field.frames - 1, 1), 0.0), 1.0) * last
    before = min(int(time), last - 1)
    moment = torch.lerp(field.grid[before], field.grid[before + 1], time - before)
    return enlarge(moment[None], height, width, corners=True)


def enlarge(cells: Tensor, height: int, width: int, *, corners: bool) -> Tensor:
    """Bilinear interpolation of a few cells `[C, h, w]` to a whole frame `[C, H, W]`, as two small matrix products.

    Args:
        cells: the values.
        height: H in pixels.
        width: W in pixels.
        corners: whether the outer cells lie at the corners of the frame, else half a cell inside.
    """
    _, rows, columns = cells.shape
    return _weights(rows, height, corners, cells.device) @ cells @ _weights(columns, width, corners, cells.device).T


@functools.lru_cache(maxsize=64)
def _weights(cells: int, pixels: int, corners: bool, device: torch.device) -> Tensor:
    """`[pixels, cells]`: how much of each cell a pixel takes."""
    line = F.interpolate(torch.eye(cells, device=device)[None], size=pixels, mode="linear", align_corners=corners)
    return line[0].T.contiguous()
