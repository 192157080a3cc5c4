"""Clips in memory: videos and folders of frames, decoded once; what cannot be read is named and left out."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rmfd_cli.clips.find import find_clips, frames_of
from rmfd_cli.errors import InputError, RmfdError, TrainingError

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
        InputError: a folder cannot be read.
    """
    return [clip for _, clip in load_named_clips(directory, max_frames, on_warning)]


def load_named_clips(
    directory: Path, max_frames: int = MAX_FRAMES, on_warning: Callable[[str], None] = lambda text: None
) -> list[tuple[str, Clip]]:
    """As `load_clips`, each clip with its path below the directory."""
    clips = []
    for path in find_clips(directory):
        try:
            clips.append((path.relative_to(directory).as_posix(), read_clip(path, max_frames)))
        except RmfdError as error:
            on_warning(f"{error}; training goes on without it")
    if not clips:
        raise TrainingError(f"no video with at least two frames below {directory}; name a folder of clean clips")
    return clips


def read_clip(path: Path, max_frames: int = MAX_FRAMES) -> Clip:
    """The first frames of a video or of a folder of frames, upright, deeper ones rounded to 8 bits.

    Raises:
        InputError: it cannot be read or is damaged so far, has a single frame, or its frames are not of one size.
    """
    frames = list(islice(frames_of(path), max_frames))
    if len(frames) < 2:
        raise InputError(f"{path}: has a single frame; a clip needs two")
    if any(frame.shape != frames[0].shape for frame in frames):
        raise InputError(f"{path}: its frames are not of one size")
    return np.stack(frames)
