"""What the first pictures of a video say beyond its header: field order, HDR mastering, and what no encoder writes again."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import Type
from av.video.stream import VideoStream

from rmfd_cli.errors import InputError
from rmfd_cli.video.location import shown_name
from rmfd_cli.video.opening import open_input

__all__ = ["PLAIN", "Hdr", "Traits", "is_mirrored", "read_traits", "traits_of"]

_PICTURES = 8
"""Film in a television signal is interlaced in two pictures of five."""
_MOST_PACKETS = 256
_UNSPECIFIED = 2
_BOTTOM_FIRST = (3, 5)
"""Of AVFieldOrder."""

# What travels inside the pictures, is made anew by no encoder that is fed with raw frames, and would be missed.
_INSIDE = {
    Type.A53_CC: "closed captions (CEA-608/708)",
    Type.STEREO3D: "the layout of a stereo pair",
    Type.SPHERICAL: "the projection of a 360° picture",
    Type.ICC_PROFILE: "an ICC profile",
    Type.DYNAMIC_HDR_PLUS: "HDR10+ dynamic metadata",
    Type.DYNAMIC_HDR_VIVID: "HDR Vivid dynamic metadata",
    Type.DOVI_METADATA: "Dolby Vision metadata",
}

# struct AVMasteringDisplayMetadata: red, green, blue and white (x, y), then luminance; all as int/int; then two flags.
_MASTERING = struct.Struct("22i")
_PRIMARY_STEP = Fraction(1, 50000)
_LUMINANCE_STEP = Fraction(1, 10000)


@dataclass(frozen=True)
class Hdr:
    """Static HDR metadata, in the notation that ffmpeg and the encoders share."""

    mastering_display: str | None
    """SMPTE ST 2086: `G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)` in steps of 0.00002 (CIE 1931 x, y) and 0.0001 cd/m²."""
    content_light: str | None
    """CTA-861.3: `MaxCLL,MaxFALL` in cd/m²."""


@dataclass(frozen=True)
class Traits:
    """What the first pictures of a video carry."""

    field_order: str | None
    """`tff` or `bff` (top or bottom field first); None for progressive pictures."""
    hdr: Hdr | None
    """None where there is neither a mastering display nor a content light level."""
    is_mirrored: bool
    """Whether players, once they have turned the picture, swap left and right."""
    inside: tuple[str, ...]
    """Names of what is inside the pictures and gets lost when they are encoded again."""
    needs_dolby_vision: bool
    """Whether the colours are right only after Dolby Vision's own processing (profile 5)."""


PLAIN = Traits(field_order=None, hdr=None, is_mirrored=False, inside=(), needs_dolby_vision=False)
"""Those of pictures that carry nothing."""


def read_traits(path: str | Path, stream_index: int) -> Traits:
    """Decode the first pictures of a video stream and say what they carry.

    Args:
        path: A video file, or a URL that can be read again.
        stream_index: Of the video stream.

    Raises:
        InputError: The file cannot be opened.
    """
    try:
        with open_input(path) as container:
            stream = container.streams[stream_index]
            assert isinstance(stream, VideoStream)
            pictures = list(islice(_decode(container, stream), _PICTURES))
            return traits_of(pictures, stream)
    except (FFmpegError, OSError, IndexError) as error:
        raise InputError(f"{shown_name(path)}: cannot be read: {error}") from error


def traits_of(pictures: Sequence[av.VideoFrame], stream: VideoStream) -> Traits:
    """What decoded pictures carry.

    Args:
        pictures: The first ones of a video.
        stream: Where they come from.
    """
    sides: list[Any] = [side for picture in pictures for side in picture.side_data]
    carried = {side.type: bytes(side) for side in sides}
    interlaced = any(picture.interlaced_frame for picture in pictures)
    bottom_first = getattr(stream.codec_context, "field_order", 0) in _BOTTOM_FIRST
    return Traits(
        field_order=None if not interlaced else "bff" if bottom_first else "tff",
        hdr=_hdr(carried),
        is_mirrored=any(is_mirrored(picture) for picture in pictures[:1]),
        inside=tuple(name for kind, name in _INSIDE.items() if kind in carried),
        needs_dolby_vision=Type.DOVI_METADATA in carried and {int(picture.color_trc) for picture in pictures} == {_UNSPECIFIED},
    )


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """What can be decoded of the first packets, damaged ones skipped."""
    with suppress(FFmpegError):
        for packet in islice(container.demux(stream), _MOST_PACKETS):
            with suppress(FFmpegError):
                yield from packet.decode()


def is_mirrored(frame: av.VideoFrame) -> bool:
    """Whether the display matrix of a decoded frame turns it inside out."""
    sides: Any = frame.side_data
    matrices = [struct.unpack("9i", bytes(side)) for side in sides if side.type == Type.DISPLAYMATRIX]
    return any(a * d < b * c for a, b, _, c, d, *_ in matrices)


def _hdr(carried: dict[Type, bytes]) -> Hdr | None:
    mastering, light = carried.get(Type.MASTERING_DISPLAY_METADATA), carried.get(Type.CONTENT_LIGHT_LEVEL)
    hdr = Hdr(
        mastering_display=_mastering_display(mastering) if mastering else None,
        content_light=",".join(map(str, struct.unpack_from("2I", light))) if light else None,
    )
    return hdr if hdr.mastering_display or hdr.content_light else None


def _mastering_display(data: bytes) -> str | None:
    """`data` as text; None where it is incomplete, for which the notation has no words."""
    numbers = _MASTERING.unpack_from(data)
    denominators = numbers[1:20:2]
    if not (all(numbers[20:]) and all(denominators)):
        return None
    ratios = [Fraction(*pair) for pair in zip(numbers[:20:2], denominators, strict=True)]
    red_x, red_y, green_x, green_y, blue_x, blue_y, white_x, white_y = (round(ratio / _PRIMARY_STEP) for ratio in ratios[:8])
    darkest, brightest = (round(ratio / _LUMINANCE_STEP) for ratio in ratios[8:])
    return f"G({green_x},{green_y})B({blue_x},{blue_y})R({red_x},{red_y})WP({white_x},{white_y})L({brightest},{darkest})"
