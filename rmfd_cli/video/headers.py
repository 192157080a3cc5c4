"""What the headers of a file and its first picture say of a video."""

import os
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from rmfd_cli.types import PlaneFormat, VideoInfo
from rmfd_cli.video.colour import choose_colour, native_format, nearest_planar
from rmfd_cli.video.location import is_live, shown_name
from rmfd_cli.video.opening import place_to_reopen
from rmfd_cli.video.traits import carried_by, is_mirrored


def describe(path: str | os.PathLike[str], container: InputContainer, stream: VideoStream, first: av.VideoFrame) -> VideoInfo:
    """What the headers and the first decoded frame say of the video."""
    name = nearest_planar(first.format)
    plane_format = native_format(name)
    assert isinstance(plane_format, PlaneFormat)
    time_base = exact(stream.time_base) or Fraction(1, 1000)
    rate = exact(stream.average_rate) or exact(stream.guessed_rate)
    duration = None
    if stream.duration:
        duration = float(stream.duration * time_base)
    elif container.duration:
        duration = container.duration / av.time_base
    estimate: int | None = stream.frames or None
    if estimate is None and duration and rate:
        estimate = round(duration * rate)
    flags: Any = container.format.flags
    mirrored = is_mirrored(carried_by(first, stream))
    return VideoInfo(
        name=shown_name(path),
        path=place_to_reopen(path, container),
        width_px=first.width,
        height_px=first.height,
        frame_rate=rate,
        time_base=time_base,
        frame_count_estimate=estimate,
        duration_seconds=duration,
        format=plane_format,
        colour=choose_colour(first),
        sample_aspect_ratio=exact(stream.sample_aspect_ratio) or Fraction(1),
        rotation_degrees=rotation(first, mirrored),
        is_mirrored=mirrored,
        stream_index=stream.index,
        clock_is_arbitrary=is_live(path) or bool(flags & av.format.Flags.ts_discont.value),
    )


def rotation(frame: av.VideoFrame, mirrored: bool) -> int:
    """Quarter turns counter-clockwise, in degrees, that show a frame upright, before it is mirrored where it is."""
    # FFmpeg's sign is counter-clockwise, too, as in `-display_rotation`; it takes a mirror for half a turn.
    turn = 180 - frame.rotation if mirrored else frame.rotation
    return round(turn / 90) * 90 % 360


def exact(ratio: Any) -> Fraction | None:
    """PyAV's rational, whose class differs between versions, as a Fraction; None for absent, zero and undefined."""
    if ratio is None or not ratio.denominator or not ratio.numerator:
        return None
    return Fraction(int(ratio.numerator), int(ratio.denominator))


def frame_ticks(stream: VideoStream) -> int:
    """The nominal duration of a frame in ticks, at least 1."""
    rate, time_base = exact(stream.average_rate) or exact(stream.guessed_rate), exact(stream.time_base)
    return max(round(1 / (rate * time_base)), 1) if rate and time_base else 1
