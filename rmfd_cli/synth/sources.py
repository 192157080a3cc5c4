"""Where clean clips come from: videos and numbered frames below a folder."""

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from rmfd_cli.clips.walk import walk
from rmfd_cli.errors import InputError
from rmfd_cli.video.names import PICTURE_SUFFIXES, VIDEO_SUFFIXES, natural


@dataclass(frozen=True)
class Clip:
    """A clean clip."""

    name: str
    """Its place below the folder of clips, with `/` and without a video's suffix: `town/street`."""
    path: Path
    """The video, or the folder of frames."""
    frames: tuple[Path, ...] = ()
    """The frames in order; empty for a video."""


class Found(NamedTuple):
    """What lies below a folder."""

    clips: list[Clip]
    """In natural order (`a2` before `a10`)."""
    unreadable: list[InputError]
    """Folders below it that cannot be read."""


def find_sources(clean_dir: Path) -> Found:
    """Every clip at any depth below a folder.

    A clip is a video, or the pictures of one folder whose names end in a number and are alike before it; where a folder
    holds several such rows of pictures, each is a clip of its own. Hidden files and folders are left out, links are
    followed.

    Args:
        clean_dir: The folder.

    Raises:
        InputError: There is no such folder, or no clip below it, or two clips would get the same name, or it is unclear
            which pictures are the frames of a clip.
    """
    if not clean_dir.is_dir():
        what = "is a file; name the folder that holds it" if clean_dir.exists() else "no such folder; check the name"
        raise InputError(f"{clean_dir}: {what}")
    clips = []
    folders, failures = walk(clean_dir)
    unreadable = [error for _, error in failures]
    for folder, names in ((Path(folder), names) for folder, names in folders):
        paths = [folder / name for name in names]
        clips += [
            Clip(path.relative_to(clean_dir).with_suffix("").as_posix(), path)
            for path in paths
            if path.suffix.lower() in VIDEO_SUFFIXES
        ]
        rows = frame_rows(paths)
        own_name = "" if folder == clean_dir else folder.relative_to(clean_dir).as_posix()
        for prefix, frames in rows.items():
            name = own_name if len(rows) == 1 else f"{own_name}/{prefix.rstrip('-_. ')}".strip("/")
            clips.append(Clip(name or clean_dir.resolve().name or "clip", folder, frames))
    if not clips and unreadable:
        raise unreadable[0]
    if not clips:
        raise InputError(f"{clean_dir}: holds no video and no folder of numbered frames; name a folder of clean clips")
    clips.sort(key=lambda clip: natural(clip.name))
    for one, other in pairwise(clips):
        if one.name == other.name:
            raise InputError(f"{one.path} and {other.path}: both would be called {one.name}; rename one of them")
    return Found(clips, unreadable)


def frame_rows(paths: list[Path]) -> dict[str, tuple[Path, ...]]:
    """Pictures with numbered names, by what stands before the number; a single picture of its kind is no row.

    Args:
        paths: Files of one folder, in natural order.

    Raises:
        InputError: Pictures of two kinds have the same name before the number, or two of one kind have the same number:
            they may be frames and their masks, or frames twice.
    """
    kinds: dict[tuple[str, str], dict[int, Path]] = defaultdict(dict)
    for path in paths:
        match = re.fullmatch(r"(.*?)(\d+)", path.stem)
        if match and path.suffix.lower() in PICTURE_SUFFIXES:
            same = kinds[match[1], path.suffix.lower()].setdefault(int(match[2]), path)
            if same is not path:
                raise InputError(f"{path}: has the number of {same.name}; sort the pictures so that each frame is there once")
    rows: dict[str, tuple[Path, ...]] = {}
    for (prefix, suffix), row in kinds.items():
        if len(row) > 1 and prefix in rows:
            one = rows[prefix][0]
            raise InputError(
                f"{one.parent}: has frames named {prefix}NUMBER as {one.suffix} and as {suffix}; "
                "move one kind to a folder of its own if it is a clip, else out"
            )
        if len(row) > 1:
            rows[prefix] = tuple(row.values())
    return rows
