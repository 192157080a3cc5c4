"""Video through pipes, with a model that changes nothing, in processes of their own."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.test_cli import ROOT, command

RMFD = shlex.join(command())
FFMPEG = f"{media.FFMPEG} -hide_banner -loglevel error"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def planes(path: Path) -> list[media.DecodedFrame]:
    return media.decoded_frames(path)


def test_between_two_ffmpegs_every_frame_comes_through(clip, tmp_path):
    source = clip(media.cfr)
    front, back = f"{FFMPEG} -nostdin -i {source} -f yuv4mpegpipe -", f"{FFMPEG} -i - -c:v ffv1 o.mkv"
    done = shell(f"{front} | {RMFD} derain - -o - | {back}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert [frame.md5 for frame in planes(tmp_path / "o.mkv")] == [frame.md5 for frame in planes(source)]
    assert b"30 frames" in done.stderr


@pytest.mark.parametrize("pix_fmt", ["yuv422p10le", "gray", "yuv444p"])
def test_y4m_keeps_format_and_planes(clip, tmp_path, pix_fmt):
    source = clip(media.pixel_format, ".mkv", pix_fmt=pix_fmt)
    done = shell(f"{RMFD} derain {source} -o - -q > o.y4m", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    with VideoReader(source) as before, VideoReader(tmp_path / "o.y4m") as after:
        assert after.info.format == before.info.format
        for one, other in zip(before, after, strict=True):
            assert all((a == b).all() for a, b in zip(one.planes, other.planes, strict=True))


def test_nut_keeps_the_time_of_every_frame_and_y4m_says_that_it_does_not(clip, tmp_path):
    source = clip(media.vfr)
    done = shell(f"{RMFD} derain {source} -o - --pipe-format nut -q | {RMFD} derain - -o o.mkv", tmp_path)
    assert done.returncode == 0, done.stderr
    with VideoReader(tmp_path / "o.mkv") as video:
        assert [round(1000 * frame.pts * video.info.time_base) for frame in video] == media.vfr_pts_ms()
    done = shell(f"{RMFD} derain {source} -o - > o.y4m", tmp_path)
    assert done.returncode == 0
    assert b"--pipe-format nut" in done.stderr


def test_a_turned_video_leaves_upright(clip, tmp_path):
    done = shell(f"{RMFD} derain {clip(media.rotated, degrees=90)} -o - -q > o.y4m", tmp_path)
    assert done.returncode == 0, done.stderr
    with VideoReader(tmp_path / "o.y4m") as video:
        assert (video.info.width_px, video.info.height_px) == (media.HEIGHT, media.WIDTH)


@pytest.mark.parametrize("degrees", [0, 90])
def test_a_mirrored_video_leaves_as_it_is_shown(clip, tmp_path, degrees):
    source = clip(media.mirrored, degrees=degrees)
    done = shell(f"{RMFD} derain {source} -o - -q > o.y4m", tmp_path)
    assert done.returncode == 0, done.stderr
    shown = media.ffmpeg("-i", media.url(source), "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1")
    assert media.ffmpeg("-i", media.url(tmp_path / "o.y4m"), "-f", "rawvideo", "pipe:1") == shown


@pytest.mark.parametrize(("order", "letter"), [("tff", "t"), ("bff", "b")])
def test_y4m_says_which_field_comes_first(clip, tmp_path, order, letter):
    done = shell(f"{RMFD} derain {clip(media.field_coded, order=order)} -o - > o.y4m", tmp_path)
    assert f" I{letter} " in (tmp_path / "o.y4m").read_bytes().split(b"\n")[0].decode()
    assert b"the video is interlaced" in done.stderr
    done = shell(f"{RMFD} derain {clip(media.field_coded, order=order)} -o - --deinterlace > o.y4m", tmp_path)
    assert b" Ip " in (tmp_path / "o.y4m").read_bytes().split(b"\n")[0]
    assert b"interlaced" not in done.stderr


@pytest.mark.parametrize(("degrees", "ratio"), [(0, (4, 3)), (90, (3, 4))])
def test_the_shape_of_pixels_goes_along_and_is_turned_with_them(clip, tmp_path, degrees, ratio):
    plain = clip(media.anamorphic, ratio="4/3")
    media.ffmpeg("-display_rotation", str(degrees), "-i", media.url(plain), "-c", "copy", tmp_path / "in.mp4")
    done = shell(f"{RMFD} derain in.mp4 -o - -q > o.y4m", tmp_path)
    assert done.returncode == 0, done.stderr
    with VideoReader(tmp_path / "o.y4m") as video:
        assert video.info.sample_aspect_ratio.as_integer_ratio() == ratio


@pytest.mark.parametrize(
    ("kind", "arguments", "form", "words"),
    [
        (media.hlg, {}, "y4m", b"BT.2020"),
        (media.hlg, {}, "nut", b"BT.2020"),
        (media.tagged, {"full_range": True}, "nut", b"full range"),
        (media.anamorphic, {"ratio": "4/3"}, "nut", b"4:3"),
        (media.frame_packed, {}, "y4m", b"stereo pair"),
    ],
)
def test_what_goes_through_no_pipe_is_named(clip, tmp_path, kind, arguments, form, words):
    done = shell(f"{RMFD} derain {clip(kind, **arguments)} -o - --pipe-format {form} > out", tmp_path)
    assert done.returncode == 0
    assert [words in line for line in done.stderr.splitlines() if b"warning" in line] == [True]


def test_pictures_that_are_rgb_are_named_before_a_pipe_too(tmp_path):
    media.encode(tmp_path / "in.mkv", frames=3, codec=media.LOSSLESS, pix_fmt="bgr0")
    for target in ("-o - > out", "-o - --dry-run"):
        done = shell(f"{RMFD} derain in.mkv {target}", tmp_path)
        assert b"pictures are RGB" in done.stderr + done.stdout


@pytest.mark.parametrize("form", ["y4m", "nut"])
def test_hdr_metadata_goes_through_no_pipe(clip, tmp_path, form):
    done = shell(f"{RMFD} derain {clip(media.hdr10)} -o - --pipe-format {form} > out", tmp_path)
    told = [line for line in done.stderr.splitlines() if b"warning" in line]
    assert [b"HDR metadata" in line or b"BT.2020" in line for line in told] == [True, True]


def test_a_reader_that_leaves_is_no_traceback(clip, tmp_path):
    source = clip(media.cfr, frames=100)
    for form in ("y4m", "nut"):
        done = shell(f"{RMFD} derain {source} -o - --pipe-format {form} --progress none | head -c 50000 > part", tmp_path)
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith(b"rmfd: error: stdout")
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        ("echo no video | RMFD derain - -o o.mp4", 1, b"stdin"),
        ("RMFD derain - -o o.mp4 < /dev/null", 1, b"stdin"),
        ("cat SOURCE | RMFD derain - -o o.mkv --start 0.4", 2, b"--start"),
        ("RMFD derain - -o o.mkv --dry-run < SOURCE", 2, b"--dry-run"),
        ("RMFD derain missing.mp4 -o - > o.y4m", 1, b"missing.mp4"),
    ],
)
def test_what_no_pipe_can_is_said(clip, tmp_path, line, status, words):
    done = shell(
        line.replace("RMFD", RMFD).replace("SOURCE", str(clip(media.pixel_format, ".nut", pix_fmt="yuv420p"))), tmp_path
    )
    assert done.returncode == status, done.stderr
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "o.y4m").exists() or (tmp_path / "o.y4m").stat().st_size == 0


def test_nothing_but_video_on_stdout(clip, tmp_path):
    python, option, script = command()
    noisy = shlex.join([python, option, script.replace("time.sleep(0.0)", "print('noise', flush=True)")])
    done = shell(f"{noisy} derain {clip(media.no_audio, frames=5)} -o - -q", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"noise\n" * 5
    assert done.stdout.startswith(b"YUV4MPEG2 W160 H120 F25:1 ")
    assert len(done.stdout) == done.stdout.index(b"\n") + 1 + 5 * (6 + 160 * 120 * 3 // 2)
