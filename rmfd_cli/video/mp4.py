"""Of what boxes a file of the MP4 or QuickTime family is made (ISO/IEC 14496-12)."""

from typing import BinaryIO


def begins_as_mp4(head: bytes) -> bool:
    """Whether a file that begins with `head` is of the MP4 or QuickTime family."""
    return head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide")


def boxes(file: BinaryIO, start: int, end: int) -> list[tuple[bytes, int, int]]:
    """The boxes between two places: types, where contents begin, and where they should end, the last perhaps further on."""
    found: list[tuple[bytes, int, int]] = []
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
        found.append((kind, content, start))
    return found
