"""What travels beside the video: which streams of a source a container can take, and as what."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.stream import Disposition

from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.types import VideoInfo
from rmfd_cli.video.containers import TEXT, TIME_CODE, Container
from rmfd_cli.video.opening import open_input

_KEPT_VIDEO_TAGS = ("language", "title", "handler_name", "timecode", "creation_time")


_PICTURE_FILES = {"mjpeg": ("jpg", "image/jpeg"), "png": ("png", "image/png")}
"""Suffix and media type of cover art, by codec."""

# The tags that MP4 has boxes for; others need the boxes of QuickTime, which fewer players read.
_MP4_TAGS = (
    *("title", "artist", "album_artist", "composer", "album", "date", "encoder", "comment", "genre", "copyright", "grouping"),
    *("lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "episode_sort", "season_number"),
    *("media_type", "hd_video", "gapless_playback", "compilation", "track", "disc", "tmpo"),
    *("location", "location-eng", "creation_time", "duration"),
)
BRAND_TAGS = ("major_brand", "minor_version", "compatible_brands")
"""What a demuxer reports as tags and is only true of the source's own container."""


@dataclass(frozen=True)
class Cover:
    """A cover picture as a file of its own."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Companions:
    """The streams of a source that go into the target with the new video."""

    streams: tuple[int, ...]
    """Indices in the source, in the order of the target, after the video."""
    converted: dict[int, str]
    """Codec of a stream that cannot be copied as it is, by index in the source."""
    data_streams: frozenset[int]
    """Those of `streams` that the container may still refuse."""
    pictures: frozenset[int]
    """Those of `streams` that are single pictures."""
    covers: tuple[Cover, ...]
    """Cover pictures to attach, which are none of `streams`."""
    counts: dict[str, int]
    """How many streams of each kind are to be in the target: video, audio, subtitle, attachment."""
    titles: dict[int, str]
    """Titles of streams that the source calls names, as MP4 does, by index in the source."""
    brand_tags: tuple[str, ...]
    """Those of `BRAND_TAGS` that the source has, in its own spelling."""
    has_foreign_tags: bool
    """Whether some tags of the source are none that MP4 has boxes for, e.g. those of a phone."""
    video_tags: tuple[tuple[str, str], ...]
    """Names and values of the tags of the source's video stream that its replacement keeps."""
    time_code_tags: tuple[tuple[str, str], ...]
    """Names and values of time codes among the tags of the source as a whole."""
    has_time_code: bool
    """Whether there is one anywhere."""
    source_start_seconds: Fraction
    """The earliest time in the source."""
    video_start_seconds: Fraction
    """The earliest time of its video."""
    sound_starts_seconds: dict[int, Fraction]
    """The time of the first packet of each audio stream that goes along, by index in the source, where the container lets
    sound begin with the picture; what an encoder puts before the sound counts."""
    warnings: tuple[str, ...]
    """One line for each stream that is left behind, naming it."""

    def without_data(self) -> "Companions":
        """The same without data streams, and with a warning for each."""
        lost = (f"data stream {index} does not fit the target and is left out" for index in sorted(self.data_streams))
        return replace(
            self,
            streams=tuple(index for index in self.streams if index not in self.data_streams),
            data_streams=frozenset(),
            warnings=(*self.warnings, *lost),
        )


_NONE = Companions(
    streams=(),
    converted={},
    data_streams=frozenset(),
    pictures=frozenset(),
    covers=(),
    counts={},
    titles={},
    brand_tags=(),
    has_foreign_tags=False,
    video_tags=(),
    time_code_tags=(),
    has_time_code=False,
    source_start_seconds=Fraction(0),
    video_start_seconds=Fraction(0),
    sound_starts_seconds={},
    warnings=(),
)


def companions(info: VideoInfo, container: Container) -> Companions:
    """Choose which streams of the source go along, and as what.

    Args:
        info: The source; its stream `info.stream_index` is the one that is replaced.
        container: The kind of file to write.

    Raises:
        InputError: The source cannot be opened.
    """
    if info.path is None:
        return _NONE
    try:
        with open_input(info.path) as source:
            return _choose(source, info.stream_index, container)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{info.name}: cannot be read: {error}") from error


def unpacked(covers: Sequence[Cover]) -> tempfile.TemporaryDirectory[str] | None:
    """A folder with cover pictures under their numbers, to be cleaned up; None if there are none.

    Raises:
        OutputError: There is no room for them.
    """
    if not covers:
        return None
    try:
        folder = tempfile.TemporaryDirectory(prefix="rmfd-")
        for number, cover in enumerate(covers):
            Path(folder.name, str(number)).write_bytes(cover.data)
    except OSError as error:
        raise OutputError(f"{tempfile.gettempdir()}: cannot hold the cover picture: {error.strerror or error}") from error
    return folder


def unfit(kinds: list[str], along: Companions) -> str | None:
    """The kind of stream of which a trial has fewer than it was given: some containers take everything, as unknown data."""
    meant = {"video": 1} | along.counts
    return next((kind for kind, count in meant.items() if kinds.count(kind) < count), None)


def missing_tracks(kinds: list[str], along: Companions, source: VideoInfo, is_cut: bool) -> list[str]:
    """A line for each kind of track of which a file has fewer than it should.

    Args:
        kinds: Of the file's streams.
        along: What should be in it.
        source: Where they come from.
        is_cut: Whether the target begins later, or ends earlier.

    Raises:
        OutputError: Sound is missing that the source has.
    """
    # A cover that is attached comes back as a picture of its own.
    kinds = kinds + ["attachment"] * len(along.covers)
    lines = []
    for kind, meant in along.counts.items():
        if (found := kinds.count(kind)) < meant:
            lost = f"{found} of {meant} {kind} tracks are in the file"
            if kind == "audio" and not is_cut and found < _tracks_with_sound(source):
                raise OutputError(lost)
            why = "silent between --start and --end" if is_cut else "empty"
            lines.append(f"{lost}; the others are {why}" if kind in ("audio", "subtitle") else lost)
    return lines


def _tracks_with_sound(info: VideoInfo) -> int:
    """How many audio tracks of a source have anything in them; it is read until all have, or to its end."""
    assert info.path is not None
    try:
        with open_input(info.path) as source:
            silent = {stream.index for stream in source.streams.audio}
            tracks = len(silent)
            for packet in source.demux(source.streams.audio) if silent else ():
                if packet.size:
                    silent.discard(packet.stream.index)
                if not silent:
                    break
            return tracks - len(silent)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{info.name}: cannot be read: {error}") from error


def left_behind(source: InputContainer, video_index: int) -> tuple[str, ...]:
    """A line for each stream beside the video of a source that is read once only."""
    return tuple(
        f"{stream.type} stream {stream.index} ({_codec_name(stream)}) is left out: of a pipe or a live stream only the "
        "pictures are kept"
        for stream in source.streams
        if stream.index != video_index
    )


def _choose(source: Any, video_index: int, container: Container) -> Companions:
    kept: list[int] = []
    converted: dict[int, str] = {}
    data: list[int] = []
    covers: list[Cover] = []
    warnings: list[str] = []
    chapter_count = len(source.chapters())
    for stream in source.streams:
        index, name = stream.index, _codec_name(stream)
        if index == video_index:
            continue
        if stream.type == "audio" or (stream.type == "subtitle" and name in container.copied_subtitles):
            kept.append(index)
        elif stream.type == "subtitle" and name in TEXT and container.text_subtitles:
            kept.append(index)
            converted[index] = container.text_subtitles
        elif (stream.type == "attachment" and container.attachments) or (_is_picture(stream) and container.pictures):
            kept.append(index)
        elif _is_picture(stream) and container.attachments and name in _PICTURE_FILES:
            covers.append(_cover(source, stream, name))
        elif stream.type == "data" and _is_rewritten(stream, chapter_count):
            continue
        elif stream.type == "data" and container.data:
            kept.append(index)
            data.append(index)
        else:
            warnings.append(f"{stream.type} stream {index} ({name}) does not fit the target and is left out")
    if lost := _without_place(source, kept, chapter_count, container):
        warnings.append(f"the target has no place for {', '.join(lost)}: left out")
    video = source.streams[video_index]
    sounds = [source.streams[index] for index in kept if source.streams[index].type == "audio"]
    if container.ends_together:
        late = "ends with the last frame at the latest; what goes on after it is left out"
        warnings += [f"audio stream {stream.index} {late}" for stream in sounds]
    kinds = ["video"] + [source.streams[index].type for index in kept] + ["attachment"] * len(covers)
    return Companions(
        streams=tuple(kept),
        converted=converted,
        data_streams=frozenset(data),
        pictures=frozenset(index for index in kept if _is_picture(source.streams[index])),
        covers=tuple(covers),
        counts={kind: kinds.count(kind) for kind in ("video", "audio", "subtitle", "attachment")},
        titles={index: _title(source.streams[index]) for index in kept if _title(source.streams[index])},
        brand_tags=tuple(key for key in source.metadata if key.lower() in BRAND_TAGS),
        has_foreign_tags=any(key.lower() not in (*_MP4_TAGS, *BRAND_TAGS) for key in source.metadata),
        video_tags=tuple((key, value) for key, value in video.metadata.items() if key.lower() in _KEPT_VIDEO_TAGS),
        time_code_tags=tuple(_time_codes(source)),
        has_time_code=any(any(_time_codes(one)) for one in (source, *source.streams)),
        source_start_seconds=Fraction(source.start_time or 0, av.time_base),
        video_start_seconds=(video.start_time or 0) * Fraction(video.time_base),
        sound_starts_seconds=_first_packets(source, sounds) if container.begins_together else {},
        warnings=tuple(warnings),
    )


def _without_place(source: Any, kept: Iterable[int], chapter_count: int, container: Container) -> list[str]:
    """What a container has no place for besides streams, of what a source has."""
    streams = [source.streams[index] for index in kept]
    meant = [key for key in source.metadata if key.lower() not in (*BRAND_TAGS, "encoder", "duration", "timecode")]
    tags = [key for key in meant if not container.takes_tag(key.lower())]
    holds = container.holds - {"tags"}
    found = {
        "chapters": chapter_count > 0,
        "tags": bool(tags),
        TIME_CODE: any(any(_time_codes(one)) for one in (source, *source.streams)),
        "languages of tracks": any(stream.metadata.get("language", "und") != "und" for stream in streams),
        "titles of tracks": any("title" in stream.metadata or _title(stream) for stream in streams),
        "roles of tracks": any(stream.disposition & ~Disposition.default for stream in streams),
    }
    lost = [name for name, is_there in found.items() if is_there and name not in holds]
    return [f"tags ({', '.join(tags)})" if name == "tags" else name for name in lost]


def _time_codes(tagged: Any) -> Iterable[tuple[str, str]]:
    """Among the tags of a file or a stream."""
    return ((key, value) for key, value in tagged.metadata.items() if key.lower() == "timecode")


def _first_packets(source: Any, streams: list[Any]) -> dict[int, Fraction]:
    found: dict[int, Fraction] = {}
    for packet in source.demux(streams) if streams else ():
        if packet.pts is not None:
            found.setdefault(packet.stream.index, packet.pts * Fraction(packet.time_base))
        if len(found) == len(streams):
            break
    return found


def _codec_name(stream: Any) -> str:
    context = stream.codec_context
    return str(context.codec.canonical_name if context is not None else getattr(stream, "name", None) or stream.type)


def _title(stream: Any) -> str:
    return "" if "title" in stream.metadata else str(stream.metadata.get("name", ""))


def _is_picture(stream: Any) -> bool:
    return stream.type == "video" and bool(stream.disposition & Disposition.attached_pic)


def _cover(source: Any, stream: Any, codec: str) -> Cover:
    suffix, media_type = _PICTURE_FILES[codec]
    name = Path(stream.metadata.get("filename") or f"cover.{suffix}").name
    return Cover(name, stream.metadata.get("mimetype", media_type), bytes(next(source.demux(stream))))


def _is_rewritten(stream: Any, chapter_count: int) -> bool:
    # The muxer makes its own chapter and time code tracks out of the metadata.
    return "timecode" in stream.metadata or (chapter_count > 0 and stream.frames == chapter_count)
