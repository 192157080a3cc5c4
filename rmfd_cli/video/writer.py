"""Frames to file: encode planes with ffmpeg, every other stream of the source copied beside them, all or nothing."""

import contextlib
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from rmfd_cli.errors import OutputError, OutputExistsError
from rmfd_cli.options import Encoding
from rmfd_cli.types import DEFAULT_FRAME_RATE, Planes, VideoInfo
from rmfd_cli.video import arguments, ffmpeg
from rmfd_cli.video.checking import Found, Span, check_frames, stream_kinds
from rmfd_cli.video.containers import coded_for, container_of
from rmfd_cli.video.encoding import Run, Settings
from rmfd_cli.video.keeping import denies_full_range, lost_in_target, lost_inside
from rmfd_cli.video.location import NETWORK_SECONDS, is_url
from rmfd_cli.video.matroska import tag_full_range
from rmfd_cli.video.place import check_target, create_temporary
from rmfd_cli.video.steady import moved_sound, steady_for
from rmfd_cli.video.streams import companions, missing_tracks, unfit, unpacked
from rmfd_cli.video.traits import PLAIN, Traits
from rmfd_cli.video.trial import choose_encoder

STALL_SECONDS = 120.0
"""An encoder that takes no data for so long is given up, and one that has them all and adds nothing to its file."""
_MISSED_SECONDS = Fraction(1, 2)
"""Of the last frame's time: so much is missed, in a row of slides or a recorded screen."""
_PROBE_STALL_SECONDS = 8.0
_PROBE_SECONDS = 60.0
_PROBE_FRAMES = 12
"""Of containers that are not known from their beginning alone."""

_HINT = "; .mkv takes nearly every kind of stream"
# What muxers say of a stream that they have no place for.
_MISFIT = ("supported", "Unsupported", "implemented", "Could not find tag")


class VideoWriter:
    """Writes one video; a context manager.

    The target appears under its name only when the `with` block has ended well and the file has been read back and
    checked; after any exception no trace is left. Times are those of the source, to one tick; audio, subtitles,
    attachments, chapters and metadata come from the source. `warnings` names what could not be kept; `shift_ticks` is what
    is taken off every time.

    Example:
        >>> with VideoReader("in.mp4") as video, VideoWriter("out.mp4", video.info) as writer:  # doctest: +SKIP
        ...     for frame in video:
        ...         writer.write(frame.planes, frame.pts)
    """

    def __init__(
        self,
        target: str | Path,
        source: VideoInfo,
        *,
        size_px: tuple[int, int] | None = None,
        encoding: Encoding | None = None,
        binary: str | None = None,
        overwrite: bool = False,
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        traits: Traits = PLAIN,
        stall_seconds: float = STALL_SECONDS,
        work: Path | None = None,
    ) -> None:
        """Say what to write; nothing happens before the `with` block is entered.

        Args:
            target: The file to write; its suffix chooses the container.
            source: The video that the frames and the other streams come from.
            size_px: (width, height) as stored, where it is not that of the source.
            encoding: How to compress.
            binary: The ffmpeg to use, see `find_ffmpeg`.
            overwrite: Whether an existing target may be replaced.
            start_seconds: Where the source was cut; becomes time 0 of the target, audio included.
            end_seconds: The other end of the cut.
            traits: What the pictures carry, see `read_traits`.
            stall_seconds: How long the encoder may take no data before it is given up.
            work: A folder on the target's disk for the temporary file, if the video is to come from `encode_segment` and
                `use` instead of `write`.
        """
        self.warnings: list[str] = []
        self.target = Path(os.path.realpath(target))
        self._source, self.time_base = source, source.time_base
        self._width, self._height = size_px or (source.width_px, source.height_px)
        self._encoding = encoding or Encoding()
        self._binary_wish = binary
        self._overwrite = overwrite
        self._start_seconds, self._end_seconds = start_seconds, end_seconds
        self._is_cut = start_seconds is not None or end_seconds is not None
        self._traits = traits
        self._stall_seconds = stall_seconds
        self._work = work
        self._covers: tempfile.TemporaryDirectory[str] | None = None
        self._temporary: Path | None = None
        self._run: Run | None = None
        self._written = Span()
        self._joined: Path | None = None
        self._last_ticks = 0

    def __enter__(self) -> "VideoWriter":
        """Check everything that can be checked without a frame, and start ffmpeg.

        Raises:
            UsageError: No such container, or options that do not go together.
            OutputExistsError: The target exists, or is the source.
            OutputError: The target cannot be written, ffmpeg refuses encoder, options or streams, or the target would not
                keep the source's HDR metadata.
            InputError: The source's colours are right only with data that no encoder writes.
            MachineError: No ffmpeg, or no such encoder.
        """
        self._container = container_of(self.target)
        check_target(self.target, self._source.path, self._overwrite)
        self._binary = ffmpeg.find_ffmpeg(self._binary_wish)
        encoding, size = coded_for(self.target, self._encoding), (self._width, self._height)
        self._settings = choose_encoder(self._binary, encoding, self._source.format, size)
        self.warnings += self._settings.warnings
        self._companions = companions(self._source, self._container)
        between = self._start_seconds, self._end_seconds
        self._steady = steady_for(self.target, self._settings.codec, self._source, *between)
        self.warnings += moved_sound(self.target, self._companions, self._start_seconds)
        self.shift_ticks = arguments.shift_of(self._source, self._companions, self._start_seconds)
        self._temporary = create_temporary(self._work or self.target.parent, self.target)
        try:
            self._covers = unpacked(self._companions.covers)
            made = self._probe()
            if self._container.shifts_times and (kind := unfit(stream_kinds(made), self._companions)):
                raise OutputError(f"{self.target}: the codec of its {kind} does not fit{_HINT}")
            self.warnings += (*self._companions.warnings, *lost_inside(self._source.name, self._traits))
            self.warnings += lost_in_target(self._temporary, self.target, self._settings.codec, self._source, self._traits)
            if self._work is None:
                self._run = self._encode(self._command())
        except BaseException:
            self._discard()
            raise
        return self

    def tried(self) -> tuple[Settings, dict[str, int]]:
        """Do all that `__enter__` does, and leave nothing behind.

        Returns:
            How the video would be encoded, and how many streams of each kind would be in the target.

        Raises:
            RmfdError: As of `__enter__`.
        """
        self.__enter__()
        self._discard()
        return self._settings, self._companions.counts

    def _command(
        self, probe: bool = False, joined: Path | None = None, filters: str | None = None, into: Path | None = None
    ) -> list[str]:
        """What makes the target: encodes frames from stdin, or copies the video of `joined`, through filters of packets."""
        info, along = self._source, self._companions
        tick = info.time_base
        metadata = "-1" if info.path is None else "1"
        target: dict[str, Any] = {
            "c": "copy",
            **({} if joined else self._encoding_options()),
            **arguments.companion_options(along, self._covers.name if self._covers else ""),
            **arguments.muxer_options(self.target.suffix, tick),
            "map_metadata": metadata,
            "map_chapters": metadata,
            "disposition:v:0": "default",
            "max_muxing_queue_size": "9999",
        }
        of_video, of_file = arguments.tags_from(along, self._start_seconds, info.frame_rate)
        some = {"bsf:v:0": filters, "metadata:s:v:0": of_video, "metadata": of_file}
        target |= {name: value for name, value in some.items() if value}
        if arguments.is_mp4(self.target.suffix):
            target["movflags"] = "+faststart+use_metadata_tags" if along.has_foreign_tags else "+faststart"
        source: dict[str, Any] = {}
        if info.path is not None and is_url(info.path):
            source |= {"rw_timeout": round(NETWORK_SECONDS * 1e6), "reconnect": "1", "reconnect_delay_max": "2"}
        if self.shift_ticks:
            source["itsoffset"] = arguments.in_seconds(-self.shift_ticks * tick)
        if self._start_seconds and info.path is not None:
            source["ss"] = arguments.in_seconds(self.shift_ticks * tick - along.source_start_seconds)
            target["copypriorss"] = "0"
        if probe:
            source["t"] = "1"
        elif self._end_seconds is not None and info.path is not None:
            # For the sound. It must never cut the video: ffmpeg 9 may then wait for its own pipe for ever.
            end = along.video_start_seconds + Fraction(self._end_seconds) - self.shift_ticks * tick
            target["t"] = arguments.in_seconds(end + max(tick, Fraction(1, 1000)))
        pictures = arguments.picture_options(self._binary, info, self._traits)
        first = {} if joined else self._settings.first_options
        path, stills = str(into or self._temporary), along.pictures if self._is_cut else ()
        return ffmpeg.command(self._binary, pictures, info.path, source, along.streams, path, target, first, joined, stills)

    def _encoding_options(self) -> dict[str, Any]:
        tick = 1 / self._steady.rate if self._steady else self.time_base
        return arguments.encoding_options(
            self._settings, self._source, self._traits, self._height, tick, self._container.in_order
        )

    def _probe(self) -> Path:
        """Let ffmpeg encode and mux a moment of grey: what it refuses, it refuses now, not after hours."""
        data = len(self._companions.data_streams)
        try:
            made = self._probe_once()
            # Some muxers leave out what they do not know without a word.
            if not data or stream_kinds(made).count("data") >= data:
                return made
        except OutputError:
            if not data:
                raise
        self._companions = self._companions.without_data()
        return self._probe_once()

    def _probe_once(self) -> Path:
        assert self._temporary is not None
        rates = [self._source.frame_rate, self._steady.rate if self._steady else None]
        # Not closer than the frames themselves, or than the target's clock can tell apart.
        rate = min([DEFAULT_FRAME_RATE, *(rate for rate in rates if rate)])
        least = _PROBE_FRAMES if self._container.shifts_times else 1
        with Run(self._command(probe=True), self._source, (self._width, self._height), _PROBE_STALL_SECONDS) as run:
            try:
                run.write_grey(rate, least)
                run.finish(_PROBE_SECONDS)
            except OutputError as error:
                is_misfit = self.target.suffix.lower() != ".mkv" and any(word in str(error) for word in _MISFIT)
                raise OutputError(f"{self.target}: {error}{_HINT if is_misfit else ''}") from error
        if not self._temporary.stat().st_size:
            raise OutputError(f"{self.target}: {self._binary} ended without an error and without a file")
        self._put_right(self._temporary)
        return self._temporary

    def _put_right(self, written: Path) -> None:
        """Say of a file what ffmpeg could not be made to say."""
        if self.target.suffix.lower() == ".mkv" and denies_full_range(self._settings.codec, self._source):
            tag_full_range(written)

    def write(self, planes: Planes, pts: int) -> None:
        """Write one frame.

        Args:
            planes: In the format of the source, of `size_px`.
            pts: Its time in ticks of the source's time base; one that does not grow is moved up by a tick.

        Raises:
            OutputError: ffmpeg has failed, e.g. on a full disk; the message holds its own words.
        """
        if self._run is None:
            self._run = self._encode(self._command())
        once = self._source.path is None
        if not self._written.frames and once and (self._start_seconds or self._source.clock_is_arbitrary):
            self.shift_ticks = pts
        written = self._written.then(pts - self.shift_ticks)
        try:
            self._run.write(planes, self.time_in_file(self._written, written))
        except OutputError as error:
            raise OutputError(f"{self.target}: {error}") from error
        self._written = written

    def hold_last(self, ticks: int) -> None:
        """Say how long the last frame is shown, in ticks of the source's time base; 0 if nobody knows."""
        self._last_ticks = ticks

    def time_in_file(self, before: Span, written: Span) -> int:
        """The time that the last of the frames `written` is given, which is its own where the container holds any.

        Args:
            before: All frames before it.
            written: With it.

        Raises:
            OutputError: The container holds one frame rate only, and it does not come where the next frame would.
        """
        if self._steady is None:
            return written.last_pts
        first = written.first_pts
        last = self._steady.number(before.last_pts, first) if before.frames else -1
        return self._steady.ticks(self._steady.next_number(written.last_pts, first, last), first)

    def _encode(self, command: list[str]) -> Run:
        return Run(command, self._source, (self._width, self._height), self._stall_seconds)

    def encode_segment(self, path: Path) -> Run:
        """Encode some of the frames into a file of their own, as they would be in the target; times as `Run` takes them.

        Args:
            path: The file, whose suffix is one of those that hold every time.
        """
        options = {**self._encoding_options(), **arguments.muxer_options(path.suffix, self.time_base)}
        pictures = arguments.picture_options(self._binary, self._source, self._traits)
        first = self._settings.first_options
        return self._encode(ffmpeg.command(self._binary, pictures, None, {}, (), str(path), options, first))

    def secure(self, path: Path, meant: Span) -> None:
        """Check a file of segments and bring it to the disk.

        Raises:
            OutputError: It is not what was written, or the disk is full.
        """
        check_frames(path, meant, self.time_base)
        with path.open("rb") as file:
            os.fsync(file.fileno())

    def use(self, joined: Path, written: Span) -> None:
        """Take the video from a file of segments.

        Args:
            joined: A file that stays until the `with` block has ended.
            written: What is in it.
        """
        self._joined, self._written = joined, written

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        """Finish, check and publish the file, or remove it.

        Raises:
            OutputError: The encoder failed at the end, or the file is not what was written.
        """
        try:
            if error is None:
                self._publish()
        finally:
            self._discard()

    def _publish(self) -> None:
        assert self._temporary is not None
        if not self._written.frames:
            raise OutputError(f"{self.target}: no frame was written")
        try:
            if self._joined is None:
                assert self._run is not None
                self._run.finish(self._stall_seconds, self._temporary)
            else:
                ffmpeg.run(self._command(joined=self._joined), self._stall_seconds, self._temporary)
            self._put_right(self._temporary)
            if self._joined is not None:
                lost = lost_in_target(self._temporary, self.target, self._settings.codec, self._source, self._traits)
                self.warnings += [line for line in lost if line not in self.warnings]
            found = self._check(self._temporary)
            if self._ends_early(found):
                found = self._with_end(found)
            self.warnings += missing_tracks(found.kinds, self._companions, self._source, self._is_cut)
            with self._temporary.open("rb") as file:
                os.fsync(file.fileno())
            if self.target.exists() and not self._overwrite:
                raise OutputExistsError("appeared while it was being made; it is left as it is")
            os.replace(self._temporary, self.target)
        except OutputError as error:
            raise type(error)(f"{self.target}: {error}") from error
        except OSError as error:
            raise OutputError(f"{self.target}: {error.strerror or error}") from error

    def _check(self, path: Path) -> Found:
        held = self._container
        return check_frames(path, self._written, self.time_base, held.shifts_times, held.in_order)

    def _ends_early(self, found: Found) -> bool:
        """Whether the last frame is shown for much less time than in the source, of which encoders are not told."""
        usual = found.last_seconds or 1 / (self._source.frame_rate or DEFAULT_FRAME_RATE)
        return self._last_ticks * self.time_base > usual + _MISSED_SECONDS

    def _with_end(self, found: Found) -> Found:
        """The file once more, its packets as they are, with the last frame shown as long as in the source."""
        assert self._temporary is not None
        shown = self._last_ticks * self.time_base
        filters = arguments.longer_end(self.target.suffix, self._written.last_pts * self.time_base, shown)
        told = f"the last frame is shown for {float(shown):.2f} s in the source, and for less in the target"
        # A muxer that copies would number a time code by another rate.
        if filters is None or self._companions.has_time_code:
            self.warnings.append(told)
            return found
        try:
            return self._copied(self._temporary, filters)
        except OutputError as error:
            # What is there is complete but for this.
            self.warnings.append(f"{told}: {error}")
            return found

    def _copied(self, path: Path, filters: str) -> Found:
        """Put a copy of a file in its place, whose video has gone through filters of packets, once it is complete."""
        copy = create_temporary(path.parent, self.target)
        try:
            ffmpeg.run(self._command(joined=path, filters=filters, into=copy), self._stall_seconds, copy)
            self._put_right(copy)
            found = self._check(copy)
            os.replace(copy, path)
            return found
        finally:
            copy.unlink(missing_ok=True)

    def _discard(self) -> None:
        if self._run is not None:
            self._run.kill()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)
        if self._covers is not None:
            self._covers.cleanup()
