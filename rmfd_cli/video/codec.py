"""What the video coder of a camera does to a clip: encoded and decoded again in memory, frame by frame.

The coder is set up the way cameras code while they record: each frame is sent before the next one is seen, so there are
I and P frames only and no look-ahead, with an I frame every second (Android's MediaRecorder unless told otherwise:
`mIFramesIntervalSec = 1` in StagefrightRecorder.cpp) and constant quality in place of a constant bit rate. Encoders are
those inside PyAV: its wheels carry x264 and x265.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from typing import Any, Final, Literal, TypeAlias

import av
import cv2
import numpy as np
from av.codec.codec import UnknownCodecError
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from rmfd_cli.errors import InputError, MachineError, UsageError
from rmfd_cli.video.colour import choose_colour, to_planar, to_rgb

Image: TypeAlias = NDArray[np.uint8]
"""`[H, W, 3]` RGB."""
Codec: TypeAlias = Literal["h264", "hevc"]
Chroma: TypeAlias = Literal["420", "444"]

MAX_CRF: Final = 51
KEY_FRAME_INTERVAL_S: Final = 1
MIN_SIZE_PX: Final = 16
"""The least width and height that x265 takes."""
MIN_RATE, MAX_RATE = 0.01, 1000
MAX_RATE_DENOMINATOR: Final = 1001
"""Of the frame rates in use: 30000/1001 and its like."""

ENCODERS: Final[dict[Codec, Literal["libx264", "libx265"]]] = {"h264": "libx264", "hevc": "libx265"}
# superfast is x264's fastest preset that, as the coders of cameras do, deblocks and codes arithmetically.
# Without a pool of threads x265 does not depend on the number of cores.
OPTIONS: Final[dict[Codec, dict[str, str]]] = {
    "h264": {"preset": "superfast", "tune": "zerolatency", "x264-params": "scenecut=0"},
    "hevc": {
        "preset": "superfast",
        "tune": "zerolatency",
        "x265-params": "scenecut=0:pools=none:frame-threads=1:log-level=none",
    },
}


def recompress(
    frames: Iterable[Image], codec: Codec, crf: int, *, frame_rate: Fraction | float, chroma: Chroma = "420"
) -> Iterator[Image]:
    """A clip as it comes out of a camera's coder.

    Each frame comes back before the next one is taken, so memory does not grow with the clip. The same frames give the
    same result on any number of cores. Colours pass through limited-range YCbCr, by BT.709 from 720 lines or 1280
    columns up and by BT.601 below. A size that the coder does not take is extended by repeating the last column and
    line, which are cut off again afterwards.

    Args:
        frames: RGB images of one size; an array `[T, H, W, 3]` will do.
        codec: The standard to code by.
        crf: Constant quality from 0 to 51, lower is better. 0 loses nothing in h264 but the rounding of colours (with
            chroma 444), and a little in hevc.
        frame_rate: Frames per second; it decides how many frames lie between two I frames.
        chroma: 420 halves the resolution of colour both ways, as nearly all cameras do; 444 keeps it.

    Returns:
        An image for each of `frames`, in order and of the same size.

    Raises:
        UsageError: `crf` or `frame_rate` is out of range.
        MachineError: While iterating, PyAV has no such encoder.
        InputError: While iterating, the picture changes its size.
    """
    if not 0 <= crf <= MAX_CRF:
        raise UsageError(f"the quality (crf) to compress with is {crf}; it goes from 0 to {MAX_CRF}")
    if not MIN_RATE <= frame_rate <= MAX_RATE:
        raise UsageError(
            f"the frame rate to compress at is {frame_rate}; it goes from {MIN_RATE} to {MAX_RATE} frames a second"
        )
    rate = Fraction(frame_rate).limit_denominator(MAX_RATE_DENOMINATOR)
    return _recompress(frames, codec, crf, rate, chroma)


def _recompress(frames: Iterable[Image], codec: Codec, crf: int, frame_rate: Fraction, chroma: Chroma) -> Iterator[Image]:
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        return
    pixel_format = f"yuv{chroma}p"
    encoder = _open_encoder(codec, crf, frame_rate, pixel_format)
    encoder.height, encoder.width = (_coded_size_px(length) for length in first.shape[:2])
    pictures = _pictures(chain([first], remaining), encoder, pixel_format)
    packets = (packet for picture in chain(pictures, [None]) for packet in encoder.encode(picture))
    decoder = av.CodecContext.create(codec, "r")
    decoder.thread_count = 1
    reformatter = VideoReformatter()
    for packet in chain(packets, [None]):
        for decoded in decoder.decode(packet):
            rgb = to_rgb(decoded, choose_colour(decoded), reformatter)
            yield rgb[: first.shape[0], : first.shape[1]]


def _open_encoder(codec: Codec, crf: int, frame_rate: Fraction, pixel_format: str) -> VideoCodecContext:
    try:
        encoder = av.CodecContext.create(ENCODERS[codec], "w")
    except UnknownCodecError as error:
        raise MachineError(
            f"this PyAV has no {ENCODERS[codec]}, which compressing as {codec} needs; install its wheel with pip install av"
        ) from error
    encoder.pix_fmt = pixel_format
    encoder.framerate = frame_rate
    encoder.time_base = 1 / frame_rate
    encoder.gop_size = max(1, round(KEY_FRAME_INTERVAL_S * frame_rate))
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), **OPTIONS[codec]}
    return encoder


def _coded_size_px(length_px: int) -> int:
    """The width or height to code a picture at: even, which 4:2:0 asks for, and not too small."""
    return max(MIN_SIZE_PX, length_px + length_px % 2)


def _pictures(frames: Iterable[Image], encoder: VideoCodecContext, pixel_format: str) -> Iterator[av.VideoFrame]:
    """The frames as the encoder takes them, numbered."""
    reformatter = VideoReformatter()
    shape = None
    for number, frame in enumerate(frames):
        shape = shape or frame.shape
        if frame.shape != shape:
            raise InputError(f"frame {number} has the shape {frame.shape}, those before it {shape}; compress them apart")
        below, right = encoder.height - frame.shape[0], encoder.width - frame.shape[1]
        padded: NDArray[Any] = cv2.copyMakeBorder(frame, 0, below, 0, right, cv2.BORDER_REPLICATE)
        picture = av.VideoFrame.from_ndarray(padded, format="rgb24")
        planar = to_planar(picture, pixel_format, choose_colour(picture), reformatter)
        planar.pts, planar.time_base = number, encoder.time_base
        yield planar
