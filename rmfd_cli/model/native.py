"""The passes of `passes`, in C: on a CPU, for one frame in float32.

What torch does in many passes over memory is done in one (docs/decisions.md has what that is worth).
"""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rmfd_cli import compiled
from rmfd_cli.model.image import CELL_PX, COLOURS, Image, is_traced

_SCRATCH_ROWS = 10
"""As many as a function of the library needs at most."""


class Steps(NamedTuple):
    """How what comes out is rounded for the convolution that takes it."""

    per_unit: float
    """Steps for a difference of 1."""
    zero: int
    """The step that stands for 0."""
    channels: int
    """What the convolution takes."""


def suits(*tensors: Tensor | None) -> bool:
    """Whether the library is there and can work on such frames and maps, `[B, C, H, W]`; None are left out."""
    return compiled.is_there() and all(x is None or _is_plain(x) for x in tensors)


def _is_plain(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.dtype == torch.float32 and x.shape[0] == 1 and not is_traced(x)


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
    given = (*frame, *_size(frame), _Rows(previous), *map(_Rows, following), *flows)
    found = (departed, *after, evidence, difference)
    _call("register", *given, *_rounding(steps), most_difference, _scratch(frame), *found)
    return departed, after, evidence.permute(0, 3, 1, 2), difference


def cells(frame: Image) -> Tensor:
    """As `veil.cells_of_frame`."""
    found = _cells(frame, 4)
    _call("cells", *frame, *_size(frame), *COLOURS, _scratch(frame), found)
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
    given = (*map(_Rows, hazy), backwards, *frame, *_size(frame), previous, *following)
    _call("recall", *given, margin, brighter, *_rounding(steps), _scratch(frame), *last, blocks, difference)
    return last, blocks.permute(0, 3, 1, 2), difference


def take_off(
    maps: Tensor, last: Image, following: Image, frame: Image, settling: Tensor | None, sparing: Tensor | None
) -> tuple[Image, Tensor]:
    """As `passes.take_off`."""
    hazy, taken = _like(frame), _cells(frame, 1)
    given = (_by_place(maps), *_size(frame), *last, *following, *frame, settling, sparing)
    _call("take_off", *given, _scratch(frame), *hazy, taken)
    return hazy, taken


def lift(hazy: Image, veil: Tensor, steps: Steps) -> tuple[Image, Tensor]:
    """As `passes.lift`."""
    coarse, blocks = _like(hazy), _blocks(hazy, steps)
    _call("lift", *map(_Rows, hazy), veil, *_rounding(steps), _scratch(hazy), *coarse, blocks)
    return coarse, blocks.permute(0, 3, 1, 2)


def correct(coarse: Image, maps: Tensor) -> Image:
    """As `passes.correct`."""
    image = _like(coarse)
    _call("correct", *coarse, _by_place(maps), *_size(coarse), _scratch(coarse), *image)
    return image


def total(
    x: Tensor, y: Tensor, takers: Sequence[Steps], rectified: bool, enlarged: bool, keep: bool
) -> tuple[Tensor | None, tuple[Tensor, ...]]:
    """As `passes.total`, for two takers at most."""
    x, y = _by_place(x), _by_place(y)
    _, rows, columns, channels = x.shape
    found = torch.empty_like(x) if keep else None
    seen = tuple(torch.empty_like(x, dtype=torch.uint8) for _ in takers)
    one, other = (*((*_rounding(steps), small) for steps, small in zip(takers, seen, strict=True)), _NOBODY, _NOBODY)[:2]
    scratch = x.new_empty(2, columns * channels)
    _call("sum", x, y, rows, columns, channels, rectified, enlarged, scratch, found, *one, *other)
    return None if found is None else found.permute(0, 3, 1, 2), tuple(small.permute(0, 3, 1, 2) for small in seen)


_NOBODY = (0.0, 0.0, None)


class Remembered(NamedTuple):
    """A hidden state on its way through a `ConvGru`; channels last in memory, all of them."""

    deep: Tensor
    """`[1, h, w, C]`: what goes in, of which the state takes the place of the first channels."""
    last: Tensor
    """`[1, h, w, hidden]`: the last state in register, faded."""


def recall_hidden(
    deep: Tensor, hidden: Tensor | None, backwards: Tensor, width: int, decay: float, steps: Steps
) -> tuple[Remembered, Tensor]:
    """The last hidden state in register, and what the gates see: the input and it, side by side."""
    deep = _by_place(deep)
    _, rows, columns, channels = deep.shape
    last, seen = deep.new_empty(1, rows, columns, width), deep.new_empty(1, rows, columns, 2 * width, dtype=torch.uint8)
    if hidden is not None and (hidden.stride(1) != 1 or hidden.stride(3) != width):
        hidden = hidden.contiguous(memory_format=torch.channels_last)
    where = _Plane(None) if hidden is None else _Plane(hidden.data_ptr(), hidden.stride(2), 0, *hidden.shape[2:])
    given = (deep, channels, where, width, backwards, rows, columns, decay)
    _call("recall_hidden", *given, *_rounding(steps), deep.new_empty(columns * channels), last, seen)
    return Remembered(deep, last), seen.permute(0, 3, 1, 2)


def reset(remembered: Remembered, gates: Tensor, steps: Steps) -> tuple[Tensor, Tensor]:
    """Reset and update, which take the place of what the gates gave; and what the candidate sees."""
    gates = _by_place(gates)
    deep, last = remembered
    _, rows, columns, width = last.shape
    scratch, seen = last.new_empty(2 * columns * deep.shape[3]), torch.empty_like(gates, dtype=torch.uint8)
    _call("reset", gates, deep, deep.shape[3], last, width, rows, columns, *_rounding(steps), scratch, seen)
    return gates, seen.permute(0, 3, 1, 2)


def renew(remembered: Remembered, gates: Tensor, candidate: Tensor, steps: Steps) -> tuple[Tensor, Tensor]:
    """The new hidden state, and the input with it in the place of its first channels, as a convolution sees it."""
    deep, last = remembered
    _, rows, columns, width = last.shape
    scratch, hidden = last.new_empty(columns * width), torch.empty_like(last)
    seen = torch.empty_like(deep, dtype=torch.uint8)
    given = (_by_place(candidate), gates, last, deep, deep.shape[3], width, rows, columns)
    _call("renew", *given, *_rounding(steps), scratch, hidden, seen)
    return hidden.permute(0, 3, 1, 2), seen.permute(0, 3, 1, 2)


class _Plane(ctypes.Structure):
    _fields_ = (
        ("first", ctypes.c_void_p),
        ("stride", ctypes.c_ssize_t),
        ("plane", ctypes.c_ssize_t),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
    )


class _Rows(NamedTuple):
    """A picture whose rows may be parts of longer ones."""

    image: Tensor


def _like(image: Image) -> Image:
    """Room for as large a picture, whose rows lie together."""
    return Image(*(x.new_empty(x.shape) for x in image))


def _size(image: Image) -> tuple[int, int]:
    return image.luma.shape[2], image.luma.shape[3]


def _by_place(maps: Tensor) -> Tensor:
    """`[1, C, h, w]`, in memory as `[h, w, C]`."""
    return maps.permute(0, 2, 3, 1).contiguous()


def _blocks(image: Image, steps: Steps) -> Tensor:
    height, width = _size(image)
    return torch.empty(1, height // 4, width // 4, steps.channels, dtype=torch.uint8)


def _cells(image: Image, channels: int) -> Tensor:
    height, width = _size(image)
    return torch.empty(1, channels, height // CELL_PX, width // CELL_PX)


def _rounding(steps: Steps) -> tuple[float, float]:
    return steps.per_unit, float(steps.zero)


def _scratch(image: Image) -> Tensor:
    return torch.empty(_SCRATCH_ROWS, image.luma.shape[3])


def _call(name: str, *arguments: Any) -> None:
    # Whatever had to be laid out anew lives on until the call returns.
    laid_out = [_laid_out(x) for x in arguments]
    compiled.call(name, *map(_as_c, laid_out))


def _laid_out(x: Any) -> Any:
    if isinstance(x, _Rows):
        return x if x.image.stride(3) == 1 else _Rows(x.image.contiguous())
    return x.contiguous() if isinstance(x, Tensor) else x


def _as_c(x: Any) -> Any:
    if isinstance(x, _Rows):
        _, _, height, width = x.image.shape
        return _Plane(_address(x.image), x.image.stride(2), x.image.stride(1), height, width)
    return _address(x) if isinstance(x, Tensor) else x


def _address(x: Tensor) -> ctypes.c_void_p:
    if x.dtype not in (torch.float32, torch.uint8):
        raise TypeError(f"float32 or uint8 is needed, not {x.dtype}")
    return ctypes.c_void_p(x.data_ptr())
