"""What `rmfd derain` keeps of every kind of source: the table of docs/fidelity.md.

    python -m benchmarks.fidelity [--write docs/fidelity.md] [--only WORD]

Each source is made with ffmpeg, goes through the command at strength 0 (the first one also at full strength), and is compared
with the result, fact by fact: not only what a row is about, but all that can be seen. The exit code is 1 if anything is lost
that no warning names.
"""

import argparse
import hashlib
import re
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
from av.stream import Disposition

from benchmarks import ways
from benchmarks.tables import put_between
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.traits import read_traits
from tests import media

BEGIN, END = "<!-- table: python -m benchmarks.fidelity --write docs/fidelity.md -->", "<!-- end of the table -->"
# True of a container or of a muxer, not of the footage.
IGNORED_TAGS = {"encoder", "duration", "handler_name", "vendor_id", "major_brand", "minor_version", "compatible_brands"}
IGNORED_TAGS |= {"alpha_mode", "filename", "mimetype", "language", "title", "timecode", "location-eng"}
DISPOSITIONS = Disposition.forced | Disposition.comment | Disposition.hearing_impaired | Disposition.original
NO_TAG = (2, 2, 2)
TICKS = {
    **dict.fromkeys((".mkv", ".webm", ".flv"), Fraction(1, 1000)),
    **dict.fromkeys((".ts", ".m2ts", ".mpg"), Fraction(1, 90000)),
    ".wmv": Fraction(1, 1000),
}
"""Of containers whose times are coarser than a millionth of a second."""
END_SECONDS = 0.1
"""What nobody misses of the last frame's time."""


@dataclass(frozen=True)
class Source:
    """A kind of source, and what is asked of the command."""

    kind: str
    make: Callable[[Path], Path]
    name: str
    """The suffix of the source."""
    into: str = ""
    """The suffix of the target; the source's own if empty."""
    codec: str = ""
    strength: str = "0"
    arguments: dict[str, Any] = field(default_factory=dict)
    way: ways.Way = ways.by_name


def encoded(path: Path, **arguments: Any) -> Path:
    """A short clip coded as `arguments` of `media.encode` say."""
    return media.encode(path, **{"frames": 8, **arguments})


def converted(path: Path, *arguments: str) -> Path:
    """The plain clip with its streams recoded by ffmpeg."""
    media.ffmpeg("-i", media.url(media.cfr(path.with_name(f"plain-{path.stem}.mkv"))), *arguments, media.url(path))
    return path


def late_video(path: Path) -> Path:
    """The picture begins half a second after the sound."""
    tone = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1.5")
    return media.encode(path, filters="setpts=PTS+0.52/TB", inputs=tone, extra=("-c:a", "aac"))


def stamped(path: Path) -> Path:
    """Title, place and time of recording, as a camera writes them."""
    tags = ("title=A wet street", "location=+59.9100+010.7500/", "creation_time=2024-05-06T07:08:09.000000Z")
    return encoded(path, extra=[word for tag in tags for word in ("-metadata", tag)])


def later(path: Path) -> Path:
    """Pictures of which only the last ones carry something."""
    plain, special = media.no_audio(path.with_name("plain.mp4")), media.frame_packed(path.with_name("special.mp4"))
    return media.later(path, plain, special)


def hidden_edges(path: Path) -> Path:
    """A video of whose pictures players do not show the edges."""
    plain = media.no_audio(path.with_name("plain.mkv"))
    media.ffmpeg("-i", media.with_hidden_edges(path.with_name("hidden.mkv"), plain, *EDGES), "-c", "copy", media.url(path))
    return path


def tracks_in_mp4(path: Path) -> Path:
    """The tracks of `media.many_tracks`, whose titles are names here."""
    tracks = media.many_tracks(path.with_name(f"tracks-{path.stem}.mkv"))
    media.ffmpeg("-i", media.url(tracks), "-map", "0", "-c", "copy", "-c:s", "mov_text", media.url(path))
    return path


FORMATS = [f"yuv{chroma}p{bits}" for chroma in ("420", "422", "444") for bits in ("", "10le", "12le")]
PRORES_4444 = ("-c:v", "prores_ks", "-profile:v", "4444")
NEW_SOUND = {".mpg": "mp2", ".wmv": "mp2", ".avi": "mp2", ".mxf": "pcm_s16le -ar 48000", ".ogv": "libvorbis"}
"""Sound that containers with less room take."""
PROFILE = {"codec": "png", "chunk": media.icc_chunk()}
EXIF = {"codec": "mjpeg", "chunk": media.exif_segment()}
EDGES = (20, 8, 6, 14)
"""Left, top, right and bottom."""
DV = {"codec": "dvvideo", "order": "bff", "size": (720, 576)}
SLIDES = ((".mkv", ""), (".mkv", ".mp4"), (".mp4", ".mkv"), (".mp4", ".webm"), (".mkv", ".ts"))
SOURCES = [
    Source("plain H.264 and AAC, whole model", media.cfr, ".mp4", strength="1"),
    Source("plain H.264 and AAC", media.cfr, ".mp4"),
    Source("variable frame rate", media.vfr, ".mp4"),
    Source("variable frame rate", media.vfr, ".mp4", ".mkv"),
    Source("audio 0.7 s late", media.late_audio, ".mp4"),
    Source("picture 0.52 s late", late_video, ".mp4"),
    Source("transport stream (clock starts anywhere)", converted, ".ts", ".mp4", arguments={"arguments": ("-c", "copy")}),
    *(Source("plain H.264 and AAC", media.cfr, ".mp4", into) for into in (".ts", ".m2ts", ".3gp", ".nut", ".flv")),
    *(Source("variable frame rate", media.vfr, ".mp4", into) for into in (".ts", ".nut", ".flv")),
    *(
        Source(
            f"B-frames, sound as {sound.split()[0]}",
            converted,
            ".mkv",
            into,
            arguments={"arguments": ("-c:v", "libx264", "-bf", "3", "-c:a", *sound.split())},
        )
        for into, sound in NEW_SOUND.items()
    ),
    Source("plain H.264 and AAC", media.cfr, ".mp4", ".avi"),
    Source("plain H.264 and AAC", media.cfr, ".mp4", ".3g2"),
    *(Source("variable frame rate", media.vfr, ".mp4", into) for into in (".avi", ".wmv", ".mxf")),
    *(Source("audio 0.7 s late", media.late_audio, ".mp4", into) for into in (".avi", ".wmv")),
    *(Source("title, place, creation time", stamped, ".mp4", into) for into in (".avi", ".wmv", ".mpg", ".mxf", ".ogv")),
    *(Source("rotated by 90°", media.rotated, ".mp4", into, arguments={"degrees": 90}) for into in (".avi", ".mpg")),
    *(Source("chapters, attachment, title, place", media.rich, ".mkv", into) for into in (".avi", ".wmv")),
    *(Source("two audio, two subtitle tracks", media.many_tracks, ".mkv", into) for into in (".avi", ".wmv")),
    Source("pixels 4:3", media.anamorphic, ".mp4", ".avi"),
    Source("in a folder, mirrored", media.cfr, ".mp4", way=ways.a_folder_mirrored),
    Source("a file on stdin", media.cfr, ".mp4", way=ways.redirected),
    Source("y4m through two pipes", ways.raw, ".y4m", way=ways.through_pipes),
    Source(
        "NUT through two pipes, variable frame rate", ways.raw, ".nut", arguments={"make": media.vfr}, way=ways.through_pipes
    ),
    Source(
        "transport stream through a pipe",
        converted,
        ".ts",
        ".mkv",
        "ffv1",
        arguments={"arguments": ("-c", "copy")},
        way=ways.from_pipe,
    ),
    Source("from a web server", media.cfr, ".mp4", way=ways.from_the_web),
    *(Source(f"PNG files of {bits} bits", ways.pictures, "/", arguments={"bits": bits}) for bits in (8, 16)),
    Source("B-frames", media.b_frames, ".mp4"),
    *(Source("B-frames", media.b_frames, ".mp4", into) for into in (".ts", ".nut", ".flv")),
    Source("open GOP", media.open_gop, ".mp4"),
    Source("cut without re-encoding (edit list)", media.trimmed, ".mp4"),
    *(Source(f"rotated by {turn}°", media.rotated, ".mp4", arguments={"degrees": turn}) for turn in (90, 180, 270)),
    *(
        Source(f"rotated by {turn}° and mirrored", media.mirrored, ".mp4", arguments={"degrees": turn})
        for turn in (0, 90, 180, 270)
    ),
    Source("pixels 4:3", media.anamorphic, ".mp4"),
    Source("odd size, 321x181", media.odd_size, ".mkv", codec="ffv1"),
    Source("odd size, 321x181", media.odd_size, ".mkv", ".mp4"),
    Source("edges that the container hides", hidden_edges, ".mkv", codec="ffv1"),
    *(Source("edges that the container hides", hidden_edges, name) for name in (".mp4", ".mov")),
    *(Source(name, media.pixel_format, ".mkv", codec="ffv1", arguments={"pix_fmt": name}) for name in FORMATS),
    *(Source(name, media.pixel_format, ".mkv", codec="ffv1", arguments={"pix_fmt": name}) for name in ("gray", "gray12le")),
    *(
        Source(f"{name}, default encoder", media.pixel_format, ".mkv", ".mp4", arguments={"pix_fmt": name})
        for name in FORMATS[1:]
    ),
    *(
        Source(
            f"{matrix}, {'full' if full else 'limited'} range",
            media.tagged,
            ".mp4",
            arguments={"matrix": matrix, "full_range": full},
        )
        for matrix in ("bt601", "bt709", "bt2020")
        for full in (False, True)
    ),
    *(
        Source(f"full range, {name}", media.tagged, ".mkv", into, "ffv1", arguments={"full_range": True, "pix_fmt": name})
        for name, into in (("yuv420p", ""), ("yuv422p10le", ""), ("yuv420p", ".mov"))
    ),
    Source("no colour tags", media.no_audio, ".mp4"),
    Source("HDR10", media.hdr10, ".mp4"),
    Source("HDR10", media.hdr10, ".mp4", codec="libx265"),
    Source("HDR10", media.hdr10, ".mp4", ".mkv", "ffv1"),
    Source("HDR10", media.hdr10, ".mp4", ".webm", "libvpx-vp9"),
    Source("HDR10", media.hdr10, ".mp4", ".mkv", "mpeg4"),
    Source("HLG", media.hlg, ".mp4"),
    *(Source(f"interlaced, {order}", media.field_coded, ".mp4", arguments={"order": order}) for order in ("tff", "bff")),
    Source("interlaced, tff", media.field_coded, ".mp4", codec="libx265"),
    *(Source("interlaced DV", media.old_interlaced, ".avi", into, arguments=DV) for into in (".mkv", ".mp4")),
    Source("interlaced MPEG-4, bff", media.old_interlaced, ".avi", arguments={"codec": "mpeg4", "order": "bff"}),
    Source("transparent, ProRes 4444", media.transparent, ".mov", arguments={"codec": PRORES_4444, "pix_fmt": "yuva444p10le"}),
    Source("transparent, VP9", media.transparent, ".webm", ".mkv", arguments={"codec": ("-c:v", "libvpx-vp9")}),
    Source("alpha plane, all opaque", media.transparent, ".mkv", arguments={"alpha": 1.0}),
    Source("stereo pair (frame packing)", media.frame_packed, ".mp4"),
    Source("stereo pair that begins later", later, ".ts", ".mp4"),
    Source("PNG frames with a profile", media.pictures_in, ".mov", ".mp4", arguments=PROFILE),
    Source("JPEG frames with EXIF", media.pictures_in, ".avi", ".mp4", arguments=EXIF),
    Source("cover art", media.cover_art, ".mp4"),
    Source("cover art", media.cover_art, ".mp4", ".mkv"),
    Source("cover art", media.cover_art, ".mp4", ".mov"),
    Source("cover art, attached", media.attached_cover, ".mkv"),
    Source("cover art, attached", media.attached_cover, ".mkv", ".mp4"),
    Source("two audio, two subtitle tracks", media.many_tracks, ".mkv"),
    Source("two audio, two subtitle tracks", media.many_tracks, ".mkv", ".ts"),
    *(Source("two audio, two subtitle tracks", media.many_tracks, ".mkv", into) for into in (".nut", ".flv")),
    Source("rotated by 90°", media.rotated, ".mp4", ".ts", arguments={"degrees": 90}),
    Source("two audio, two subtitle tracks", media.many_tracks, ".mkv", ".mp4"),
    Source("two audio, two subtitle tracks", media.many_tracks, ".mkv", ".webm", "libvpx-vp9"),
    Source("two audio, two subtitle tracks, from MP4", tracks_in_mp4, ".mp4"),
    Source("two audio, two subtitle tracks, from MP4", tracks_in_mp4, ".mp4", ".mkv"),
    Source("chapters, attachment, title, place", media.rich, ".mkv"),
    Source("chapters, attachment, title, place", media.rich, ".mkv", ".mp4"),
    Source("chapters, attachment, title, place", media.rich, ".mkv", ".ts"),
    *(Source("chapters, attachment, title, place", media.rich, ".mkv", into) for into in (".nut", ".flv")),
    Source("title, place, creation time", stamped, ".mp4", ".flv"),
    Source("title, place, creation time", stamped, ".mp4"),
    Source("title, place, creation time", stamped, ".mov"),
    Source("title, place, creation time", stamped, ".mp4", ".mkv"),
    Source("a phone's own tags", media.phone, ".mov"),
    Source("a phone's own tags", media.phone, ".mov", ".mp4"),
    Source("telemetry (gpmd)", media.telemetry, ".mp4"),
    Source("telemetry (gpmd)", media.telemetry, ".mp4", ".mkv"),
    Source("telemetry in a transport stream", media.telemetry, ".ts", ".mp4"),
    *(Source("time code", media.with_timecode, ".mov", into) for into in ("", ".mkv", ".ts", ".avi")),
    *(Source("slides, the last one for 5 s", media.slides, name, into) for name, into in SLIDES),
    Source("an audio track with nothing in it", media.empty_sound, ".mkv"),
    Source("an audio track with nothing in it", media.empty_sound, ".mkv", ".mp4"),
    *(
        Source(f"sound as {codec}", converted, ".mkv", into, arguments={"arguments": ("-c:v", "copy", "-c:a", codec)})
        for codec, into in (
            ("pcm_s16le", ".mp4"),
            ("pcm_s16le", ".mov"),
            ("flac", ".mp4"),
            ("libopus", ".mp4"),
            ("libmp3lame", ".mp4"),
        )
    ),
    Source("sound as vorbis", converted, ".mkv", ".mov", arguments={"arguments": ("-c:v", "copy", "-c:a", "libvorbis")}),
]


def facts(path: Path) -> dict[str, Any]:
    """All that is seen of a video file, by the name of what it is; what a file lacks has no entry."""
    if path.is_dir():
        files = sorted(path.iterdir())
        pictures = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]
        return {"names": [file.name for file in files], "samples": [(str(one.dtype), one.tobytes()) for one in pictures]}
    with VideoReader(path) as video:
        frames = list(video)
        info = video.info
    traits = read_traits(path, info.stream_index)
    start = frames[0].pts
    found: dict[str, Any] = {
        "frames": len(frames),
        "times": [(frame.pts - start) * info.time_base for frame in frames],
        "size": (info.width_px, info.height_px),
        "pixel format": info.format.name.replace("yuvj", "yuv"),
        "range": "full" if info.colour.full_range else "limited",
        "planes": [hashlib.md5(b"".join(plane.tobytes() for plane in frame.planes)).hexdigest() for frame in frames],
    }
    tags = (info.colour.tag_matrix, info.colour.tag_primaries, info.colour.tag_transfer)
    found |= {"colour tags": tags} if tags != NO_TAG else {}
    found |= {"pixel shape": info.sample_aspect_ratio} if info.sample_aspect_ratio != 1 else {}
    found |= {"rotation": info.rotation_degrees} if info.rotation_degrees else {}
    found |= {"mirrored": True} if info.is_mirrored else {}
    found |= {"hidden edges": video.hidden} if any(video.hidden) else {}
    order = media.field_order(path)
    found |= {"field order": order} if order != "P" else {}
    found["end"] = media.shown_until(path) - float(start * info.time_base)
    found |= {"HDR metadata": traits.hdr} if traits.hdr else {}
    found |= dict.fromkeys(video.inside, True)
    return found | streams(path, info.stream_index, start * info.time_base)


def streams(path: Path, video_index: int, video_start: Fraction) -> dict[str, Any]:
    """The facts about what travels beside the video."""
    found: dict[str, Any] = {}
    with av.open(str(path)) as container:
        packets: dict[int, list[av.Packet[Any]]] = {stream.index: [] for stream in container.streams}
        for packet in container.demux():
            if packet.size:
                packets[packet.stream_index].append(packet)
        chapters = [
            (round(chapter["start"] * chapter["time_base"], 3), chapter["metadata"].get("title"))
            for chapter in container.chapters()
        ]
        numbers: dict[str, int] = {}
        for stream in container.streams:
            if stream.index == video_index:
                if code := stream.metadata.get("timecode") or stream.metadata.get("TIMECODE"):
                    found["time code"] = code
                continue
            is_cover = stream.type == "video" and stream.disposition & Disposition.attached_pic
            kind = "cover" if is_cover else stream.type
            # The muxers of MP4 and QuickTime keep the time code, and chapters as well, in tracks of their own.
            is_chapters = chapters and len(packets[stream.index]) in (0, len(chapters))
            if kind == "data" and ("timecode" in stream.metadata or is_chapters):
                continue
            if kind == "audio" and not packets[stream.index]:
                continue
            numbers[kind] = numbers.get(kind, 0) + 1
            name = f"{kind} {numbers[kind]}"
            content = [without_adts(bytes(packet)) for packet in packets[stream.index]]
            found[name] = hashlib.md5(b"".join(content)).hexdigest()
            if kind == "subtitle":
                # MP4 fills the time between two texts with empty ones of two bytes.
                found[name] = sum(len(text) > 2 for text in content)
            if kind == "data":
                found[name] = content
            if kind in ("audio", "subtitle"):
                language = stream.metadata.get("language", "und")
                found |= {f"language of {name}": language} if language != "und" else {}
                title = stream.metadata.get("title") or stream.metadata.get("name")
                found |= {f"title of {name}": title} if title else {}
                disposition = stream.disposition & DISPOSITIONS
                found |= {f"disposition of {name}": disposition} if disposition else {}
            if kind == "audio":
                first = packets[stream.index][0]
                found[f"offset of {name}"] = first.pts * first.time_base - video_start
            if kind == "attachment":
                found[name] = (stream.name, stream.mimetype)
        found |= {"chapters": chapters} if chapters else {}
        found |= tag_facts(container.metadata)
    return found


def without_adts(packet: bytes) -> bytes:
    """An AAC packet without the header that only streams need, which other containers do not store."""
    return packet[7:] if packet[:2] in (b"\xff\xf1", b"\xff\xf9") else packet


def tag_facts(metadata: dict[str, str]) -> dict[str, str]:
    """The tags of the file as a whole; a place as numbers, since containers differ in how many digits they write."""
    tags = {key.lower(): value for key, value in metadata.items() if key.lower() not in IGNORED_TAGS - {"title"}}
    if place := tags.get("location"):
        tags["location"] = str([round(float(number), 2) for number in re.findall(r"[+-][\d.]+", place)])
    if "creation_time" in tags:
        tags["creation_time"] = tags["creation_time"][:19]
    return {f"tag {key}": value for key, value in tags.items()}


def is_kept(name: str, before: Any, after: Any, tick: Fraction) -> bool:
    """Whether a fact of the source is one of the target, times to half a tick of the target's container."""
    if after is None:
        return False
    if name == "times":
        return len(before) == len(after) and all(abs(a - b) <= tick for a, b in zip(before, after, strict=True))
    if name.startswith("offset"):
        return bool(abs(before - after) <= max(tick, Fraction(1, 1000)))
    if name == "end":
        return bool(abs(before - after) <= END_SECONDS)
    if name.startswith("data"):
        # The last sample of such a track in MP4 lasts no time: it is stored, but demuxers do not give it.
        return bool(before[: len(after)] == after and len(before) - len(after) <= 1)
    return bool(before == after)


@dataclass(frozen=True)
class Row:
    """What came of one source."""

    kept: list[str]
    lost: list[str]
    told: list[str]
    """Warnings, or the reason of a refusal."""
    status: int


def run(source: Source, folder: Path) -> Row:
    """Make the source, run the command, compare."""
    into = source.into or source.name
    made = folder / f"in{source.name}"
    words = source.arguments.get("arguments")
    source.make(made, *words) if words else source.make(made, **source.arguments)
    target = folder / f"out{into}"
    codec = ("--codec", source.codec) if source.codec else ()
    status, said = source.way(made, target, ("--strength", source.strength, *codec))
    lines = [line.replace(f"{folder}/", "") for line in said.splitlines() if line.startswith("rmfd: ")]
    told = [re.sub(r"^rmfd: (warning|error): ", "", line) for line in lines]
    if status:
        return Row([], [], told, status)
    before, after = facts(made), facts(target)
    if source.codec != "ffv1":
        before.pop("planes", None)
    tick = TICKS.get(into, Fraction(1, 10**6))
    kept = [name for name, value in before.items() if is_kept(name, value, after.get(name), tick)]
    return Row(kept, [name for name in before if name not in kept], told, 0)


def describe(source: Source, row: Row) -> str:
    """One line of the table."""
    into = (source.into or source.name) + (f", {source.codec}" if source.codec else "")
    told = "; ".join(row.told)
    if row.status:
        return f"| {source.kind} | {into} | - | **refused** ({row.status}): {told} | - |"
    named, silent = split(row)
    everything = "all: " if not row.lost else ""
    told = f"{told} ({', '.join(named)})" if named else told
    return f"| {source.kind} | {into} | {everything}{', '.join(row.kept)} | {told or '-'} | {', '.join(silent) or '-'} |"


NAMED_BY = {
    "audio": "audio stream",
    "offset of audio": "audio stream",
    "pixel format": "encoded as",
    "attachment": "attachment",
    "cover": "does not fit",
    "data": "data stream",
    "field order": "field order",
    "the layout of a stereo pair": "stereo pair",
    "an ICC profile": "an ICC profile",
    "rotation": "the rotation",
    "colour tags": "colour tags",
    "subtitle": "does not fit",
    "language of": "languages of tracks",
    "language of subtitle": "does not fit",
    "title of": "titles of tracks",
    "title of subtitle": "does not fit",
    "disposition of": "roles of tracks",
    "disposition of subtitle": "does not fit",
    "chapters": "place for chapters",
    "tag": "tags (",
    "time code": "place for time code",
    "end": "the last frame",
    "hidden edges": "its container hides",
}
"""The words of a warning that speak of a fact, by the beginning of its name."""


def split(row: Row) -> tuple[list[str], list[str]]:
    """What is lost: as a warning says, and without a word."""
    told = " ".join(row.told)
    named = [name for name in row.lost if any(name.startswith(start) and words in told for start, words in NAMED_BY.items())]
    return named, [name for name in row.lost if name not in named]


def main() -> int:
    """Run every source and print the table; 1 if something is lost without a word."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="put the table between the marks in this file")
    parser.add_argument("--only", default="", help="only kinds of source with this word")
    options = parser.parse_args()
    lines = ["| source | into | kept | told | lost without a word |", "|---|---|---|---|---|"]
    silent = 0
    for source in (source for source in SOURCES if options.only in source.kind):
        with tempfile.TemporaryDirectory() as folder:
            row = run(source, Path(folder))
        silent += len(split(row)[1])
        lines.append(describe(source, row))
        print(lines[-1], flush=True)
    if options.write:
        put_between(options.write, BEGIN, END, lines)
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
