"""Take the rain out of one video: decode, restore and encode side by side, frame i in, frame i out."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmfd_cli.errors import InputError
from rmfd_cli.options import DerainOptions
from rmfd_cli.types import Frame, Restore, Rgb, VideoInfo
from rmfd_cli.video.colour import rotate_upright
from rmfd_cli.video.compose import Compose, as_rgb, as_stored, as_video, composed_size
from rmfd_cli.video.pictures import PictureFolder, PictureReader, PictureRow, PictureWriter
from rmfd_cli.video.pipe import STDIN, Pipe, PipeWriter, check_stdin
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.writer import VideoWriter

QUEUED_FRAMES = 4
"""Between two stages: enough to ride out a slow frame, few enough to keep 4K in memory."""
_POLL_SECONDS = 0.1

LOSSLESS_CODEC = "ffv1"
"""The encoder that takes pictures as they are."""

Item = TypeVar("Item")
Reader: TypeAlias = VideoReader | PictureReader
Writer: TypeAlias = VideoWriter | PictureWriter | PipeWriter
Source: TypeAlias = str | Path | PictureRow | Pipe
Target: TypeAlias = str | Path | PictureFolder | Pipe


@dataclass(frozen=True)
class DerainReport:
    """What was done."""

    target: Path
    frames: int
    """Frames written."""
    seconds: float
    """Wall time."""
    warnings: tuple[str, ...]
    """What could not be kept or read, one line each."""


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    frames: int
    """Frames written so far."""
    frames_estimate: int | None
    """Frames in all, as far as the header tells: it can be wrong."""
    seconds: float
    """Since the start."""


def derain(
    source: Source,
    target: Target,
    restore: Restore,
    options: DerainOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> DerainReport:
    """Write `source` to `target` with `restore` applied to every frame.

    Decoding, restoring and encoding overlap, with a few frames between them, so memory does not grow with length. The
    target appears complete and checked, or not at all; an existing one is kept until then.

    Args:
        source: A video file or its URL, a row of pictures, or stdin.
        target: The file to write, whose suffix chooses the container, a folder for pictures, or stdout.
        restore: The model as a function; it runs in the calling thread.
        options: See there.
        on_progress: Called from the calling thread after every frame that is handed to the encoder.

    Raises:
        InputError: The source cannot be read, holds no frame in the range, or is damaged and not to be salvaged.
        OutputError: The target cannot be written.
        UsageError: Options that do not go together.
        MachineError: ffmpeg or an encoder is missing.
    """
    options = options or DerainOptions()
    began = monotonic()
    with open_source(source, options) as video:
        info = video.info
        with _writer(video, target, options) as writer:
            frames = 0
            expected = frames_in_range(info, options)
            with closing(_run_stages(video, restore, _composer(video, target, options), writer)) as counts:
                for frames in counts:
                    if on_progress:
                        on_progress(Progress(frames, expected, monotonic() - began))
            if not frames:
                raise InputError(f"{info.name}: no frame between --start and --end; the video is shorter")
            if video.damage and not options.salvage:
                raise InputError(f"{info.name}: {video.damage}; pass --salvage to keep the {frames} frames that can be read")
    damage = (f"{info.name}: {video.damage}",) if video.damage else ()
    return DerainReport(_path_of(target), frames, monotonic() - began, (*writer.warnings, *damage))


def _path_of(target: Target) -> Path:
    if isinstance(target, Pipe):
        return Path("-")
    return target.folder if isinstance(target, PictureFolder) else Path(target)


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
def _writer(video: Reader, target: Target, options: DerainOptions) -> Iterator[Writer]:
    if isinstance(target, PictureFolder):
        names = video.names if isinstance(video, PictureReader) else None
        with PictureWriter(target, names, options.overwrite) as pictures:
            yield pictures
        return
    if isinstance(target, Pipe):
        with PipeWriter(video.info, composed_size(video.info, options.compare), target.form) as pipe:
            yield pipe
        return
    film = video if isinstance(video, VideoReader) else None
    with VideoWriter(
        target,
        video.info,
        size_px=composed_size(video.info, options.compare),
        encoding=options.encoding,
        binary=options.ffmpeg,
        overwrite=options.overwrite,
        start_seconds=options.start_seconds if film else None,
        end_seconds=options.end_seconds if film else None,
        deinterlaced=options.deinterlace,
        traits=film.traits if film else None,
    ) as writer:
        writer.warnings += film.left_behind if film else ()
        yield writer


def picture_bits(video: Reader) -> int:
    """How deep pictures have to be to hold the frames of a video: 8 or 16 bits."""
    if isinstance(video, PictureReader):
        return video.bits
    return 8 if video.info.format.bits == 8 else 16


def _composer(video: Reader, target: Target, options: DerainOptions) -> Compose:
    info, strength, compare = video.info, options.strength, options.compare
    if isinstance(target, PictureFolder):
        return as_rgb(info, strength, compare, target.bits or picture_bits(video))
    if isinstance(video, PictureReader):
        return as_video(info, as_rgb(info, strength, compare, 8 if info.format.bits == 8 else 16))
    return as_stored(info, strength, compare)


def piece(source: Source, seconds: float, options: DerainOptions) -> tuple[DerainOptions, str]:
    """Options for a piece of a video: from `start_seconds`, or out of its middle.

    Args:
        source: As of `derain`.
        seconds: How long the piece is.
        options: What is asked for besides.

    Returns:
        The options, and a line that says which piece it is.

    Raises:
        InputError: The source cannot be read.
    """
    if isinstance(source, Pipe):
        check_stdin(seeks=True)
    with open_source(source, replace(options, start_seconds=None, end_seconds=None)) as video:
        whole = video.info.duration_seconds
    start = options.start_seconds
    if start is None:
        start = max(0.0, ((whole or 0.0) - seconds) / 2)
    of = "" if whole is None else f" of {whole:.2f}"
    end = start + seconds if whole is None else max(min(start + seconds, whole), start)
    note = f"{video.info.name}: a preview of second {start:.2f} to {end:.2f}{of}"
    return replace(options, start_seconds=start, end_seconds=start + seconds), note


def _run_stages(video: Reader, restore: Restore, compose: Compose, writer: Writer) -> Generator[int, None, None]:
    """Decode in one thread, restore in this one, compose and encode in a third; yields the count of frames done."""
    stop = threading.Event()
    decoded: _Channel[Frame] = _Channel(stop)
    restored: _Channel[tuple[Frame, NDArray[np.float32]]] = _Channel(stop)
    info = video.info

    def write_all() -> None:
        for frame, residual in restored:
            writer.write(compose(frame, residual), frame.pts)

    stages = [_Stage(lambda: decoded.put_all(video), stop), _Stage(write_all, stop)]
    waiting: deque[Frame] = deque()

    def pictures() -> Iterator[Rgb]:
        for frame in decoded:
            waiting.append(frame)
            yield rotate_upright(frame.rgb, info.rotation_degrees)

    count = 0
    try:
        for stage in stages:
            stage.start()
        for residual in restore(pictures()):
            restored.put((waiting.popleft(), residual))
            count += 1
            yield count
        if waiting:
            raise RuntimeError(f"the model kept back {len(waiting)} of {count + len(waiting)} frames")
        restored.close()
        stages[1].join()
    except _Stopped:
        pass
    finally:
        stop.set()
        for stage in stages:
            stage.join()
    for stage in stages:
        if stage.error is not None:
            raise stage.error


class _Stopped(Exception):  # noqa: N818 - no error: the way out of a stage when another one has failed
    pass


class _Channel(Generic[Item]):
    """A bounded queue between two stages, whose both ends let go once `stop` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._queue: queue.Queue[Item | None] = queue.Queue(QUEUED_FRAMES)
        self._stop = stop

    def put(self, item: Item | None) -> None:
        while True:
            if self._stop.is_set():
                raise _Stopped
            try:
                return self._queue.put(item, timeout=_POLL_SECONDS)
            except queue.Full:
                continue

    def close(self) -> None:
        """Say that nothing follows."""
        self.put(None)

    def put_all(self, items: Iterable[Item]) -> None:
        for item in items:
            self.put(item)
        self.close()

    def __iter__(self) -> Iterator[Item]:
        while True:
            try:
                item = self._queue.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self._stop.is_set():
                    raise _Stopped from None
                continue
            if item is None:
                return
            yield item


class _Stage:
    """A thread whose exception is kept and stops all the others."""

    def __init__(self, work: Callable[[], None], stop: threading.Event) -> None:
        self._work, self._stop = work, stop
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread_started = False
        self.error: BaseException | None = None

    def _run(self) -> None:
        try:
            self._work()
        except _Stopped:
            pass
        except BaseException as error:
            self.error = error
            self._stop.set()

    def start(self) -> None:
        self._thread.start()
        self._thread_started = True

    def join(self) -> None:
        # In slices, so that Ctrl-C is heard.
        while self._thread_started and self._thread.is_alive():
            self._thread.join(_POLL_SECONDS)


def frames_in_range(info: VideoInfo, options: DerainOptions) -> int | None:
    """How many frames lie between start and end, as far as the header tells."""
    if options.start_seconds is None and options.end_seconds is None:
        return info.frame_count_estimate
    end = min((value for value in (options.end_seconds, info.duration_seconds) if value is not None), default=None)
    if end is None or info.frame_rate is None:
        return None
    return max(1, round((end - (options.start_seconds or 0)) * info.frame_rate))
