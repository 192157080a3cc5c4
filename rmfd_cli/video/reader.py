"""A video as frames: every frame that can be decoded, once, in order, with its own time and untouched planes."""

import os
from collections.abc import Generator, Iterator
from fractions import Fraction
from functools import partial
from itertools import chain
from math import floor
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.error import ExitError, FFmpegError
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from rmfd_cli.errors import InputError
from rmfd_cli.types import Frame, Rgb, VideoInfo
from rmfd_cli.video.clock import Clock
from rmfd_cli.video.colour import (
    is_rgb,
    is_transparent,
    plane_array,
    stored_rgb,
    to_planar,
    to_rgb,
    upright,
)
from rmfd_cli.video.cropping import Edges, hidden_edges, without
from rmfd_cli.video.headers import describe, frame_ticks
from rmfd_cli.video.interlace import deinterlaced
from rmfd_cli.video.location import NETWORK_SECONDS, is_live, is_url, shown_name
from rmfd_cli.video.matroska import torn_at
from rmfd_cli.video.opening import check_file, identity, open_stream
from rmfd_cli.video.streams import left_behind
from rmfd_cli.video.traits import Traits, carried_by, inside_of, traits_of
from rmfd_cli.video.truncation import missing_bytes

# A demuxer that meets damage may fail without moving on; this many failures in a row are the end of the file.
MAX_FAILURES_IN_A_ROW = 64
_PICTURE_CODECS = ("png", "apng", "mjpeg")
_LOOKED_INTO = 8
"""Of their pictures: what is inside one of them is inside the first ones, and to look takes as long as to decode."""
# How much earlier to seek, in seconds, when a seek landed behind the frame that was asked for.
SEEK_MARGINS = (0, 2, 10, 60)


class VideoReader:
    """Decodes one video stream from beginning to end; a context manager, iterated once.

    Yields a `Frame` for each decoded picture in presentation order, its `pts` as in the container in ticks of
    `info.time_base`; a picture without one comes a duration after its predecessor. Planar YUV without alpha and grey
    arrive as stored; every other pixel format is converted to the nearest of those. Rotation, sample aspect ratio and
    interlacing are left as they are.

    Of a live stream the frames are those that come from now on, and a start is waited for.

    Damage inside the file does not stop the reader: what can be decoded is yielded, and `damage` says afterwards what
    was lost.

    Args:
        path: A video file under any name, or a URL (http, rtsp, rtmp, srt, udp and the like).
        start_seconds: Yield frames from this time on, in seconds from the start of the video stream, exact to the
            frame. A frame's time counts as equal when it is the container's rounding of it.
        end_seconds: Yield frames before this time only.
        deinterlace: Make whole pictures of interlaced ones, as many as there are; progressive ones pass untouched.

    Raises:
        InputError: The file is missing, unreadable, empty, not a video, transparent, or its index is lost, or the server
            does not answer; while iterating, the picture changes its size or becomes transparent, or the file changes.
    """

    info: VideoInfo
    traits: Traits | None
    """What the first picture carries of a source that is read once only; None of one that can be looked into again."""
    left_behind: tuple[str, ...]
    """A line for each stream of such a source that is lost, and one for hidden edges of any source."""
    hidden: Edges
    """What the container hides of the pictures, which frames are without."""
    rounding: tuple[str, ...] = ()
    """A line for what planes lose that are made of other pictures."""
    damage: str | None = None
    """After the last frame: None if all is well, else what is missing or broken, in a few words."""
    jump: str | None = None
    """Likewise, of times that do not rise, or where some are missing among even ones."""
    inside: tuple[str, ...] = ()
    """Names of what the frames so far had inside that gets lost when they are encoded again, as in `Traits`."""
    is_interlaced: bool = False
    """Whether one of the frames so far was."""
    last_ticks: int = 0
    """How long the newest of them is shown; 0 if nobody knows."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        start_seconds: float | None = None,
        end_seconds: float | None = None,
        *,
        deinterlace: bool = False,
    ):
        self._path, self._name = path, shown_name(path)
        if not is_url(path):
            check_file(Path(path))
        self._identity = identity(path)
        self._reformatter = VideoReformatter()
        # One of its own: RGB may be asked for in another thread.
        self._rgb_reformatter = VideoReformatter()
        self._container, self._stream = open_stream(self._path)
        try:
            self._untimed = False
            self._broken: str | None = None
            self._restart_counts()
            frames = self._decode()
            first = next(frames, None)
            if first is None:
                why = self._broken or "it is damaged or not a video"
                raise InputError(f"{self._name}: no picture can be decoded; {why}")
            if is_live(path):
                # Whoever comes in the middle misses the beginning of a group of pictures: that is no damage.
                self._restart_counts()
            self._refuse_transparent(first)
            self.hidden = hidden_edges(Path(path), self._stream, first.interlaced_frame) if self._identity else Edges()
            self.info = describe(path, self._container, self._stream, without(self.hidden, first))
            once = self.info.path is None
            self.traits = traits_of([first], self._stream) if once else None
            self.left_behind = left_behind(self._container, self._stream.index) if once else ()
            if any(self.hidden):
                self.left_behind += (f"pixels that its container hides are left out: {self.hidden}",)
            if is_rgb(first.format):
                stored = self.info.format.name
                self.rounding = (f"its pictures are RGB: they are worked on and stored as {stored}, which rounds them",)
            self._origin = int(first.pts or 0) if self._stream.start_time is None else int(self._stream.start_time)
            self._first_tick = None if start_seconds is None else self._tick(start_seconds)
            self._end_tick = None if end_seconds is None else self._tick(end_seconds)
            decoded: Iterator[av.VideoFrame] = chain([first], frames)
            filtered = partial(deinterlaced, stream=self._stream) if deinterlace else iter
            if self._first_tick is not None and int(first.pts or 0) < self._first_tick and not once:
                decoded = self._decode_from(self._first_tick)
            self._frames = self._select(without(self.hidden, frame) for frame in filtered(decoded))
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> "VideoReader":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Release the file and the decoder; frames that were yielded stay valid."""
        self._frames.close()
        self._container.close()

    def _tick(self, seconds: float) -> int:
        """The tick nearest to a time from the stream's start; `repr` makes 0.04 one 25th, not a little more."""
        return self._origin + floor(Fraction(repr(float(seconds))) / self.info.time_base + Fraction(1, 2))

    def _restart_counts(self) -> None:
        self._packets = 0
        self._reached = 0
        """The last time of decoding, in ticks."""
        self._failures = 0
        self._corrupt = 0
        self._ended = False

    def _demux(self) -> "Iterator[av.Packet[VideoStream]]":
        """Packets up to the decoder's flush packet, starting over behind every failure."""
        in_a_row = 0
        packets = self._container.demux(self._stream)
        while in_a_row < MAX_FAILURES_IN_A_ROW:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (FFmpegError, IndexError) as error:
                if is_url(self._path) and isinstance(error, OSError | ExitError):
                    silent = f"nothing came for {NETWORK_SECONDS:g} s"
                    self._broken = silent if isinstance(error, ExitError) else f"the connection broke ({error.strerror})"
                    return
                # IndexError: PyAV meets a stream that began in the middle of the file.
                in_a_row += 1
                self._failures += 1
                packets = self._container.demux(self._stream)
                continue
            in_a_row = 0
            yield packet

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Every frame that the decoder gives, those it holds back until flushed included, each with a `pts`."""
        step = frame_ticks(self._stream)
        starts = self._stream.start_time
        expected, first = starts or 0, True
        delay: int | None = None
        for packet in self._demux():
            if packet.size:
                self._packets += 1
                self._reached = max(self._reached, packet.dts or 0)
                self._corrupt += packet.is_corrupt
            try:
                frames = packet.decode()
            except FFmpegError:
                self._failures += 1
                continue
            for frame in frames:
                if frame.pts is None:
                    if first and starts is not None and frame.dts is None:
                        # Of a camera the first frame comes before its clock is known: the start is that of the second.
                        expected -= step
                    self._untimed = True
                    # AVI and raw streams carry decoding order only; it shows dropped frames, which AVI counts.
                    if frame.dts is not None and delay is None:
                        delay = frame.dts - expected
                    guess = expected if frame.dts is None or delay is None else frame.dts - delay
                    frame.pts = max(guess, expected - step + 1)
                elif delay and frame.pts == frame.dts:
                    # Where the others have no time, that of a B-frame is on the clock of decoding, too.
                    frame.pts = max(frame.pts - delay, expected - step + 1)
                expected, first = frame.pts + (frame.duration or step), False
                yield frame
        self._ended = True

    def _decode_from(self, tick: int) -> Iterator[av.VideoFrame]:
        """Frames from some point at or before `tick` on: from a keyframe if seeking works, else from the beginning."""
        for margin in () if self._untimed else SEEK_MARGINS:
            target = tick - floor(margin / self.info.time_base)
            if target <= self._origin:
                break
            self._restart_counts()
            try:
                self._container.seek(target, stream=self._stream, backward=True)
            except FFmpegError:
                break
            frames = self._decode()
            first = next(frames, None)
            if first is not None and int(first.pts or 0) <= tick:
                return chain([first], frames)
        self._container.close()
        self._container, self._stream = open_stream(self._path)
        self._restart_counts()
        return self._decode()

    def _select(self, frames: Iterator[av.VideoFrame]) -> Generator[Frame, None, None]:
        """The frames from the first tick until the end tick, then the verdict on damage."""
        corrupt_frames = 0
        clock = Clock(self.info.time_base, frame_ticks(self._stream))
        for count, frame in enumerate(frames):
            pts = int(frame.pts or 0)
            clock.see(pts)
            if self._end_tick is not None and pts >= self._end_tick:
                break
            if (frame.width, frame.height) != (self.info.width_px, self.info.height_px):
                raise InputError(
                    f"{self._name}: the picture changes from {self.info.width_px}x{self.info.height_px} to "
                    f"{frame.width}x{frame.height} at frame {count}; split the file there"
                )
            if self._first_tick is None or pts >= self._first_tick:
                corrupt_frames += frame.is_corrupt
                self.is_interlaced |= frame.interlaced_frame
                self.last_ticks = self._shown_ticks(frame)
                if count < _LOOKED_INTO or self._stream.codec_context.name not in _PICTURE_CODECS:
                    new = inside_of(carried_by(frame, self._stream))
                    self.inside += tuple(name for name in new if name not in self.inside)
                yield self._read(frame)
        if identity(self._path) != self._identity:
            raise InputError(f"{self._name}: changed while it was read; copy it first, or wait until it is complete")
        self.damage = self._verdict(corrupt_frames)
        self.jump = clock.remark()

    def _shown_ticks(self, frame: av.VideoFrame) -> int:
        """How long a frame is shown, up to the end tick; 0 if nobody knows."""
        if "mp4" in self._container.format.name and self._stream.codec_context.has_b_frames:
            # What it says is how far its packets are from each other in the order of decoding.
            return 0
        until = int(frame.pts or 0) + (frame.duration or 0)
        return (until if self._end_tick is None else min(until, self._end_tick)) - int(frame.pts or 0)

    def _refuse_transparent(self, frame: av.VideoFrame) -> None:
        if self._stream.metadata.get("alpha_mode") == "1" or is_transparent(frame, self._reformatter):
            raise InputError(
                f"{self._name}: has transparent pixels, and transparency would be lost; put it on a background first, for "
                "example with ffmpeg's overlay filter"
            )

    def _read(self, frame: av.VideoFrame) -> Frame:
        self._refuse_transparent(frame)
        planar = to_planar(frame, self.info.format.name, self.info.colour, self._reformatter)
        to_rgb_of_planes = partial(to_rgb, planar, self.info.colour, self._rgb_reformatter)
        return Frame(
            planes=tuple(np.array(plane_array(planar, index)) for index in range(len(planar.planes))),
            to_rgb=partial(stored_rgb, frame) if is_rgb(frame.format) else to_rgb_of_planes,
            pts=int(frame.pts or 0),
        )

    def _verdict(self, corrupt_frames: int) -> str | None:
        faults = [self._broken] if self._broken else []
        if self._ended and self._identity and (missing := missing_bytes(Path(self._path))):
            faults.append(f"the file was cut off, at least {counted(missing, 'byte')} missing at its end")
        elif self._ended and self._first_tick is None and (promised := self._promised_packets()) > self._packets:
            faults.append(f"{counted(promised - self._packets, 'frame')} of {promised} missing")
        if self._failures:
            faults.append(f"{counted(self._failures, 'packet')} not decodable")
        if corrupt := max(self._corrupt, corrupt_frames):
            faults.append(f"{counted(corrupt, 'frame')} damaged")
        if not faults and self._ended and self._identity and (torn := torn_at(Path(self._path))) is not None:
            faults.append(f"the file is damaged at byte {torn}, and frames may be missing there")
        return "; ".join(faults) or None

    def _promised_packets(self) -> int:
        """How many packets the container's index lists; 0 where it lists none or cannot be trusted to."""
        name = self._container.format.name
        if "mp4" in name:
            # Not `stream.frames`: it counts what an edit list has cut away, too.
            return len(self._stream.index_entries)
        if name == "avi":
            # What has nothing in it is counted, too, and takes a tick: an encoder with B-frames begins with it.
            empty = max(0, self._reached + 1 - self._packets)
            return self._stream.frames - empty - max(2, self._stream.frames // 100)
        return 0


def upright_frames(path: str | os.PathLike[str]) -> Iterator[Rgb]:
    """Every frame of a video as it is shown, `[H, W, 3]` as of `Frame.rgb`.

    Raises:
        InputError: It cannot be read, or is damaged, which is known at its end.
    """
    with VideoReader(path) as video:
        for frame in video:
            yield upright(frame.rgb, video.info)
        if video.damage:
            raise InputError(f"{shown_name(path)}: is damaged: {video.damage}; mend it or take it out")


def counted(count: int, thing: str) -> str:
    """`counted(1, "frame")` is "1 frame is", `counted(2, "frame")` "2 frames are"."""
    return f"{count} {thing} is" if count == 1 else f"{count} {thing}s are"
