"""Take the rain out of one video: decode, restore and encode side by side, frame i in, frame i out."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rmfd_cli.errors import InputError
from rmfd_cli.options import Compare, DerainOptions
from rmfd_cli.types import Frame, PlaneFormat, Planes, Restore, Rgb, VideoInfo
from rmfd_cli.video.colour import add_residual, rotate_stored, rotate_upright
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.writer import VideoWriter

QUEUED_FRAMES = 4
"""Between two stages: enough to ride out a slow frame, few enough to keep 4K in memory."""
_POLL_SECONDS = 0.1
_LINE_SHARE = 320

Item = TypeVar("Item")


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
    source: str | Path,
    target: str | Path,
    restore: Restore,
    options: DerainOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> DerainReport:
    """Write `source` to `target` with `restore` applied to every frame.

    Decoding, restoring and encoding overlap, with a few frames between them, so memory does not grow with length. The
    target appears complete and checked, or not at all; an existing one is kept until then.

    Args:
        source: A video file.
        target: The file to write; its suffix chooses the container.
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
    with VideoReader(source, options.start_seconds, options.end_seconds) as video:
        writer = VideoWriter(
            target,
            video.info,
            size_px=_target_size(video.info, options.compare),
            encoding=options.encoding,
            binary=options.ffmpeg,
            overwrite=options.overwrite,
            start_seconds=options.start_seconds,
            end_seconds=options.end_seconds,
        )
        with writer:
            frames = 0
            expected = _frames_in_range(video.info, options)
            with closing(_run_stages(video, restore, writer, options)) as counts:
                for frames in counts:
                    if on_progress:
                        on_progress(Progress(frames, expected, monotonic() - began))
            if not frames:
                raise InputError(f"{source}: no frame between --start and --end; the video is shorter")
            if video.damage and not options.salvage:
                raise InputError(f"{source}: {video.damage}; pass --salvage to keep the {frames} frames that can be read")
    damage = (f"{source}: {video.damage}",) if video.damage else ()
    return DerainReport(Path(target), frames, monotonic() - began, (*writer.warnings, *damage))


def _run_stages(
    video: VideoReader, restore: Restore, writer: VideoWriter, options: DerainOptions
) -> Generator[int, None, None]:
    """Decode in one thread, restore in this one, compose and encode in a third; yields the count of frames done."""
    stop = threading.Event()
    decoded: _Channel[Frame] = _Channel(stop)
    restored: _Channel[tuple[Frame, NDArray[np.float32]]] = _Channel(stop)
    info = video.info

    def write_all() -> None:
        for frame, residual in restored:
            residual = np.ascontiguousarray(rotate_stored(residual, info.rotation_degrees))
            planes = frame.planes
            if options.strength:
                planes = add_residual(frame.planes, info.format, info.colour, residual, options.strength)
            if options.compare:
                planes = compare_planes(frame.planes, planes, info, options.compare)
            writer.write(planes, frame.pts)

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


def _frames_in_range(info: VideoInfo, options: DerainOptions) -> int | None:
    if options.start_seconds is None and options.end_seconds is None:
        return info.frame_count_estimate
    end = min((value for value in (options.end_seconds, info.duration_seconds) if value is not None), default=None)
    if end is None or info.frame_rate is None:
        return None
    return max(1, round((end - (options.start_seconds or 0)) * info.frame_rate))


def _target_size(info: VideoInfo, compare: Compare | None) -> tuple[int, int]:
    if compare != "side":
        return info.width_px, info.height_px
    if info.rotation_degrees in (90, 270):
        return info.width_px, 2 * info.height_px
    return 2 * info.width_px, info.height_px


def compare_planes(before: Planes, after: Planes, info: VideoInfo, compare: Compare) -> Planes:
    """One picture out of two: left input, right output, as seen when shown upright.

    Args:
        before: The source's planes.
        after: The restored planes, same shapes.
        info: For format, range and rotation.
        compare: `side` doubles the width; `split` shows the left half of one and the right half of the other, with a
            white line between them.

    Returns:
        Planes in stored orientation.
    """
    turns = info.rotation_degrees // 90
    shift_x = info.format.chroma_shift[turns % 2]
    width = info.height_px if turns % 2 else info.width_px
    white = _white(info.format, info.colour.full_range)
    composed = []
    for index, (first, second) in enumerate(zip(before, after, strict=True)):
        left, right = np.rot90(first, turns), np.rot90(second, turns)
        shift = shift_x if index else 0
        if compare == "side":
            # Two odd widths have one chroma column less than twice one of them has.
            columns = -(-2 * width >> shift)
            picture = np.concatenate([left[:, : columns - right.shape[1]], right], axis=1)
        else:
            middle = (width // 2) >> shift
            thickness = max(2, width // _LINE_SHARE // 2 * 2) >> shift
            picture = right.copy()
            picture[:, :middle] = left[:, :middle]
            picture[:, middle : middle + max(1, thickness)] = white[min(index, 1)]
        composed.append(np.ascontiguousarray(np.rot90(picture, -turns)))
    return tuple(composed)


def _white(plane_format: PlaneFormat, full_range: bool) -> tuple[Any, int]:
    scale: int = 1 << (plane_format.bits - 8)
    return ((1 << plane_format.bits) - 1 if full_range else 235 * scale), 128 * scale
