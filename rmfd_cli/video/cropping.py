"""The edges of pictures that a container hides, which players cut off: Matroska's PixelCrop and QuickTime's clean aperture.

FFmpeg's programs cut them off as well (from 7.1 on), its decoders do not.
"""

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
from itertools import islice
from math import floor
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import av
from av.video.stream import VideoStream

from rmfd_cli.video.filtering import filtered
from rmfd_cli.video.matroska import EBML_MAGIC, children, segment_of
from rmfd_cli.video.truncation import begins_as_mp4, mp4_boxes

_TRACKS, _TRACK, _VIDEO = b"\x16\x54\xae\x6b", b"\xae", b"\xe0"
_PIXEL_CROP = (b"\x54\xcc", b"\x54\xbb", b"\x54\xdd", b"\x54\xaa")
"""Left, top, right and bottom (RFC 9559, 5.1.4.1.28)."""
_PIXEL_SIZE = (b"\xb0", b"\xba")
"""Width and height of what is stored."""
_SAMPLES = (b"mdia", b"minf", b"stbl", b"stsd")
_ENTRIES_AT, _SIZE_AT, _BOXES_AT = 8, 24, 78
"""In stsd, its first entry; in that, the width and height of its pictures, and what else is said of them (ISO/IEC 14496-12)."""
_APERTURE = struct.Struct(">IIIIiIiI")

Elements: TypeAlias = Callable[[int, int], Iterable[tuple[bytes, int, int]]]
"""What lies between two places of a file: what it is called, and where its content begins and ends."""
_NOTHING = (0, 0)


class Edges(NamedTuple):
    """Pixels at the sides of the stored picture."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{pixels} at the {side}" for side, pixels in self._asdict().items() if pixels)


def hidden_edges(path: Path, stream: VideoStream, is_interlaced: bool) -> Edges:
    """What is hidden of a stream of a Matroska or MP4 file; nothing of others, and nothing if it were all.

    Rounded down, so that chroma of half the resolution stays where it is, and at the top that of two fields, too.

    Args:
        path: the file.
        stream: one of it, whose pictures have the size that the container speaks of, or it is not believed.
        is_interlaced: whether they show two moments.
    """
    with path.open("rb") as file:
        head = file.read(8)
        if head.startswith(EBML_MAGIC):
            edges, size = _in_matroska(file, stream.index)
        elif begins_as_mp4(head):
            edges, size = _in_mp4(file, stream.index)
        else:
            return Edges()
    left, top, right, bottom = (max(0, side) for side in edges)
    if size != (stream.width, stream.height) or left + right >= stream.width or top + bottom >= stream.height:
        return Edges()
    return Edges(left & ~1, top & (~3 if is_interlaced else ~1), right & ~1, bottom & ~1)


def without(edges: Edges, frame: av.VideoFrame) -> av.VideoFrame:
    """The frame without them; as it is if it has no more than they are."""
    width, height = frame.width - edges.left - edges.right, frame.height - edges.top - edges.bottom
    if not any(edges) or min(width, height) <= 0:
        return frame
    pts, duration = frame.pts, frame.duration
    inside = filtered(frame, ("crop", f"{width}:{height}:{edges.left}:{edges.top}:exact=1"))
    assert inside is not None
    inside.pts, inside.duration, inside.time_base = pts, duration, frame.time_base
    return inside


def _in_matroska(file: BinaryIO, number: int) -> tuple[Edges, tuple[int, int]]:
    """Edges of a track, and what they are edges of: (width, height)."""
    elements = partial(children, file)
    start, end = segment_of(file) or (0, 0)
    tracks = next(_below(elements, start, end or _size(file), _TRACKS), _NOTHING)
    track = next(islice(_below(elements, *tracks, _TRACK), number, None), _NOTHING)
    video = next(_below(elements, *track, _VIDEO), _NOTHING)
    numbers = [_number(file, *next(_below(elements, *video, name), _NOTHING)) for name in (*_PIXEL_CROP, *_PIXEL_SIZE)]
    return Edges(*numbers[:4]), (numbers[4], numbers[5])


def _in_mp4(file: BinaryIO, number: int) -> tuple[Edges, tuple[int, int]]:
    """As in Matroska."""
    boxes = partial(mp4_boxes, file)
    movie = next(_below(boxes, 0, _size(file), b"moov"), _NOTHING)
    track = next(islice(_below(boxes, *movie, b"trak"), number, None), _NOTHING)
    start, end = next(_below(boxes, *track, *_SAMPLES), _NOTHING)
    for _, entry, entry_end in mp4_boxes(file, start + _ENTRIES_AT, end)[:1]:
        width, height = (_number(file, at, at + 2) for at in (entry + _SIZE_AT, entry + _SIZE_AT + 2))
        for aperture, aperture_end in _below(boxes, entry + _BOXES_AT, entry_end, b"clap"):
            file.seek(aperture)
            content = file.read(_APERTURE.size)
            if aperture_end - aperture == len(content) == _APERTURE.size:
                return _around(_APERTURE.unpack(content), width, height), (width, height)
    return Edges(), _NOTHING


def _around(aperture: tuple[int, ...], width: int, height: int) -> Edges:
    """What lies around a clean aperture: its width, height and the way of its centre from that of the picture, as fractions."""
    if not all(aperture[1::2]):
        return Edges()
    columns, rows, right, down = map(Fraction, aperture[::2], aperture[1::2])
    left, top = (width - columns) / 2 + right, (height - rows) / 2 + down
    return Edges(*map(floor, (left, top, width - left - columns, height - top - rows)))


def _below(elements: Elements, start: int, end: int, *way: bytes) -> Iterator[tuple[int, int]]:
    """Where the contents of all elements at the end of a way through others begin and end."""
    for name, inner_start, inner_end in elements(start, end):
        if name == way[0]:
            yield from _below(elements, inner_start, inner_end, *way[1:]) if way[1:] else [(inner_start, inner_end)]


def _number(file: BinaryIO, start: int, end: int) -> int:
    file.seek(start)
    return int.from_bytes(file.read(min(end - start, 8)), "big")


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
