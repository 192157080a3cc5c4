"""Tensors as the functions of the compiled library take them, on a CPU and for one frame."""

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from rmfd_cli import compiled
from rmfd_cli.model.image import is_traced

Keep: TypeAlias = Callable[[Tensor], int]
"""Keeps a tensor until a call returns, and gives its address."""


class Steps(NamedTuple):
    """How what comes out is rounded for the convolution that takes it."""

    per_unit: float
    """Steps for a difference of 1."""
    zero: int
    """The step that stands for 0."""
    channels: int
    """What the convolution takes."""

    @property
    def rounding(self) -> tuple[float, float]:
        """As the library takes it."""
        return self.per_unit, float(self.zero)


class Plane(ctypes.Structure):
    """A picture whose rows, and planes, may lie further apart than they are long."""

    _fields_ = (
        ("first", ctypes.c_void_p),
        ("stride", ctypes.c_ssize_t),
        ("plane", ctypes.c_ssize_t),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
    )


class Rows(NamedTuple):
    """A picture, `[1, C, H, W]`, that is handed over as a `Plane`."""

    image: Tensor

    def as_c(self, keep: Keep) -> Plane:
        """As the library takes it."""
        image = self.image if self.image.stride(3) == 1 else self.image.contiguous()
        return Plane(keep(image), image.stride(2), image.stride(1), *image.shape[2:])


def suits(*tensors: Tensor | None) -> bool:
    """Whether the library is there and can work on such frames and maps, `[B, C, H, W]`; None are left out."""
    return compiled.is_there() and all(x is None or _is_plain(x) for x in tensors)


def _is_plain(x: Tensor) -> bool:
    return x.is_cpu and x.dtype == torch.float32 and x.shape[0] == 1 and not is_traced(x)


def by_place(x: Tensor) -> Tensor:
    """`[1, C, h, w]`, in memory as `[1, h, w, C]`."""
    return x.permute(0, 2, 3, 1).contiguous()


def call(name: str, *arguments: Any) -> None:
    """A function of the library.

    Args:
        name: without the `rmfd_` before it.
        arguments: numbers; None; tensors, of which it gets the address, laid out anew if they are not contiguous; and what has
            `as_c`.

    Raises:
        TypeError: a tensor holds neither float32 nor bytes.
    """
    kept: list[Tensor] = []

    def keep(x: Tensor) -> int:
        if x.dtype not in _KNOWN:
            raise TypeError(f"float32 or uint8 is needed, not {x.dtype}")
        kept.append(x)
        return x.data_ptr()

    def as_c(x: Any) -> Any:
        if isinstance(x, Tensor):
            return ctypes.c_void_p(keep(x.contiguous()))
        return x.as_c(keep) if hasattr(x, "as_c") else x

    compiled.call(name, *map(as_c, arguments))


_KNOWN = (torch.float32, torch.uint8)
