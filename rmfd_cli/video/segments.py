"""A video in segments of so many frames, each whole on the disk before the next one is begun, and joined at the end."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType

from rmfd_cli.errors import OutputError
from rmfd_cli.options import SEGMENT_FRAMES
from rmfd_cli.types import Planes
from rmfd_cli.video.arguments import PROGRAM_OPTIONS, muxer_options
from rmfd_cli.video.checking import Span
from rmfd_cli.video.encoding import Run
from rmfd_cli.video.joining import check_joinable, extradata, join, joined_suffix, piece_suffix
from rmfd_cli.video.work import Work
from rmfd_cli.video.writer import STALL_SECONDS, VideoWriter


class SegmentWriter:
    """Writes the frames that are still missing, for a `VideoWriter` that makes the target of them; a context manager.

    Args:
        work: The folder with what is done.
        writer: Opened with that folder.
        segment_frames: The length of a segment.
    """

    def __init__(self, work: Work, writer: VideoWriter, segment_frames: int = SEGMENT_FRAMES) -> None:
        self._work, self._writer, self._length = work, writer, segment_frames
        self._all = _sum([one.span for one in work.segments])
        self.frames_before = self._all.frames
        """How many frames were done when it was opened."""
        self._run: Run | None = None
        self._path = Path()
        self._span = Span()
        self._remember: Callable[[], bytes] = bytes

    def write(self, planes: Planes, pts: int, remember: Callable[[], bytes]) -> None:
        """Write one frame.

        Args:
            planes: As of `VideoWriter.write`.
            pts: Likewise.
            remember: Gives what the model remembers of the frame.

        Raises:
            OutputError: ffmpeg has failed, or the disk is full.
            UsageError: What is written cannot be joined.
        """
        with self._telling_how_to_go_on():
            if self._run is None:
                if len(done := self._work.segments) == 1:
                    check_joinable(self._work.path / done[0].name)
                self._path = self._new_path(piece_suffix(self._writer.target.suffix))
                self._run, self._span = self._writer.encode_segment(self._path), Span()
            every = self._all.then(pts - self._writer.shift_ticks)
            self._run.write(planes, self._writer.time_in_file(self._all, every))
            self._all, self._span, self._remember = every, self._span.then(every.last_pts), remember
            if self._span.frames == self._length:
                self._end_segment(self._run)

    def _end_segment(self, run: Run) -> None:
        run.finish(STALL_SECONDS, self._path)
        self._writer.secure(self._path, self._span)
        run.kill()
        self._run = None
        done = self._work.segments
        if done and extradata(self._path) != extradata(self._work.path / done[0].name):
            raise OutputError("the encoder gives every segment other headers, so they cannot be joined; leave --resume out")
        self._work.add(self._path, self._span, self._remember())

    def finish(self) -> None:
        """End the last segment, join all, and hand the result to the writer; there has to be a frame.

        Raises:
            OutputError: ffmpeg has failed, or the disk is full.
        """
        with self._telling_how_to_go_on():
            if self._run is not None:
                self._end_segment(self._run)
            pieces = [self._work.path / one.name for one in self._work.segments]
            suffix = joined_suffix(pieces, pieces[0].suffix)
            if len(pieces) > 1 or pieces[0].suffix != suffix:
                path = self._new_path(suffix)
                options = muxer_options(path.suffix, self._writer.time_base)
                join(pieces, path, {name: value for name, value in options.items() if name not in PROGRAM_OPTIONS})
                self._writer.secure(path, self._all)
                pieces = [self._work.replace_all(path, self._all)]
            self._writer.use(pieces[0], self._all)

    @contextlib.contextmanager
    def _telling_how_to_go_on(self) -> Iterator[None]:
        try:
            yield
        except OutputError as error:
            done = sum(one.span.frames for one in self._work.segments)
            kept = f"; {done} frames are kept, and the same command goes on from there" if done else ""
            raise OutputError(f"{self._writer.target}: {error}{kept}") from error

    def _new_path(self, suffix: str) -> Path:
        return self._work.path / f"partial-{secrets.token_hex(4)}{suffix}"

    def __enter__(self) -> "SegmentWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._run is not None:
            self._run.kill()
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def _sum(spans: list[Span]) -> Span:
    if not spans:
        return Span()
    return Span(sum(span.frames for span in spans), spans[0].first_pts, spans[-1].last_pts)
