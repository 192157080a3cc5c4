"""The edges of pictures that a container hides, which players cut off: Matroska's PixelCrop and QuickTime's clean aperture.

FFmpeg's programs cut them off as well (from 7.1 on), its decoders do not.
"""

import os
import struct
from fractions import Fraction
from functools import partial
from itertools import islice
from math import floor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import av
from av.video.stream import VideoStream

from rmfd_cli.video.filtering import filtered
from rmfd_cli.video.matroska import EBML_MAGIC, TRACK_ID, TRACKS_ID, VIDEO_ID, children, segment_of
from rmfd_cli.video.mp4 import begins_as_mp4, boxes
from rmfd_cli.video.nesting import NOWHERE, below, first_below

_PIXEL_CROP = (b"\x54\xcc", b"\x54\xbb", b"\x54\xdd", b"\x54\xaa")
"""Left, top, right and bottom (RFC 9559, 5.1.4.1.28)."""
_PIXEL_SIZE = (b"\xb0", b"\xba")
"""Width and height of what is stored."""
_SAMPLES = (b"mdia", b"minf", b"stbl", b"stsd")
_ENTRIES_AT, _SIZE_AT, _BOXES_AT = 8, 24, 78
"""In stsd, its first entry; in that, the width and height of its pictures, and what else is said of them (ISO/IEC 14496-12)."""
_APERTURE = struct.Struct(">IIIIiIiI")


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
    inside = filtered(frame, ("crop", f"{width}:{height}:{edges.left}:{edges.top}:exact=1"))
    assert inside is not None
    return inside


def _in_matroska(file: BinaryIO, number: int) -> tuple[Edges, tuple[int, int]]:
    """Edges of a track, and what they are edges of: (width, height)."""
    elements = partial(children, file)
    start, end = segment_of(file) or NOWHERE
    tracks = first_below(elements, start, end or _size(file), TRACKS_ID)
    track = next(islice(below(elements, *tracks, TRACK_ID), number, None), NOWHERE)
    said = {name: _number(file, *content) for name, *content in children(file, *first_below(elements, *track, VIDEO_ID))}
    left, top, right, bottom, width, height = (said.get(name, 0) for name in (*_PIXEL_CROP, *_PIXEL_SIZE))
    return Edges(left, top, right, bottom), (width, height)


def _in_mp4(file: BinaryIO, number: int) -> tuple[Edges, tuple[int, int]]:
    """As in Matroska."""
    elements = partial(boxes, file)
    movie = first_below(elements, 0, _size(file), b"moov")
    track = next(islice(below(elements, *movie, b"trak"), number, None), NOWHERE)
    start, end = first_below(elements, *track, *_SAMPLES)
    for _, entry, entry_end in boxes(file, start + _ENTRIES_AT, end)[:1]:
        width, height = (_number(file, at, at + 2) for at in (entry + _SIZE_AT, entry + _SIZE_AT + 2))
        for aperture, aperture_end in below(elements, entry + _BOXES_AT, entry_end, b"clap"):
            file.seek(aperture)
            content = file.read(_APERTURE.size)
            if aperture_end - aperture == len(content) == _APERTURE.size:
                return _around(_APERTURE.unpack(content), width, height), (width, height)
    return Edges(), NOWHERE


def _around(aperture: tuple[int, ...], width: int, height: int) -> Edges:
    """What lies around a clean aperture: its width, height and the way of its centre from that of the picture, as fractions."""
    if not all(aperture[1::2]):
        return Edges()
    columns, rows, right, down = map(Fraction, aperture[::2], aperture[1::2])
    left, top = (width - columns) / 2 + right, (height - rows) / 2 + down
    return Edges(*map(floor, (left, top, width - left - columns, height - top - rows)))


def _number(file: BinaryIO, start: int, end: int) -> int:
    file.seek(start)
    return int.from_bytes(file.read(min(end - start, 8)), "big")


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size
