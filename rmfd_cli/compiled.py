"""The library of what is compiled when rmfd is installed: `model/*.c` and `video/planes.c`.

Where there was no compiler it is missing, and everything that asks for it does the same by other means, in more time
(docs/decisions.md).
"""

import ctypes
import functools
import importlib.util
from typing import Any

import numpy as np

_VERSION = 4
"""As in compiled.h: a library of before does not serve what came after."""


def is_there() -> bool:
    """Whether the library was compiled and can be loaded."""
    return _library() is not None


def call(name: str, *arguments: Any) -> None:
    """A function of the library; other threads run meanwhile.

    Args:
        name: without the `rmfd_` before it.
        arguments: arrays, contiguous in memory, of which it gets the address; numbers, as they are declared in C; and what
            `ctypes` made.
    """
    library = _library()
    assert library is not None
    getattr(library, f"rmfd_{name}")(*(_as_c(x) for x in arguments))


def ask(name: str, number: int) -> int:
    """What a function of the library says of a number; 0 where there is no library."""
    library = _library()
    return 0 if library is None else int(getattr(library, f"rmfd_{name}")(number))


def _as_c(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        assert x.flags.c_contiguous
        return ctypes.c_void_p(x.ctypes.data)
    return ctypes.c_float(x) if isinstance(x, float) else x


@functools.cache
def _library() -> ctypes.CDLL | None:
    found = importlib.util.find_spec("rmfd_cli._compiled")
    if found is None or found.origin is None:
        return None
    try:
        library = ctypes.CDLL(found.origin)
        version = ctypes.c_int32.in_dll(library, "rmfd_version").value
    except (OSError, ValueError):
        return None
    return library if version == _VERSION else None
