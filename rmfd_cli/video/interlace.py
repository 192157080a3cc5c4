"""Whole pictures from interlaced ones: FFmpeg's bwdif, one picture out for each one in, at its own time."""

from collections import deque
from collections.abc import Iterable, Iterator

import av
from av.filter import Graph
from av.video.stream import VideoStream

from rmfd_cli.video.filtering import linked, pulled


def deinterlaced(frames: Iterable[av.VideoFrame], stream: VideoStream) -> Iterator[av.VideoFrame]:
    """The frames with every interlaced one made whole; progressive ones keep their pixels.

    Args:
        frames: Of one size and format, each with a `pts`.
        stream: Where they come from.

    Yields:
        As many frames, in order, with the times and durations of `frames`; the filter is one frame behind.
    """
    graph = Graph()
    source = graph.add_buffer(template=stream)
    sink = linked(graph, source, ("bwdif", "mode=send_frame:parity=auto:deint=interlaced"))
    times: deque[tuple[int | None, int]] = deque()

    def finished() -> Iterator[av.VideoFrame]:
        for frame in pulled(sink):
            # The filter counts in ticks of half the length.
            frame.pts, frame.duration = times.popleft()
            yield frame

    for frame in frames:
        times.append((frame.pts, frame.duration))
        source.push(frame)
        yield from finished()
    source.push(None)
    yield from finished()
