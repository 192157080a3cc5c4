"""The passes of `passes`, in C: on a CPU, for one frame in float32.

What torch does in many passes over memory is done in one (docs/decisions.md has what that is worth).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from rmfd_cli.model.calls import Plane, Rows, Steps, by_place, call
from rmfd_cli.model.image import CELL_PX, COLOURS, SHOWN, Image
from rmfd_cli.model.native_convolve import Maps

_SCRATCH_ROWS = 18
"""As many as a function of the library needs at most."""


def register(
    frame: Image,
    previous: Tensor,
    following: Image,
    flows: tuple[Tensor, Tensor],
    steps: Steps,
    most_difference: float,
) -> tuple[Tensor, Image, Tensor, Tensor]:
    """As `passes.register`."""
    departed, after = frame.luma.new_empty(frame.luma.shape), _like(frame)
    evidence, difference = _blocks(frame, steps), _cells(frame, 1)
    given = (*frame, *_size(frame), Rows(previous), *map(Rows, following), *flows)
    found = (departed, *after, evidence, difference)
    call("register", *given, *steps.rounding, most_difference, _scratch(frame), *found)
    return departed, after, evidence.permute(0, 3, 1, 2), difference


def cells(frame: Image) -> Tensor:
    """As `veil.cells_of_frame`."""
    found = _cells(frame, 4)
    call("cells", *frame, *_size(frame), *COLOURS, _scratch(frame), found)
    return found


def recall(
    hazy: Image,
    backwards: Tensor,
    frame: Image,
    previous: Tensor,
    following: Image,
    steps: Steps,
    margin: float,
    brighter: float,
) -> tuple[Image, Tensor, Tensor]:
    """As `passes.recall`."""
    last, blocks, difference = _like(frame), _blocks(frame, steps), _cells(frame, 1)
    given = (*map(Rows, hazy), backwards, *frame, *_size(frame), previous, *following)
    call("recall", *given, margin, brighter, *steps.rounding, _scratch(frame), *last, blocks, difference)
    return last, blocks.permute(0, 3, 1, 2), difference


def take_off(
    maps: Maps,
    witnesses: Tensor,
    trust_gain: float,
    previous: Tensor,
    last: Image,
    following: Image,
    frame: Image,
    settling: Tensor | None,
    sparing: Tensor,
) -> tuple[Image, Tensor]:
    """As `passes.take_off`."""
    hazy, taken = _like(frame), _cells(frame, 1)
    given = (maps, *_size(frame), witnesses, trust_gain, previous, *last, *following, *frame, settling, sparing)
    call("take_off", *given, _scratch(frame), *hazy, taken)
    return hazy, taken


def lift(hazy: Image, veil: Tensor, steps: Steps) -> tuple[Image, Tensor]:
    """As `passes.lift`."""
    coarse, blocks = _like(hazy), _blocks(hazy, steps)
    call("lift", *map(Rows, hazy), veil, *steps.rounding, _scratch(hazy), *coarse, blocks)
    return coarse, blocks.permute(0, 3, 1, 2)


def correct(coarse: Image, maps: Maps, sparing: Tensor) -> Image:
    """As `passes.correct`."""
    image = _like(coarse)
    call("correct", *coarse, maps, *_size(coarse), sparing, _scratch(coarse), *image)
    return image


def leave_change(after: Image, before: Image, target: Image) -> None:
    """As `passes.leave_change`."""
    for now, then, change, (low, high) in zip(after, before, target, SHOWN, strict=True):
        call("change", Rows(now), Rows(then), now.shape[1], low, high, Rows(change))


class Remembered(NamedTuple):
    """A hidden state on its way through a `ConvGru`; channels last in memory, all of them."""

    deep: Tensor
    """`[1, h, w, C]`: what goes in, of which the state takes the place of the first channels."""
    last: Tensor
    """`[1, h, w, hidden]`: the last state in register, faded."""


def recall_hidden(
    deep: Tensor, hidden: Tensor | None, kept: Tensor, backwards: Tensor, width: int, steps: Steps
) -> tuple[Remembered, Tensor]:
    """The last hidden state in register, and what the gates see: the input and it, side by side."""
    deep = by_place(deep)
    _, rows, columns, channels = deep.shape
    last, seen = deep.new_empty(1, rows, columns, width), deep.new_empty(1, rows, columns, 2 * width, dtype=torch.uint8)
    if hidden is not None and (hidden.stride(1) != 1 or hidden.stride(3) != width):
        hidden = hidden.contiguous(memory_format=torch.channels_last)
    where = Plane() if hidden is None else Plane(hidden.data_ptr(), hidden.stride(2), 0, *hidden.shape[2:])
    given = (deep, channels, where, width, kept, backwards, rows, columns)
    call("recall_hidden", *given, *steps.rounding, deep.new_empty(columns * channels), last, seen)
    return Remembered(deep, last), seen.permute(0, 3, 1, 2)


def reset(remembered: Remembered, gates: Tensor, steps: Steps) -> tuple[Tensor, Tensor]:
    """Reset and update, which take the place of what the gates gave; and what the candidate sees."""
    gates = by_place(gates)
    deep, last = remembered
    _, rows, columns, width = last.shape
    scratch, seen = last.new_empty(2 * columns * deep.shape[3]), torch.empty_like(gates, dtype=torch.uint8)
    call("reset", gates, deep, deep.shape[3], last, width, rows, columns, *steps.rounding, scratch, seen)
    return gates, seen.permute(0, 3, 1, 2)


def renew(remembered: Remembered, gates: Tensor, candidate: Tensor, steps: Steps) -> tuple[Tensor, Tensor]:
    """The new hidden state, and the input with it in the place of its first channels, as a convolution sees it."""
    deep, last = remembered
    _, rows, columns, width = last.shape
    scratch, hidden = last.new_empty(columns * width), torch.empty_like(last)
    seen = torch.empty_like(deep, dtype=torch.uint8)
    given = (by_place(candidate), gates, last, deep, deep.shape[3], width, rows, columns)
    call("renew", *given, *steps.rounding, scratch, hidden, seen)
    return hidden.permute(0, 3, 1, 2), seen.permute(0, 3, 1, 2)


def _like(image: Image) -> Image:
    """Room for as large a picture, whose rows lie together."""
    return Image(*(x.new_empty(x.shape) for x in image))


def _size(image: Image) -> tuple[int, int]:
    return image.luma.shape[2], image.luma.shape[3]


def _blocks(image: Image, steps: Steps) -> Tensor:
    height, width = _size(image)
    return torch.empty(1, height // 4, width // 4, steps.channels, dtype=torch.uint8)


def _cells(image: Image, channels: int) -> Tensor:
    height, width = _size(image)
    return torch.empty(1, channels, height // CELL_PX, width // CELL_PX)


def _scratch(image: Image) -> Tensor:
    return torch.empty(_SCRATCH_ROWS, image.luma.shape[3])
