"""Real videos, damaged in a way that a number decides: the same number is always the same file."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from tests import media

FRAMES = 12

SOURCES: tuple[tuple[str, Callable[[Path], Path]], ...] = (
    ("cfr.mp4", lambda path: media.cfr(path, frames=FRAMES)),
    ("rich.mkv", media.rich),
    ("b_frames.ts", lambda path: media.b_frames(path, frames=FRAMES)),
    ("fragmented.mp4", media.fragmented),
    ("hevc.mkv", media.hdr10),
    ("telemetry.mp4", media.telemetry),
    ("mpeg4.avi", lambda path: media.encode(path, frames=FRAMES, codec=("-c:v", "mpeg4", "-q:v", "5"))),
    ("vp9.webm", lambda path: media.encode(path, frames=FRAMES, codec=("-c:v", "libvpx-vp9", "-cpu-used", "8"))),
    ("ffv1.mkv", lambda path: media.pixel_format(path, "yuv422p10le", frames=4)),
    ("interlaced.mov", media.field_coded),
)


def mutant(number: int, sources: Path, target: Path) -> Path:
    """Write mutant `number` under `target` (a folder), of one of the sources in the folder `sources`.

    Even numbers damage bytes anywhere in the file, odd ones only the payload of packets, so that the container stays whole
    and the damage gets as far as the decoders.
    """
    random = np.random.default_rng(number)
    name = SOURCES[number // 2 % len(SOURCES)][0]
    path = target / f"{number}{Path(name).suffix}"
    if number % 2:
        damage_packets(sources / name, path, random)
    else:
        path.write_bytes(damage(bytearray((sources / name).read_bytes()), random))
    return path


def damage(content: bytearray, random: np.random.Generator) -> bytes:
    """One to four of: bits flipped, a stretch made noise or zeros, cut out or doubled, the end cut off, a size overwritten."""
    for _ in range(random.integers(1, 5)):
        if len(content) < 16:
            break
        # Half of the hits go where headers and indices are.
        edge = min(len(content), 2048)
        places = (random.integers(edge), len(content) - 1 - random.integers(edge), *random.integers(len(content), size=2))
        start = int(random.choice(places))
        stop = min(len(content), start + int(2 ** random.uniform(0, 10)))
        match random.integers(7):
            case 0:
                for place in random.integers(start, stop, size=4):
                    content[place] ^= 1 << int(random.integers(8))
            case 1:
                content[start:stop] = random.bytes(stop - start)
            case 2:
                content[start:stop] = bytes(stop - start)
            case 3:
                del content[start:stop]
            case 4:
                content[start:start] = content[start:stop]
            case 5:
                del content[max(16, start) :]
            case 6:
                extreme = random.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
                content[start : start + 4] = int(extreme).to_bytes(4, "big")
    return bytes(content)


def damage_packets(source: Path, target: Path, random: np.random.Generator) -> None:
    """Damage some of the packets and mux all of them anew."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        kept = [stream for stream in old.streams if stream.type in ("video", "audio") and stream.codec_context is not None]
        streams = {stream.index: new.add_stream_from_template(stream) for stream in kept}
        for packet in old.demux(kept):
            if packet.dts is None:
                continue
            payload = bytes(packet)
            if packet.stream.type == "video" and random.random() < 0.3:
                payload = damage(bytearray(payload), random)
            copy = av.Packet(payload)
            copy.pts, copy.dts, copy.duration, copy.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
            copy.is_keyframe = packet.is_keyframe
            copy.stream = streams[packet.stream_index]
            new.mux(copy)
