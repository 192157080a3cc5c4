"""Containers that hold one frame rate, store frames in the order in which they are shown, or know few codecs."""

from fractions import Fraction
from pathlib import Path

import av
import pytest

from rmfd_cli.errors import OutputError
from rmfd_cli.options import Encoding
from rmfd_cli.video.checking import Span, check_frames
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.steady import Steady
from rmfd_cli.video.writer import VideoWriter
from tests import media

SOUND = {".avi": ("mp2",), ".mpg": ("mp2",), ".vob": ("ac3",), ".wmv": ("mp2",), ".asf": ("aac",)}
SOUND |= {".mxf": ("pcm_s16le", "-ar", "48000"), ".ogv": ("libvorbis",), ".3g2": ("aac",), ".webm": ("libopus",)}


def with_sound(path: Path, suffix: str, make=media.b_frames) -> Path:
    """A clip with sound of a kind that a container takes."""
    plain = make(path.with_name("plain.mkv"))
    sound = ("-f", "lavfi", "-i", "sine=duration=1.92", "-c:a", *SOUND[suffix])
    media.ffmpeg("-i", media.url(plain), *sound, "-c:v", "copy", media.url(path))
    return path


def copy(source: Path, target: Path, start: float | None = None, end: float | None = None, **options) -> list[str]:
    between = {"start_seconds": start, "end_seconds": end}
    with VideoReader(source, start, end) as video, VideoWriter(target, video.info, **between, **options) as writer:
        for frame in video:
            writer.write(frame.planes, frame.pts)
    return writer.warnings


def seconds_of(path: Path) -> list[tuple[int, Fraction]]:
    """The number that each frame shows, and its time after the first."""
    with VideoReader(path) as video:
        frames = [(media.frame_number(frame.planes[0]), frame.pts * video.info.time_base) for frame in video]
    return [(number, time - frames[0][1]) for number, time in frames]


@pytest.mark.parametrize("suffix", SOUND)
def test_every_frame_comes_back_at_its_time_and_sound_goes_along(tmp_path, suffix):
    source, target = with_sound(tmp_path / "in.mkv", suffix), tmp_path / f"out{suffix}"
    copy(source, target)
    before, after = seconds_of(source), seconds_of(target)
    assert [number for number, _ in after] == [number for number, _ in before]
    assert max(abs(a - b) for (_, a), (_, b) in zip(before, after, strict=True)) <= Fraction(1, 1000)
    with av.open(str(target)) as container:
        assert len(container.streams.audio) == 1
        assert sum(packet.size for packet in container.demux(audio=0)) > 0


def test_h264_in_avi_has_no_b_frames(clip, tmp_path):
    target = tmp_path / "out.avi"
    copy(clip(media.b_frames), target, encoding=Encoding("libx264"))
    with av.open(str(target)) as container:
        assert {str(frame.pict_type) for frame in container.decode(video=0)} <= {
            str(av.video.frame.PictureType(k)) for k in (1, 2)
        }


def test_avi_holds_frames_that_are_left_out(tmp_path):
    source = media.encode(tmp_path / "in.mkv", filters="select='not(eq(mod(n,7),3))'", extra=("-fps_mode", "passthrough"))
    copy(source, tmp_path / "out.avi")
    before, after = seconds_of(source), seconds_of(tmp_path / "out.avi")
    assert len(before) < media.FRAMES
    assert [number for number, _ in after] == [number for number, _ in before]
    assert max(abs(a - b) for (_, a), (_, b) in zip(before, after, strict=True)) <= Fraction(1, 500)
    with pytest.raises(OutputError, match=r"frames are missing before 0.160 s.*libx264 in .mkv"):
        copy(source, tmp_path / "out.mxf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mkv", "out.avi"]


@pytest.mark.parametrize("suffix", [".avi", ".mxf", ".ogv", ".mpg"])
def test_a_varying_rate_is_refused_before_the_first_frame(clip, tmp_path, suffix):
    with VideoReader(clip(media.vfr, audio=False)) as video:
        writer = VideoWriter(tmp_path / f"out{suffix}", video.info)
        with pytest.raises(OutputError, match=r"the frame rate varies, at 0.040 s"):
            writer.__enter__()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".wmv", ".3g2"])
def test_a_varying_rate_is_kept(clip, tmp_path, suffix):
    source = clip(media.vfr)
    copy(source, tmp_path / f"out{suffix}")
    before, after = seconds_of(source), seconds_of(tmp_path / f"out{suffix}")
    assert max(abs(a - b) for (_, a), (_, b) in zip(before, after, strict=True)) <= Fraction(1, 1000)


def test_sound_that_begins_late_is_kept_or_refused(clip, tmp_path):
    source = clip(media.late_audio)
    copy(source, tmp_path / "out.wmv")
    with av.open(str(tmp_path / "out.wmv")) as container:
        first = {}
        for packet in container.demux():
            if packet.dts is not None:
                first.setdefault(packet.stream.type, packet.dts * packet.time_base)
    assert abs(first["audio"] - first["video"] - Fraction(677, 1000)) < Fraction(1, 500)
    with pytest.raises(OutputError, match=r"sound begins 0.677 s after the picture"):
        copy(source, tmp_path / "out.avi")


def test_sound_that_begins_a_little_early_is_told(clip, tmp_path):
    (said,) = copy(clip(media.cfr), tmp_path / "out.avi")
    assert said == "audio stream 1 begins 0.023 s before the picture; in .avi they begin together"


def test_a_cut_begins_both_at_once(clip, tmp_path):
    copy(clip(media.cfr), tmp_path / "out.avi", start=0.41, end=0.9)
    assert [number for number, _ in seconds_of(tmp_path / "out.avi")] == list(range(11, 23))


@pytest.mark.parametrize(("pts", "number"), [(1000, 0), (1033, 1), (1034, 1), (1067, 2), (2001, 30)])
def test_times_of_a_coarse_clock_are_those_of_the_rate(pts, number):
    steady = Steady(".avi", Fraction(30000, 1001), Fraction(1, 1000), gaps=False)
    assert steady.number(pts, 1000) == number
    assert abs(steady.ticks(number, 1000) - pts) <= 17


def test_a_frame_between_two_of_the_rate_is_none():
    steady = Steady(".avi", Fraction(25), Fraction(1, 1000), gaps=True)
    for pts, words in ((60, "varies, at 0.060 s"), (40, "two frames are at 0.040 s")):
        with pytest.raises(OutputError, match=words):
            steady.next_number(pts, 0, last_number=1)
    assert steady.next_number(120, 0, last_number=1) == 3


def test_the_check_of_what_was_written_sees_a_frame_that_is_missing(clip, tmp_path):
    copy(clip(media.no_audio), tmp_path / "out.avi")
    check_frames(tmp_path / "out.avi", Span(30, 0, 29), Fraction(1, 25), clock_is_free=True, in_order=True)
    with pytest.raises(OutputError, match="31 frames were written, 30 are"):
        check_frames(tmp_path / "out.avi", Span(31, 0, 30), Fraction(1, 25), clock_is_free=True, in_order=True)


@pytest.mark.parametrize(("first", "last"), [(2, 29), (0, 31)])
def test_and_one_that_is_at_another_time(clip, tmp_path, first, last):
    copy(clip(media.no_audio), tmp_path / "out.mp4")
    check_frames(tmp_path / "out.mp4", Span(30, 0, 29), Fraction(1, 25))
    with pytest.raises(OutputError, match="a frame of"):
        check_frames(tmp_path / "out.mp4", Span(30, first, last), Fraction(1, 25))
