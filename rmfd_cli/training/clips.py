"""Clips in memory: videos and folders of frames, decoded once; what cannot be read is named and left out."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmfd_cli.errors import InputError, RmfdError, TrainingError
from rmfd_cli.video.colour import to_8_bits
from rmfd_cli.video.images import read_rgb
from rmfd_cli.video.names import PICTURE_SUFFIXES, VIDEO_SUFFIXES, natural
from rmfd_cli.video.reader import upright_frames

Clip: TypeAlias = NDArray[np.uint8]
"""`[T, H, W, 3]` RGB."""

MAX_FRAMES = 64
"""Frames of a clip that are kept in memory."""


def load_clips(
    directory: Path, max_frames: int = MAX_FRAMES, on_warning: Callable[[str], None] = lambda text: None
) -> list[Clip]:
    """Every clip below a directory, its first `max_frames` frames decoded into memory.

    Args:
        directory: holds videos and folders of frames, at any depth.
        max_frames: how much of each.
        on_warning: told which clip cannot be used, and why.

    Raises:
        TrainingError: there is no readable clip of at least two frames.
    """
    clips = []
    for path in find_clips(directory):
        try:
            clips.append(read_clip(path, max_frames))
        except RmfdError as error:
            on_warning(f"{error}; training goes on without it")
    if not clips:
        raise TrainingError(f"no video with at least two frames below {directory}; name a folder of clean clips")
    return clips


def find_clips(directory: Path) -> list[Path]:
    """Every video, and every folder that holds two frames or more, at any depth; hidden ones are left out."""
    found = []
    for path in [directory, *sorted(directory.rglob("*"), key=lambda path: natural(str(path)))]:
        visible = not any(part.startswith(".") for part in path.relative_to(directory).parts)
        if visible and is_clip(path):
            found.append(path)
    return found


def is_clip(path: Path) -> bool:
    """Whether this is a video by its name, or a folder of frames."""
    if path.is_dir():
        return len(list(islice(_frames(path), 2))) == 2
    return path.suffix.lower() in VIDEO_SUFFIXES


def read_clip(path: Path, max_frames: int = MAX_FRAMES) -> Clip:
    """The first frames of a video or of a folder of frames, upright, deeper ones rounded to 8 bits.

    Raises:
        InputError: it cannot be read or is damaged so far, has a single frame, or its frames are not of one size.
    """
    frames = list(islice(_pictures(path), max_frames))
    if len(frames) < 2:
        raise InputError(f"{path}: has a single frame; a clip needs two")
    if any(frame.shape != frames[0].shape for frame in frames):
        raise InputError(f"{path}: its frames are not of one size")
    return np.stack(frames)


def _pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    if path.is_dir():
        yield from (to_8_bits(read_rgb(frame)) for frame in sorted(_frames(path), key=lambda path: natural(path.name)))
    else:
        yield from map(to_8_bits, upright_frames(path))


def _frames(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith("."))
