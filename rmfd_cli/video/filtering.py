"""Filters of FFmpeg over decoded frames."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.error import BlockingIOError as NeedsMore
from av.error import EOFError as Drained
from av.filter import Graph


def linked(graph: Graph, source: Any, *filters: tuple[str, str]) -> Any:
    """The sink of a chain of filters behind a source.

    Args:
        graph: That the source belongs to; it is configured.
        source: From `Graph.add_buffer`.
        filters: Names and arguments.
    """
    last = source
    for name, arguments in filters:
        one = graph.add(name, arguments)
        last.link_to(one)
        last = one
    sink = graph.add("buffersink")
    last.link_to(sink)
    graph.configure()
    return sink


def pulled(sink: Any) -> Iterator[av.VideoFrame]:
    """The frames that are ready."""
    while True:
        try:
            frame = sink.pull()
        except (NeedsMore, Drained):
            return
        assert isinstance(frame, av.VideoFrame)
        yield frame


def filtered(frame: av.VideoFrame, *filters: tuple[str, str]) -> av.VideoFrame | None:
    """One frame behind a chain of filters; None if they do not let it pass."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000)
    )
    sink = linked(graph, source, *filters)
    source.push(frame)
    source.push(None)
    return next(pulled(sink), None)
