"""What happens to the encoder, the disk and the source in the middle of the work: one line of error, nothing left behind."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from rmfd_cli.derain import derain
from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.options import DerainOptions, Encoding
from rmfd_cli.video import ffmpeg
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.writer import VideoWriter
from tests import media
from tests.stand_ins import unchanged


def second_run(folder: Path, body: str) -> str:
    """An ffmpeg whose first encoding, the trial, is real; in place of the second one it does `body`."""
    path, mark = folder / "ffmpeg", folder / "mark"
    encodes = f'case "$*" in *pipe:0*) [ -e {mark} ] && {{ {body}\n}}; touch {mark};; esac'
    path.write_text(f'#!/bin/sh\n{encodes}\nexec {media.FFMPEG} "$@"\n')
    path.chmod(0o755)
    return str(path)


def copy(source: Path, target: Path, binary: str, stall_seconds: float = 60.0) -> None:
    with VideoReader(source) as video, VideoWriter(target, video.info, binary=binary, stall_seconds=stall_seconds) as writer:
        for frame in video:
            writer.write(frame.planes, frame.pts)


@pytest.fixture
def out(tmp_path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_an_ffmpeg_that_is_killed_while_it_encodes(clip, tmp_path, out, number):
    pid = tmp_path / "pid"
    binary = second_run(tmp_path, f"echo $$ > {pid};")

    def copy_and_kill() -> None:
        with (
            VideoReader(clip(media.cfr, frames=100)) as video,
            VideoWriter(out / "out.mp4", video.info, binary=binary) as writer,
        ):
            for frame in video:
                writer.write(frame.planes, frame.pts)
                if frame.pts == 10 * 512:
                    os.kill(int(pid.read_text()), number)

    with pytest.raises(OutputError, match=f"status -{number.value}"):
        copy_and_kill()
    assert os.listdir(out) == []


def test_an_ffmpeg_that_hangs_when_it_has_all_frames(clip, tmp_path, out):
    binary = second_run(tmp_path, "cat > /dev/null; exec sleep 60;")
    began = time.monotonic()
    with pytest.raises(OutputError, match="does not end after 1 s"):
        copy(clip(media.cfr), out / "out.mp4", binary, stall_seconds=1.0)
    assert time.monotonic() - began < 15
    assert os.listdir(out) == []


def test_an_ffmpeg_that_is_slow_at_the_end_but_at_work_is_waited_for(tmp_path):
    growing = tmp_path / "growing"
    script = f"for i in 1 2 3 4 5 6; do echo x >> {growing}; sleep 0.4; done"
    with ffmpeg.Process(["/bin/sh", "-c", script]) as process:
        assert process.wait(1.5, growing) == 0


def test_an_ffmpeg_that_talks_without_end_still_encodes(clip, tmp_path, out):
    binary = second_run(tmp_path, "(yes noise | head -c 30000000 >&2) &")
    copy(clip(media.cfr), out / "out.mp4", binary)
    with VideoReader(out / "out.mp4") as video:
        assert len(list(video)) == media.FRAMES


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "ffv1"), (".mkv", "libx264")])
def test_a_full_disk(tmp_path, out, suffix, codec):
    source = media.encode(tmp_path / "in.mkv", frames=60, codec=media.LOSSLESS, size=(320, 240), filters="noise=alls=60:allf=t")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", out], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a tiny disk")
    try:
        with pytest.raises(OutputError, match="No space left on device"):
            derain(source, out / f"out{suffix}", unchanged, DerainOptions(encoding=Encoding(codec)))
        assert os.listdir(out) == []
    finally:
        subprocess.run(["umount", out], check=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_damage_in_the_middle_of_the_source(clip, tmp_path, out, suffix):
    whole = clip(media.b_frames, suffix, frames=120)
    if suffix == ".mp4":
        whole = media.front_index(tmp_path / "front.mp4", whole)
    source, target = media.corrupted(tmp_path / f"in{suffix}", whole), out / "out.mkv"
    with pytest.raises(InputError, match="--salvage"):
        derain(source, target, unchanged)
    assert os.listdir(out) == []
    report = derain(source, target, unchanged, DerainOptions(salvage=True))
    assert 90 < report.frames < 121
    assert any(str(source) in warning for warning in report.warnings)
    with VideoReader(target) as video:
        frames = list(video)
    assert len(frames) == report.frames
    assert media.frame_number(frames[-1].planes[0]) == 119


def test_a_source_that_ends_too_early(clip, tmp_path, out):
    front = media.front_index(tmp_path / "front.mp4", clip(media.cfr, frames=60))
    source = media.truncated(tmp_path / "in.mp4", front)
    with pytest.raises(InputError, match=r"cut off.*--salvage"):
        derain(source, out / "out.mp4", unchanged)
    assert os.listdir(out) == []
    report = derain(source, out / "out.mp4", unchanged, DerainOptions(salvage=True))
    assert 10 < report.frames < 60
