"""Scores of many clips, frame by frame as they come: memory does not grow with their length."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from rmfd_cli.clips.find import frames_of, is_clip
from rmfd_cli.clips.pairs import LOOKED_FOR, find_pairs, same_names
from rmfd_cli.errors import InputError, UsageError
from rmfd_cli.evaluation.scores import LEAST_SIDE_PX, Scores, Seen, as_seen, mean, score
from rmfd_cli.types import Restore, SetProgress
from rmfd_cli.video.compose import changed_rgb
from rmfd_cli.video.ycc import rgb_change, ycc_of_rgb

Picture: TypeAlias = NDArray[np.uint8]
Rows: TypeAlias = dict[str, Scores]
"""Scores by what they are of: `input` and `restored`, or `restored` alone."""


class Pair(NamedTuple):
    """What is scored, or restored and then scored, and the truth; each a video or a folder of frames."""

    name: str
    tested: Path
    clean: Path


@dataclass(frozen=True)
class ClipScores:
    """What a clip came to."""

    name: str
    frames: tuple[Rows, ...]

    @property
    def mean(self) -> Rows:
        """Over its frames."""
        return _mean_rows(self.frames)


@dataclass(frozen=True)
class Evaluation:
    """What came of all."""

    clips: tuple[ClipScores, ...]
    failures: tuple[InputError, ...]
    """Of those that could not be scored."""

    @property
    def mean(self) -> Rows:
        """Over the means of clips, so that each counts alike."""
        return _mean_rows([clip.mean for clip in self.clips])


def pairs_of_set(directory: Path) -> list[Pair]:
    """Rainy and clean clips of a data set, as `clips.pairs` knows them.

    Raises:
        UsageError: there are none.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory}: is no folder of rainy and clean clips; with --against CLEAN a result is scored alone")
    pairs = find_pairs(directory)
    if not pairs:
        raise UsageError(f"no rainy and clean clips below {directory}; looked for {LOOKED_FOR}")
    return [Pair(rainy.relative_to(directory).as_posix(), rainy, clean) for rainy, clean in pairs]


def pairs_against(tested: Path, clean: Path) -> list[Pair]:
    """A clip and its truth, or those of the same names below two folders.

    Raises:
        UsageError: one of them is not there, or they have no name in common.
    """
    for path in (tested, clean):
        if not path.exists():
            raise UsageError(f"{path}: does not exist")
    if not (tested.is_dir() and clean.is_dir()) or (is_clip(tested) and is_clip(clean)):
        return [Pair(tested.name, tested, clean)]
    pairs = list(same_names(tested, clean))
    if not pairs:
        raise UsageError(f"{tested} and {clean} have no clips of the same names")
    return [Pair(one.relative_to(tested).as_posix(), one, other) for one, other in pairs]


def evaluate(
    pairs: Sequence[Pair],
    restore: Restore | None = None,
    *,
    frames: int | None = None,
    skip: int = 0,
    on_progress: Callable[[SetProgress], None] = lambda now: None,
    on_failure: Callable[[InputError], None] = lambda error: None,
) -> Evaluation:
    """Scores clips against their truth; one that cannot be read or does not match stops no other.

    Args:
        pairs: from `pairs_of_set` or `pairs_against`.
        restore: takes the rain out of what is tested first, and both are scored; None to score it as it is.
        frames: only the first so many of each clip.
        skip: so many at each end of a clip do not count, as papers have it whose networks see no neighbours there.
        on_progress: called after every frame.
        on_failure: told of every clip that fails.

    Raises:
        RmfdError: the model cannot run.
    """
    began, counted = time.monotonic(), 0
    clips, failures = [], []
    for number, pair in enumerate(pairs):
        rows: list[Rows] = []
        try:
            for row in _scored(pair, restore, frames):
                rows.append(row)
                counted += 1
                on_progress(SetProgress(number, len(pairs), counted, time.monotonic() - began))
            if len(rows) <= 2 * skip:
                raise InputError(f"{pair.name}: has {len(rows)} frames, of which none is left; give a smaller --skip")
        except InputError as error:
            failures.append(error)
            on_failure(error)
            continue
        clips.append(ClipScores(pair.name, tuple(rows[skip : len(rows) - skip])))
    return Evaluation(tuple(clips), tuple(failures))


def _scored(pair: Pair, restore: Restore | None, frames: int | None) -> Iterator[Rows]:
    waiting: deque[tuple[Picture, Picture]] = deque()
    last: dict[str, tuple[Seen, Seen]] = {}
    for tested, clean, restored in _restored(_together(pair, frames), restore, waiting):
        truth, rows = as_seen(clean), {}
        for kind, picture in (("restored", tested),) if restored is None else (("input", tested), ("restored", restored)):
            with torch.inference_mode():
                seen = as_seen(picture)
                rows[kind] = score(seen, truth, last.get(kind))
            last[kind] = seen, truth
        yield rows


def _restored(
    pictures: Iterator[tuple[Picture, Picture]], restore: Restore | None, waiting: deque[tuple[Picture, Picture]]
) -> Iterator[tuple[Picture, Picture, Picture | None]]:
    """Tested and clean pictures, and what the model makes of the former."""
    if restore is None:
        yield from ((tested, clean, None) for tested, clean in pictures)
        return

    def seen() -> Iterator[Picture]:
        for both in pictures:
            waiting.append(both)
            yield both[0]

    for change in restore(ycc_of_rgb(picture) for picture in seen()):
        tested, clean = waiting.popleft()
        yield tested, clean, changed_rgb(tested, rgb_change(change), bits=8)


def _together(pair: Pair, frames: int | None) -> Iterator[tuple[Picture, Picture]]:
    """The frames of both, which have to match.

    Raises:
        InputError: they do not, or cannot be read.
    """
    count = 0
    for tested, clean in zip_longest(*(islice(frames_of(path), frames) for path in (pair.tested, pair.clean))):
        if tested is None or clean is None:
            shorter, longer = (pair.tested, pair.clean) if tested is None else (pair.clean, pair.tested)
            raise InputError(f"{shorter}: ends after {count} frames, before {longer} does; compare clips of one length")
        if tested.shape != clean.shape:
            sizes = " and ".join(f"{x.shape[1]}x{x.shape[0]}" for x in (tested, clean))
            raise InputError(f"{pair.tested} and {pair.clean} do not match: {sizes}")
        if min(tested.shape[:2]) < LEAST_SIDE_PX:
            raise InputError(f"{pair.tested}: is too small to be scored; both sides have to be {LEAST_SIDE_PX} pixels at least")
        count += 1
        yield tested, clean
    if not count:
        raise InputError(f"{pair.tested}: has no frames")


def _mean_rows(rows: Sequence[Rows]) -> Rows:
    return {kind: mean([row[kind] for row in rows]) for kind in (rows[0] if rows else ())}
