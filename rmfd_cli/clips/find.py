"""Clips below a folder, and their frames: videos, and folders of pictures."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmfd_cli.clips.walk import is_hidden, walk
from rmfd_cli.video.colour import to_8_bits
from rmfd_cli.video.images import read_rgb
from rmfd_cli.video.names import PICTURE_SUFFIXES, VIDEO_SUFFIXES, natural
from rmfd_cli.video.reader import upright_frames


def find_clips(directory: Path) -> list[Path]:
    """Every video, and every folder that holds two frames or more, at any depth; a video stands for itself.

    Hidden ones are left out, links are followed.

    Raises:
        InputError: a folder below it cannot be read.
    """
    if directory.is_file():
        return [directory] if is_clip(directory) else []
    below = [path for folder, names in folders_below(directory) for path in (folder, *(folder / name for name in names))]
    return [path for path in sorted(below, key=lambda path: natural(str(path))) if is_clip(path)]


def folders_below(directory: Path) -> list[tuple[Path, list[str]]]:
    """A folder and all below it, as of `walk`, with the names of their files; nothing if there is no such folder.

    Raises:
        InputError: one of them cannot be read.
    """
    if not directory.is_dir():
        return []
    folders, unreadable = walk(directory, by_every_name=True)
    if unreadable:
        raise unreadable[0][1]
    return [(Path(folder), names) for folder, names in folders]


def is_clip(path: Path) -> bool:
    """Whether this is a video by its name, or a folder of frames."""
    if path.is_dir():
        return len(list(islice(_frames(path), 2))) == 2
    return path.suffix.lower() in VIDEO_SUFFIXES


def frames_of(path: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame of a video or of a folder of frames, upright, `[H, W, 3]` RGB; deeper ones rounded to 8 bits.

    Raises:
        InputError: it cannot be read, or is damaged, which is known of a video at its end.
    """
    if path.is_dir():
        yield from (to_8_bits(read_rgb(frame)) for frame in sorted(_frames(path), key=lambda path: natural(path.name)))
    else:
        yield from map(to_8_bits, upright_frames(path))


def _frames(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and not is_hidden(path.name))
