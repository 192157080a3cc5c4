"""Job after job, or several at once: what fails is told, and stops nothing else."""

import os
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from rmfd_cli.batch.plan import Job
from rmfd_cli.errors import (
    MemoryExhaustedError,
    OutputError,
    PartialFailureError,
    RmfdError,
    error_line,
    print_traceback_if_asked,
)

if TYPE_CHECKING:
    from rmfd_cli.derain import DerainReport

Status: TypeAlias = Literal["done", "skipped", "failed", "not done"]


@dataclass(frozen=True)
class Outcome:
    """How one job ended."""

    source: str
    target: str | None
    """None for what never got one, such as a folder that cannot be read."""
    status: Status
    frames: int = 0
    frames_before: int = 0
    """How many of them an earlier run had done."""
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    error: str | None = None
    """One line."""
    exit_code: int = 0
    """What the command would exit with if this were all."""


def run_jobs(
    jobs: Sequence[Job],
    work: "Callable[[Job, Callable[[], None]], DerainReport]",
    *,
    fail_fast: bool = False,
    at_once: int = 1,
) -> Generator[tuple[int, Outcome], None, None]:
    """Do the jobs, begun in their order.

    Args:
        jobs: What to do.
        work: Does one; what it raises is the end of this job only. It calls its second argument now and then, which raises
            KeyboardInterrupt once nothing more is to be done.
        fail_fast: End with the first failure; what is under way besides is given up.
        at_once: How many are under way at a time, each in a thread.

    Yields:
        The place of a job that has ended or was skipped, and its outcome. Leaving the iterator early gives up what is under
        way.
    """
    one_by_one = ((place, _outcome(job, work, lambda: None)) for place, job in enumerate(jobs))
    with closing(one_by_one if at_once == 1 else _several(jobs, work, at_once)) as outcomes:
        for place, outcome in outcomes:
            yield place, outcome
            if fail_fast and outcome.status == "failed":
                return


def _several(
    jobs: Sequence[Job], work: "Callable[[Job, Callable[[], None]], DerainReport]", at_once: int
) -> Generator[tuple[int, Outcome], None, None]:
    stop = threading.Event()

    def go_on() -> None:
        if stop.is_set():
            raise KeyboardInterrupt

    with ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(_outcome, job, work, go_on): place for place, job in enumerate(jobs)}
        try:
            for ended in as_completed(running):
                yield running[ended], ended.result()
        finally:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _outcome(job: Job, work: "Callable[[Job, Callable[[], None]], DerainReport]", go_on: Callable[[], None]) -> Outcome:
    if job.skip:
        return Outcome(job.source.name, job.target, "skipped")
    try:
        report = work(job, go_on)
    except Exception as error:
        print_traceback_if_asked()
        return failed(job.source.name, job.target, error)
    seconds = round(report.seconds, 3)
    return Outcome(job.source.name, job.target, "done", report.frames, report.frames_before, seconds, report.warnings)


def failed(source: str, target: str | None, error: Exception) -> Outcome:
    """The outcome of a job that ended with `error`."""
    if isinstance(error, MemoryError):
        error = MemoryExhaustedError(f"{source}: this machine has too little memory; close other programs, or scale it down")
    code = error.exit_code if isinstance(error, RmfdError) else 1
    return Outcome(source, target, "failed", error=error_line(error), exit_code=code)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """What a command exits with: 0 if all is done, the failures' own code if they agree and nothing is done, else 3."""
    codes = {outcome.exit_code for outcome in outcomes if outcome.status == "failed"}
    if not codes:
        return 0
    if len(codes) == 1 and not any(outcome.status in ("done", "skipped") for outcome in outcomes):
        return codes.pop()
    return PartialFailureError.exit_code


def make_folders(job: Job) -> None:
    """Make the folders that the target needs; those of a target that was named itself have to be there.

    Raises:
        OutputError: They cannot be made.
    """
    if job.makes_folders:
        try:
            os.makedirs(os.path.dirname(os.path.abspath(job.target)), exist_ok=True)
        except OSError as error:
            raise OutputError(f"{error.filename}: cannot be made a folder: {error.strerror}") from error
