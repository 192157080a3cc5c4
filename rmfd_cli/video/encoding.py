"""How video is compressed: the encoder's options, its pixel format, and one run of ffmpeg fed with raw frames."""

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np

from rmfd_cli.errors import OutputError, StalledError, UsageError
from rmfd_cli.options import Encoding
from rmfd_cli.types import DEFAULT_FRAME_RATE, PlaneFormat, Planes, VideoInfo
from rmfd_cli.video import hardware
from rmfd_cli.video.colour import native_format
from rmfd_cli.video.ffmpeg import PIPE_BYTES, Encoder, Process

_DEFAULT_CRF = {"libx264": 18.0, "libx265": 20.0, "libvpx-vp9": 24.0, "libaom-av1": 24.0, "libsvtav1": 24.0}
_DEFAULT_SCALE = {**dict.fromkeys(("mpeg1video", "mpeg2video", "mpeg4", "wmv1", "wmv2"), "2"), "libtheora": "9"}
"""Of encoders that have no crf: their own scale of quality, on which they would else keep to a rate for small screens."""
_DEFAULT_PRESET = {"libx264": "veryfast", "libx265": "veryfast"}
_GREY_BYTES = PIPE_BYTES + 100_000
_EVEN_SIZES_ONLY = ("264", "265", "hevc")


_RATE_CONTROL = ("b", "bitrate", "cq", "crf", "global_quality", "lossless", "qp", "rc", "rc_mode")
"""Options that say how good or how large: whoever gives one of them wants no default beside it."""


@dataclass(frozen=True)
class Settings:
    """What is said to ffmpeg about an encoder."""

    codec: str
    """Its name."""
    options: dict[str, Any]
    """Output options."""
    first_options: dict[str, str]
    """Options that come before all others."""
    filters: tuple[str, ...]
    """What the pictures go through last."""
    warnings: tuple[str, ...]
    """What cannot be kept."""


def encoder_settings(encoding: Encoding, encoder: Encoder, source: PlaneFormat, size_px: tuple[int, int]) -> Settings:
    """How ffmpeg has to be told of `encoding`.

    Args:
        encoding: What is asked for; its `hardware` is not looked at.
        encoder: What ffmpeg says of its `codec`.
        source: The format of the frames.
        size_px: (width, height) to encode.

    Raises:
        UsageError: The encoder has no --crf or --preset.
    """
    name = encoding.codec
    options: dict[str, Any] = {"c:v:0": name}
    own_rate = any(key in _RATE_CONTROL for key, _ in encoding.extra)
    if hardware.kind_of(name):
        quality = hardware.default_quality(name) if encoding.crf is None and not own_rate else encoding.crf
        if quality is not None:
            options |= {f"{key}:v:0": value for key, value in hardware.quality_options(name, quality).items()}
    else:
        if encoding.crf is not None and "crf" not in encoder.options:
            raise UsageError(f"the encoder {name} has no --crf")
        quality = _DEFAULT_CRF.get(name) if encoding.crf is None and not own_rate else encoding.crf
        if quality is not None:
            options["crf:v:0"] = f"{quality:g}"
        elif name in _DEFAULT_SCALE and not own_rate:
            options["q:v:0"] = _DEFAULT_SCALE[name]
    if encoding.preset is not None and "preset" not in encoder.options:
        raise UsageError(f"the encoder {name} has no --preset")
    if preset := encoding.preset or _DEFAULT_PRESET.get(name):
        options["preset:v:0"] = preset
    if name in ("libvpx-vp9", "libaom-av1"):
        options["b:v:0"] = "0"
    options |= {f"{key}:v:0": value for key, value in encoding.extra}
    even_only = any(word in name for word in _EVEN_SIZES_ONLY)
    first, filters = hardware.upload(name, source.bits)
    if filters:
        return Settings(name, options, first, filters, ())
    pixel_format, warning = choose_pixel_format(source, size_px, encoder.pixel_formats, even_only)
    return Settings(name, options | {"pix_fmt:v:0": pixel_format}, {}, (), (f"{name} {warning}",) if warning else ())


def choose_pixel_format(
    source: PlaneFormat, size_px: tuple[int, int], offered: tuple[str, ...], even_only: bool
) -> tuple[str, str | None]:
    """The pixel format to encode in, and a warning where it is not the source's.

    The source's own, if the encoder has it. Else one that loses nothing (more bits, finer chroma), the nearest first;
    else the one that loses least. An odd size with subsampled chroma goes to an encoder that only takes even sizes as
    4:4:4, so the size is kept.

    Args:
        source: The format of the frames.
        size_px: (width, height) to encode.
        offered: The encoder's formats; empty if it lists none, which counts as taking everything.
        even_only: Whether the encoder refuses a size that its chroma subsampling does not divide.
    """
    own = source.name
    own_grey = own.startswith("gray")
    shift_x, shift_y = source.chroma_shift
    width, height = size_px
    odd = even_only and bool(width % (1 << shift_x) or height % (1 << shift_y))
    if not odd and (own in offered or not offered):
        return own, None

    def loss(name: str) -> tuple[int | bool, ...]:
        layout = _layout(name)
        assert layout is not None
        (x, y), bits, is_grey = layout
        fits = not even_only or not (width % (1 << x) or height % (1 << y))
        lost_chroma = 0 if own_grey else 4 * is_grey + max(0, x - shift_x) + max(0, y - shift_y)
        added_chroma = 4 - x - y if own_grey and not is_grey else max(0, shift_x - x) + max(0, shift_y - y)
        lost_bits, added_bits = max(0, source.bits - bits), max(0, bits - source.bits)
        return not fits, lost_chroma, lost_bits, name in _RGB, added_chroma, added_bits, name in _SEMI_PLANAR

    candidates = [name for name in offered if _layout(name) is not None]
    if not candidates:
        return own, None
    best = min(candidates, key=loss)
    if not odd and _layout(best) == _layout(own):
        return best, None
    why = f"takes no odd size in {own}" if odd else f"does not take {own}"
    return best, f"{why}: encoded as {best}"


_SEMI_PLANAR = {"nv12": ((1, 1), 8, False), "p010le": ((1, 1), 10, False), "nv16": ((1, 0), 8, False)}
"""Both planes of chroma in one: the same samples in the order that hardware likes."""


_RGB = {"gbrp": ((0, 0), 8, False), "rgb24": ((0, 0), 8, False), "rgb48be": ((0, 0), 16, False), "rgb48le": ((0, 0), 16, False)}
"""For encoders that take nothing else in colour."""


def _layout(name: str) -> tuple[tuple[int, int], int, bool] | None:
    """Chroma shift, bits and greyness of a format that swscale fills; None for those with alpha, and other packed ones."""
    native = native_format(name)
    # A yuvj420p only says full range, which travels as a tag.
    if native is not None and native.name == name:
        return native.chroma_shift, native.bits, name.startswith("gray")
    return _SEMI_PLANAR.get(name) or _RGB.get(name)


def grey(plane_format: PlaneFormat, size_px: tuple[int, int]) -> Planes:
    """A mid-grey picture of `size_px` (width, height)."""
    width, height = size_px
    shift_x, shift_y = plane_format.chroma_shift
    dtype = np.uint8 if plane_format.bits == 8 else np.uint16
    luma = np.full((height, width), 1 << (plane_format.bits - 1), dtype)
    if plane_format.name.startswith("gray"):
        return (luma,)
    chroma = np.full((-(-height >> shift_y), -(-width >> shift_x)), 1 << (plane_format.bits - 1), dtype)
    return luma, chroma, chroma


class Run:
    """One run of ffmpeg, fed with raw frames that carry their own time; a context manager that leaves no process."""

    def __init__(self, command: list[str], source: VideoInfo, size_px: tuple[int, int], stall_seconds: float) -> None:
        """Start `command`, which reads NUT from its stdin.

        Args:
            command: As from `ffmpeg.command`.
            source: For pixel format, time base and nominal rate.
            size_px: (width, height) of the frames.
            stall_seconds: How long ffmpeg may take no data.
        """
        self._process = Process(command, feed=True, stall_seconds=stall_seconds)
        self._time_base, self._format, self._size = source.time_base, source.format, size_px
        try:
            # The index of NUT would grow with the length of the video, and nobody seeks in a pipe.
            self._nut: Any = av.open(self._process, "w", format="nut", options={"write_index": "0"}, buffer_size=1 << 18)
            self._stream: Any = self._nut.add_stream("rawvideo", rate=source.frame_rate or DEFAULT_FRAME_RATE)
            self._stream.width, self._stream.height = size_px
            self._stream.pix_fmt = source.format.name
            self._stream.time_base = self._stream.codec_context.time_base = source.time_base
        except BaseException:
            self.kill()
            raise

    def write(self, planes: Planes, ticks: int) -> None:
        """Give it one frame at `ticks` of the source's time base.

        Raises:
            OutputError: ffmpeg has ended or is stuck; the message holds its own words.
        """
        packet = av.Packet(b"".join([np.ascontiguousarray(plane).data for plane in planes]))
        packet.stream = self._stream
        packet.pts = packet.dts = ticks
        packet.time_base = self._time_base
        packet.is_keyframe = True
        try:
            self._nut.mux(packet)
        except (OutputError, av.FFmpegError) as error:
            raise self._failure(error) from error

    def write_grey(self, rate: Fraction, least_frames: int) -> None:
        """Give it a moment of grey, more than a pipe holds, so that all is written only if somebody reads.

        Args:
            rate: Frames per second, at most.
            least_frames: How many there are to be at least.

        Raises:
            OutputError: As of `write`.
        """
        picture = grey(self._format, self._size)
        frames = max(least_frames, math.ceil(_GREY_BYTES / sum(plane.nbytes for plane in picture)))
        step = max(1, math.ceil(1 / rate / self._time_base))
        for number in range(frames):
            self.write(picture, number * step)

    def finish(self, timeout_seconds: float, target: Path | None = None) -> None:
        """Say that no frame follows, and wait until the file is complete.

        Args:
            timeout_seconds: How long ffmpeg may take.
            target: The file that it writes: the time starts anew whenever it changes, as a long one does for long.

        Raises:
            OutputError: ffmpeg has failed, or does not end.
        """
        try:
            self._nut.close()
        except (OutputError, av.FFmpegError) as error:
            raise self._failure(error) from error
        self._process.close_input()
        if self._process.wait(timeout_seconds, target):
            raise self._failure(None)

    def _failure(self, error: Exception | None) -> OutputError:
        if isinstance(error, StalledError):
            return error
        self._process.close_input()
        try:
            status = self._process.wait(5.0)
        except OutputError as stuck:
            return stuck
        return self._process.failure(status)

    def kill(self) -> None:
        """End ffmpeg at once if it still runs; harmless to repeat."""
        self._process.kill()

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.kill()
