"""Large temporaries stop costing page faults."""

import os
import subprocess
import sys

import pytest

PROBE = """
import resource, sys
import numpy as np
from rmfd_cli.model.process import keep_freed_memory
if sys.argv[1] == "keep":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(3):
    np.ones(10_000_000)
before = faults()
for _ in range(10):
    np.ones(10_000_000)
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_memory_is_used_again():
    default, kept = (
        int(subprocess.run([sys.executable, "-c", PROBE, how], capture_output=True, text=True, check=True).stdout)
        for how in ("default", "keep")
    )
    assert default > 1_000
    assert kept < default / 20


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot be held to a core here")
def test_cores_are_those_that_the_process_may_use():
    code = "import os; from rmfd_cli.cores import usable_cores; os.sched_setaffinity(0, [CORE]); print(usable_cores())"
    code = code.replace("CORE", str(min(os.sched_getaffinity(0))))
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1\n"
