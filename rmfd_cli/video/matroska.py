"""What a Matroska file says of its own structure: where it ends, whether its elements fit, and where one of them is.

A demuxer that meets nonsense looks for the next cluster and goes on from there; what lay between is gone, and nobody is told.
"""

import os
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from rmfd_cli.video.nesting import first_below

EBML_MAGIC = b"\x1a\x45\xdf\xa3"
SEGMENT_ID = b"\x18\x53\x80\x67"
CLUSTER_ID = b"\x1f\x43\xb6\x75"

TRACKS_ID = b"\x16\x54\xae\x6b"
TRACK_ID = b"\xae"
VIDEO_ID = b"\xe0"
_RANGE = (TRACK_ID, VIDEO_ID, b"\x55\xb0", b"\x55\xb9")
"""The way to it from the tracks: a track, its video, the colour of that (RFC 9559, 5.1.4.1.28)."""
_FULL = b"\x02"
_CRC32 = b"\xbf\x84"

_HEADER_BYTES = 12
"""Of an element at most: four of its identifier, eight of its length."""


def segment_of(file: BinaryIO) -> tuple[int, int | None] | None:
    """Where the segment's content begins and says that it ends; None for an end where it was written live and does not say.

    None where there is no segment.
    """
    file.seek(len(EBML_MAGIC))
    header_length = _read_vint(file)
    if header_length is None:
        return None
    file.seek(header_length, os.SEEK_CUR)
    if file.read(4) != SEGMENT_ID:
        return None
    length = _read_vint(file)
    start = file.tell()
    return start, None if length is None else start + length


def torn_at(path: Path) -> int | None:
    """The position of the first element that is none, or reaches beyond its cluster; None if there is none such.

    It reads a few bytes of every block. What is in blocks is for the decoder to judge.
    """
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        if file.read(4) != EBML_MAGIC or (segment := segment_of(file)) is None:
            return None
        position, end = segment[0], min(segment[1] or size, size)
        cluster_end: int | None = None
        while position < end:
            file.seek(position)
            header = file.read(_HEADER_BYTES)
            width = _width(header, 0)
            length_width = _width(header, width)
            if not 0 < width <= 4 or not length_width:
                return position if position + _HEADER_BYTES <= end else None
            start = position + width + length_width
            length = _vint(header[width : width + length_width])
            if header[:width] == CLUSTER_ID:
                cluster_end, position = None if length is None else start + length, start
                continue
            if length is None:
                return None
            if cluster_end is not None and position < cluster_end < start + length:
                return position
            position = start + length
    return None


def tag_full_range(path: Path) -> None:
    """Say that the code values of the first video track have full range, where they were said to have limited range.

    A file that says nothing of it is left as it is.
    """
    with path.open("r+b") as file:
        if file.read(4) != EBML_MAGIC or (segment := segment_of(file)) is None:
            return
        end = segment[1] or path.stat().st_size
        elements = partial(children, file)
        tracks = first_below(elements, segment[0], end, TRACKS_ID)
        place = first_below(elements, *tracks, *_RANGE)
        if place[1] - place[0] != len(_FULL):
            return
        file.seek(place[0])
        file.write(_FULL)
        file.seek(tracks[0])
        content = file.read(tracks[1] - tracks[0])
        # Where there is a checksum, it comes first, and is one of all behind it (RFC 8794, 11.3.1).
        if content.startswith(_CRC32):
            file.seek(tracks[0] + len(_CRC32))
            file.write(zlib.crc32(content[len(_CRC32) + 4 :]).to_bytes(4, "little"))


def children(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The elements between two places: identifier, where the content begins, and where it ends."""
    while start < end:
        file.seek(start)
        header = file.read(_HEADER_BYTES)
        width = _width(header, 0)
        length_width = _width(header, width)
        length = _vint(header[width : width + length_width])
        if not width or not length_width or length is None:
            return
        start += width + length_width
        yield header[:width], start, start + length
        start += length


def _width(header: bytes, at: int) -> int:
    """Bytes of the number of variable width that begins there; 0 if none does."""
    return 9 - header[at].bit_length() if at < len(header) and header[at] else 0


def _vint(content: bytes) -> int | None:
    """A number without the bit that marks its width; None for "unknown"."""
    bits = 7 * len(content)
    value = int.from_bytes(content, "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value


def _read_vint(file: BinaryIO) -> int | None:
    """A length at the file's position; None for "unknown" and for what is not one."""
    first = file.read(1)
    width = _width(first, 0)
    return _vint(first + file.read(width - 1)) if width else None
