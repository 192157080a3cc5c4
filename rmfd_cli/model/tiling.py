"""A frame in tiles, one after another through the network, and nothing that shows where they meet.

What the network finds for a pixel depends on what lies around it and on numbers about the whole frame. So a tile overlaps
those beside it by as far as convolutions see, what was seen before is looked up in whole frames, by the flow, and the veil is
judged once all tiles have been seen.
"""

import functools
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.flow import Flow, enlarge_flow, extent
from rmfd_cli.model.image import Image
from rmfd_cli.model.network import UNIT, Rmfd
from rmfd_cli.model.sights import Sight
from rmfd_cli.model.values import Cleared, Recovered, Registered, State, Window
from rmfd_cli.types import Ycc

LEAST_PX = 64
"""Side of the smallest tile, which is mostly overlap."""


class Box(NamedTuple):
    """A piece of a frame, in pixels; its sides lie on multiples of `UNIT`, the last ones perhaps in the padding."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def pixels(self) -> int:
        """How many there are in it."""
        return (self.bottom - self.top) * (self.right - self.left)

    def grown(self, margin: int, within: "Box") -> "Box":
        """With a margin on each side that lies inside another box."""
        return Box(
            max(self.top - margin, within.top),
            max(self.left - margin, within.left),
            min(self.bottom + margin, within.bottom),
            min(self.right + margin, within.right),
        )

    def seen_from(self, other: "Box") -> "Box":
        """The same piece, counted from the corner of another."""
        return Box(self.top - other.top, self.left - other.left, self.bottom - other.top, self.right - other.left)

    def cut(self, image: Tensor, shrink: int = 1) -> Tensor:
        """This piece of `[..., H, W]`, whose resolution is that of the frame divided by `shrink`."""
        return image[..., self.top // shrink : self.bottom // shrink, self.left // shrink : self.right // shrink]


class Tile(NamedTuple):
    """A piece of a frame and what has to be seen for it."""

    box: Box
    seen: Box
    frame: Box
    """All of the frame."""


class Piece(NamedTuple):
    """A tile, brought into register."""

    tile: Tile
    before: Box
    """What of the previous frame belongs to it."""
    registered: Registered


def frame_box(height: int, width: int) -> Box:
    """All of a frame, padded."""
    return Box(0, 0, -(-height // UNIT) * UNIT, -(-width // UNIT) * UNIT)


def overlap(config: ModelConfig) -> int:
    """How many pixels around a tile stage 1 has to see: as far as its convolutions reach, in whole cells of `UNIT`."""
    # The second of the deep convolutions is dilated; two of the recurrent unit, one more at a quarter on each side.
    return UNIT * (config.deep_blocks + (config.deep_blocks > 1) + 2 + 1 + 1)


def refine_overlap(config: ModelConfig) -> int:
    """The same of stage 2."""
    # The light that a veil leaves is interpolated between cells, half a cell to each side; convolutions are at a quarter.
    return -(-(UNIT // 2 + 4 * config.refine_blocks) // UNIT) * UNIT


@functools.lru_cache(maxsize=16)
def tiles(frame: Box, most_px: int, margin: int) -> tuple[Tile, ...]:
    """Divides a frame as its tiles cost least.

    Args:
        frame: all of it.
        most_px: pixels of a tile with its overlap; where not even the smallest tiles have so few, those are taken.
        margin: the overlap on each side.
    """
    grids = [(rows, columns) for rows in range(1, _most(frame.bottom) + 1) for columns in range(1, _most(frame.right) + 1)]
    sizes = {grid: _seen_pixels(frame, *grid, margin) for grid in grids}
    fitting = [grid for grid in grids if sizes[grid][0] <= most_px] or [min(grids, key=lambda grid: sizes[grid][0])]
    rows, columns = min(fitting, key=lambda grid: sizes[grid][1])
    boxes = (
        Box(top, left, bottom, right)
        for top, bottom in _parts(frame.bottom, rows)
        for left, right in _parts(frame.right, columns)
    )
    return tuple(Tile(box, box.grown(margin, frame), frame) for box in boxes)


def _most(side: int) -> int:
    return max(1, side // LEAST_PX)


def _parts(side: int, count: int) -> list[tuple[int, int]]:
    return list(pairwise(side // UNIT * k // count * UNIT for k in range(count + 1)))


def _seen_pixels(frame: Box, rows: int, columns: int, margin: int) -> tuple[int, int]:
    """Pixels of the largest tile with its overlap, and of all tiles together."""
    heights, widths = (
        [min(end + margin, side) - max(start - margin, 0) for start, end in _parts(side, count)]
        for side, count in ((frame.bottom, rows), (frame.right, columns))
    )
    return max(heights) * max(widths), sum(heights) * sum(widths)


def register(model: Rmfd, tile: Tile, sight: Sight) -> Piece:
    """`Rmfd.register` for a tile of the current frame, on the model's device."""
    device, seen = next(model.parameters()).device, tile.seen
    height, width = sight.current.image.luma.shape
    corner, size = seen[:2], (min(seen.bottom, height) - seen.top, min(seen.right, width) - seen.left)
    before, after = (_reach(tile, flow, size) for flow in sight.flows)
    previous, current, following = (
        pixels(image, box, device) for image, box in zip(sight.images, (before, seen, after), strict=True)
    )
    corners = [box.seen_from(seen)[:2] for box in (before, after)]
    to_previous, to_following = (
        torch.from_numpy(enlarge_flow(flow, size, corner, target))[None].to(device)
        for flow, target in zip(sight.flows, corners, strict=True)
    )
    window = Window(previous, current, following, to_previous, to_following, corners[0], sight.between)
    return Piece(tile, before, model.register(window))


def pixels(image: Ycc, box: Box, device: torch.device) -> Image:
    """A piece of a frame on a device, of what of it is not padding."""
    luma, chroma = torch.from_numpy(image.luma)[None, None], torch.from_numpy(image.chroma)[None]
    return Image(box.cut(luma).to(device), box.cut(chroma, 2).to(device))


def _reach(tile: Tile, flow: Flow, size: tuple[int, int]) -> Box:
    """What of a neighbour a flow leads to from a tile, (H, W) of which are not padding; a cell around it included."""
    seen, frame = tile.seen, tile.frame
    if seen == frame:
        return frame
    least, most = extent(flow, size, seen[:2])
    top, bottom = _span(seen.top + least[1], seen.bottom + most[1], frame.bottom)
    left, right = _span(seen.left + least[0], seen.right + most[0], frame.right)
    return Box(top, left, bottom, right)


def _span(start: float, end: float, side: int) -> tuple[int, int]:
    """Whole cells from one before `start` to one after `end`, at least one, of a side."""
    first, last = int(start // UNIT) - 1, int(-(-end // UNIT)) + 1
    cells = side // UNIT
    return min(max(first, 0), cells - 1) * UNIT, min(max(last, 1), cells) * UNIT


def clear(model: Rmfd, piece: Piece, state: State | None) -> Cleared:
    """`Rmfd.clear` for a tile; `state` is that of the whole frame before."""
    if state is not None:
        before = piece.before
        state = state._replace(
            hazy_luma=before.cut(state.hazy_luma),
            hazy_chroma=before.cut(state.hazy_chroma, 2),
            hidden=before.cut(state.hidden, UNIT),
            rested=piece.tile.seen.cut(state.rested, UNIT),
        )
    return model.clear(piece.registered, state)


def put_together(whole: Cleared | None, tile: Tile, cleared: Cleared) -> Cleared:
    """What is known of a frame with one tile more.

    Args:
        whole: maps of the whole frame, which are written to; None before its first tile.
        tile: the piece.
        cleared: of all that is seen for it.
    """
    if tile.box == tile.frame:
        return cleared
    shrinks = [(tile.seen.bottom - tile.seen.top) // part.shape[-2] for part in cleared]
    if whole is None:
        whole = Cleared(*(_empty_like(part, tile.frame, k) for part, k in zip(cleared, shrinks, strict=True)))
    inside = tile.box.seen_from(tile.seen)
    for target, part, shrink in zip(whole, cleared, shrinks, strict=True):
        tile.box.cut(target, shrink).copy_(inside.cut(part, shrink))
    return whole


def _empty_like(part: Tensor, frame: Box, shrink: int) -> Tensor:
    """For the whole frame what `part` is for a piece of it, with channels where that has them in memory."""
    shape = (*part.shape[:2], frame.bottom // shrink, frame.right // shrink)
    together = part.is_contiguous(memory_format=torch.channels_last) and not part.is_contiguous()
    layout = torch.channels_last if together else torch.contiguous_format
    return torch.empty(shape, dtype=part.dtype, device=part.device, memory_format=layout)


def refine(model: Rmfd, tile: Tile, recovered: Recovered) -> Image:
    """The image of `Rmfd.refine` for a tile of what was recovered of the whole frame; padded."""
    if tile.box == tile.frame:
        return model.refine(recovered, tile.frame[2:]).image
    seen = tile.box.grown(refine_overlap(model.config), tile.frame)
    hazy = Image(seen.cut(recovered.hazy.luma), seen.cut(recovered.hazy.chroma, 2))
    size = (hazy.luma.shape[-2], hazy.luma.shape[-1])
    around = recovered._replace(
        hazy=hazy,
        veil=seen.cut(recovered.veil, UNIT),
        features=seen.cut(recovered.features, 4),
        sparing=seen.cut(recovered.sparing, UNIT),
    )
    image, inside = model.refine(around, size).image, tile.box.seen_from(seen)
    return Image(inside.cut(image.luma), inside.cut(image.chroma, 2))
