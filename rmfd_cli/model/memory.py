"""Keeping freed memory: on glibc, page faults of large temporaries otherwise cost as much as the arithmetic."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h
_KEPT_BYTES = 1 << 30
_STEP_BYTES = 64 << 20


def keep_freed_memory() -> bool:
    """Tells glibc to serve large allocations from its heap and to keep up to 1 GiB of what is freed there.

    torch allocates every intermediate map anew, and glibc maps and unmaps each from the kernel, which has to clear it. This
    is a setting of the whole process: the command line makes it, the library never does by itself.

    Returns:
        Whether it was done; other C libraries are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _KEPT_BYTES), (_M_TOP_PAD, _STEP_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)
