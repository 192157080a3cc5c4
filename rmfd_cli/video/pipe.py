"""Video through stdin and stdout."""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias

import av
import numpy as np

from rmfd_cli.errors import InputError, OutputError, UsageError
from rmfd_cli.types import DEFAULT_FRAME_RATE, PlaneFormat, Planes, VideoInfo
from rmfd_cli.video.colour import upright
from rmfd_cli.video.keeping import lost_inside
from rmfd_cli.video.traits import PLAIN, Traits

PipeFormat: TypeAlias = Literal["y4m", "nut"]

STDIN: Final = "/dev/stdin"
_BT2020: Final = 9
_HDR_TRANSFERS: Final = (16, 18)
"""Of AVCOL_TRC_*: SMPTE ST 2084 (PQ) and ARIB STD-B67 (HLG)."""
_UNEVEN: Final = "frames do not come at one rate, which is all that y4m holds; pass --pipe-format nut"
# Tags as ffmpeg writes and reads them; for more than 8 bits they end in the depth.
_Y4M_TAGS: Final = {"yuv420p": "420jpeg", "yuv422p": "422", "yuv444p": "444", "yuv411p": "411", "gray": "mono"}
_Y4M_DEEP_TAGS: Final = {"yuv420p": "420p", "yuv422p": "422p", "yuv444p": "444p", "gray": "mono"}


@dataclass(frozen=True)
class Pipe:
    """Stdin as a source, stdout as a target."""

    form: PipeFormat = "y4m"
    """Of stdout: `y4m` is understood everywhere but has one frame rate, `nut` carries the time of every frame. What stdin
    holds is found out."""


def check_stdin(seeks: bool) -> None:
    """Refuse a stdin that no video comes from.

    Args:
        seeks: Whether the reader will have to go to a place in the video.

    Raises:
        InputError: It is a terminal, closed, or cannot be opened by name.
        UsageError: It cannot be gone about in.
    """
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        raise InputError("stdin is closed; pipe a video into rmfd, or name a file") from None
    if os.isatty(0):
        raise InputError("stdin is a terminal; pipe a video into rmfd, or name a file")
    if not os.path.exists(STDIN):
        raise InputError(f"this system has no {STDIN}; name a file")
    if seeks and not stat.S_ISREG(mode):
        raise UsageError("--start and --preview need a file, not a pipe; cut before the pipe, e.g. with ffmpeg -ss")


class PipeWriter:
    """Writes one video to stdout, upright; a context manager. While it is open, what else is printed goes to stderr.

    Args:
        source: The video that the frames come from.
        size_px: (width, height) of the frames as stored.
        form: Of the stream.
        traits: What the pictures carry.
    """

    def __init__(self, source: VideoInfo, size_px: tuple[int, int], form: PipeFormat, traits: Traits = PLAIN) -> None:
        self.warnings = lost_in_pipe(source, form, traits)
        self._field_order = traits.field_order
        self._source, self._form = source, form
        self._turns = source.rotation_degrees // 90
        self._width, self._height = size_px[::-1] if self._turns % 2 else size_px
        self._format = _turned(source.format) if self._turns % 2 else source.format
        self._ratio = 1 / source.sample_aspect_ratio if self._turns % 2 else source.sample_aspect_ratio
        self._rate = source.frame_rate or DEFAULT_FRAME_RATE
        self._count = 0
        self._first_pts = 0

    def __enter__(self) -> "PipeWriter":
        """Take stdout and write the header.

        Raises:
            UsageError: Stdout is a terminal, or y4m has no such pixel format.
            OutputError: Nobody reads it.
        """
        if sys.stdout is None:
            raise UsageError("stdout is closed; pipe it into a program, or name a file with -o")
        if os.isatty(1):
            raise UsageError("stdout is a terminal; pipe it into a program, or name a file with -o")
        header = self._y4m_header() if self._form == "y4m" else b""
        self._stdout = _Stdout()
        try:
            if self._form == "y4m":
                self._stdout.write(header)
            else:
                self._open_nut()
        except BaseException:
            self._stdout.give_back()
            raise
        return self

    def _y4m_header(self) -> bytes:
        name, bits = self._format.name, self._format.bits
        tags, ending = (_Y4M_TAGS, "") if bits == 8 else (_Y4M_DEEP_TAGS, str(bits))
        tag = tags.get(name.removesuffix("le").removesuffix(ending) if ending else name)
        if tag is None:
            raise UsageError(f"y4m does not hold {name}; pass --pipe-format nut")
        ratio = self._ratio
        # A quarter of a turn makes columns of the lines that fields are made of.
        fields = "p" if self._field_order is None or self._turns % 2 else self._field_order[0]
        extent = "FULL" if self._source.colour.full_range else "LIMITED"
        return (
            f"YUV4MPEG2 W{self._width} H{self._height} F{self._rate.numerator}:{self._rate.denominator} I{fields} "
            f"A{ratio.numerator}:{ratio.denominator} C{tag}{ending} XCOLORRANGE={extent}\n"
        ).encode()

    def _open_nut(self) -> None:
        self._nut: Any = av.open(self._stdout, "w", format="nut", options={"write_index": "0"}, buffer_size=1 << 18)
        self._stream: Any = self._nut.add_stream("rawvideo", rate=self._rate)
        self._stream.width, self._stream.height = self._width, self._height
        self._stream.pix_fmt = self._format.name
        self._stream.time_base = self._stream.codec_context.time_base = self._source.time_base

    def write(self, planes: Planes, pts: int) -> None:
        """Write one frame.

        Args:
            planes: In the format of the source, as stored.
            pts: Its time in ticks of the source's time base.

        Raises:
            OutputError: Nobody reads any more.
        """
        shown = [np.ascontiguousarray(upright(plane, self._source)) for plane in planes]
        self._first_pts = self._first_pts if self._count else pts
        late = (pts - self._first_pts) * self._source.time_base * self._rate - self._count
        if self._form == "y4m" and abs(late) > Fraction(3, 4) and _UNEVEN not in self.warnings:
            self.warnings.append(_UNEVEN)
        self._count += 1
        data = b"".join([plane.data for plane in shown])
        if self._form == "y4m":
            self._stdout.write(b"FRAME\n" + data)
            return
        packet = av.Packet(data)
        packet.stream = self._stream
        packet.pts = packet.dts = pts - self._first_pts
        packet.time_base = self._source.time_base
        packet.is_keyframe = True
        with _reader_gone():
            self._nut.mux(packet)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give stdout back.

        Raises:
            OutputError: Nobody reads any more.
        """
        try:
            if error is None and self._form == "nut":
                with _reader_gone():
                    self._nut.close()
        finally:
            self._stdout.give_back()


class _Stdout:
    """Stdout as a file of bytes, taken away from all else that prints, which goes to stderr."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._descriptor = os.dup(1)
        os.dup2(2, 1)

    def write(self, data: bytes) -> int:
        """Write all of it.

        Raises:
            OutputError: Nobody reads any more.
        """
        # A muxer that is given up still wants to write its end.
        left = memoryview(data if self._descriptor >= 0 else b"")
        try:
            while left:
                left = left[os.write(self._descriptor, left) :]
        except OSError as error:
            raise OutputError(f"stdout: cannot be written to any more: {error.strerror}") from error
        return len(data)

    def give_back(self) -> None:
        """Whoever reads it is to see the end of the video: nothing may keep it open."""
        os.dup2(self._descriptor, 1)
        os.close(self._descriptor)
        self._descriptor = -1


@contextmanager
def _reader_gone() -> Iterator[None]:
    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise OutputError("stdout: nobody reads it any more") from error


def lost_in_pipe(source: VideoInfo, form: PipeFormat, traits: Traits) -> list[str]:
    """A line for each thing that is known of the pictures and goes through no pipe of this form.

    Raises:
        InputError: As of `lost_inside`.
    """
    lost = lost_inside(source.name, traits)
    if traits.hdr is not None:
        lost.append("HDR metadata (mastering display, content light level) goes through no pipe and is left out")
    if source.colour.tag_transfer in _HDR_TRANSFERS or source.colour.tag_primaries == _BT2020:
        lost.append("neither y4m nor nut says that colours are those of BT.2020, PQ or HLG: tell the reader")
    if form == "nut" and source.colour.full_range and not source.format.name.startswith("gray"):
        lost.append("nut does not say that code values have full range: tell its reader, as in ffmpeg -color_range pc -i -")
    if form == "nut" and (shape := source.sample_aspect_ratio) != 1:
        lost.append(f"nut does not say that pixels are {shape.numerator}:{shape.denominator}: tell its reader, or pass y4m")
    return lost


def _turned(plane_format: PlaneFormat) -> PlaneFormat:
    """The format of planes that are turned by a quarter."""
    shift_x, shift_y = plane_format.chroma_shift
    if shift_x == shift_y:
        return plane_format
    names = {"422": "440", "440": "422"}
    digits = plane_format.name[3:6]
    if digits not in names:
        raise UsageError(f"{plane_format.name} cannot be turned upright for a pipe; name a file with -o")
    name = plane_format.name.replace(digits, names[digits], 1)
    return PlaneFormat(name, plane_format.bits, (shift_y, shift_x))
