"""Sliding windows over a stream: N items in, N windows out, edges repeated, never across a cut."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class Window(NamedTuple):
    """What a model sees at once."""

    items: tuple  # type: ignore[type-arg]
    """`back + 1 + ahead` items in time order; at the edges of a scene the nearest item stands in for a missing one."""
    begins: bool
    """True for the first window of a scene: no state from before it may be used."""


def sliding(
    items: Iterable[Item], back: int, ahead: int, is_cut: Callable[[Item, Item], bool] = lambda before, after: False
) -> Iterator[Window]:
    """One window per item, in order, pulling at most `ahead` items more than it has yielded.

    Drawn for back = ahead = 1, with a cut between c and d:

        items      a     b     c  |  d     e
        windows   aab   abc   bcc | dde   dee
        begins    yes    no    no | yes    no

    Args:
        items: the stream.
        back: items before the current one.
        ahead: items after it.
        is_cut: tells of two adjacent items whether a new scene begins between them.

    Example:
        >>> [window.items for window in sliding("abc", 1, 1)]
        [('a', 'a', 'b'), ('a', 'b', 'c'), ('b', 'c', 'c')]
    """
    scene: deque[Item] = deque()
    """The current scene's items from `back` before the next window's centre on."""
    passed = 0
    begins = True

    def window(centre: int) -> tuple[Item, ...]:
        last = len(scene) - 1
        return tuple(scene[min(max(centre + k, 0), last)] for k in range(-back, ahead + 1))

    def drain() -> Iterator[Window]:
        nonlocal begins
        for centre in range(passed, len(scene)):
            yield Window(window(centre), begins)
            begins = False

    for item in items:
        if scene and is_cut(scene[-1], item):
            yield from drain()
            scene.clear()
            passed, begins = 0, True
        scene.append(item)
        if len(scene) - passed > ahead:
            yield Window(window(passed), begins)
            begins = False
            passed += 1
            if passed > back:
                scene.popleft()
                passed -= 1
    yield from drain()
