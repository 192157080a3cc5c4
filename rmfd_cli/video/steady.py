"""Containers that hold one frame rate: which frame of it each time is."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.types import VideoInfo
from rmfd_cli.video.containers import container_of
from rmfd_cli.video.location import shown_name
from rmfd_cli.video.opening import open_input
from rmfd_cli.video.streams import Companions

_LEAST_TOLERANCE = Fraction(1, 500)
"""Seconds: times of Matroska are rounded to milliseconds, and so may the first one be that the others are counted from."""
_LEAST_SOUND_OFFSET, _MOST_SOUND_OFFSET = Fraction(1, 1000), Fraction(1, 20)
"""Seconds by which sound may be moved, without a word and with one; encoders of AAC put 0.02 s before it."""
_STEADY_CODECS = ("mpeg1video", "mpeg2video")


@dataclass(frozen=True)
class Steady:
    """One frame rate, and the clock that times are told by."""

    holder: str
    """What holds no other: the suffix of a file, or a codec."""
    rate: Fraction
    """Frames per second."""
    time_base: Fraction
    """Seconds per tick."""
    gaps: bool
    """Whether frames may be left out."""

    def number(self, pts: int, first_pts: int) -> int:
        """Which frame a time is, the first one being 0.

        Raises:
            OutputError: It lies between two.
        """
        place = (pts - first_pts) * self.time_base * self.rate
        number = round(place)
        if abs(place - number) > max(self.time_base, _LEAST_TOLERANCE) * self.rate:
            raise OutputError(f"the frame rate varies, at {float(pts * self.time_base):.3f} s, and {self._holds()}")
        return number

    def next_number(self, pts: int, first_pts: int, last_number: int) -> int:
        """Likewise, of the frame after another one.

        Raises:
            OutputError: It is none of those that may follow.
        """
        number = self.number(pts, first_pts)
        if number <= last_number or (number > last_number + 1 and not self.gaps):
            what = "frames are missing before" if number > last_number else "two frames are at"
            raise OutputError(f"{what} {float(pts * self.time_base):.3f} s, and {self._holds()}")
        return number

    def ticks(self, number: int, first_pts: int) -> int:
        """The time of a frame, all of which are whole multiples of their distance."""
        begins = round(first_pts * self.time_base * self.rate)
        return round((begins + number) / self.rate / self.time_base)

    def _holds(self) -> str:
        return f"{self.holder} holds one frame rate only; libx264 in .mkv holds any"


def steady_for(
    target: Path, codec: str, source: VideoInfo, start_seconds: float | None, end_seconds: float | None
) -> Steady | None:
    """The frame rate that a target holds, once its source is known to have it; None where frames may come at any time.

    Args:
        target: The file to write.
        codec: Name of the encoder.
        source: The video; if it can be read twice, the times of all its frames are looked at, without decoding them.
        start_seconds: From where on frames are asked for, in seconds of the video.
        end_seconds: Up to where.

    Raises:
        OutputError: The target cannot hold when frames come.
        InputError: The source cannot be read.
    """
    container = container_of(target)
    if container.most_seconds is not None:
        end = min((x for x in (source.duration_seconds, end_seconds) if x is not None), default=0.0)
        _check_length(target, end - (start_seconds or 0.0), container.most_seconds)
    if container.rate == "any" and codec not in _STEADY_CODECS:
        return None
    holder = codec if container.rate == "any" else target.suffix
    try:
        if source.frame_rate is None:
            raise OutputError(f"{source.name} says no frame rate, and {holder} holds one only; libx264 in .mkv needs none")
        steady = Steady(holder, source.frame_rate, source.time_base, container.rate == "gaps")
        _check_source(steady, source, start_seconds, end_seconds)
    except OutputError as error:
        raise OutputError(f"{target}: {error}") from error
    return steady


def _check_length(target: Path, seconds: float, most_seconds: float) -> None:
    if seconds >= most_seconds:
        hours = f"{most_seconds / 3600:.1f} hours at most, and this is {seconds / 3600:.1f}"
        raise OutputError(f"{target}: {target.suffix} holds {hours}; .mkv holds any number of them")


def _check_source(steady: Steady, source: VideoInfo, start_seconds: float | None, end_seconds: float | None) -> None:
    if source.path is None:
        return
    try:
        times = sorted(_times(source.path, source.stream_index))
    except (av.FFmpegError, OSError, IndexError) as error:
        raise InputError(f"{shown_name(source.path)}: cannot be read: {error}") from error
    begin = times[0] if times else 0
    start, end = (None if x is None else begin + x / source.time_base for x in (start_seconds, end_seconds))
    asked = [pts for pts in times if (start is None or pts >= start) and (end is None or pts < end)]
    number = -1
    for pts in asked:
        number = steady.next_number(pts, asked[0], number)


def _times(name: str, stream_index: int) -> Iterator[int]:
    """Those that the container says: of an AVI none, since what libav guesses of H.264 in it is off."""
    with open_input(name) as container:
        if "avi" in container.format.name:
            return
        for packet in container.demux(container.streams[stream_index]):
            if packet.pts is not None and not packet.is_discard:
                yield packet.pts


def moved_sound(target: Path, along: Companions, start_seconds: float | None) -> list[str]:
    """A line for each sound that a target lets begin with the picture though it does not.

    Args:
        target: The file to write.
        along: The streams that go along.
        start_seconds: Where the source is cut, sound and picture alike.

    Raises:
        OutputError: It would be heard.
    """
    moved = []
    for index, start in along.sound_starts_seconds.items():
        offset = start - along.video_start_seconds
        if not container_of(target).begins_together or start_seconds or abs(offset) < _LEAST_SOUND_OFFSET:
            continue
        when = f"{abs(float(offset)):.3f} s {'after' if offset > 0 else 'before'} the picture"
        if abs(offset) > _MOST_SOUND_OFFSET:
            both = f"in {target.suffix} both begin at once; .mkv keeps them apart"
            raise OutputError(f"{target}: sound begins {when}, and {both}")
        moved.append(f"audio stream {index} begins {when}; in {target.suffix} they begin together")
    return moved
