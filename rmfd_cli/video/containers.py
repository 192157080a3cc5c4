"""What each kind of file can hold, and how its times are kept."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rmfd_cli.errors import UsageError
from rmfd_cli.options import USUAL_CODEC, Encoding

_NOTES = frozenset(("chapters", "tags", "languages of tracks", "titles of tracks", "roles of tracks"))
TIME_CODE = "time code"


@dataclass(frozen=True)
class Container:
    """What a kind of file can hold besides video and audio."""

    text_subtitles: str | None
    """The codec that text subtitles are turned into; None where there is no room for them."""
    copied_subtitles: frozenset[str]
    """Subtitle codecs that are taken as they are."""
    attachments: bool
    pictures: bool
    """Whether cover art is taken as a stream; where not, it is attached if attachments are taken."""
    data: bool
    """Whether some data streams (telemetry) are taken."""
    shifts_times: bool = False
    """Whether nothing may be before zero in it, so that all times are moved by the same amount."""
    holds: frozenset[str] = _NOTES | {TIME_CODE}
    """What it has a place for besides streams."""
    tags: frozenset[str] | None = None
    """The tags that it has a place for; None for any, where `holds` names them."""
    lost_tags: frozenset[str] = frozenset()
    """Those that it has no place for."""
    codecs: tuple[str, ...] = ()
    """The encoders whose frames come back one by one; empty if it does not matter."""
    usual_codec: str = USUAL_CODEC
    """What its video is coded with unless asked otherwise."""
    rate: Literal["any", "gaps", "steady"] = "any"
    """Whether it holds frames at any time, or of one frame rate only, with frames left out or without."""
    begins_together: bool = False
    """Whether sound begins with the first frame, wherever it began."""
    ends_together: bool = False
    """Whether sound ends with the last frame at the latest."""
    pieces: str = ""
    """The suffix of another container for pieces of its video, which keeps times and packets as they are; empty for its own."""
    in_order: bool = False
    """Whether frames have to be stored in the order in which they are shown, which leaves out B-frames."""
    most_seconds: float | None = None
    """After which its clock begins again."""

    def takes_tag(self, key: str) -> bool:
        """Whether it has a place for a tag, whose key is in lower case."""
        return "tags" in self.holds and key not in self.lost_tags and (self.tags is None or key in self.tags)


TEXT = frozenset({"subrip", "ass", "ssa", "webvtt", "mov_text", "text"})
_MP4 = Container("mov_text", frozenset({"mov_text", "dvd_subtitle"}), attachments=False, pictures=True, data=True)
_MOV = replace(_MP4, pictures=False)
_MATROSKA = Container(
    "subrip",
    frozenset({"subrip", "ass", "ssa", "webvtt", "dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle"}),
    attachments=True,
    pictures=False,
    data=False,
)
_3GP = Container("mov_text", frozenset({"mov_text"}), attachments=False, pictures=False, data=False, holds=_NOTES)
_NUT = Container(
    None, frozenset(), attachments=False, pictures=False, data=False, shifts_times=True, holds=_NOTES, pieces=".mov"
)
_FLV = replace(_NUT, holds=frozenset({"tags"}))
# A clock of 33 bits at 90 kHz (ISO/IEC 13818-1).
_MPEG_SECONDS = 2**33 / 90_000
_TS = replace(
    _NUT,
    copied_subtitles=frozenset({"dvb_subtitle"}),
    holds=frozenset({"languages of tracks"}),
    most_seconds=_MPEG_SECONDS,
)
_WEBM = Container("webvtt", frozenset({"webvtt"}), attachments=False, pictures=False, data=False, usual_codec="libvpx-vp9")
_PROGRAM_STREAM = replace(
    _NUT,
    holds=frozenset(),
    codecs=("mpeg1video", "mpeg2video"),
    usual_codec="mpeg2video",
    most_seconds=_MPEG_SECONDS,
)
_RIFF_TAGS = frozenset(("title", "artist", "album", "comment", "copyright", "date", "genre", "track"))
_AVI = replace(
    _NUT,
    holds=frozenset({"tags", "titles of tracks"}),
    tags=_RIFF_TAGS,
    usual_codec="mpeg4",
    rate="gaps",
    begins_together=True,
    pieces=".mkv",
    in_order=True,
)
_ASF = replace(
    _NUT,
    holds=frozenset({"tags", "chapters", "languages of tracks"}),
    lost_tags=frozenset({"creation_time"}),
    usual_codec="wmv2",
    pieces=".nut",
    in_order=True,
)
_MXF = replace(
    _NUT,
    holds=frozenset({TIME_CODE}),
    usual_codec="mpeg2video",
    rate="steady",
    begins_together=True,
    ends_together=True,
    pieces=".mkv",
    in_order=True,
)
_OGG = replace(_NUT, holds=frozenset(), usual_codec="libtheora", rate="steady", pieces=".mkv", in_order=True)

CONTAINERS = {
    **{".mp4": _MP4, ".m4v": _MP4, ".mov": _MOV, ".3gp": _3GP, ".3g2": _3GP, ".mkv": _MATROSKA, ".webm": _WEBM},
    **{".ts": _TS, ".m2ts": _TS, ".mts": _TS, ".nut": _NUT, ".flv": _FLV},
    **{".mpg": _PROGRAM_STREAM, ".mpeg": _PROGRAM_STREAM, ".vob": _PROGRAM_STREAM, ".wmv": _ASF, ".asf": _ASF},
    **{".avi": _AVI, ".mxf": _MXF, ".ogv": _OGG},
}
"""By lower-case suffix: those that can keep the time of every frame, if need be of one frame rate (docs/inputs.md)."""


def container_of(target: Path) -> Container:
    """The container that the name of `target` asks for.

    Raises:
        UsageError: Its suffix is missing or not among `CONTAINERS`.
    """
    container = CONTAINERS.get(target.suffix.lower())
    if container is None:
        what = f"'{target.suffix}' is no container that keeps every frame's time" if target.suffix else "the name has no suffix"
        raise UsageError(f"{target}: {what}; use one of {' '.join(CONTAINERS)}")
    return container


def coded_for(target: Path, encoding: Encoding) -> Encoding:
    """`encoding` with the codec that `auto` stands for.

    Raises:
        UsageError: There is no such container, or it loses frames of the codec that is asked for.
    """
    container = container_of(target)
    if encoding.codec == "auto":
        return replace(encoding, codec=container.usual_codec)
    if container.codecs and encoding.codec not in container.codecs:
        raise UsageError(f"{target}: loses frames of {encoding.codec}; leave --codec out, or use {', '.join(container.codecs)}")
    return encoding
