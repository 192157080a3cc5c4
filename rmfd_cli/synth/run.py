"""A data set from a folder of clean clips: plan, skip what is done, render the rest, say what failed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np

from rmfd_cli.errors import InputError, OutputError, RmfdError, UsageError
from rmfd_cli.synth.identity import Identity, identify
from rmfd_cli.synth.layouts import check_places
from rmfd_cli.synth.plan import Job, plan
from rmfd_cli.synth.pool import Ended, Ready, work_through
from rmfd_cli.synth.publish import TREE, hidden_folder, is_done, only_writer, publish, write_meta_info
from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.sources import Clip, find_sources
from rmfd_cli.synth.variant import draw_weather, make_variant, stored_streams
from rmfd_cli.types import SetProgress

_NO_ROOM = ("No space left on device", "Disk quota exceeded", "File too large", "Read-only file system")


@dataclass(frozen=True)
class SynthReport:
    """What was done."""

    made: int
    """Variants made by this run."""
    skipped: int
    """Variants that were complete before."""
    failures: tuple[RmfdError, ...]
    """Why variants could not be made, one error each that names it."""
    unreadable: tuple[InputError, ...]
    """Folders of clips that could not be read."""
    frames: int
    seconds: float


class Plan(NamedTuple):
    """What is to be made of a folder of clips."""

    jobs: list[Job]
    """At least one."""
    unreadable: list[InputError]
    """Folders in it that cannot be read."""


def make_plan(clean_dir: Path, request: SynthRequest) -> Plan:
    """All jobs for a folder of clips.

    Raises:
        InputError: There is no clip.
        UsageError: There is no such preset, weather or folder of depth maps, or two clips would lie in the same place.
    """
    draw_weather(request, np.random.default_rng(0))
    if request.depth_dir is not None and not Path(request.depth_dir).is_dir():
        raise UsageError(f"--depth-dir is {request.depth_dir}; there is no such folder")
    found = find_sources(clean_dir)
    jobs = plan(found.clips, clean_dir, request)
    check_places(jobs, stored_streams(jobs[0]), request.format)
    return Plan(jobs, found.unreadable)


def synthesize(
    clean_dir: Path,
    out: Path,
    request: SynthRequest,
    *,
    workers: int = 1,
    overwrite: bool = False,
    on_progress: Callable[[SetProgress], None] = lambda now: None,
    on_failure: Callable[[RmfdError], None] = lambda failure: None,
) -> SynthReport:
    """Make a data set, or what is missing of it.

    The bytes depend on the clips and the request alone. A variant appears complete or not at all; what fails is in the
    report, and everything else is made nevertheless.

    Args:
        clean_dir: Folder of clean videos and folders of frames.
        out: Folder of the data set; made if it is not there.
        request: What to make.
        workers: Processes to render with.
        overwrite: Whether variants that were made with other parameters are replaced.
        on_progress: Called now and then.
        on_failure: Called with each failure of the report at once: a run that is stopped makes no report.

    Raises:
        InputError: There is no clip.
        UsageError: The request makes no sense for these clips.
        OutputExistsError: What is there was made otherwise, and not to be overwritten.
        OutputError: `out` cannot be written to, or the disk is full: nothing else can succeed.
    """
    if workers < 1:
        raise UsageError(f"--workers is {workers}; it has to be at least 1")
    inside, outside = out.resolve(), clean_dir.resolve()
    if inside == outside or outside in inside.parents:
        raise UsageError(f"{out}: lies in {clean_dir}, where the next run would take it for clips; choose another --output")
    jobs, unreadable = make_plan(clean_dir, request)
    for folder in unreadable:
        on_failure(folder)
    started = monotonic()
    frames = ended = 0
    failures: list[RmfdError] = []
    identify_once = cache(identify)
    with only_writer(out) as run:
        to_do = [job for job in jobs if not is_done(job, out, overwrite, identify_once)]
        with closing(work_through(_identified(to_do, identify_once), partial(_render, out, run), workers)) as events:
            for event in events:
                if isinstance(event, Ready):
                    frames += event.frames
                else:
                    ended += 1
                    if failure := _finish(event, out, run):
                        failures.append(failure)
                        on_failure(failure)
                on_progress(SetProgress(ended, len(to_do), frames, monotonic() - started))
        write_meta_info(jobs, out, run)
    return SynthReport(
        made=len(to_do) - len(failures),
        skipped=len(jobs) - len(to_do),
        failures=tuple(failures),
        unreadable=tuple(unreadable),
        frames=frames,
        seconds=monotonic() - started,
    )


def _identified(jobs: list[Job], identify_once: Callable[[Clip, str | None], Identity]) -> Iterator[Job]:
    """Jobs with the identity of their clips; without it where files cannot be read: making the variant will say so."""
    for job in jobs:
        with suppress(InputError):
            job = replace(job, identity=identify_once(job.clip, job.request.depth_dir))
        yield job


def _render(out: Path, run: Path, job: Job, on_frames: Callable[[int], None]) -> None:
    """In a worker: a variant into its hidden folder, which is left only if it is complete."""
    hidden = hidden_folder(job, run)
    try:
        # Without parents: a worker that outlives its run does not bring back what the next one has cleared up.
        hidden.mkdir()
        (hidden / TREE).mkdir()
        make_variant(job, hidden / TREE, on_frames)
    except BaseException as error:
        shutil.rmtree(hidden, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(f"{out}: cannot be written to: {error.strerror or error}") from error
        raise


def _finish(ended: Ended[Job], out: Path, run: Path) -> RmfdError | None:
    """Publish a rendered variant; else say why it is not.

    Raises:
        OutputError: There is no room left: nothing else can succeed, either.
    """
    error = ended.error
    if error is None:
        try:
            publish(ended.job, out, run)
        except OutputError as failure:
            error = failure
    if error is None:
        return None
    for cause in _NO_ROOM:
        if isinstance(error, OutputError) and cause in str(error):
            raise OutputError(f"{out}: {cause}; what is complete is kept, the same command goes on when there is room")
    variant = f" variant {ended.job.variant}" if ended.job.request.variants > 1 else ""
    return type(error)(f"{ended.job.source}{variant}: {error}")
