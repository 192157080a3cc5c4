"""Elements within elements, which Matroska and MP4 files are made of."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

Elements: TypeAlias = Callable[[int, int], Iterable[tuple[bytes, int, int]]]
"""What lies between two places of a file: what it is called, and where its content begins and ends."""

NOWHERE = (0, 0)


def below(elements: Elements, start: int, end: int, *way: bytes) -> Iterator[tuple[int, int]]:
    """Where the contents of all elements at the end of a way through others begin and end."""
    for name, inner_start, inner_end in elements(start, end):
        if name == way[0]:
            yield from below(elements, inner_start, inner_end, *way[1:]) if way[1:] else [(inner_start, inner_end)]


def first_below(elements: Elements, start: int, end: int, *way: bytes) -> tuple[int, int]:
    """The first of them; `NOWHERE` if there is none."""
    return next(below(elements, start, end, *way), NOWHERE)
