"""What to work on: files and folders as named on the command line or in a list."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from rmfd_cli.clips.walk import walk
from rmfd_cli.errors import InputError
from rmfd_cli.video.location import is_url, local_name, shown_name
from rmfd_cli.video.names import PICTURE_SUFFIXES, VIDEO_SUFFIXES, frame_matcher

PIPE: Final = "-"
"""The name that stands for stdin as a source and for stdout as a target; a file of that name is `./-`."""


@dataclass(frozen=True)
class Source:
    """One thing to take the rain out of."""

    path: str
    """A video file or its URL, a folder of frames, a pattern of frames such as `in/%05d.png`, or `PIPE`."""
    below: str = ""
    """Where it lies below the folder that was named; the place in the target folder. Empty for one named itself."""
    from_folder: bool = False
    """Whether a folder or pattern was named, not a file."""
    frames: tuple[Path, ...] = ()
    """Of a folder or pattern of frames: the pictures in order."""

    @property
    def place(self) -> str:
        """The file, or for frames the folder they are in; of a URL `host/path`."""
        return os.path.abspath(self.frames[0].parent) if self.frames else local_name(self.path)

    @property
    def name(self) -> str:
        """What to call it in messages and reports: a URL without what only its owner should know."""
        return shown_name(self.path)


class Found(NamedTuple):
    """What the names stand for."""

    sources: list[Source]
    """In the order of the names, within a folder in natural order (`a2` before `a10`)."""
    unreadable: list[tuple[str, InputError]]
    """What was named or lies below a folder, but cannot be looked into."""


def find_sources(names: Sequence[str], leave_out: str | None = None) -> Found:
    """Every video that the names stand for.

    A folder stands for all videos below it, at any depth; if it has none, for its folders of pictures, each of which is
    one video. Hidden files and folders are left out, links are followed. One named folder is mirrored as it is, several
    each under their own name. What is no folder is taken for a file, whether it is there or not.

    Args:
        names: Files, folders, patterns such as `in/%05d.png`, URLs, `PIPE`.
        leave_out: A folder that is not looked into: results of an earlier run may lie there.
    """
    folders = [name for name in names if os.path.isdir(name)]
    found = Found([], [])
    for name in names:
        if name in folders:
            inside = _below(name, leave_out, os.path.basename(os.path.abspath(name)) if len(folders) > 1 else "")
            found.sources.extend(inside.sources)
            found.unreadable.extend(inside.unreadable)
        else:
            try:
                frames = frames_of_pattern(name)
            except InputError as error:
                found.unreadable.append((name, error))
            else:
                found.sources.append(Source(name, from_folder=bool(frames), frames=frames))
    return found


def read_names(file: BinaryIO, null: bool) -> list[str]:
    """The names in a list: one a line, or divided by NUL as `find -print0` does; empty ones are left out."""
    parts = file.read().split(b"\0" if null else b"\n")
    return [os.fsdecode(part if null else part.rstrip(b"\r")) for part in parts if part.strip()]


def frames_of_pattern(name: str) -> tuple[Path, ...]:
    """The pictures that a name such as `in/%05d.png` stands for, in order of their numbers.

    Returns:
        Nothing if there is a file of that very name, or it is no pattern of pictures.

    Raises:
        InputError: No picture fits the pattern.
    """
    path = Path(name)
    matcher = frame_matcher(path.name)
    if is_url(name) or matcher is None or path.suffix.lower() not in PICTURE_SUFFIXES or path.exists():
        return ()
    try:
        pictures = [(int(match[1]), path.parent / entry) for entry in os.listdir(path.parent) if (match := matcher(entry))]
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be read ({error.strerror}); check the name") from error
    if not pictures:
        raise InputError(f"{name}: no picture has such a name; check the pattern")
    return tuple(picture for _, picture in sorted(pictures))


def _below(top: str, leave_out: str | None, under: str) -> Found:
    listed, unreadable = walk(top, leave_out)
    sources = []
    for folder, names in listed:
        below = os.path.normpath(os.path.join(under, os.path.relpath(folder, top)))
        for name in names:
            if _suffix(name) in VIDEO_SUFFIXES:
                sources.append(Source(os.path.join(folder, name), "" if below == "." else below, from_folder=True))
    if not sources:
        for folder, names in listed:
            pictures = tuple(Path(folder, name) for name in names if _suffix(name) in PICTURE_SUFFIXES)
            below = os.path.normpath(os.path.join(under, os.path.relpath(folder, top)))
            if pictures:
                sources.append(Source(folder, "" if below == "." else below, from_folder=True, frames=pictures))
    if not sources and not unreadable:
        unreadable.append((top, InputError(f"{top}: holds no video and no pictures; name the files or another folder")))
    return Found(sources, unreadable)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()
