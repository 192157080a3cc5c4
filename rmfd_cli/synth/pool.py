"""Jobs over worker processes: one at a time each, what one of them suffers is told and stops no other.

Processes are spawned, so that torch starts afresh in each, and die with their parent, however it ends.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Generic, NamedTuple, TypeVar, cast

import cv2
import torch

from rmfd_cli.errors import RmfdError

Job = TypeVar("Job")


class Ready(NamedTuple):
    """Some frames of a running job have become ready."""

    frames: int


@dataclass(frozen=True)
class Ended(Generic[Job]):
    """A job has ended, well or badly."""

    job: Job
    error: str | None
    """What went wrong, in one line; None if nothing did."""


def work_through(
    jobs: Sequence[Job], task: Callable[[Job, Callable[[int], None]], None], workers: int
) -> Generator[Ready | Ended[Job], None, None]:
    """Do all jobs and tell what happens; leaving the iterator early kills the workers at once.

    Args:
        jobs: What is to be done, in the order in which it is begun; anything that pickles.
        task: Does one job and calls its second argument with the number of frames that have become ready; a function of a
            module, or a partial of one.
        workers: How many processes.
    """
    waiting = deque(jobs)
    running: dict[Connection, tuple[BaseProcess, Job]] = {}
    try:
        for _ in range(min(workers, len(jobs))):
            connection, process = _start(task)
            running[connection] = (process, _hand_over(connection, waiting))
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
                    if waiting:
                        connection, process = _start(task)
                        running[connection] = (process, _hand_over(connection, waiting))
                    continue
                if isinstance(message, int):
                    yield Ready(message)
                    continue
                yield Ended(job, message)
                if waiting:
                    running[connection] = (process, _hand_over(connection, waiting))
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
    # Ctrl-C reaches the whole group of processes, but only the parent is to act on it; the mask is inherited.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    theirs.close()
    return ours, process


def _hand_over(connection: Connection, waiting: deque[Job]) -> Job:
    job = waiting.popleft()
    # A worker that has died at once is noticed when it is read from.
    with suppress(ConnectionError):
        connection.send(job)
    return job


def _last_words(process: BaseProcess) -> str:
    process.join()
    if process.exitcode == -signal.SIGKILL:
        return "its worker was killed, perhaps for want of memory; try fewer --workers"
    return f"its worker ended unexpectedly with status {process.exitcode}"


def _serve(connection: Connection, task: Callable[[Job, Callable[[int], None]], None]) -> None:
    """A worker's life: jobs in, frames and outcomes out, until the parent hangs up."""
    threading.Thread(target=_die_with_parent, daemon=True).start()
    # One thread each: as many workers as cores, and sums that do not depend on how they are split.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            task(job, connection.send)
        except RmfdError as error:
            outcome: str | None = str(error)
        except Exception as error:
            if os.environ.get("RMFD_DEBUG"):
                raise
            outcome = f"{type(error).__name__}: {error}; set RMFD_DEBUG=1 for the traceback"
        else:
            outcome = None
        connection.send(outcome)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
