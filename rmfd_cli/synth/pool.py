"""Jobs over worker processes: one at a time each, what one of them suffers is told and stops no other.

Processes are spawned, so that torch starts afresh in each, and die with their parent, however it ends.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, NamedTuple, TypeVar, cast

import cv2
import torch

from rmfd_cli.errors import MemoryExhaustedError, RmfdError

Job = TypeVar("Job")

# In the words of torch and of OpenCV, whose classes do not tell it from other failures.
_NO_MEMORY = ("can't allocate memory", "Insufficient memory")
_SIGKILL = 9
"""Windows has no name for it."""


class Ready(NamedTuple):
    """Some frames of a running job have become ready."""

    frames: int


@dataclass(frozen=True)
class Ended(Generic[Job]):
    """A job has ended, well or badly."""

    job: Job
    error: RmfdError | None
    """What went wrong; None if nothing did."""


def work_through(
    jobs: Iterable[Job], task: Callable[[Job, Callable[[int], None]], None], workers: int
) -> Generator[Ready | Ended[Job], None, None]:
    """Do all jobs and tell what happens; leaving the iterator early kills the workers at once.

    Args:
        jobs: What is to be done, in the order in which it is begun, each taken when a worker is free for it; anything that
            pickles, but None.
        task: Does one job and calls its second argument with the number of frames that have become ready; a function of a
            module, or a partial of one.
        workers: How many processes.
    """
    waiting = iter(jobs)
    running: dict[Connection, tuple[BaseProcess, Job]] = {}

    def begin(connection: Connection, process: BaseProcess, job: Job) -> None:
        running[connection] = (process, job)
        # A worker that has died at once is noticed when it is read from.
        with suppress(ConnectionError):
            connection.send(job)

    try:
        for job in islice(waiting, workers):
            begin(*_start(task), job)
        while running:
            for ready in wait(list(running)):
                connection = cast("Connection", ready)
                process, job = running[connection]
                try:
                    message = connection.recv()
                except (EOFError, ConnectionError):
                    yield Ended(job, _last_words(process))
                    del running[connection]
                    connection.close()
                    if (following := next(waiting, None)) is not None:
                        begin(*_start(task), following)
                    continue
                if isinstance(message, int):
                    yield Ready(message)
                    continue
                yield Ended(job, message)
                if (following := next(waiting, None)) is not None:
                    begin(connection, process, following)
                else:
                    del running[connection]
                    connection.close()
                    process.join()
    finally:
        for process, _ in running.values():
            process.kill()
        for connection, (process, _) in running.items():
            process.join()
            connection.close()


def _start(task: Callable[[Job, Callable[[int], None]], None]) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, task), daemon=True)
    with _deaf_to_ctrl_c():
        process.start()
    theirs.close()
    return ours, process


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Ctrl-C reaches the whole group of processes, but only the parent is to act on it; processes inherit the mask."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _last_words(process: BaseProcess) -> RmfdError:
    process.join()
    if process.exitcode == -_SIGKILL:
        return MemoryExhaustedError("its worker was killed, perhaps for want of memory; try fewer --workers")
    return RmfdError(f"its worker ended unexpectedly with status {process.exitcode}")


def _serve(connection: Connection, task: Callable[[Job, Callable[[int], None]], None]) -> None:
    """A worker's life: jobs in, frames and outcomes out, until the parent hangs up."""
    # Where there is no mask to inherit, from here on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # One thread each: as many workers as cores, and sums that do not depend on how they are split.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(_outcome(job, task, connection.send))


def _outcome(
    job: Job, task: Callable[[Job, Callable[[int], None]], None], on_frames: Callable[[int], None]
) -> RmfdError | None:
    """Do a job; what goes wrong comes back as an error that pickles, without the frames that its traceback holds."""
    try:
        task(job, on_frames)
    except RmfdError as error:
        return type(error)(str(error))
    except Exception as error:
        if isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY):
            return MemoryExhaustedError("there is not enough memory; try fewer --workers or a smaller --size")
        if os.environ.get("RMFD_DEBUG"):
            raise
        return RmfdError(f"{type(error).__name__}: {error}; set RMFD_DEBUG=1 for the traceback")
    return None


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
