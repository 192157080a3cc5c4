"""Files that are complete or not there."""

import os
from contextlib import suppress
from pathlib import Path


def replace_whole(target: Path, content: bytes | memoryview) -> None:
    """Writes a file that is complete and on the disk before it gets its name; whatever goes wrong, nothing else is left.

    Raises:
        OSError: it cannot be written; an older file of this name stays.
    """
    # The name of the target may already be as long as names can be.
    partial = target.with_name(f".{os.fsdecode(os.fsencode(target.name)[:200])}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
