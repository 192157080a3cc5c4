"""Whether a file ends before its own structure says it does.

Demuxers play what there is and call the end of the bytes the end of the video. But MP4 boxes, Matroska segments and
transport stream packets carry their sizes, so a download or a recording that was cut off differs from a short video.
"""

from pathlib import Path
from typing import BinaryIO

from rmfd_cli.video.matroska import EBML_MAGIC, segment_of

TS_PACKET_BYTES = 188
# Some cameras append notes of their own behind the last box; they are no boxes and promise nothing.
MP4_KINDS = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"mfra", b"free", b"skip", b"wide", b"uuid", b"meta"}


def missing_bytes(path: Path) -> int:
    """How many bytes the end of the file lacks by what its structure promises; 0 if none, or if nothing tells."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(TS_PACKET_BYTES + 1)
        if begins_as_mp4(head):
            return max([0, *(end - size for kind, _, end in mp4_boxes(file, 0, size) if kind in MP4_KINDS)])
        if head.startswith(EBML_MAGIC):
            segment = segment_of(file)
            return max((segment[1] or 0) - size, 0) if segment else 0
        if len(head) > TS_PACKET_BYTES and head[0] == head[TS_PACKET_BYTES] == 0x47:
            return -size % TS_PACKET_BYTES
    return 0


def begins_as_mp4(head: bytes) -> bool:
    """Whether a file that begins with `head` is of the MP4 or QuickTime family."""
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide")


def mp4_boxes(file: BinaryIO, start: int, end: int) -> list[tuple[bytes, int, int]]:
    """The boxes between two places: types, where contents begin, and where they should end, the last perhaps further on."""
    boxes: list[tuple[bytes, int, int]] = []
    while start + 8 <= end:
        file.seek(start)
        header = file.read(16)
        length, kind, content = int.from_bytes(header[:4], "big"), header[4:8], start + 8
        if length == 1:
            length, content = int.from_bytes(header[8:16], "big"), start + 16
        elif length == 0:
            length = end - start
        if length < 8 or not kind.isascii():
            break
        start += length
        boxes.append((kind, content, start))
    return boxes
