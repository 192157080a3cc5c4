"""Folders below a folder, as everything that looks for clips sees them: hidden ones left out, links followed."""

import os
from typing import NamedTuple

from rmfd_cli.errors import InputError
from rmfd_cli.video.names import natural


class Walked(NamedTuple):
    """What lies below a folder."""

    folders: list[tuple[str, list[str]]]
    """The folder itself and those below it, in natural order (`a2` before `a10`), each with the names of its files."""
    unreadable: list[tuple[str, InputError]]
    """Folders that cannot be listed, and what to say of them."""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is none of the user's: what a killed run has left, what a system keeps."""
    return name.startswith(".")


def walk(top: str | os.PathLike[str], leave_out: str | None = None, by_every_name: bool = False) -> Walked:
    """Everything below a folder.

    Args:
        top: The folder; it may be hidden itself.
        leave_out: A folder that is not looked into, unless it is `top`.
        by_every_name: Whether a folder that several links lead to is there under each of them, but never below itself; else it
            is there once.
    """
    errors: list[OSError] = []
    folders: list[tuple[str, list[str]]] = []
    left_out = set() if leave_out is None else {os.path.realpath(leave_out)} - {os.path.realpath(top)}
    seen: set[str] = set()
    above: dict[str, frozenset[str]] = {}
    for folder, below, names in os.walk(os.fspath(top), followlinks=True, onerror=errors.append):
        real, containing = os.path.realpath(folder), above.get(os.path.dirname(folder), frozenset())
        if real in left_out or real in (containing if by_every_name else seen):
            below.clear()
            continue
        seen.add(real)
        above[folder] = containing | {real}
        below[:] = _shown(below)
        folders.append((folder, _shown(names)))
    hint = "make the folder readable or take it out"
    unreadable = [
        (error.filename, InputError(f"{error.filename}: cannot be read ({error.strerror}); {hint}")) for error in errors
    ]
    return Walked(folders, unreadable)


def _shown(names: list[str]) -> list[str]:
    return sorted((name for name in names if not is_hidden(name)), key=natural)
