"""The place of a target: may it be written there, and the temporary file that becomes it."""

import os
import secrets
from pathlib import Path

from rmfd_cli.errors import OutputError, OutputExistsError
from rmfd_cli.video.location import is_url


def check_target(target: Path, source: str | None, overwrite: bool) -> None:
    """Refuse a target that cannot or may not be written.

    Args:
        target: An absolute path without links.
        source: The file or URL that it is made from; None if that is neither.
        overwrite: Whether an existing file may be replaced.

    Raises:
        OutputExistsError: It exists, or is the source.
        OutputError: It is no file, or has no folder.
    """
    if target.is_dir():
        raise OutputError(f"{target}: is a directory; name a file")
    if not target.parent.is_dir():
        raise OutputError(f"{target.parent}: no such directory")
    if not target.exists():
        return
    if source is not None and not is_url(source) and os.path.samefile(target, source):
        raise OutputExistsError(f"{target}: is the source itself; name another target")
    if not target.is_file():
        raise OutputError(f"{target}: is not a regular file")
    if not overwrite:
        raise OutputExistsError(f"{target}: exists; remove it or pass --overwrite")


def create_temporary(folder: Path, target: Path) -> Path:
    """Make an empty hidden file with the target's suffix.

    Args:
        folder: Where; on the target's disk.
        target: What it is to become.

    Raises:
        OutputError: The folder cannot be written to.
    """
    path = folder / f"{hidden_stem(target)}.rmfd-{secrets.token_hex(4)}{target.suffix}"
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written to: {error.strerror}") from error
    return path


def hidden_stem(target: Path) -> str:
    """The beginning of the name of something hidden that belongs to `target`."""
    # The name of the target may already be as long as names can be.
    return f".{os.fsdecode(os.fsencode(target.stem)[:200])}"
