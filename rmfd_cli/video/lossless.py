"""Pictures to a file and back without loss: FFV1 in Matroska, the same pictures always as the same bytes.

| pixels             | array                     | FFV1 format |
|--------------------|---------------------------|-------------|
| `rgb8`             | `[H, W, 3]` uint8 RGB     | `bgr0`      |
| `grey16`           | `[H, W]` uint16           | `gray16le`  |
| `rgb16`            | `[H, W, 3]` uint16 RGB    | `gbrp16le`  |

Every frame is a keyframe, so that a reader can begin anywhere. FFmpeg's decoder mends damaged slices silently: whoever needs
to know compares the checksum of the file.
"""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

import av
import numpy as np
from av.codec.context import Flags
from av.error import FFmpegError
from numpy.typing import NDArray

from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.video.location import location

Pixels: TypeAlias = Literal["rgb8", "grey16", "rgb16"]

_FORMATS: dict[Pixels, str] = {"rgb8": "bgr0", "grey16": "gray16le", "rgb16": "gbrp16le"}
_SETTINGS = {"level": "3", "g": "1", "slices": "4", "slicecrc": "1", "coder": "range_tab", "context": "0"}
"""All that FFV1 would otherwise choose by itself, some of it by the number of cores."""


class LosslessWriter:
    """Writes one file of pictures of one kind and size; a context manager.

    After an exception the file is left as it is: whoever chose its place removes it.
    """

    def __init__(self, path: Path, pixels: Pixels, size_px: tuple[int, int], frame_rate: Fraction) -> None:
        """Create the file.

        Args:
            path: The file; one that exists is overwritten.
            pixels: What the pictures are.
            size_px: (width, height).
            frame_rate: Pictures per second.

        Raises:
            OutputError: It cannot be created.
        """
        self._path, self._pixels, self._size = path, pixels, size_px
        self._tick, self._count = 1 / frame_rate, 0
        try:
            self._container = av.open(location(path), "w", format="matroska", container_options={"fflags": "+bitexact"})
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from error
        self._stream = self._container.add_stream("ffv1", rate=frame_rate, options=_SETTINGS)
        self._stream.width, self._stream.height = size_px
        self._stream.pix_fmt = _FORMATS[pixels]
        context = self._stream.codec_context
        context.flags |= int(Flags.bitexact)
        context.thread_count = 1

    def write(self, picture: NDArray[Any]) -> None:
        """Append one picture.

        Raises:
            OutputError: It cannot be written, e.g. because the disk is full.
        """
        width, height = self._size
        shape = (height, width) if self._pixels == "grey16" else (height, width, 3)
        if picture.shape != shape or picture.dtype != (np.uint8 if self._pixels == "rgb8" else np.uint16):
            raise ValueError(f"{self._path}: {picture.dtype} {picture.shape} is not a {self._pixels} picture of {shape}")
        frame = _to_frame(np.ascontiguousarray(picture), self._pixels)
        frame.pts, frame.time_base = self._count, self._tick
        self._count += 1
        try:
            self._container.mux(self._stream.encode(frame))
        except (FFmpegError, OSError) as error:
            raise self._failure(error) from error

    def __enter__(self) -> "LosslessWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Complete the file; after an exception just let go of it.

        Raises:
            OutputError: The end cannot be written.
        """
        if error is not None:
            with contextlib.suppress(FFmpegError, OSError):
                self._container.close()
            return
        try:
            self._container.mux(self._stream.encode())
            self._container.close()
        except (FFmpegError, OSError) as failure:
            raise self._failure(failure) from failure

    def _failure(self, error: Exception) -> OutputError:
        return OutputError(f"{self._path}: cannot be written: {getattr(error, 'strerror', None) or error}")


def read_lossless(path: Path) -> Iterator[NDArray[Any]]:
    """The pictures of a file of `LosslessWriter`, in order, as they were written.

    Args:
        path: The file.

    Yields:
        Arrays of the shape and type in this module's table.

    Raises:
        InputError: It cannot be read, or holds something else.
    """
    names = {name: pixels for pixels, name in _FORMATS.items()}
    try:
        with av.open(location(path)) as container:
            stream = container.streams.video[0]
            if stream.codec_context.name != "ffv1" or stream.codec_context.pix_fmt not in names:
                raise InputError(f"{path}: is not a lossless file of rmfd")
            for frame in container.decode(stream):
                yield _to_array(frame, names[frame.format.name])
    except (FFmpegError, IndexError) as error:
        raise InputError(f"{path}: cannot be read as a lossless file: {error}") from error


def _to_frame(picture: NDArray[Any], pixels: Pixels) -> av.VideoFrame:
    if pixels == "grey16":
        return av.VideoFrame.from_ndarray(picture, format="gray16le")
    if pixels == "rgb16":
        return av.VideoFrame.from_ndarray(picture, format="gbrp16le")
    height, width, _ = picture.shape
    bgr0 = np.zeros((height, width, 4), np.uint8)
    bgr0[..., :3] = picture[..., ::-1]
    frame = av.VideoFrame(width, height, "bgr0")
    plane = frame.planes[0]
    rows = np.zeros((height, plane.line_size), np.uint8)
    rows[:, : 4 * width] = bgr0.reshape(height, 4 * width)
    plane.update(rows.tobytes())
    return frame


def _to_array(frame: av.VideoFrame, pixels: Pixels) -> NDArray[Any]:
    if pixels != "rgb8":
        return frame.to_ndarray()
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: frame.height, : 4 * frame.width]
    return np.ascontiguousarray(rows.reshape(frame.height, frame.width, 4)[..., 2::-1])
