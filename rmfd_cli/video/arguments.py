"""What ffmpeg is told of one video: how its pictures are to be seen, how they are encoded, and how times get into the file."""

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

from rmfd_cli.types import VideoInfo
from rmfd_cli.video import timecode
from rmfd_cli.video.colour import RANGE_FULL, RANGE_LIMITED, TAG_UNSPECIFIED
from rmfd_cli.video.containers import CONTAINERS
from rmfd_cli.video.encoding import Settings
from rmfd_cli.video.keeping import denies_full_range, field_options, hdr_options
from rmfd_cli.video.streams import Companions
from rmfd_cli.video.traits import Traits


def picture_options(binary: str, source: VideoInfo, traits: Traits) -> dict[str, Any]:
    """Options of the input that the pictures come from, by name without dash; None as value for a flag.

    Args:
        binary: Path of ffmpeg.
        source: What the pictures are.
        traits: What they carry.
    """
    options: dict[str, Any] = {}
    # The pixels stay as they are stored: the rotation is only a note for players.
    if source.rotation_degrees or source.is_mirrored:
        options |= {"noautorotate": None, "display_rotation": str(source.rotation_degrees)}
    if source.is_mirrored:
        options["display_hflip"] = None
    if traits.hdr:
        options |= hdr_options(binary, traits.hdr)
    return options


def encoding_options(
    settings: Settings, source: VideoInfo, traits: Traits, height_px: int, tick: Fraction, in_order: bool
) -> dict[str, Any]:
    """Options of the output that have its video encoded with the source's own times and tags.

    Args:
        settings: Of the encoder.
        source: What the pictures are.
        traits: What they carry.
        height_px: Of the pictures as stored.
        tick: Seconds, of which all times are multiples.
        in_order: Whether pictures have to be coded in the order in which they are shown.
    """
    options = settings.options
    fields = field_options(settings.codec, traits.field_order, height_px)
    options = {
        **options,
        **({"bf:v:0": "0"} if in_order else {}),
        # What is asked for comes behind, and wins.
        **{name: f"{value}:{options[name]}" if name in options else value for name, value in fields.items()},
        "fps_mode:v:0": "passthrough",
        "enc_time_base:v:0": f"{tick.numerator}/{tick.denominator}",
    }
    filters = [*_filters(source, traits, denies_full_range(settings.codec, source)), *settings.filters]
    return options | {"filter:v:0": ",".join(filters)} if filters else options


def companion_options(along: Companions, covers: str) -> dict[str, Any]:
    """Options of the output for the streams beside its video.

    Args:
        along: What they are.
        covers: The folder of those that are attached, from `unpacked`.
    """
    places = list(enumerate(along.streams, 1))
    options: dict[str, Any] = {f"c:{place}": along.converted[index] for place, index in places if index in along.converted}
    options |= {f"metadata:s:{place}": [f"title={along.titles[index]}"] for place, index in places if index in along.titles}
    if along.covers:
        options["attach"] = [str(Path(covers, str(number))) for number in range(len(along.covers))]
    for place, cover in enumerate(along.covers, 1 + len(along.streams)):
        options[f"metadata:s:{place}"] = [f"filename={cover.name}", f"mimetype={cover.media_type}"]
    return options


PROGRAM_OPTIONS = ("muxdelay", "muxpreload")
"""Of `muxer_options` those that are the ffmpeg program's own."""


def muxer_options(suffix: str, time_base: Fraction) -> dict[str, str]:
    """Options of the output that keep times exact.

    Args:
        suffix: Of the file.
        time_base: Of the video.
    """
    container = CONTAINERS.get(suffix.lower())
    if container is not None and container.shifts_times and container.rate == "any":
        # The clock of a transport stream would begin at 1.4 s unless told otherwise.
        return {"avoid_negative_ts": "make_non_negative", "muxdelay": "0", "muxpreload": "0"}
    options = {"avoid_negative_ts": "disabled"}
    if not is_mp4(suffix):
        return options
    ticks = time_base.denominator
    # A late start is an edit in the movie's own time scale: milliseconds unless told otherwise.
    return options | {"video_track_timescale": str(ticks), "movie_timescale": str(max(ticks, 1000))}


def shift_of(source: VideoInfo, along: Companions, start_seconds: float | None) -> int:
    """How many ticks are taken off every time, audio included; those of a source read once are known with its first frame.

    Args:
        source: What the pictures are.
        along: What goes with them.
        start_seconds: Where the source is cut.
    """
    if source.path is None:
        return 0
    if start_seconds:
        shift = Fraction(repr(float(start_seconds))) + along.video_start_seconds
    else:
        shift = along.source_start_seconds if source.clock_is_arbitrary else Fraction(0)
    return math.floor(shift / source.time_base + Fraction(1, 2))


def tags_from(along: Companions, start_seconds: float | None, rate: Fraction | None) -> tuple[list[str], list[str]]:
    """`key=value` of the tags of the target's video, and of those that the file as a whole does not copy as they are.

    Args:
        along: Of the source.
        start_seconds: Where it is cut: time codes go on from there.
        rate: Frames per second of the source, where it is known.
    """
    # A time that the container rounds is that of its frame.
    cut = math.ceil(Fraction(repr(float(start_seconds))) * rate - _ROUNDING) if start_seconds and rate else 0

    def as_cut(name: str, value: str) -> str:
        moved = timecode.later(value, cut, rate) if cut and rate and name.lower() == "timecode" else None
        return f"{name}={moved or value}"

    of_video = [as_cut(name, value) for name, value in along.video_tags]
    return of_video, [f"{key}=" for key in along.brand_tags] + [as_cut(name, value) for name, value in along.time_code_tags]


def longer_end(suffix: str, last_seconds: Fraction, shown_seconds: Fraction) -> str | None:
    """The filter of packets that has the last frame shown for so long; None for a container that does not say how long.

    Args:
        suffix: Of the file.
        last_seconds: When the last frame is shown.
        shown_seconds: For how long.
    """
    if is_mp4(suffix):
        # Durations lie between times of decoding; it ends with what the last frame that is decoded adds to its own time.
        condition, ticks = "eq(NEXT_DTS,NOPTS)", f"{in_seconds(last_seconds + shown_seconds)}/TB-PTS"
    elif suffix.lower() in (".mkv", ".webm"):
        # Its clock has milliseconds.
        condition, ticks = f"gte(PTS*TB,{in_seconds(last_seconds - Fraction(6, 10_000))})", f"{in_seconds(shown_seconds)}/TB"
    else:
        return None
    # What is not named would be that of decoding.
    return f"setts=pts=PTS:dts=DTS:duration='if({condition},{ticks},DURATION)'"


def in_seconds(value: Fraction) -> str:
    """A time as ffmpeg takes it."""
    return f"{float(value):.6f}"


_ROUNDING = Fraction(1, 20)
"""Of a frame."""


def is_mp4(suffix: str) -> bool:
    """Whether files with this suffix are MP4 or its parent, QuickTime."""
    return suffix.lower() in (".mp4", ".m4v", ".mov", ".3gp", ".3g2")


def _filters(source: VideoInfo, traits: Traits, denies_full_range: bool) -> list[str]:
    colour, ratio = source.colour, source.sample_aspect_ratio
    tags = {
        "colorspace": colour.tag_matrix,
        "color_primaries": colour.tag_primaries,
        "color_trc": colour.tag_transfer,
    }
    settings = [f"{name}={tag}" for name, tag in tags.items() if tag != TAG_UNSPECIFIED]
    if traits.field_order:
        settings.append(f"field_mode={traits.field_order}")
    if denies_full_range:
        settings.append(f"range={RANGE_LIMITED}")
    elif colour.tag_range in (RANGE_LIMITED, RANGE_FULL):
        settings.append(f"range={colour.tag_range}")
    filters = [f"setparams={':'.join(settings)}"] if settings else []
    return filters + ([f"setsar={ratio.numerator}/{ratio.denominator}"] if ratio != 1 else [])
