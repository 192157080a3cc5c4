"""When a long job should end by itself: its time is up, or somebody asked."""

import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rmfd_cli.errors import UsageError

_SIGNALS = {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}  # Windows has no SIGHUP
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")

IMPATIENT_SECONDS = 1.0
"""Signals that follow the first one sooner are the same request: a terminal and torchrun both pass it on."""


@dataclass
class Stop:
    """Whether to end; called after each piece of work."""

    deadline: float | None
    """On the monotonic clock."""
    signal: int | None = None
    """The first signal that came."""
    signalled: float = 0.0
    """When it came."""
    gentle: bool = False
    """Whether a signal only sets `signal`. It breaks off at once before there is something to save, and when it is repeated."""

    def __call__(self) -> bool:
        """Whether the job should end now."""
        return self.signal is not None or (self.deadline is not None and time.monotonic() >= self.deadline)


@contextmanager
def stop_when_asked(deadline: float | None) -> Iterator[Stop]:
    """Catches Ctrl-C, SIGTERM and SIGHUP until the block ends.

    Args:
        deadline: when to end in any case, on the monotonic clock.
    """
    stop = Stop(deadline)

    def handle(number: int, _: object) -> None:
        now = time.monotonic()
        if stop.signal is None and stop.gentle:
            stop.signal, stop.signalled = number, now
        elif stop.signal is None or now - stop.signalled > IMPATIENT_SECONDS:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    # Under nohup, SIGHUP is ignored and has to stay so.
    before = {number: signal.getsignal(number) for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def parse_duration(text: str) -> float:
    """Seconds from `600`, `90s`, `10m` or `1h30m`.

    Raises:
        UsageError: it is something else, or no time at all.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    hours, minutes, seconds = match.groups() if match else (None, None, None)
    total = 3600 * float(hours or 0) + 60 * float(minutes or 0) + float(seconds or 0)
    if not total > 0:
        raise UsageError(f"--time-limit: '{text}' is no time; write seconds, or such as 10m or 1h30m")
    return total
