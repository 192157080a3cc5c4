"""The two ends of a run by what they are: files, numbered pictures, pipes; who reads, who writes, what is made of a frame."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from rmfd_cli.options import LOSSLESS_CODEC, DerainOptions
from rmfd_cli.video.compose import Compose, as_rgb, as_stored, as_video, composed_size
from rmfd_cli.video.pictures import PictureFolder, PictureReader, PictureRow, PictureWriter
from rmfd_cli.video.pipe import STDIN, Pipe, PipeWriter, check_stdin
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.traits import PLAIN, Traits, read_traits
from rmfd_cli.video.writer import VideoWriter

Reader: TypeAlias = VideoReader | PictureReader
Writer: TypeAlias = VideoWriter | PictureWriter | PipeWriter
Source: TypeAlias = str | Path | PictureRow | Pipe
Target: TypeAlias = str | Path | PictureFolder | Pipe


def open_source(source: Source, options: DerainOptions) -> Reader:
    """What reads a source between start and end; a context manager.

    Raises:
        InputError: It cannot be read.
    """
    if isinstance(source, PictureRow):
        lossless = options.encoding.codec == LOSSLESS_CODEC
        return PictureReader(source, options.start_seconds, options.end_seconds, lossless)
    if isinstance(source, Pipe):
        check_stdin(seeks=bool(options.start_seconds))
        source = STDIN
    return VideoReader(source, options.start_seconds, options.end_seconds, deinterlace=options.deinterlace)


@contextmanager
def writer_for(video: Reader, target: Target, options: DerainOptions) -> Iterator[Writer]:
    """What writes a target while the `with` block lasts.

    Args:
        video: The source, opened.
        target: What is to be written.
        options: As of `derain`.

    Raises:
        RmfdError: It cannot be written.
    """
    if isinstance(target, PictureFolder):
        with PictureWriter(target, names_of(video), options.overwrite) as pictures:
            pictures.warnings += video.left_behind
            yield pictures
        return
    if isinstance(target, Pipe):
        size, traits = composed_size(video.info, options.compare), traits_in(video, options)
        with PipeWriter(video.info, size, target.form, traits) as pipe:
            pipe.warnings += (*video.left_behind, *video.rounding)
            yield pipe
        return
    with video_writer(video, Path(target), options) as writer:
        yield writer


def video_writer(video: Reader, target: Path, options: DerainOptions, work: Path | None = None) -> VideoWriter:
    """What writes a target, see `VideoWriter`; nothing has been looked at yet.

    Args:
        video: The source, opened.
        target: A video file.
        options: As of `derain`.
        work: As of `VideoWriter`.

    Raises:
        InputError: The source cannot be looked into.
    """
    film = video if isinstance(video, VideoReader) else None
    writer = VideoWriter(
        target,
        video.info,
        size_px=composed_size(video.info, options.compare),
        encoding=options.encoding,
        binary=options.ffmpeg,
        overwrite=options.overwrite,
        start_seconds=options.start_seconds if film else None,
        end_seconds=options.end_seconds if film else None,
        traits=traits_in(video, options),
        work=work,
    )
    writer.warnings += (*video.left_behind, *video.rounding)
    return writer


def names_of(video: Reader) -> list[str] | None:
    """What the frames are called as PNG files; None for numbers."""
    return video.names if isinstance(video, PictureReader) else None


def picture_bits(video: Reader) -> int:
    """How deep pictures have to be to hold the frames of a video: 8 or 16 bits."""
    if isinstance(video, PictureReader):
        return video.bits
    return 8 if video.info.format.bits == 8 else 16


def composer_for(video: Reader, target: Target, options: DerainOptions) -> Compose:
    """What makes of a frame and its change what the target's writer takes; arguments as of `writer_for`."""
    info, strength, compare = video.info, options.strength, options.compare
    if isinstance(target, PictureFolder):
        return as_rgb(info, strength, compare, target.bits or picture_bits(video))
    if isinstance(video, PictureReader):
        return as_video(info, as_rgb(info, strength, compare, 8 if info.format.bits == 8 else 16))
    return as_stored(info, strength, compare)


def traits_in(video: Reader, options: DerainOptions) -> Traits:
    """What the pictures of a source carry, as they are written."""
    if not isinstance(video, VideoReader):
        return PLAIN
    path = video.info.path
    traits = video.traits or (PLAIN if path is None else read_traits(path, video.info.stream_index))
    return replace(traits, field_order=None) if options.deinterlace else traits
