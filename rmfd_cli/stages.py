"""Stages of work side by side: bounded queues between threads, of which the first that fails stops all; what each spends."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Generic, TypeAlias, TypeVar

_POLL_SECONDS = 0.1

Item = TypeVar("Item")


Spent: TypeAlias = dict[str, float]
"""Seconds of work by stage, waiting for other stages left out; each stage is the work of one thread."""


def longest(spent: Spent) -> str:
    """The stage that the others wait for."""
    return max(spent, key=spent.__getitem__)


@contextmanager
def spending(spent: Spent | None, stage: str) -> Iterator[None]:
    """Count the time of a `with` block as that of a stage; None counts nothing."""
    began = perf_counter()
    try:
        yield
    finally:
        if spent is not None:
            with _counting:
                spent[stage] = spent.get(stage, 0.0) + perf_counter() - began


_counting = threading.Lock()
"""Several videos may count as one."""


def spending_on_each(spent: Spent | None, stage: str, items: Iterable[Item]) -> Iterator[Item]:
    """The same items; the time that each takes to come is counted as that of a stage."""
    iterator = iter(items)
    while True:
        with spending(spent, stage):
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item


class Stopped(Exception):  # noqa: N818
    """No error: the way out of a stage when another one has failed."""


class Channel(Generic[Item]):
    """A bounded queue between two stages, whose both ends let go once `stop` is set."""

    def __init__(self, stop: threading.Event, length: int) -> None:
        self._queue: queue.Queue[Item | None] = queue.Queue(length)
        self._stop = stop

    def put(self, item: Item | None) -> None:
        """Wait for room, and add an item.

        Raises:
            Stopped: Another stage has failed.
        """
        while True:
            if self._stop.is_set():
                raise Stopped
            try:
                return self._queue.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue

    def close(self) -> None:
        """Say that nothing follows."""
        self.put(None)

    def put_all(self, items: Iterable[Item]) -> None:
        """Add all items, and say that nothing follows."""
        for item in items:
            self.put(item)
        self.close()

    def __iter__(self) -> Iterator[Item]:
        while True:
            try:
                item = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self._stop.is_set():
                    raise Stopped from None
                continue
            if item is None:
                return
            yield item


class Stage:
    """A thread whose exception is kept and stops all the others."""

    def __init__(self, work: Callable[[], None], stop: threading.Event) -> None:
        self._work, self._stop = work, stop
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None

    def _run(self) -> None:
        try:
            self._work()
        except Stopped:
            pass
        except BaseException as error:
            self.error = error
            self._stop.set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait until it has ended, if it was started."""
        # In slices, so that Ctrl-C is heard.
        while self._thread.is_alive():
            self._thread.join(_POLL_SECONDS)
