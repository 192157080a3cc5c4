"""How many processor cores there are for this process."""

import os


def usable_cores() -> int:
    """Those that the process may run on, where the system tells, else all; at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
