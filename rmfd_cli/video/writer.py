"""Frames to file: encode planes with ffmpeg, every other stream of the source copied beside them, all or nothing."""

import contextlib
import math
import os
import tempfile
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

from rmfd_cli.errors import OutputError, OutputExistsError
from rmfd_cli.options import Encoding
from rmfd_cli.types import Planes, VideoInfo
from rmfd_cli.video import ffmpeg, timecode
from rmfd_cli.video.arguments import encoding_options, is_mp4, longer_end, muxer_options, picture_options
from rmfd_cli.video.checking import Found, Span, check_frames, stream_kinds
from rmfd_cli.video.encoding import Run, Settings, grey
from rmfd_cli.video.keeping import denies_full_range, lost_in_target, lost_inside
from rmfd_cli.video.location import NETWORK_SECONDS, is_url
from rmfd_cli.video.matroska import tag_full_range
from rmfd_cli.video.place import check_target, create_temporary
from rmfd_cli.video.steady import moved_sound, steady_for
from rmfd_cli.video.streams import coded_for, companions, container_of, tracks_with_sound
from rmfd_cli.video.traits import PLAIN, Traits
from rmfd_cli.video.trial import choose_encoder

STALL_SECONDS = 120.0
"""An encoder that takes no data for so long is given up, and one that has them all and adds nothing to its file."""
_OFF_SECONDS = Fraction(1, 10)
"""What nobody misses of the last frame's time, in a row of slides or a recorded screen."""
_ROUNDING = Fraction(1, 20)
"""Of a frame."""
_PROBE_STALL_SECONDS = 8.0
_PROBE_SECONDS = 60.0
_PROBE_BYTES = 160_000  # more than a pipe holds: written only if somebody reads
_PROBE_FRAMES = 12
"""Of containers that are not known from their beginning alone."""

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
        self._source = source
        self._width, self._height = size_px or (source.width_px, source.height_px)
        self._encoding = encoding or Encoding()
        self._binary_wish = binary
        self._overwrite = overwrite
        self._start_seconds, self._end_seconds = start_seconds, end_seconds
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
        self.shift_ticks = self._choose_shift()
        self._temporary = create_temporary(self._work or self.target.parent, self.target)
        try:
            self._unpack_covers()
            made = self._probe()
            if self._container.shifts_times:
                self._check_streams(stream_kinds(made))
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

    def _choose_shift(self) -> int:
        """How many ticks are taken off every time, audio included; those of a source read once are known with its first."""
        along = self._companions
        if self._source.path is None:
            return 0
        if self._start_seconds:
            shift = Fraction(repr(float(self._start_seconds))) + along.video_start_seconds
        else:
            shift = along.source_start_seconds if self._source.clock_is_arbitrary else Fraction(0)
        return math.floor(shift / self._source.time_base + Fraction(1, 2))

    def _unpack_covers(self) -> None:
        if not self._companions.covers:
            return
        try:
            self._covers = tempfile.TemporaryDirectory(prefix="rmfd-")
            for number, cover in enumerate(self._companions.covers):
                (Path(self._covers.name) / str(number)).write_bytes(cover.data)
        except OSError as error:
            raise OutputError(f"{tempfile.gettempdir()}: cannot hold the cover picture: {error.strerror or error}") from error

    def _command(self, probe: bool = False, joined: Path | None = None, filters: str | None = None) -> list[str]:
        """What makes the target: encodes frames from stdin, or copies the video of `joined`, through filters of packets."""
        info, along = self._source, self._companions
        tick = info.time_base
        metadata = "-1" if info.path is None else "1"
        target: dict[str, Any] = {
            "c": "copy",
            **({} if joined else self._encoding_options()),
            **{f"c:{position}": along.converted[i] for position, i in enumerate(along.streams, 1) if i in along.converted},
            **{f"metadata:s:{k}": [f"title={along.titles[i]}"] for k, i in enumerate(along.streams, 1) if i in along.titles},
            **self.muxer_options(self.target),
            "map_metadata": metadata,
            "map_chapters": metadata,
            "disposition:v:0": "default",
            "max_muxing_queue_size": "9999",
        }
        if filters:
            target["bsf:v:0"] = filters
        if along.video_tags:
            target["metadata:s:v:0"] = [f"{name}={self._as_cut(name, value)}" for name, value in along.video_tags]
        if along.brand_tags:
            target["metadata"] = [f"{key}=" for key in along.brand_tags]
        if self._covers is not None:
            target["attach"] = [str(Path(self._covers.name) / str(number)) for number in range(len(along.covers))]
        for position, cover in enumerate(along.covers, 1 + len(along.streams)):
            target[f"metadata:s:{position}"] = [f"filename={cover.name}", f"mimetype={cover.media_type}"]
        if is_mp4(self.target.suffix):
            target["movflags"] = "+faststart+use_metadata_tags" if along.has_foreign_tags else "+faststart"
        source: dict[str, Any] = {}
        if info.path is not None and is_url(info.path):
            source |= {"rw_timeout": round(NETWORK_SECONDS * 1e6), "reconnect": "1", "reconnect_delay_max": "2"}
        if self.shift_ticks:
            source["itsoffset"] = _seconds(-self.shift_ticks * tick)
        if self._start_seconds and info.path is not None:
            source["ss"] = _seconds(self.shift_ticks * tick - along.source_start_seconds)
            target["copypriorss"] = "0"
        if probe:
            source["t"] = "1"
        elif self._end_seconds is not None and info.path is not None:
            # For the sound. It must never cut the video: ffmpeg 9 may then wait for its own pipe for ever.
            end = along.video_start_seconds + Fraction(self._end_seconds) - self.shift_ticks * tick
            target["t"] = _seconds(end + max(tick, Fraction(1, 1000)))
        pictures = picture_options(self._binary, info, self._traits)
        first = {} if joined else self._settings.first_options
        path = str(self._temporary)
        stills = along.pictures if self._start_seconds is not None or self._end_seconds is not None else ()
        return ffmpeg.command(self._binary, pictures, info.path, source, along.streams, path, target, first, joined, stills)

    def _as_cut(self, tag: str, value: str) -> str:
        """A tag of the video as it is true of a video that begins later."""
        if tag.lower() != "timecode" or not self._start_seconds or self._source.frame_rate is None:
            return value
        # A time that the container rounds is that of its frame.
        frames = math.ceil(Fraction(repr(float(self._start_seconds))) * self._source.frame_rate - _ROUNDING)
        return timecode.later(value, frames, self._source.frame_rate) or value

    def _encoding_options(self) -> dict[str, Any]:
        tick = 1 / self._steady.rate if self._steady else self._source.time_base
        return encoding_options(self._settings, self._source, self._traits, self._height, tick, self._container.in_order)

    def muxer_options(self, path: Path) -> dict[str, str]:
        """What the muxer of a file with the target's video has to be told for exact times."""
        return muxer_options(path.suffix, self._source.time_base)

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

    def _check_streams(self, kinds: list[str]) -> None:
        """See whether the moment of grey came back as what it was: some containers take everything, as unknown data."""
        meant = {"video": 1} | self._companions.counts
        if missing := [kind for kind, count in meant.items() if kinds.count(kind) < count]:
            raise OutputError(
                f"{self.target}: the codec of its {missing[0]} does not fit; .mkv takes nearly every kind of stream"
            )

    def _probe_once(self) -> Path:
        assert self._temporary is not None
        size = self._width, self._height
        picture = grey(self._source.format, size)
        frame_bytes = sum(plane.nbytes for plane in picture)
        step = max(1, round(Fraction(1, 25) / self._source.time_base))
        with Run(self._command(probe=True), self._source, size, _PROBE_STALL_SECONDS) as run:
            try:
                least = _PROBE_FRAMES if self._container.shifts_times else 1
                for number in range(max(least, math.ceil(_PROBE_BYTES / frame_bytes))):
                    run.write(picture, number * step)
                run.finish(_PROBE_SECONDS)
            except OutputError as error:
                is_misfit = self.target.suffix.lower() != ".mkv" and any(word in str(error) for word in _MISFIT)
                hint = "; .mkv takes nearly every kind of stream" if is_misfit else ""
                raise OutputError(f"{self.target}: {error}{hint}") from error
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
        options = {**self._encoding_options(), **self.muxer_options(path)}
        pictures = picture_options(self._binary, self._source, self._traits)
        first = self._settings.first_options
        return self._encode(ffmpeg.command(self._binary, pictures, None, {}, (), str(path), options, first))

    def finish_segment(self, run: Run, path: Path, meant: Span) -> None:
        """Wait until a segment is on the disk, and check it.

        Raises:
            OutputError: The encoder failed, or the file is not what was written.
        """
        run.finish(self._stall_seconds, path)
        self.secure(path, meant)

    def secure(self, path: Path, meant: Span) -> None:
        """Check a file of segments and bring it to the disk.

        Raises:
            OutputError: It is not what was written, or the disk is full.
        """
        check_frames(path, meant, self._source.time_base)
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
            if self._ends_early_or_late(found):
                found = self._with_end(found)
            self._count_streams(found.kinds)
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
        return check_frames(path, self._written, self._source.time_base, held.shifts_times, held.in_order)

    def _ends_early_or_late(self, found: Found) -> bool:
        """Whether the last frame is shown for much less time than in the source, or for more: encoders are not told."""
        return self._last_ticks > 0 and abs(self._last_ticks * self._source.time_base - found.last_seconds) > _OFF_SECONDS

    def _with_end(self, found: Found) -> Found:
        """The file once more, its packets as they are, with the last frame shown as long as in the source."""
        assert self._temporary is not None
        base, last = self._source.time_base, self._written.last_pts
        filters = longer_end(self.target.suffix, last * base, self._last_ticks * base)
        if filters is not None:
            short = create_temporary(self._temporary.parent, self.target)
            try:
                os.replace(self._temporary, short)
                ffmpeg.run(self._command(joined=short, filters=filters), self._stall_seconds, self._temporary)
            finally:
                short.unlink(missing_ok=True)
            self._put_right(self._temporary)
            found = self._check(self._temporary)
        if self._ends_early_or_late(found):
            meant, there = float(self._last_ticks * base), float(found.last_seconds)
            self.warnings.append(f"the last frame is shown for {there:.2f} s, and in the source for {meant:.2f} s")
        return found

    def _count_streams(self, kinds: list[str]) -> None:
        """See whether all streams are there."""
        # A cover comes back as a picture of its own.
        kinds = kinds + ["attachment"] * len(self._companions.covers)
        is_cut = self._start_seconds is not None or self._end_seconds is not None
        for kind, meant in self._companions.counts.items():
            if (found := kinds.count(kind)) < meant:
                lost = f"{found} of {meant} {kind} tracks are in the file"
                if is_cut and kind != "video":
                    self.warnings.append(f"{lost}; the others are silent between --start and --end")
                elif kind == "audio" and found < tracks_with_sound(self._source):
                    raise OutputError(lost)
                else:
                    self.warnings.append(f"{lost}; the others are empty" if kind == "audio" else lost)

    def _discard(self) -> None:
        if self._run is not None:
            self._run.kill()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)
        if self._covers is not None:
            self._covers.cleanup()


def _seconds(value: Fraction) -> str:
    return f"{float(value):.6f}"
