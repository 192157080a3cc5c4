"""Streams of pictures to disk: a lossless video, or a folder of numbered PNG files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from rmfd_cli.errors import OutputError
from rmfd_cli.synth.layers import SCALES
from rmfd_cli.synth.layouts import frame_name
from rmfd_cli.synth.request import Format
from rmfd_cli.video.images import write_png
from rmfd_cli.video.lossless import LosslessWriter, Pixels

Write: TypeAlias = Callable[[NDArray[Any]], None]


@contextmanager
def stream_writer(path: Path, stream: str, layout: Format, size_px: tuple[int, int], frame_rate: Fraction) -> Iterator[Write]:
    """A function that appends a picture to a stream; the stream is complete when the block ends well.

    Args:
        path: The file (`video`) or folder (all other layouts); missing folders above it are made.
        stream: `rainy`, `clean`, `background`, or a name in `SCALES`.
        layout: Where pictures lie.
        size_px: (width, height).
        frame_rate: Pictures per second.

    Raises:
        OutputError: The disk is full or the place cannot be written to.
    """
    try:
        (path.parent if layout == "video" else path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
    if layout == "video":
        with LosslessWriter(path, pixels_of(stream), size_px, frame_rate) as writer:
            yield writer.write
    else:
        yield _numbered(path, layout)


def pixels_of(stream: str) -> Pixels:
    """How the pictures of a stream are stored."""
    if stream not in SCALES:
        return "rgb8"
    return "grey16" if SCALES[stream].channels == 1 else "rgb16"


def _numbered(folder: Path, layout: Format) -> Write:
    count = 0

    def write(picture: NDArray[Any]) -> None:
        nonlocal count
        write_png(folder / frame_name(count, layout), picture)
        count += 1

    return write
