"""Sliding windows over a stream: N items in, N windows out, edges repeated, never across a cut."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class SceneWindow(NamedTuple):
    """What a model sees at once."""

    items: tuple  # type: ignore[type-arg]
    """`back + 1 + ahead` items in time order; at the edges of a scene the nearest item stands in for a missing one."""
    begins: bool
    """True for the first window of a scene: no state from before it may be used."""


def sliding(
    items: Iterable[Item],
    back: int,
    ahead: int,
    is_cut: Callable[[Item, Item], bool] = lambda before, after: False,
    seen: Sequence[Item] = (),
) -> Iterator[SceneWindow]:
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
        seen: the items just before the stream, of one scene, whose own windows were made earlier; `max(back, 1)` of them.

    Example:
        >>> [window.items for window in sliding("abc", 1, 1)]
        [('a', 'a', 'b'), ('a', 'b', 'c'), ('b', 'c', 'c')]
    """
    scene: deque[Item] = deque(seen)
    """Items of the current scene that a window can still need."""
    passed = len(scene)
    """How many of them have been the centre of a window."""
    begins = not scene
    for item in items:
        if scene and is_cut(scene[-1], item):
            for centre in range(passed, len(scene)):
                yield SceneWindow(_around(scene, centre, back, ahead), begins)
                begins = False
            scene.clear()
            passed, begins = 0, True
        scene.append(item)
        if len(scene) - passed > ahead:
            yield SceneWindow(_around(scene, passed, back, ahead), begins)
            begins = False
            passed += 1
            # The last item stays even where no window needs it: the next one is compared with it.
            if passed > max(back, 1):
                scene.popleft()
                passed -= 1
    for centre in range(passed, len(scene)):
        yield SceneWindow(_around(scene, centre, back, ahead), begins)
        begins = False


def _around(scene: Sequence[Item], centre: int, back: int, ahead: int) -> tuple[Item, ...]:
    last = len(scene) - 1
    return tuple(scene[min(max(centre + k, 0), last)] for k in range(-back, ahead + 1))
