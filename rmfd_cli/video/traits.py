"""What the pictures of a video say beyond its header: field order, HDR mastering, and what no encoder writes again."""

import struct
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.error import FFmpegError
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.stream import VideoStream

from rmfd_cli.errors import InputError
from rmfd_cli.video.colour import TAG_UNSPECIFIED
from rmfd_cli.video.filtering import filtered
from rmfd_cli.video.location import shown_name
from rmfd_cli.video.opening import open_input

_PICTURES = 8
"""Film in a television signal is interlaced in two pictures of five."""
_MOST_PACKETS = 256
_KINDS = 64
"""More than FFmpeg has of side data."""

# What travels inside the pictures, is made anew by no encoder that is fed with raw frames, and would be missed.
_INSIDE = {
    Type.A53_CC: "closed captions (CEA-608/708)",
    Type.STEREO3D: "the layout of a stereo pair",
    Type.SPHERICAL: "the projection of a 360° picture",
    Type.AFD: "the active format description (AFD)",
    Type.S12M_TIMECODE: "the time code of every picture (SMPTE 12M)",
    Type.AMBIENT_VIEWING_ENVIRONMENT: "the ambient viewing environment",
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
    inside: tuple[str, ...]
    """Names of what is inside the pictures and gets lost when they are encoded again."""
    needs_dolby_vision: bool
    """Whether the colours are right only after Dolby Vision's own processing (profile 5)."""


PLAIN = Traits(field_order=None, hdr=None, inside=(), needs_dolby_vision=False)
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
    each = [carried_by(picture, stream) for picture in pictures]
    carried = {kind: data for one in each for kind, data in one.items()}
    interlaced = next((picture for picture in pictures if picture.interlaced_frame), None)
    transfers = {int(picture.color_trc) for picture in pictures}
    return Traits(
        field_order=None if interlaced is None else "bff" if _is_bottom_first(interlaced) else "tff",
        hdr=_hdr(carried),
        inside=inside_of(carried),
        needs_dolby_vision=Type.DOVI_METADATA in carried and transfers == {TAG_UNSPECIFIED},
    )


def carried_by(picture: av.VideoFrame, stream: VideoStream) -> dict[Type, bytes]:
    """The side data of a decoded picture, of those kinds that PyAV has names for.

    Args:
        picture: As it comes from the decoder.
        stream: Where it comes from.
    """
    found: dict[Type, bytes] = {}
    if stream.codec_context.name in ("png", "apng"):
        # PyAV (18.1) frees the name of an ICC profile twice, and only PNG gives it one.
        if filtered(picture, ("sidedata", "mode=select:type=ICC_PROFILE")) is not None:
            found[Type.ICC_PROFILE] = b""
        picture = _without(picture, Type.ICC_PROFILE.value)
    try:
        sides = _sides(picture)
    except ValueError:
        # Of a kind without a name, such as EXIF, PyAV makes an error of all.
        known: set[Any] = {kind.value for kind in Type}
        sides = _sides(_without(picture, *(kind for kind in range(_KINDS) if kind not in known)))
    return found | {side.type: bytes(side) for side in sides}


def _sides(picture: av.VideoFrame) -> Any:
    # The picture's own `side_data` is this, too, but the two hold each other, and wait for the garbage collector.
    return SideDataContainer(picture)  # type: ignore[call-arg]


def inside_of(carried: Container[Type]) -> tuple[str, ...]:
    """The names of those kinds of side data that get lost when pictures are encoded again."""
    return tuple(name for kind, name in _INSIDE.items() if kind in carried)


def _without(picture: av.VideoFrame, *kinds: Any) -> av.VideoFrame:
    left = filtered(picture, *(("sidedata", f"mode=delete:type={kind}") for kind in kinds))
    assert left is not None
    return left


def _is_bottom_first(picture: av.VideoFrame) -> bool:
    # PyAV says whether it is interlaced, and not which way; headers of DV and MPEG-4 say nothing.
    return filtered(picture, ("select", "eq(interlace_type,BOTTOMFIRST)")) is not None


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """What can be decoded of the first packets, damaged ones skipped."""
    with suppress(FFmpegError):
        for packet in islice(container.demux(stream), _MOST_PACKETS):
            with suppress(FFmpegError):
                yield from packet.decode()


def is_mirrored(carried: Mapping[Type, bytes]) -> bool:
    """Whether the display matrix among what a picture carries turns it inside out."""
    if Type.DISPLAYMATRIX not in carried:
        return False
    a, b, _, c, d, *_ = struct.unpack("9i", carried[Type.DISPLAYMATRIX])
    return bool(a * d < b * c)


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
