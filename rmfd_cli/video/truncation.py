"""Whether a file ends before its own structure says it does.

Demuxers play what there is and call the end of the bytes the end of the video. But MP4 boxes, Matroska segments and
transport stream packets carry their sizes, so a download or a recording that was cut off differs from a short video.
"""

from pathlib import Path

from rmfd_cli.video.matroska import EBML_MAGIC, segment_of
from rmfd_cli.video.mp4 import begins_as_mp4, boxes

TS_PACKET_BYTES = 188
# Some cameras append notes of their own behind the last box; they are no boxes and promise nothing.
MP4_KINDS = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"sidx", b"mfra", b"free", b"skip", b"wide", b"uuid", b"meta"}


def missing_bytes(path: Path) -> int:
    """How many bytes the end of the file lacks by what its structure promises; 0 if none, or if nothing tells."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(TS_PACKET_BYTES + 1)
        if begins_as_mp4(head):
            return max([0, *(end - size for kind, _, end in boxes(file, 0, size) if kind in MP4_KINDS)])
        if head.startswith(EBML_MAGIC):
            segment = segment_of(file)
            return max((segment[1] or 0) - size, 0) if segment else 0
        if len(head) > TS_PACKET_BYTES and head[0] == head[TS_PACKET_BYTES] == 0x47:
            return -size % TS_PACKET_BYTES
    return 0
