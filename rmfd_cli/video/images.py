"""Single pictures as files: any common format in, PNG out."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.types import Rgb

_PROFILES = {b"iCCP", b"ICC_PROFILE", b"ICCP"}
"""What the part with an ICC profile is called in PNG, JPEG and WebP."""
_START_OF_SCAN = b"\xda"
_PALETTE, _WITH_ALPHA = 3, (4, 6)
"""Types of colour of PNG."""
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_LEVEL = 3
"""Of zlib: 9 saves some 3 % more and takes several times as long."""


def read_rgb(path: Path) -> Rgb:
    """A picture as RGB, turned as its EXIF orientation says, without any transparency.

    Args:
        path: PNG, JPEG, BMP, TIFF, WebP or PPM.

    Returns:
        `[H, W, 3]`, uint8, or uint16 where the file is deeper.

    Raises:
        InputError: It cannot be read as a picture.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: has {image.dtype} samples; give 8 or 16 bits per channel")
    return np.ascontiguousarray(image[..., ::-1])


def left_out(path: Path) -> tuple[str, ...]:
    """A line for transparency, and for an ICC profile in PNG, JPEG or WebP, of which `read_rgb` does not tell.

    Raises:
        InputError: It cannot be read as a picture.
    """
    content = _content(path)
    kinds = _kinds_of_parts(content)
    found = {
        "the pictures are see-through in places, which is left out": _is_see_through(path, content, kinds),
        "an ICC profile inside the pictures cannot be written again and is left out": bool(kinds & _PROFILES),
    }
    return tuple(line for line, is_there in found.items() if is_there)


def _kinds_of_parts(content: bytes) -> set[bytes]:
    """What the parts of a PNG, JPEG or WebP file before its samples are called; nothing of other files."""
    kinds: set[bytes] = set()
    if content.startswith(_PNG_MAGIC):
        # Length, name, content, checksum (PNG, 5.3).
        place = len(_PNG_MAGIC)
        while (kind := content[place + 4 : place + 8]) not in (b"IDAT", b""):
            kinds.add(kind)
            place += 12 + int.from_bytes(content[place : place + 4], "big")
    elif content.startswith(b"\xff\xd8"):
        # Marker, length with itself (ITU-T T.81, B.1.1.4); application segments begin with a name that ends in 0.
        place = 2
        while content[place : place + 1] == b"\xff" and content[place + 1 : place + 2] != _START_OF_SCAN:
            kinds.add(content[place + 4 : place + 16].partition(b"\0")[0])
            place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    elif content.startswith(b"RIFF"):
        # Name, length, content of even length (RFC 9649, 2.3).
        place = 12
        while kind := content[place : place + 4]:
            kinds.add(kind)
            place += 8 + (int.from_bytes(content[place + 4 : place + 8], "little") + 1) // 2 * 2
    return kinds


def _is_see_through(path: Path, content: bytes, kinds: set[bytes]) -> bool:
    if content.startswith(_PNG_MAGIC):
        # The type of colour is in the header (PNG, 11.2.1); of a picture without alpha one colour may be see-through.
        colour = content[25]
        if b"tRNS" in kinds and colour != _PALETTE:
            return True
        if b"tRNS" not in kinds and colour not in _WITH_ALPHA:
            return False
    elif not content.startswith((b"II*", b"MM\0*", b"RIFF")):
        return False
    image = _decoded(path, content, cv2.IMREAD_UNCHANGED)
    return image.ndim == 3 and image.shape[2] == 4 and bool(image[..., 3].min() < np.iinfo(image.dtype).max)


def read_grey16(path: Path) -> NDArray[np.uint16]:
    """A one-channel picture of 16 bits, e.g. a depth map.

    Raises:
        InputError: It cannot be read, or is something else.
    """
    image = _decode(path, cv2.IMREAD_UNCHANGED)
    if image.dtype != np.uint16 or image.ndim != 2:
        raise InputError(f"{path}: is not a picture of one channel and 16 bits")
    return image


def write_png(path: Path, picture: NDArray[Any]) -> None:
    """Write a picture as PNG.

    Args:
        path: The file.
        picture: `[H, W, 3]` RGB or `[H, W]` grey, uint8 or uint16.

    Raises:
        OutputError: It cannot be written.
    """
    bgr = picture[..., ::-1] if picture.ndim == 3 else picture
    done, data = cv2.imencode(".png", np.ascontiguousarray(bgr), [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])
    if not done:
        raise OutputError(f"{path}: the picture cannot be stored as PNG")
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def _decode(path: Path, flags: int) -> NDArray[Any]:
    return _decoded(path, _content(path), flags)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the name and the disk") from None


def _decoded(path: Path, content: bytes, flags: int) -> NDArray[Any]:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if image is None:
        raise InputError(f"{path}: is not a picture that can be read; check that it opens elsewhere")
    return np.asarray(image)
