"""Convolutions in 8-bit integers in C, for one picture: what comes out of one is added up and rounded while it is near."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rmfd_cli import compiled
from rmfd_cli.model.calls import Keep, Steps, by_place, call

_UNIT, _QUAD, _MOST_SIDE = 16, 4, 3
"""As in convolve.h: channels that come out, and that go in, are counted by so many. And the largest kernel's side."""
_AVX2, _AVX_VNNI, _AVX512_VNNI = 1, 2, 3


def can_convolve(conv: nn.Conv2d) -> bool:
    """Whether the library is there and can do such a convolution on this processor."""
    alike = all(len(set(both)) == 1 for both in (conv.kernel_size, conv.stride, conv.padding, conv.dilation))
    fits = alike and conv.kernel_size[0] <= _MOST_SIDE and conv.in_channels % _QUAD == 0
    return fits and bool(instructions())


def instructions() -> tuple[int, ...]:
    """What of the library this processor can run, numbered as in convolve.h, the slowest first; none without one."""
    return tuple(kind for kind in (_AVX2, _AVX_VNNI, _AVX512_VNNI) if compiled.ask("can_run", kind))


class _Conv(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("weights", "start", "scale", "bias")),
        *((name, ctypes.c_int32) for name in ("quads", "units", "channels", "side", "stride", "padding", "dilation")),
        *((name, ctypes.c_int32) for name in ("rectified", "zero", "instructions")),
    )


class _Maps(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("all", "conv", "seen", "row"))


class _Rounded(ctypes.Structure):
    _fields_ = (("seen", ctypes.c_void_p), ("per_unit", ctypes.c_float), ("zero", ctypes.c_float))


class Kernel:
    """A convolution.

    Args:
        weights: int8 from -63 to 63, `[C', C, k, k]`, k at most 3, C a multiple of 4.
        scale: what a step of what comes out is worth, by channel, `[C']`.
        bias: likewise; None for none.
        zero: the step that stands for 0 of what goes in.
        stride: in both directions, as are the next two.
        padding: see there.
        dilation: see there.
        rectified: whether what comes out below zero is cut off.
        which: one of `instructions`; None for the fastest.
    """

    def __init__(
        self,
        weights: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        zero: int,
        stride: int,
        padding: int,
        dilation: int,
        rectified: bool,
        which: int | None = None,
    ) -> None:
        self.channels, self.taken, self.side, _ = weights.shape
        self.rectified = rectified
        self.is_pointwise = (self.side, stride, padding, rectified) == (1, 1, 0, False)
        self._stride, self._padding, self._reach = stride, padding, (self.side - 1) * dilation
        units, quads = -(-self.channels // _UNIT), self.taken // _QUAD
        spare = units * _UNIT - self.channels
        ordered = F.pad(weights, (0, 0, 0, 0, 0, 0, 0, spare)).view(units * _UNIT, quads, _QUAD, self.side**2)
        # Whoever hands on the address of a tensor has to keep it.
        self._kept = (
            ordered.permute(3, 1, 0, 2).contiguous(),
            F.pad(-zero * weights.sum((1, 2, 3), dtype=torch.int32), (0, spare)),
            F.pad(scale, (0, spare)),
            F.pad(torch.zeros_like(scale) if bias is None else bias, (0, spare)),
        )
        sizes = (quads, units, self.channels, self.side, stride, padding, dilation, rectified, zero)
        self._described = _Conv(*(x.data_ptr() for x in self._kept), *sizes, which or instructions()[-1])

    def __deepcopy__(self, memo: dict[int, Any]) -> "Kernel":
        # Nothing of it ever changes.
        return self

    @property
    def address(self) -> int:
        """Where the library finds what it has to know."""
        return ctypes.addressof(self._described)

    def size(self, rows: int, columns: int) -> tuple[int, int]:
        """Of what comes out, if what goes in has so many rows and columns."""
        height, width = ((side + 2 * self._padding - self._reach - 1) // self._stride + 1 for side in (rows, columns))
        return height, width

    def scratch(self, columns: int) -> Tensor:
        """Room for what it sees at a time."""
        return torch.empty(self._reach + 2, columns + 2 * self._padding, self.taken, dtype=torch.uint8)


class Maps(NamedTuple):
    """What a convolution finds, `[1, C, h, w]`."""

    all: Tensor | None = None
    """All of it; or None, and then it is found row by row, while it is needed. None and no kernel: nothing."""
    kernel: Kernel | None = None
    """One that `is_pointwise`."""
    seen: Tensor | None = None
    """What goes into it."""

    def as_c(self, keep: Keep) -> _Maps:
        """As the library takes it."""
        if self.all is not None:
            return _Maps(keep(by_place(self.all)))
        if self.kernel is None or self.seen is None:
            return _Maps()
        row = torch.empty(self.seen.shape[3] * self.kernel.channels + _UNIT)
        return _Maps(None, self.kernel.address, keep(by_place(self.seen)), keep(row))


class Seen(NamedTuple):
    """Maps as a convolution sees them, `[1, C, h, w]`."""

    maps: Tensor
    steps: Steps

    def as_c(self, keep: Keep) -> _Rounded:
        """As the library takes it."""
        return _Rounded(keep(by_place(self.maps)), *self.steps.rounding)


def convolve(
    kernel: Kernel,
    seen: Tensor,
    beside: Maps,
    more: Seen | None,
    takers: Sequence[Steps],
    enlarged: bool,
    rectified: bool,
    keep: bool,
) -> tuple[Tensor | None, tuple[Tensor, ...]]:
    """As `passes.convolve`, for two takers at most."""
    _, _, rows, columns = seen.shape
    height, width = kernel.size(rows, columns)
    shape = (1, height << enlarged, width << enlarged, kernel.channels)
    found = torch.empty(shape) if keep else None
    rounded = tuple(torch.empty(shape, dtype=torch.uint8).permute(0, 3, 1, 2) for _ in takers)
    one, other = (*map(Seen, rounded, takers), _NOTHING, _NOTHING)[:2]
    numbers = torch.empty(3 * width * kernel.channels + _UNIT)
    given = (ctypes.c_void_p(kernel.address), by_place(seen), rows, columns, beside, more or _NOTHING, enlarged, rectified)
    call("convolve", *given, kernel.scratch(columns), numbers, found, one, other)
    return None if found is None else found.permute(0, 3, 1, 2), rounded


_NOTHING = _Rounded()
