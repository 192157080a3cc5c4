"""Several videos at a time, over several devices."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Item = TypeVar("Item")


def spread(alike: Sequence[Callable[Given, Iterator[Item]]]) -> Callable[Given, Iterator[Item]]:
    """One function for several that do the same elsewhere: whoever asks gets the one that is asked by the fewest just then.

    Args:
        alike: at least one; iterators of the same one may be at work side by side.
    """
    busy, lock = [0] * len(alike), threading.Lock()

    def least_busy(*given: Given.args, **named: Given.kwargs) -> Iterator[Item]:
        with lock:
            chosen = busy.index(min(busy))
            busy[chosen] += 1
        try:
            yield from alike[chosen](*given, **named)
        finally:
            with lock:
                busy[chosen] -= 1

    return least_busy
