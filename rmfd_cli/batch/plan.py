"""All jobs of one command, checked against each other before any work is done."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rmfd_cli.batch.naming import is_folder, is_template, target_of
from rmfd_cli.batch.sources import PIPE, Source
from rmfd_cli.errors import OutputError, OutputExistsError, UsageError
from rmfd_cli.files import check_place
from rmfd_cli.video.location import is_url
from rmfd_cli.video.names import frame_matcher, holds_pictures


@dataclass(frozen=True)
class Job:
    """One source and where it goes."""

    source: Source
    target: str
    """A file, a folder or pattern of frames, or `PIPE`."""
    makes_folders: bool = False
    """Whether missing folders above the target are made; those of a target that was named itself have to be there."""
    skip: bool = False
    """Whether the target exists, and is to be left as it is."""


def plan_jobs(
    sources: Sequence[Source], output: str, *, several: bool, skip_existing: bool | None, lossless: bool = False
) -> list[Job]:
    """A job for every source.

    Args:
        sources: As from `find_sources`.
        output: A file, a folder, a template or `PIPE`.
        several: Whether there may be several sources, so that an output without suffix is a folder.
        skip_existing: Whether sources whose target exists are done already; None for those out of folders only.
        lossless: Whether only Matroska will do.

    Raises:
        UsageError: Two sources have one target, or a target's container does not fit.
        OutputExistsError: A target is one of the sources itself, be it under another name.
    """
    if output == PIPE:
        if len(sources) > 1:
            raise UsageError(f"-o {PIPE}: one video fits through stdout, not {len(sources)}; name a folder")
        return [Job(source, PIPE) for source in sources]
    folder = is_folder(output, several)
    makes_folders = folder or is_template(output)
    jobs = []
    for number, source in enumerate(sources, 1):
        target = target_of(source, number, output, folder, lossless)
        skips = source.from_folder if skip_existing is None else skip_existing
        jobs.append(Job(source, target, makes_folders, skip=skips and _exists(target)))
        if lossless and not target.lower().endswith((".mkv", ".mov")):
            raise UsageError(f"{target}: --lossless writes FFV1, which only fits .mkv and .mov; name it .mkv")
    jobs = _without_results(jobs)
    _check_in_place(jobs)
    _check_collisions(jobs)
    return jobs


def check_beside(jobs: Sequence[Job], files: Mapping[str, Path]) -> None:
    """Sees whether what a command writes besides its outputs can be written, and takes the place of nothing.

    Args:
        jobs: Of the command.
        files: By the option that names them.

    Raises:
        UsageError: One of them is a source, a target, or another of them.
        OutputError: It is a folder, or has none that is there.
    """
    taken = {_place(source.place): "a source" for source in _local_sources(jobs)}
    taken |= {_place(job.target): "an output" for job in jobs if job.target != PIPE}
    for option, path in files.items():
        try:
            check_place(path)
        except OutputError as error:
            raise OutputError(f"{option} {error}") from error
        place = _place(str(path))
        if place in taken:
            raise UsageError(f"{option} {path}: is {taken[place]}, too; name another file")
        taken[place] = option


def _local_sources(jobs: Sequence[Job]) -> list[Source]:
    return [job.source for job in jobs if job.source.path != PIPE and not is_url(job.source.path)]


def _place(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


def _without_results(jobs: Sequence[Job]) -> list[Job]:
    """Leaves out what folders hold of an earlier run: files that other jobs would write."""
    targets = {_place(job.target): job for job in reversed(jobs)}
    return [job for job in jobs if not job.source.from_folder or targets.get(_place(job.source.place), job) is job]


def _exists(target: str) -> bool:
    # Frames are there once some are: they come all at once.
    folder, name = os.path.split(target)
    if name.lower().endswith(".png") and frame_matcher(name) and os.path.isdir(folder):
        return holds_pictures(folder, name)
    return holds_pictures(target) if os.path.isdir(target) else os.path.exists(target)


def _check_in_place(jobs: Sequence[Job]) -> None:
    sources = {identity: source.path for source in _local_sources(jobs) if (identity := _identity(source.place))}
    for job in jobs:
        folder, name = os.path.split(job.target)
        # Frames count as their folder: what is written among them would be read the next time.
        among = job.source.frames and name.lower().endswith(".png")
        identity = _identity(folder or "." if among else job.target)
        if identity in sources:
            source = sources[identity]
            which = "is the source itself" if source == job.source.path else f"is the source {source}"
            raise OutputExistsError(f"{job.target}: {which}; name another target")


def _identity(path: str) -> tuple[int, int] | None:
    """What two names of one file have in common."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _check_collisions(jobs: Sequence[Job]) -> None:
    sources: dict[str, str] = {}
    for job in jobs:
        target = _place(job.target)
        if target in sources:
            raise UsageError(
                f"{sources[target]} and {job.source.name} would both be written to {job.target}; "
                "use a template that tells them apart, such as 'out/{folder}/{number}-{stem}{suffix}'"
            )
        sources[target] = job.source.name
