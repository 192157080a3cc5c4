"""Whether a file holds the frames that were written to it."""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer

from rmfd_cli.errors import OutputError


@dataclass(frozen=True)
class Span:
    """Frames that were written one after the other."""

    frames: int = 0
    first_pts: int = 0
    last_pts: int = 0
    """In ticks of the source's time base."""

    def then(self, pts: int) -> "Span":
        """With one frame more; a time that does not grow is moved up by a tick."""
        if not self.frames:
            return Span(1, pts, pts)
        return Span(self.frames + 1, self.first_pts, max(pts, self.last_pts + 1))


def stream_kinds(path: Path) -> list[str]:
    """The kind of each stream of a file that was written: video, audio, subtitle, data, attachment.

    Raises:
        OutputError: It cannot be read.
    """
    try:
        with _opened(path) as container:
            return [stream.type for stream in container.streams]
    except (av.FFmpegError, OSError) as error:
        raise OutputError(f"the written file cannot be read back: {error}") from error


def _opened(path: Path) -> InputContainer:
    # A transport stream of a few packets is not always recognised as one.
    form = "mpegts" if path.suffix.lower() in (".ts", ".mts", ".m2ts") else None
    return av.open(str(path), format=form, metadata_errors="replace")


@dataclass(frozen=True)
class Found:
    """What a file holds."""

    kinds: list[str]
    """As of `stream_kinds`."""
    last_seconds: Fraction
    """How long the last frame is shown, as far as its packet says; 0 if it does not."""


def check_frames(path: Path, meant: Span, time_base: Fraction, clock_is_free: bool = False, in_order: bool = False) -> Found:
    """Read a file back, without decoding it.

    Args:
        path: The file.
        meant: The frames of its first video stream.
        time_base: Of `meant`.
        clock_is_free: Whether all times may be off by the same amount.
        in_order: Whether its frames are stored in the order in which they are shown. Then the time of decoding is that of
            showing, which of some codecs in a container with one time for both would be a guess.

    Raises:
        OutputError: It cannot be read, or its frames are others.
    """
    try:
        with _opened(path) as container:
            stream = container.streams.video[0]
            kinds = [other.type for other in container.streams]
            tick = stream.time_base or Fraction(1)
            count, first, last, last_ticks = 0, math.inf, -math.inf, 0
            for packet in container.demux(stream):
                time = packet.dts if in_order else packet.pts
                if time is not None and not packet.is_discard:
                    last_ticks = packet.duration or 0 if time > last else last_ticks
                    count, first, last = count + 1, min(first, time), max(last, time)
    except (av.FFmpegError, OSError, IndexError) as error:
        raise OutputError(f"the written file cannot be read back: {error}") from error
    if count != meant.frames:
        raise OutputError(f"{meant.frames} frames were written, {count} are in the file")
    tolerance = max(tick, time_base)
    shift = int(first) * tick - meant.first_pts * time_base if clock_is_free else Fraction(0)
    for there, pts in ((first, meant.first_pts), (last, meant.last_pts)):
        if abs(int(there) * tick - shift - pts * time_base) > tolerance:
            raise OutputError(f"a frame of {float(pts * time_base):.4f} s is at {float(int(there) * tick):.4f} s")
    return Found(kinds, last_ticks * tick)
