"""Small real videos, one function per kind of trouble, whose frames carry their own number.

Every frame shows its index as a row of ten bright or dark blocks along the top edge over a drifting gradient, so a test
can prove that frame i is frame i: `frame_number(luma_or_rgb)` reads it back after any sensible lossy coding. Every
maker takes the path to write first and returns it; the container follows from the suffix.
"""

import struct
import subprocess
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

FFMPEG: str = imageio_ffmpeg.get_ffmpeg_exe()
BITS = 10
WIDTH, HEIGHT, FRAMES, RATE = 160, 120, 30, 25

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-g", "10")
X264_B = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-bf", "3", "-b_strategy", "0", "-g", "24")
LOSSLESS = ("-c:v", "ffv1")
RAW = ("-c:v", "rawvideo")
TONE = ("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100")


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint16]:
    """Frame `number` as 16-bit RGB `[height, width, 3]`: its barcode over a coloured gradient that drifts."""
    x = np.arange(width)[None, :] / width
    y = np.arange(height)[:, None] / height
    phase = 2 * np.pi * number / 40
    red = 0.5 + 0.3 * np.sin(6 * x + phase) + 0 * y
    green = 0.3 + 0.4 * y + 0 * x
    blue = 0.5 + 0.3 * np.cos(5 * y - phase) * x
    image = np.stack([red, green, blue], axis=-1)
    band, block = height // 4, width // BITS
    for bit in range(BITS):
        image[:band, bit * block : (bit + 1) * block] = 0.9 if number >> bit & 1 else 0.1
    return (np.clip(image, 0, 1) * 65535).round().astype(np.uint16)


def frame_number(image: NDArray[Any]) -> int:
    """The number painted into `image`: a luma plane `[H, W]` or an RGB image `[H, W, 3]`, of any depth."""
    luma = np.asarray(image, dtype=np.float64)
    if luma.ndim == 3:
        luma = luma.mean(axis=-1)
    height, width = luma.shape
    band, block = height // 4, width // BITS
    levels = [
        luma[band // 4 : band * 3 // 4, bit * block + block // 4 : bit * block + block * 3 // 4].mean() for bit in range(BITS)
    ]
    full_scale = {1: 255.0, 2: float(2 ** int(np.ceil(np.log2(max(luma.max(), 256)))) - 1)}.get(
        np.asarray(image).dtype.itemsize, 1.0
    )
    return sum(1 << bit for bit, level in enumerate(levels) if level > 0.5 * full_scale)


def ffmpeg(*arguments: str | Path, stdin: bytes | None = None) -> bytes:
    """Run ffmpeg with `-y` and fail with its own last words; returns its stdout."""
    command = [
        FFMPEG,
        "-hide_banner",
        "-nostdin" if stdin is None else "-loglevel",
        *(() if stdin is None else ("info",)),
    ]
    done = subprocess.run(
        [*command, "-y", *map(str, arguments)],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"ffmpeg {' '.join(map(str, arguments))}\n{done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def url(path: Path) -> str:
    """A path as ffmpeg takes it whatever characters it holds."""
    return f"file:{path.absolute()}"


def encode(
    path: Path,
    *,
    frames: int = FRAMES,
    rate: int = RATE,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pix_fmt: str = "yuv420p",
    codec: Sequence[str] = X264,
    filters: str = "",
    inputs: Sequence[str | Path] = (),
    extra: Sequence[str | Path] = (),
) -> Path:
    """Encode `frames` numbered pictures; `inputs` are further ffmpeg inputs, `extra` goes before the output name.

    `size` is (width, height). The matrix is BT.601 limited range and untagged unless `filters` says otherwise.
    """
    width, height = size
    raw = b"".join(picture(number, width, height).tobytes() for number in range(frames))
    source = ("-f", "rawvideo", "-pix_fmt", "rgb48le", "-s", f"{width}x{height}", "-r", str(rate), "-i", "pipe:0")
    chain = ("-vf", filters) if filters else ()
    ffmpeg(*source, *inputs, *chain, "-pix_fmt", pix_fmt, *codec, *extra, url(path), stdin=raw)
    return path


def cfr(path: Path, frames: int = FRAMES, rate: int = RATE) -> Path:
    """Plain: constant rate, H.264 4:2:0, one AAC track."""
    return encode(path, frames=frames, rate=rate, inputs=TONE, extra=("-c:a", "aac", "-t", str(frames / rate)))


def no_audio(path: Path, frames: int = FRAMES) -> Path:
    """Constant rate, no audio track."""
    return encode(path, frames=frames)


def vfr_pts_ms(frames: int = FRAMES) -> list[int]:
    """The presentation times, in milliseconds, of the frames that `vfr` writes: irregular gaps of 40 to 400 ms."""
    gaps = [40 + (number * number * 7) % 23 + (300 if number % 9 == 8 else 0) for number in range(frames)]
    return [0, *np.cumsum(gaps)[:-1].tolist()]


def vfr(path: Path, frames: int = FRAMES, audio: bool = True) -> Path:
    """Variable frame rate: frame i is shown at `vfr_pts_ms()[i]`, with B-frames and one AAC track."""
    times = vfr_pts_ms(frames)
    expression = "+".join(f"eq(N,{number})*{time}" for number, time in enumerate(times))
    seconds = str(times[-1] / 1000 + 0.1)
    return encode(
        path,
        frames=frames,
        codec=X264_B,
        filters=f"settb=1/1000,setpts='{expression}'",
        inputs=TONE if audio else (),
        extra=(
            *("-fps_mode", "passthrough", "-enc_time_base", "1:1000", "-video_track_timescale", "16000"),
            *(("-c:a", "aac", "-t", seconds) if audio else ()),
        ),
    )


def late_audio(path: Path, offset_seconds: float = 0.7) -> Path:
    """The audio starts `offset_seconds` after the video."""
    return encode(path, inputs=("-itsoffset", str(offset_seconds), *TONE), extra=("-c:a", "aac", "-t", str(FRAMES / RATE)))


def late_video(path: Path, offset_seconds: float = 0.6) -> Path:
    """The picture begins after the sound."""
    plain = cfr(path.with_name(f"{path.stem}-plain.mkv"))
    late = ("-itsoffset", str(offset_seconds), "-i", url(plain), "-i", url(plain))
    ffmpeg(*late, "-map", "0:v", "-map", "1:a", "-c", "copy", url(path))
    return path


def rich(path: Path) -> Path:
    """Matroska with two audio languages, subtitles, two chapters, a title, a location and an attachment."""
    notes = path.with_suffix(".notes")
    notes.mkdir(exist_ok=True)
    subtitles, chapters, attachment = notes / "s.srt", notes / "c.txt", notes / "font.ttf"
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,900\nhello\n")
    chapters.write_text(
        ";FFMETADATA1\ntitle=A wet street\nlocation=+59.91+010.75/\ncreation_time=2024-05-06T07:08:09.000000Z\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=first\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1200\ntitle=second\n"
    )
    attachment.write_bytes(b"not really a font" * 20)
    tone_b = ("-f", "lavfi", "-i", "sine=frequency=880:sample_rate=44100")
    return encode(
        path,
        inputs=(*TONE, *tone_b, "-i", subtitles, "-i", chapters),
        extra=(
            *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map_metadata", "4", "-map_chapters", "4"),
            *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=nor", "-metadata:s:s:0", "language=ger"),
            *(
                "-c:a",
                "aac",
                "-c:s",
                "srt",
                "-attach",
                attachment,
                "-metadata:s:t",
                "mimetype=application/x-truetype-font",
            ),
            *("-t", str(FRAMES / RATE)),
        ),
    )


def b_frames(path: Path, frames: int = 48) -> Path:
    """Three B-frames in a row, so the decoder holds frames back until it is flushed."""
    return encode(path, frames=frames, codec=X264_B)


def rotated(path: Path, degrees: int) -> Path:
    """Plain, with a display matrix: players turn the stored frame `degrees` counter-clockwise to show it."""
    plain = cfr(path.with_name(f"plain-{path.name}"))
    ffmpeg("-display_rotation", str(degrees), "-i", url(plain), "-map", "0", "-c", "copy", url(path))
    return path


def pixel_format(path: Path, pix_fmt: str, size: tuple[int, int] = (WIDTH, HEIGHT), frames: int = 8) -> Path:
    """Lossless in any pixel format, sizes may be odd: FFV1 in `.mkv`, raw in `.nut` for formats that FFV1 lacks."""
    codec = RAW if path.suffix == ".nut" else LOSSLESS
    return encode(path, frames=frames, size=size, pix_fmt=pix_fmt, codec=codec)


def ten_bit(path: Path, pix_fmt: str = "yuv420p10le", frames: int = FRAMES) -> Path:
    """H.264 at 10 bits: `yuv420p10le`, `yuv422p10le` or `yuv444p10le`."""
    return encode(path, frames=frames, pix_fmt=pix_fmt)


def tagged(path: Path, matrix: str = "bt709", full_range: bool = False, pix_fmt: str = "yuv420p", frames: int = 8) -> Path:
    """H.264 whose pixels truly are in `matrix` (bt601, bt709 or bt2020) and range, and whose tags say so."""
    space, primaries, transfer = {
        "bt601": ("smpte170m", "smpte170m", "smpte170m"),
        "bt709": ("bt709", "bt709", "bt709"),
        "bt2020": ("bt2020nc", "bt2020", "bt2020-10"),
    }[matrix]
    range_name = "pc" if full_range else "tv"
    convert = f"scale=out_color_matrix={matrix}:out_range={range_name}:flags=accurate_rnd+full_chroma_int+bicubic"
    tags = f"setparams=colorspace={space}:range={range_name}:color_primaries={primaries}:color_trc={transfer}"
    return encode(path, frames=frames, pix_fmt=pix_fmt, filters=f"{convert},format={pix_fmt},{tags}")


def hlg(path: Path, frames: int = 8) -> Path:
    """10 bits tagged as BT.2020 HLG (HDR)."""
    tags = "setparams=colorspace=bt2020nc:range=tv:color_primaries=bt2020:color_trc=arib-std-b67"
    return encode(path, frames=frames, pix_fmt="yuv420p10le", filters=f"format=yuv420p10le,{tags}")


def odd_size(path: Path) -> Path:
    """321x181 in FFV1 4:2:0 (write Matroska)."""
    return pixel_format(path, "yuv420p", size=(321, 181))


def grey(path: Path, pix_fmt: str = "gray") -> Path:
    """FFV1 without chroma (write Matroska): `gray`, `gray10le`, `gray12le` or `gray16le`."""
    return pixel_format(path, pix_fmt)


def anamorphic(path: Path, ratio: str = "4/3") -> Path:
    """Pixels wider than high: sample aspect ratio `ratio`."""
    return encode(path, filters=f"setsar={ratio}", frames=8)


def interlaced(path: Path) -> Path:
    """Interlaced H.264, top field first."""
    return encode(path, frames=12, filters="setfield=tff", extra=("-flags", "+ilme+ildct"))


def audio_only(path: Path) -> Path:
    """One second of AAC and no video."""
    ffmpeg(*TONE, "-t", "1", "-c:a", "aac", url(path))
    return path


def cover_art(path: Path, with_video: bool = True) -> Path:
    """An audio track with a cover picture; the real video, if any, has a lower resolution than the cover."""
    cover = path.with_name(f"cover-{path.stem}.png")
    ffmpeg("-f", "lavfi", "-i", "color=c=red:s=640x480", "-frames:v", "1", url(cover))
    sound = path.with_name(f"sound-{path.stem}{path.suffix}")
    if with_video:
        cfr(sound)
    else:
        audio_only(sound)
    pictures = 1 if with_video else 0
    # The cover comes first, where a reader that takes stream 0 would fall for it.
    ffmpeg(
        *("-i", url(cover), "-i", url(sound), "-map", "0:v", "-map", "1"),
        *("-c", "copy", "-disposition:v:0", "attached_pic", *(("-disposition:v:1", "default") * pictures), url(path)),
    )
    return path


def fragmented(path: Path) -> Path:
    """mp4 in fragments, as a crash-safe recorder writes it."""
    return encode(path, extra=("-movflags", "frag_keyframe+empty_moov"))


def trimmed(path: Path) -> Path:
    """mp4 cut losslessly in the middle of a group of pictures: an edit list hides the lead-in frames."""
    whole = b_frames(path.with_name(f"whole-{path.name}"))
    ffmpeg("-ss", "0.5", "-i", url(whole), "-t", "1", "-c", "copy", url(path))
    return path


def truncated(path: Path, source: Path, keep: float = 0.6) -> Path:
    """The first `keep` of the bytes of `source`; an mp4 needs `front_index` first or its index is lost."""
    content = source.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    return path


def front_index(path: Path, source: Path) -> Path:
    """`source` as mp4 with its index (moov) in front."""
    ffmpeg("-i", url(source), "-map", "0", "-c", "copy", "-movflags", "+faststart", url(path))
    return path


def corrupted(path: Path, source: Path, start: float = 0.45, end: float = 0.5) -> Path:
    """`source` with the bytes between two fractions of its length overwritten by noise."""
    content = bytearray(source.read_bytes())
    first, last = int(len(content) * start), int(len(content) * end)
    content[first:last] = np.random.default_rng(7).integers(0, 256, last - first, dtype=np.uint8).tobytes()
    path.write_bytes(content)
    return path


def changing_size(path: Path) -> Path:
    """An MPEG transport stream that goes from 160x120 to 192x144 in the middle."""
    first = encode(path.with_name("first-" + path.name), frames=10, extra=("-f", "mpegts"))
    second = encode(path.with_name("second-" + path.name), frames=10, size=(192, 144), extra=("-f", "mpegts"))
    path.write_bytes(first.read_bytes() + second.read_bytes())
    return path


@dataclass(frozen=True)
class DecodedFrame:
    """What ffmpeg itself says of one decoded frame: its time in ticks of the stream, the MD5 of its planes' bytes."""

    pts: int
    md5: str


def decoded_frames(path: Path, pix_fmt: str | None = None, stream: str = "0:v:0") -> list[DecodedFrame]:
    """Decode with the ffmpeg binary, the oracle for readers: one entry for each frame in presentation order."""
    convert = ("-pix_fmt", pix_fmt) if pix_fmt else ()
    listing = ffmpeg(
        *("-noautorotate", "-copyts", "-i", url(path), "-map", stream, *convert),
        *("-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framemd5", "pipe:1"),
    ).decode()
    rows = [line.split(",") for line in listing.splitlines() if line and not line.startswith("#")]
    return [DecodedFrame(int(row[2]), row[5].strip()) for row in rows]


MASTERING_DISPLAY = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
CONTENT_LIGHT = "1000,400"


def hdr10(path: Path, frames: int = 8) -> Path:
    """HEVC at 10 bits in BT.2020 PQ with `MASTERING_DISPLAY` and `CONTENT_LIGHT`."""
    tags = "setparams=colorspace=bt2020nc:range=tv:color_primaries=bt2020:color_trc=smpte2084"
    return encode(
        path,
        frames=frames,
        pix_fmt="yuv420p10le",
        codec=("-c:v", "libx265", "-preset", "ultrafast"),
        filters=f"format=yuv420p10le,{tags}",
        extra=("-x265-params", f"log-level=none:master-display={MASTERING_DISPLAY}:max-cll={CONTENT_LIGHT}"),
    )


def field_coded(path: Path, order: str = "tff") -> Path:
    """Interlaced H.264 whose two fields show two moments; `order` is `tff` or `bff`."""
    return encode(
        path,
        frames=24,
        filters=f"tinterlace=interleave_{'top' if order == 'tff' else 'bottom'},setparams=field_mode={order}",
        extra=("-flags", "+ilme+ildct", *(("-x264-params", "bff=1") if order == "bff" else ())),
    )


def transparent(path: Path, alpha: float = 0.5, codec: Sequence[str] = LOSSLESS, pix_fmt: str = "yuva420p") -> Path:
    """Every pixel has the same `alpha`, 0 to 1."""
    return encode(path, frames=6, codec=codec, pix_fmt=pix_fmt, filters=f"format=rgba,colorchannelmixer=aa={alpha}")


def attached_cover(path: Path) -> Path:
    """Matroska with a PNG attached as its cover."""
    cover = path.with_name(f"cover-{path.stem}.png")
    ffmpeg("-f", "lavfi", "-i", "color=c=red:s=64x48", "-frames:v", "1", url(cover))
    notes = ("-metadata:s:t", "mimetype=image/png", "-metadata:s:t", "filename=cover.png")
    return encode(path, frames=8, extra=("-attach", cover, *notes))


def telemetry(path: Path) -> Path:
    """A data track beside the video: `gpmd`, as action cameras write it, in `.mp4`, KLV-like packets in `.ts`."""
    plain = path.with_name(f"plain-{path.stem}.ts")
    no_audio(plain)
    together = path.with_name(f"together-{path.stem}.ts")
    with av.open(str(plain)) as source, av.open(str(together), "w", format="mpegts") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        data = target.add_data_stream("bin_data")
        packets = [packet for packet in source.demux(source.streams.video[0]) if packet.dts is not None]
        for packet in packets:
            note = av.Packet(b"DEVC" + bytes(60))
            note.pts = note.dts = packet.dts
            note.time_base, note.stream = packet.time_base, data
            packet.stream = video
            target.mux([packet, note])
    tag = ("-tag:d", "gpmd") if path.suffix == ".mp4" else ()
    ffmpeg("-i", url(together), "-map", "0", "-c", "copy", *tag, url(path))
    return path


def phone(path: Path) -> Path:
    """Tags as phones write them, which MP4 has no boxes for: maker, place; and the time of recording."""
    tags = {
        "com.apple.quicktime.make": "Apple",
        "com.apple.quicktime.location.ISO6709": "+59.9100+010.7500+012/",
        "creation_time": "2024-05-06T07:08:09.000000Z",
    }
    metadata = [word for key, value in tags.items() for word in ("-metadata", f"{key}={value}")]
    return encode(path, frames=8, extra=("-movflags", "use_metadata_tags", *metadata))


def many_tracks(path: Path) -> Path:
    """Two audio and two subtitle tracks (write Matroska), each with a language, a title and its own disposition."""
    subtitles = path.with_suffix(".srt")
    subtitles.write_text("1\n00:00:00,100 --> 00:00:00,900\nhello\n")
    tone_b = ("-f", "lavfi", "-i", "sine=frequency=880:sample_rate=44100")
    notes = {"a:0": ("eng", "Main", "0"), "a:1": ("nor", "Commentary", "comment"), "s:0": ("ger", "Full", "0")}
    notes |= {"s:1": ("eng", "Signs", "forced")}
    described = [
        word
        for track, (language, title, disposition) in notes.items()
        for word in (
            *(f"-metadata:s:{track}", f"language={language}", f"-metadata:s:{track}", f"title={title}"),
            *(f"-disposition:{track}", disposition),
        )
    ]
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map", "3:s")
    inputs = (*TONE, *tone_b, "-i", subtitles)
    return encode(path, inputs=inputs, extra=(*maps, "-c:a", "aac", "-c:s", "srt", *described, "-t", str(FRAMES / RATE)))


def frame_packed(path: Path) -> Path:
    """H.264 that says it holds a stereo pair, side by side."""
    return encode(path, frames=8, extra=("-x264-params", "frame-packing=3"))


def open_gop(path: Path) -> Path:
    """H.264 whose groups of pictures lean on the next one's key frame."""
    return encode(path, frames=60, codec=X264_B, extra=("-x264-params", "open-gop=1:keyint=12:bframes=3:b-adapt=0"))


def with_timecode(path: Path) -> Path:
    """A time code that begins at 01:00:00:00 (write QuickTime)."""
    return encode(path, frames=8, extra=("-timecode", "01:00:00:00"))


def mirrored(path: Path, degrees: int = 0) -> Path:
    """Plain, with a display matrix: players turn the stored frame counter-clockwise and then swap left and right."""
    plain = no_audio(path.with_name(f"plain-{path.name}"), frames=8)
    ffmpeg("-display_rotation", str(degrees), "-display_hflip", "-i", url(plain), "-map", "0", "-c", "copy", url(path))
    return path


def pictures_in(path: Path, codec: str, chunk: bytes) -> Path:
    """Picture files, `png` or `mjpeg`, one after the other in a container, each with `chunk` behind its first marker."""
    plain, folder = path.with_name(f"plain-{path.stem}.mkv"), path.with_name(f"pictures-{path.stem}")
    suffix, header_bytes = {"png": ("png", 33), "mjpeg": ("jpg", 2)}[codec]
    folder.mkdir()
    encode(plain, frames=5, codec=LOSSLESS, pix_fmt="yuv420p")
    ffmpeg("-i", plain, "-c:v", codec, "-pix_fmt", "rgb24" if codec == "png" else "yuvj420p", folder / f"%d.{suffix}")
    for picture in folder.iterdir():
        whole = picture.read_bytes()
        picture.write_bytes(whole[:header_bytes] + chunk + whole[header_bytes:])
    ffmpeg("-framerate", str(RATE), "-i", folder / f"%d.{suffix}", "-c", "copy", url(path))
    return path


def icc_chunk() -> bytes:
    """What gives a PNG file an ICC profile with a name; the profile is none, which nobody looks into."""
    data = b"sRGB\0\0" + zlib.compress(b"profile" * 40)
    return struct.pack(">I", len(data)) + b"iCCP" + data + struct.pack(">I", zlib.crc32(b"iCCP" + data))


def exif_segment() -> bytes:
    """What gives a JPEG file EXIF: big-endian TIFF with an orientation of 1."""
    tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 1, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(tiff)) + b"Exif\0\0" + tiff


def later(path: Path, plain: Path, special: Path) -> Path:
    """A transport stream of two videos, one behind the other."""
    both = path.with_name(f"list-{path.stem}.txt")
    both.write_text(f"file '{plain.absolute()}'\nfile '{special.absolute()}'\n")
    ffmpeg("-f", "concat", "-safe", "0", "-i", both, "-c", "copy", url(path))
    return path


def field_order(path: Path) -> str:
    """What ffmpeg's own decoder says of the fields of the first picture: `T`, `B`, or `P` for none."""
    command = [FFMPEG, "-hide_banner", "-nostdin", "-i", url(path), "-frames:v", "1", "-vf", "showinfo", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return next(word[2] for line in said.splitlines() if "pts_time" in line for word in line.split() if word.startswith("i:"))


def slides(path: Path) -> Path:
    """Three pictures: a second, a second, and five."""
    with av.open(str(path), "w") as made:
        stream = made.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.max_b_frames = 0
        packets = []
        for seconds in (0, 1, 2):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160, 3), 60 * seconds + 40, np.uint8), format="rgb24")
            frame.pts, frame.time_base = 1000 * seconds, Fraction(1, 1000)
            packets += stream.encode(frame)
        for packet, ticks in zip(packets + stream.encode(None), (1000, 1000, 5000), strict=True):
            packet.duration = ticks
            made.mux(packet)
    return path


def shown_until(path: Path) -> float:
    """When the last frame ends, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if "mp4" in container.format.name and stream.duration:
            # Durations of its packets are those between times of decoding.
            return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        packets = [packet for packet in container.demux(stream) if packet.size]
        return float(max((packet.pts + packet.duration) * packet.time_base for packet in packets))


def empty_sound(path: Path) -> Path:
    """A second audio track that is declared, and has nothing in it (write Matroska)."""
    whole = cfr(path.with_name(f"whole-{path.stem}.mp4"))
    with av.open(str(whole)) as plain, av.open(str(path), "w") as made:
        streams = [made.add_stream_from_template(stream) for stream in (*plain.streams, plain.streams.audio[0])]
        for packet in plain.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                made.mux(packet)
    return path


def old_interlaced(path: Path, codec: str, order: str, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """Interlaced by a coder whose header says nothing of fields: `dvvideo` (720x576, bff), `mpeg4`."""
    fields = f"setparams=field_mode={order}"
    return encode(path, frames=6, size=size, codec=("-c:v", codec, "-flags", "+ildct+ilme"), filters=fields)


def with_hidden_edges(target: Path, source: Path, left: int, top: int, right: int, bottom: int) -> Path:
    """A Matroska file whose container hides edges of its video, which ffmpeg has no option to say; made of one without."""
    content = source.read_bytes()
    sides = zip((0x54CC, 0x54BB, 0x54DD, 0x54AA), (left, top, right, bottom), strict=True)
    said = b"".join(struct.pack(">HBB", identifier, 0x81, pixels) for identifier, pixels in sides)
    # Its parents grow by as much, and the room that ffmpeg leaves before them shrinks.
    tracks = content.index(b"\x16\x54\xae\x6b", content.index(b"\x15\x49\xa9\x66", content.index(b"\xec\x01")))
    track = content.index(b"\xae\x01", tracks)
    video = content.index(b"\xe0", content.index(b"\x83\x81\x01", track))
    void = content.index(b"\xec\x01")
    changed = content[: video + 2] + said + content[video + 2 :]
    grow = len(said)
    for at, width, by in ((tracks + 4, 2, grow), (track + 1, 8, grow), (video + 1, 1, grow), (void + 1, 8, -grow)):
        length = int.from_bytes(changed[at : at + width], "big") + by
        changed = changed[:at] + length.to_bytes(width, "big") + changed[at + width :]
    target.write_bytes(changed[: void + 9] + changed[void + 9 + grow :])
    return target
