"""The values that travel through rmfd: what a video is, and one frame of it.

House convention: a *plane image* is numpy, in the source's own YUV code values and bit depth; an *RGB image* is
display-referred (gamma-encoded as in the file), range [0, 1] as float32 or [0, 2^bits - 1] as integers. numpy images are
channels last `[H, W, 3]`, torch images channels first `[..., 3, H, W]`. Time is an integer `pts` in ticks of an exact
`time_base` (seconds per tick), never an index divided by a rate.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Planes: TypeAlias = tuple[NDArray[Any], ...]
"""(Y, Cb, Cr) at their own resolutions, uint8 for 8 bit, uint16 for more; (Y,) for grey."""

DEFAULT_FRAME_RATE = Fraction(25)
"""Where nothing tells of one, as ffmpeg has it."""

Rgb: TypeAlias = NDArray[Any]
"""`[H, W, 3]`, uint8 or uint16 (full 16-bit scale) as decoded, float32 in [0, 1] as restored."""


class Ycc(NamedTuple):
    """What the network sees of a frame, and what it changes: luma, and colour differences at half its resolution."""

    luma: NDArray[np.float32]
    """`[H, W]`: Y, 0 for black and 1 for white."""
    chroma: NDArray[np.float32]
    """`[2, ⌈H/2⌉, ⌈W/2⌉]`: Cb and Cr from -0.5 to 0.5."""


Restore: TypeAlias = Callable[[Iterable[Ycc]], Iterator[Ycc]]
"""A model as a function: upright frames in; for each, in order, its change out, restored minus input. It may take a few frames
more than it has yielded."""

RestoreFrom: TypeAlias = Callable[[Iterable[Ycc], bytes | None], Iterator[tuple[Ycc, Callable[[], bytes]]]]
"""A `Restore` that can go on from the middle of a video: with each residual comes a function that gives the memory after that
frame, in a form that can be stored; it is the second argument for the frames that follow, and None for the first ones."""

Matrix: TypeAlias = Literal["bt601", "bt709", "bt2020"]


@dataclass(frozen=True)
class Colour:
    """How code values stand for colours."""

    matrix: Matrix
    """The YCbCr matrix in force: the stream's tag, or BT.709 from 720 lines or 1280 columns up and BT.601 below."""
    full_range: bool
    """True for full ("pc", JPEG) range; an untagged stream counts as limited ("tv"), untagged grey as full."""
    tag_matrix: int
    tag_primaries: int
    tag_transfer: int
    """The stream's own tags as AVCOL_* numbers, 2 where unspecified: written back as they were, never the guess."""
    tag_range: int
    """Likewise, but 0 where unspecified: the numbers of AVColorRange differ from the others'."""


@dataclass(frozen=True)
class PlaneFormat:
    """The memory layout of a frame's planes."""

    name: str
    """A planar ffmpeg pixel format, e.g. `yuv420p`, `yuv422p10le`, `gray`."""
    bits: int
    """Bits per sample, 8 to 16."""
    chroma_shift: tuple[int, int]
    """log2 of the horizontal and vertical chroma subsampling: (1, 1) for 4:2:0, (0, 0) for 4:4:4."""


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video before its frames are decoded."""

    name: str
    """What to call it: a path as given, a URL without its password."""
    path: str | None
    """Where its other streams are: the file or URL; None for what has none or is read once only (stdin, a live stream)."""
    width_px: int
    height_px: int
    """Size as stored, before any rotation."""
    frame_rate: Fraction | None
    """Nominal frames per second from the header; None where the header has none."""
    time_base: Fraction
    """Seconds per tick of every `pts`."""
    frame_count_estimate: int | None
    """From the header or from duration times rate: for progress only, it can lie."""
    duration_seconds: float | None
    format: PlaneFormat
    colour: Colour
    sample_aspect_ratio: Fraction
    """Width to height of a pixel; 1 where the stream does not say."""
    rotation_degrees: int
    """Counter-clockwise rotation that shows the stored frame upright: 0, 90, 180 or 270."""
    is_mirrored: bool
    """Whether players, once they have turned the picture, swap left and right."""
    stream_index: int
    """Index of the video stream in its container (cover art is never chosen)."""
    clock_is_arbitrary: bool
    """Whether the container's clock starts anywhere, as in transport streams, and should be set to zero."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame, its planes untouched."""

    planes: Planes
    """None of a picture, which has its `rgb` alone."""
    to_rgb: Callable[[], Rgb]
    """Makes `rgb`."""
    pts: int
    """Presentation time in ticks of the video's time base."""

    @cached_property
    def rgb(self) -> Rgb:
        """`[H, W, 3]` uint8 (8-bit sources) or uint16 (more), stored the way the planes are; made when first asked for."""
        return self.to_rgb()


@dataclass(frozen=True)
class SetProgress:
    """How far the work on a data set is."""

    done: int
    """Its parts that are made or have failed."""
    jobs: int
    """Parts in all, without those that were done before."""
    frames: int
    """Frames so far."""
    seconds: float
    """Since the start."""
