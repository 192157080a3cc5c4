"""Pieces of one video, one after the other, into one file without encoding anything again."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream
from numpy.typing import NDArray

from rmfd_cli.errors import OutputError, UsageError
from rmfd_cli.video.containers import CONTAINERS


def join(pieces: Sequence[Path], target: Path, options: Mapping[str, str]) -> None:
    """Put the packets of all pieces into one file, each at the time it has.

    Decoding times are made anew: an encoder that begins in the middle of a video reaches back before its own first frame, into
    the piece before it, and a container without decoding times has none to give.

    Args:
        pieces: Files with one video stream each, from one encoder with the same settings, in order of time.
        target: The file to write.
        options: Of its muxer.

    Raises:
        OutputError: A piece cannot be read, does not go with the others, or the target cannot be written.
    """
    try:
        shown = np.concatenate([_times(piece) for piece in pieces])
        decoded = iter(decoding_times(shown).tolist())
        with av.open(str(pieces[0])) as first, av.open(str(target), "w", options=dict(options)) as out:
            template = first.streams.video[0]
            stream = out.add_stream_from_template(template, opaque=True)
            stream.time_base = template.time_base
            for piece in pieces:
                with av.open(str(piece)) as container:
                    for packet in _packets(container, container.streams.video[0]):
                        packet.dts, packet.stream = next(decoded), stream
                        out.mux_one(packet)
    except (FFmpegError, OSError, ValueError) as error:
        raise OutputError(f"the segments cannot be joined: {error}") from error


def check_joinable(piece: Path) -> None:
    """Sees whether `join` can write what a piece holds: the ffmpeg that made it knows more names for codecs.

    Raises:
        UsageError: It cannot.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="rmfd-") as folder:
            target = str(Path(folder) / f"joined{piece.suffix}")
            with av.open(str(piece)) as container, av.open(target, "w") as out:
                out.add_stream_from_template(container.streams.video[0], opaque=True)
    except ValueError as error:
        raise UsageError(f"segments of this kind cannot be joined ({error}); leave --resume out, or name a .mkv") from error


def piece_suffix(suffix: str) -> str:
    """The suffix of the pieces of a file: its own, or that of a container which keeps times as they are."""
    container = CONTAINERS.get(suffix.lower())
    return (container.pieces if container else "") or suffix


def joined_suffix(pieces: Sequence[Path], suffix: str) -> str:
    """The suffix of a file that keeps the order in which the packets of all pieces are decoded.

    Matroska holds no decoding times, and what FFmpeg guesses in their place moves frames of variable frame rate.

    Args:
        pieces: As of `join`.
        suffix: The suffix that they have.

    Raises:
        OutputError: A piece cannot be read.
    """
    try:
        reordered = any(np.any(np.diff(_times(piece)) < 0) for piece in pieces)
    except (FFmpegError, OSError) as error:
        raise OutputError(f"a segment cannot be read: {error}") from error
    return ".mov" if reordered and suffix.lower() in (".mkv", ".webm") else suffix


def decoding_times(shown: NDArray[np.int64]) -> NDArray[np.int64]:
    """Times for the decoder: rising, and none later than the time at which its packet is shown.

    Args:
        shown: `[N]` presentation times, all different, in the order of decoding.

    Returns:
        `[N]`: the same times in order, late by as many packets as the order of decoding differs from that of showing.
    """
    order = np.sort(shown)
    late = int(np.max(np.arange(len(shown)) - np.searchsorted(order, shown), initial=0))
    step = int(order[1] - order[0]) if len(order) > 1 else 1
    before = order[0] - step * np.arange(late, 0, -1)
    return np.concatenate([before, order])[: len(shown)]


def extradata(piece: Path) -> bytes:
    """The headers that the container keeps for the decoder.

    Raises:
        OutputError: It cannot be read.
    """
    try:
        with av.open(str(piece)) as container:
            return bytes(container.streams.video[0].codec_context.extradata or b"")
    except (FFmpegError, OSError, IndexError) as error:
        raise OutputError(f"{piece}: cannot be read: {error}") from error


def _times(piece: Path) -> NDArray[np.int64]:
    with av.open(str(piece)) as container:
        return np.array([packet.pts for packet in _packets(container, container.streams.video[0])], np.int64)


def _packets(container: av.container.InputContainer, stream: VideoStream) -> "Iterator[av.Packet[VideoStream]]":
    for packet in container.demux(stream):
        # The last one is the sign to the decoder that nothing follows.
        if packet.pts is not None and not packet.is_discard:
            yield packet
