"""A data set from a folder of clean clips: plan, skip what is done, render the rest, say what failed."""

import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

import numpy as np

from rmfd_cli.errors import OutputError, UsageError
from rmfd_cli.synth.layouts import check_places
from rmfd_cli.synth.plan import Job, plan
from rmfd_cli.synth.pool import Ended, Ready, work_through
from rmfd_cli.synth.publish import TREE, hidden_folder, is_done, only_writer, publish, write_meta_info
from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.sources import find_clips
from rmfd_cli.synth.variant import draw_weather, make_variant, stored_streams

_NO_ROOM = ("No space left on device", "Disk quota exceeded", "File too large", "Read-only file system")


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    done: int
    """Variants that have been made or have failed."""
    jobs: int
    """Variants to be made in all, without those that were done before."""
    frames: int
    """Frames rendered so far."""
    seconds: float
    """Since the start."""


@dataclass(frozen=True)
class SynthReport:
    """What was done."""

    made: int
    """Variants made by this run."""
    skipped: int
    """Variants that were complete before."""
    failures: tuple[str, ...]
    """What could not be made and why, one line each."""
    frames: int
    seconds: float


def make_plan(clean_dir: Path, request: SynthRequest) -> list[Job]:
    """All jobs for a folder of clips.

    Raises:
        InputError: There is no clip.
        UsageError: There is no such preset, weather or folder of depth maps, or two clips would lie in the same place.
    """
    draw_weather(request, np.random.default_rng(0))
    if request.depth_dir is not None and not Path(request.depth_dir).is_dir():
        raise UsageError(f"--depth-dir is {request.depth_dir}; there is no such folder")
    jobs = plan(find_clips(clean_dir), clean_dir, request)
    check_places(jobs, stored_streams(jobs[0]), request.format)
    return jobs


def synthesize(
    clean_dir: Path,
    out: Path,
    request: SynthRequest,
    *,
    workers: int = 1,
    overwrite: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
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

    Raises:
        InputError: There is no clip.
        UsageError: The request makes no sense for these clips.
        OutputExistsError: What is there was made otherwise, and not to be overwritten.
        OutputError: `out` cannot be written to, or the disk is full.
    """
    if workers < 1:
        raise UsageError(f"--workers is {workers}; it has to be at least 1")
    inside, outside = out.resolve(), clean_dir.resolve()
    if inside == outside or outside in inside.parents:
        raise UsageError(f"{out}: lies in {clean_dir}, where the next run would take it for clips; choose another --output")
    jobs = make_plan(clean_dir, request)
    started = monotonic()
    frames = ended = 0
    failures: list[str] = []
    with only_writer(out):
        to_do = [job for job in jobs if not is_done(job, out, overwrite)]
        with closing(work_through(to_do, partial(_render, out), workers)) as events:
            for event in events:
                if isinstance(event, Ready):
                    frames += event.frames
                else:
                    failure = _finish(event, out)
                    failures += [failure] if failure else []
                    ended += 1
                if on_progress:
                    on_progress(Progress(ended, len(to_do), frames, monotonic() - started))
        write_meta_info(jobs, out)
    return SynthReport(
        made=len(to_do) - len(failures),
        skipped=len(jobs) - len(to_do),
        failures=tuple(failures),
        frames=frames,
        seconds=monotonic() - started,
    )


def _render(out: Path, job: Job, on_frames: Callable[[int], None]) -> None:
    """In a worker: a variant into its hidden folder, which is left only if it is complete."""
    hidden = hidden_folder(job, out)
    try:
        (hidden / TREE).mkdir(parents=True)
        make_variant(job, hidden / TREE, on_frames)
    except BaseException as error:
        shutil.rmtree(hidden, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(f"{out}: cannot be written to: {error.strerror or error}") from error
        raise


def _finish(ended: Ended[Job], out: Path) -> str | None:
    """Publish a rendered variant; else say why it is not.

    Raises:
        OutputError: There is no room left: nothing else can succeed, either.
    """
    error = ended.error
    if error is None:
        try:
            publish(ended.job, out)
        except OutputError as failure:
            error = str(failure)
    if error is None:
        return None
    for cause in _NO_ROOM:
        if cause in error:
            raise OutputError(f"{out}: {cause}; what is complete is kept, the same command goes on when there is room")
    variant = f" variant {ended.job.variant}" if ended.job.request.variants > 1 else ""
    return f"{ended.job.source}{variant}: {error}"
