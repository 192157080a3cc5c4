"""Settings of the whole process, for speed on a CPU: the command line makes them, and what the library starts for itself.

The process that calls the library is left as it is.
"""

import ctypes
import sys

import cv2
import torch

from rmfd_cli.cores import usable_cores

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8  # malloc.h
_KEPT_BYTES = 1 << 30
_STEP_BYTES = 64 << 20

BUSY_STAGES = 2
"""Stages of `streaming.restore` that are at work at any moment: stage 1, and the two others between them."""


def share_cores(videos: int = 1) -> None:
    """Divides the cores among the stages: with every stage asking for all of them, they wait for each other.

    Args:
        videos: how many are restored at a time.
    """
    threads = max(1, usable_cores() // (BUSY_STAGES * videos))
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)


def keep_freed_memory() -> bool:
    """Tells glibc to serve large allocations from its heap and to keep up to 1 GiB of what is freed there.

    torch allocates every intermediate map anew, and glibc maps and unmaps each from the kernel, which has to clear it: the page
    faults cost as much as the arithmetic. All threads share one heap, or each would keep what it frees to itself.

    Returns:
        Whether it was done; other C libraries are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _KEPT_BYTES), (_M_TOP_PAD, _STEP_BYTES))
    return all(mallopt(name, value) == 1 for name, value in settings)
