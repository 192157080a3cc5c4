"""Take the rain out of one video: decode, restore and encode side by side, frame i in, frame i out."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import TypeVar

from rmfd_cli import __version__
from rmfd_cli.errors import InputError, UsageError
from rmfd_cli.options import SEGMENT_FRAMES, DerainOptions, seconds_after
from rmfd_cli.stages import Channel, Spent, Stage, Stopped, spending, spending_on_each
from rmfd_cli.types import Frame, Restore, RestoreFrom, VideoInfo, Ycc
from rmfd_cli.video.compose import composed_size
from rmfd_cli.video.containers import coded_for
from rmfd_cli.video.ends import Reader, Source, Target, Writer, composer_for, open_source, video_writer, writer_for
from rmfd_cli.video.ffmpeg import find_ffmpeg, version
from rmfd_cli.video.keeping import left_out
from rmfd_cli.video.location import is_url, shown_name
from rmfd_cli.video.pictures import PictureFolder
from rmfd_cli.video.pipe import Pipe, check_stdin
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.segments import SegmentWriter
from rmfd_cli.video.trial import choose_encoder
from rmfd_cli.video.work import Work, file_identity
from rmfd_cli.video.writer import VideoWriter
from rmfd_cli.video.ycc import seen

QUEUED_FRAMES = 4
"""Between two stages: enough to ride out a slow frame."""
QUEUED_PX = 1 << 21
"""Large frames queue up to so many pixels only: with its change, one of 4K takes 140 MB."""

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
    frames_before: int = 0
    """How many of the frames an earlier run had done."""


@dataclass(frozen=True)
class Progress:
    """How far it is."""

    frames: int
    """Frames written so far."""
    frames_estimate: int | None
    """Frames in all, as far as the header tells: it can be wrong."""
    seconds: float
    """Since the start."""
    frames_before: int = 0
    """How many of the frames an earlier run had done."""


def derain(
    source: Source,
    target: Target,
    restore: Restore,
    options: DerainOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    spent: Spent | None = None,
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
        spent: Where to add the time that decoding and encoding take.

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
        with writer_for(video, target, options) as writer:
            frames = 0
            expected = frames_in_range(info, options)
            compose = composer_for(video, target, options)

            def write(frame: Frame, change: Ycc) -> None:
                writer.write(compose(frame, change), frame.pts)

            with closing(_run_stages(video, info, restore, write, spent)) as counts:
                for frames in counts:
                    if on_progress:
                        on_progress(Progress(frames, expected, monotonic() - began))
            _check_end(video, frames, options)
            if isinstance(writer, VideoWriter):
                writer.hold_last(_last_ticks(video))
    return DerainReport(_path_of(target), frames, monotonic() - began, (*writer.warnings, *_remarks(video, writer)))


def derain_in_segments(
    source: Source,
    target: Target,
    restore: RestoreFrom,
    model: Mapping[str, str],
    options: DerainOptions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    segment_frames: int = SEGMENT_FRAMES,
    spent: Spent | None = None,
) -> DerainReport:
    """As `derain`, but what is done outlives the process, however it ends: the same call goes on from the last whole segment.

    Until the target is there, its segments are in a hidden folder beside it. Frames and times are the same as if it had never
    been interrupted; those that are done are decoded again, since only so are the others certain to be the same.

    Args:
        source: As of `derain`; a video file that can be read again.
        target: Likewise.
        restore: The model as a function that can go on.
        model: What decides its results, by name, such as the hash of the weights.
        options: See there. `overwrite` also throws away the work of a call with other arguments.
        on_progress: As of `derain`.
        segment_frames: How many frames may have to be done again.
        spent: As of `derain`.

    Raises:
        UsageError: No video files, or the folder holds the work of a call with other arguments.
        RmfdError: As of `derain`; what is done is kept.
    """
    options = options or DerainOptions()
    began = monotonic()
    if not isinstance(source, str | Path) or not isinstance(target, str | Path):
        raise UsageError("--resume is for video files, not for pipes and pictures; leave it out")
    if is_url(source):
        raise UsageError(f"{shown_name(source)}: --resume is for video files, not for URLs; leave it out, or download it first")
    with open_source(source, options) as video:
        info = video.info
        if info.path is None:
            raise UsageError(f"{info.name}: --resume is for files that can be read again; leave it out, or copy it into one")
        identity = _identity(info, info.path, Path(target), model, options, segment_frames)
        work = Work(Path(target), identity, options.overwrite)
        with (
            work,
            video_writer(video, Path(target), options, work.path) as writer,
            SegmentWriter(work, writer, segment_frames) as segments,
        ):
            frames = before = segments.frames_before
            expected = frames_in_range(info, options)
            compose, memory = composer_for(video, target, options), work.memory()

            def write(frame: Frame, restored: tuple[Ycc, Callable[[], bytes]]) -> None:
                change, remember = restored
                segments.write(compose(frame, change), frame.pts, remember)

            missing = islice(video, before, None)
            with closing(_run_stages(missing, info, lambda pictures: restore(pictures, memory), write, spent)) as counts:
                for count in counts:
                    frames = before + count
                    if on_progress:
                        on_progress(Progress(frames, expected, monotonic() - began, before))
            _check_end(video, frames, options)
            segments.finish()
            writer.hold_last(_last_ticks(video))
    return DerainReport(Path(target), frames, monotonic() - began, (*writer.warnings, *_remarks(video, writer)), before)


def _identity(
    info: VideoInfo, path: str, target: Path, model: Mapping[str, str], options: DerainOptions, segment_frames: int
) -> dict[str, str]:
    """What decides the frames of a target, by name."""
    asked = asdict(options)
    # Whatever these say, the frames are the same.
    for name in ("overwrite", "salvage", "ffmpeg"):
        del asked[name]
    asked |= asked.pop("encoding")
    asked["extra"] = " ".join(f"{name}={value}" for name, value in options.encoding.extra)
    binary = find_ffmpeg(options.ffmpeg)
    # Which one --hw auto takes may be another one tomorrow.
    encoding = coded_for(target, options.encoding)
    encoder = choose_encoder(binary, encoding, info.format, composed_size(info, options.compare)).codec
    made_by = {"rmfd": __version__, "ffmpeg": version(binary), "target": target.name, "segment": f"{segment_frames} frames"}
    made_by["encoder"] = encoder
    return {**file_identity(path), **made_by, **model, **{name: str(value) for name, value in asked.items()}}


def _check_end(video: Reader, frames: int, options: DerainOptions) -> None:
    if not frames:
        raise InputError(f"{video.info.name}: no frame between --start and --end; the video is shorter")
    if video.damage and not options.salvage:
        raise InputError(f"{video.info.name}: {video.damage}; pass --salvage to keep the {frames} frames that can be read")


def _last_ticks(video: Reader) -> int:
    return video.last_ticks if isinstance(video, VideoReader) else 0


def _remarks(video: Reader, writer: Writer) -> tuple[str, ...]:
    """What is known of a video once all of it has been seen, and not before."""
    found = list(video.left_behind)
    if isinstance(video, VideoReader):
        found += left_out(video.inside, video.is_interlaced)
    remarks = (f"{video.info.name}: {text}" for text in (video.damage, video.jump) if text)
    return (*(line for line in found if line not in writer.warnings), *remarks)


def _path_of(target: Target) -> Path:
    if isinstance(target, Pipe):
        return Path("-")
    return target.folder if isinstance(target, PictureFolder) else Path(target)


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
    stop = seconds_after(start, seconds)
    end = stop if whole is None else max(min(stop, whole), start)
    note = f"{video.info.name}: a preview of second {start:.2f} to {end:.2f}{of}"
    return replace(options, start_seconds=start, end_seconds=stop), note


def _run_stages(
    frames: Iterable[Frame],
    info: VideoInfo,
    restore: Callable[[Iterator[Ycc]], Iterator[Item]],
    write: Callable[[Frame, Item], None],
    spent: Spent | None,
) -> Generator[int, None, None]:
    """Decode in one thread, restore in this one, compose and encode in a third; yields the count of frames done."""
    stop = threading.Event()
    length = max(1, min(QUEUED_FRAMES, QUEUED_PX // (info.width_px * info.height_px)))
    decoded: Channel[Frame] = Channel(stop, length)
    restored: Channel[tuple[Frame, Item]] = Channel(stop, length)

    def write_all() -> None:
        for frame, item in restored:
            with spending(spent, "encode"):
                write(frame, item)

    stages = [Stage(lambda: decoded.put_all(spending_on_each(spent, "decode", frames)), stop), Stage(write_all, stop)]
    waiting: deque[Frame] = deque()

    def pictures() -> Iterator[Ycc]:
        for frame in decoded:
            waiting.append(frame)
            yield seen(frame, info)

    count = 0
    try:
        for stage in stages:
            stage.start()
        for item in restore(pictures()):
            restored.put((waiting.popleft(), item))
            count += 1
            yield count
        if waiting:
            raise RuntimeError(f"the model kept back {len(waiting)} of {count + len(waiting)} frames")
        restored.close()
        stages[1].join()
    except Stopped:
        pass
    finally:
        stop.set()
        for stage in stages:
            stage.join()
    for stage in stages:
        if stage.error is not None:
            raise stage.error


def frames_in_range(info: VideoInfo, options: DerainOptions) -> int | None:
    """How many frames lie between start and end, as far as the header tells."""
    if options.start_seconds is None and options.end_seconds is None:
        return info.frame_count_estimate
    end = min((value for value in (options.end_seconds, info.duration_seconds) if value is not None), default=None)
    if end is None or info.frame_rate is None:
        return None
    return max(1, round((end - (options.start_seconds or 0)) * info.frame_rate))
