"""Videos whose frames are picture files: read in order, written as PNG, all or nothing."""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Final

import av
import numpy as np

from rmfd_cli.errors import InputError, OutputError, OutputExistsError
from rmfd_cli.types import DEFAULT_FRAME_RATE, Frame, PlaneFormat, Planes, Rgb, VideoInfo
from rmfd_cli.video.colour import choose_colour
from rmfd_cli.video.images import left_out, read_rgb, write_png
from rmfd_cli.video.names import frame_name, holds_pictures

NUMBERED: Final = "%06d.png"
"""How frames are called that have no names of their own."""
# Frames as players like them; gbrp16le holds the pictures' own samples (FFV1 has no gbrp of 8 bits before ffmpeg 8).
_FORMATS: Final = {
    (8, False): PlaneFormat("yuv420p", 8, (1, 1)),
    (16, False): PlaneFormat("yuv420p10le", 10, (1, 1)),
    (8, True): PlaneFormat("gbrp16le", 16, (0, 0)),
    (16, True): PlaneFormat("gbrp16le", 16, (0, 0)),
}


@dataclass(frozen=True)
class PictureRow:
    """A source: pictures that follow one another."""

    pictures: tuple[Path, ...]
    """In order, at least one."""
    frame_rate: Fraction = DEFAULT_FRAME_RATE
    """Frames per second."""


@dataclass(frozen=True)
class PictureFolder:
    """A target: a folder of PNG files."""

    folder: Path
    pattern: str | None = None
    """Names by number from 1, such as `%05d.png`; None for the names of the source's pictures, else `NUMBERED`."""
    bits: int | None = None
    """Depth of a channel, 8 or 16; None for 8 for sources of 8 bits, else 16."""


class PictureReader:
    """Reads a row of pictures like a video; a context manager, iterated once.

    Yields frames without planes, whose `pts` counts from 0 at the first one that is wanted. Transparency is left out.

    Args:
        row: The pictures.
        start_seconds: Yield frames from this time on.
        end_seconds: Yield frames before this time only.
        lossless: Whether a video made of them has to hold their very samples.

    Raises:
        InputError: The first picture cannot be read; while iterating, another one cannot, or differs in size or depth.
    """

    info: VideoInfo
    """What a video made of the pictures is like."""
    bits: int
    """Of a channel of the pictures: 8 or 16."""
    damage: str | None = None
    """As of `VideoReader`: a picture that is broken is an error instead."""
    jump: str | None = None
    """Likewise: pictures are numbered."""
    left_behind: tuple[str, ...]
    """A line for each thing that is lost of the pictures so far."""
    rounding: tuple[str, ...] = ()
    """As of `VideoReader`: what becomes of pictures in a video is asked for."""

    def __init__(
        self, row: PictureRow, start_seconds: float | None = None, end_seconds: float | None = None, lossless: bool = False
    ) -> None:
        first = read_rgb(row.pictures[0])
        self.bits = 8 * first.itemsize
        self.left_behind = left_out(row.pictures[0])
        height, width = first.shape[:2]
        begin = _number(start_seconds or 0.0, row.frame_rate)
        end = len(row.pictures) if end_seconds is None else _number(end_seconds, row.frame_rate)
        self._wanted = row.pictures[begin:end]
        self._like = first
        self.info = VideoInfo(
            name=str(row.pictures[0]),
            path=None,
            width_px=width,
            height_px=height,
            frame_rate=row.frame_rate,
            time_base=1 / row.frame_rate,
            frame_count_estimate=len(row.pictures),
            duration_seconds=float(len(row.pictures) / row.frame_rate),
            format=_FORMATS[self.bits, lossless],
            colour=choose_colour(av.VideoFrame(width, height, "rgb24")),
            sample_aspect_ratio=Fraction(1),
            rotation_degrees=0,
            is_mirrored=False,
            stream_index=0,
            clock_is_arbitrary=False,
        )

    @property
    def names(self) -> list[str]:
        """What the frames that are wanted are called as PNG files."""
        return [picture.with_suffix(".png").name for picture in self._wanted]

    def __enter__(self) -> "PictureReader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def __iter__(self) -> Iterator[Frame]:
        for number, path in enumerate(self._wanted):
            rgb = read_rgb(path)
            self.left_behind += tuple(line for line in left_out(path) if line not in self.left_behind)
            if rgb.shape != self._like.shape or rgb.dtype != self._like.dtype:
                raise InputError(f"{path}: is {_size(rgb)}, the first picture {_size(self._like)}; sort them into folders")
            yield Frame(planes=(), to_rgb=partial(np.asarray, rgb), pts=number)


class PictureWriter:
    """Writes frames as PNG files; a context manager.

    They appear in their folder all at once, when the `with` block has ended well; after any exception none is there.

    Args:
        target: Where to.
        names: What the frames are called; None to number them.
        overwrite: Whether pictures of those names are replaced. No other file is ever touched.
    """

    def __init__(self, target: PictureFolder, names: Sequence[str] | None, overwrite: bool) -> None:
        self.warnings: list[str] = []
        self._folder = Path(os.path.realpath(target.folder))
        self._pattern = target.pattern
        self._names = names if target.pattern is None else None
        self._overwrite = overwrite
        self._written: list[str] = []

    def check(self) -> None:
        """See whether there is room for pictures of their names.

        Raises:
            OutputExistsError: There are pictures already.
            OutputError: The folder has no place, or two would get one name.
        """
        folder = self._folder
        if not folder.parent.is_dir():
            raise OutputError(f"{folder.parent}: no such directory")
        if folder.exists() and not folder.is_dir():
            raise OutputError(f"{folder}: is in the way of a folder of that name; name another")
        if self._names is not None and len(set(self._names)) < len(self._names):
            raise OutputError(f"{folder}: two pictures would get one name; number them, -o '{folder.name}/%05d.png'")
        if folder.is_dir() and not self._overwrite and holds_pictures(folder, self._pattern):
            raise OutputExistsError(f"{folder}: holds pictures already; remove them or pass --overwrite")

    def __enter__(self) -> "PictureWriter":
        """Make a folder beside the one that is meant.

        Raises:
            OutputExistsError: There are pictures already.
            OutputError: The folder cannot be made.
        """
        self.check()
        folder = self._folder
        token = f"rmfd-{secrets.token_hex(4)}"
        # A folder that another file system is mounted at takes nothing from beside it.
        within = folder.is_dir() and (os.path.ismount(folder) or not os.access(folder.parent, os.W_OK))
        self._temporary = folder / f".{token}" if within else folder.with_name(f".{folder.name[:80]}.{token}")
        try:
            self._temporary.mkdir()
        except OSError as error:
            raise OutputError(f"{folder.parent}: cannot be written to: {error.strerror}") from error
        return self

    def write(self, planes: Planes, pts: int) -> None:
        """Write one frame.

        Args:
            planes: One RGB image `[H, W, 3]`, uint8 or uint16.
            pts: Its time, of which a picture knows nothing.

        Raises:
            OutputError: The disk is full or gone.
        """
        number = len(self._written)
        name = frame_name(self._pattern or NUMBERED, number + 1) if self._names is None else self._names[number]
        write_png(self._temporary / name, planes[0])
        self._written.append(name)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Show the pictures under their name, or remove them.

        Raises:
            OutputError: They cannot be moved.
        """
        try:
            if error is None:
                self._publish()
        finally:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def _publish(self) -> None:
        try:
            if not self._folder.exists():
                os.rename(self._temporary, self._folder)
                return
            for name in self._written:
                os.replace(self._temporary / name, self._folder / name)
        except OSError as error:
            raise OutputError(f"{self._folder}: {error.strerror or error}") from error
        others = {path.name for path in self._folder.iterdir() if path.suffix.lower() == ".png"} - set(self._written)
        if others:
            self.warnings.append(f"{self._folder}: holds {len(others)} other PNG files, which are left as they are")


def _number(seconds: float, frame_rate: Fraction) -> int:
    """The first frame at or after a time; `repr` makes 0.04 one 25th, not a little more."""
    return max(0, ceil(Fraction(repr(float(seconds))) * frame_rate))


def _size(rgb: Rgb) -> str:
    return f"{rgb.shape[1]}x{rgb.shape[0]} of {8 * np.dtype(rgb.dtype).itemsize} bits"
