"""Files that are complete or not there."""

import os
from contextlib import suppress
from pathlib import Path

from rmfd_cli.errors import OutputError


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


def check_place(target: Path) -> None:
    """Before any work: whether a file can be written there.

    Raises:
        OutputError: it cannot.
    """
    if target.is_dir():
        raise OutputError(f"{target}: is a directory; name a file")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"{target}: cannot be written; {target.absolute().parent}: no such directory; make it first")


def write_output(target: Path, content: bytes) -> None:
    """`replace_whole` of a file that was asked for.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        replace_whole(target, content)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written: {error.strerror or error}") from error
