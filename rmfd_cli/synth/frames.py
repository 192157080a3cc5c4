"""The pictures of a clean clip: upright 8-bit RGB, one at a time, scaled and cropped as asked."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.errors import InputError
from rmfd_cli.synth.request import LEAST_SIZE_PX
from rmfd_cli.synth.sources import Clip
from rmfd_cli.video.colour import to_8_bits
from rmfd_cli.video.images import read_rgb
from rmfd_cli.video.reader import VideoReader, upright_frames

DEFAULT_FRAME_RATE = Fraction(30)
"""Of folders of frames, and of videos that do not say or whose header is absurd."""
HIGHEST_FRAME_RATE = 1000


class Survey(NamedTuple):
    """What has to be known of a clip before it can rain."""

    frames: int
    size_px: tuple[int, int]
    """(width, height) after scaling and cropping."""
    frame_rate: Fraction
    brightest: float
    """As `brightest_of` says of the first picture."""


def survey(clip: Clip, frames: int | None, size_px: tuple[int, int] | None) -> Survey:
    """Decode a clip once, as far as it is wanted: headers may promise what the file does not hold.

    Args:
        clip: The clip.
        frames: How many frames are wanted; None for all.
        size_px: The size that is wanted; None for its own.

    Raises:
        InputError: It cannot be read, is damaged, is shorter than `frames`, or smaller than 16 pixels.
    """
    count, size, brightest = 0, (0, 0), 0.0
    for picture in islice(read_pictures(clip, size_px), frames):
        if count == 0:
            size, brightest = (picture.shape[1], picture.shape[0]), brightest_of(picture)
        count += 1
    if frames is not None and count < frames:
        raise InputError(f"{clip.path}: has {count} frames, --frames asks for {frames}; take it out or ask for fewer")
    if min(size) < LEAST_SIZE_PX:
        raise InputError(f"{clip.path}: is {size[0]}x{size[1]} pixels, less than {LEAST_SIZE_PX}; give --size or take it out")
    return Survey(count, size, frame_rate(clip), brightest)


def brightest_of(picture: NDArray[np.uint8]) -> float:
    """The value in [0, 1] that one in a hundred of a picture's values exceeds: its lamps, its sky."""
    return float(np.percentile(picture[::4, ::4], 99)) / 255


def frame_rate(clip: Clip) -> Fraction:
    """Frames per second as a video's header says, else `DEFAULT_FRAME_RATE`."""
    if clip.frames:
        return DEFAULT_FRAME_RATE
    with VideoReader(clip.path) as video:
        said = video.info.frame_rate
        return said if said is not None and said <= HIGHEST_FRAME_RATE else DEFAULT_FRAME_RATE


def read_pictures(clip: Clip, size_px: tuple[int, int] | None) -> Iterator[NDArray[np.uint8]]:
    """Every picture of a clip, uint8 RGB `[H, W, 3]`.

    Deeper pictures are rounded to 8 bits before anything else happens to them, so that what is stored is exactly what it
    rained on.

    Raises:
        InputError: It cannot be read, is damaged, or its pictures differ in size.
    """
    first: tuple[int, ...] | None = None
    for picture in _decode(clip):
        first = first or picture.shape
        if picture.shape != first:
            raise InputError(
                f"{clip.path}: the pictures change from {first[1]}x{first[0]} to {picture.shape[1]}x{picture.shape[0]}; "
                "sort them into clips of one size"
            )
        yield fit(to_8_bits(picture), size_px) if size_px else to_8_bits(picture)


def fit(picture: NDArray[Any], size_px: tuple[int, int], interpolation: int | None = None) -> NDArray[Any]:
    """Scale a picture until it just covers a size, then cut off what stands out, the same on opposite sides.

    Args:
        picture: `[H, W, ...]`.
        size_px: (width, height).
        interpolation: of OpenCV; None for areas when shrinking, cubic when enlarging.
    """
    (height, width), (new_width, new_height) = picture.shape[:2], size_px
    factor = max(new_width / width, new_height / height)
    scaled = (max(new_width, round(width * factor)), max(new_height, round(height * factor)))
    if scaled != (width, height):
        method = interpolation if interpolation is not None else (cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
        picture = cv2.resize(picture, scaled, interpolation=method)
    left, top = (scaled[0] - new_width) // 2, (scaled[1] - new_height) // 2
    return np.ascontiguousarray(picture[top : top + new_height, left : left + new_width])


def _decode(clip: Clip) -> Iterator[NDArray[Any]]:
    return map(read_rgb, clip.frames) if clip.frames else upright_frames(clip.path)
