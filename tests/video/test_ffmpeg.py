import os
import shutil
import time
from pathlib import Path

import pytest

from rmfd_cli.errors import MachineError, OutputError
from rmfd_cli.video import ffmpeg
from tests import media


def script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv(ffmpeg.ENVIRONMENT_VARIABLE, raising=False)


@pytest.mark.usefixtures("bare")
def test_without_any_ffmpeg_on_path_the_bundled_one_is_used():
    assert ffmpeg.find_ffmpeg() == media.FFMPEG


@pytest.mark.usefixtures("bare")
def test_explicit_comes_before_environment_before_path(tmp_path, monkeypatch):
    for name in ("one", "two", "ffmpeg"):
        (tmp_path / name).symlink_to(media.FFMPEG)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ffmpeg.find_ffmpeg() == str(tmp_path / "ffmpeg")
    monkeypatch.setenv(ffmpeg.ENVIRONMENT_VARIABLE, str(tmp_path / "two"))
    assert ffmpeg.find_ffmpeg() == str(tmp_path / "two")
    assert ffmpeg.find_ffmpeg(str(tmp_path / "one")) == str(tmp_path / "one")


def test_a_named_ffmpeg_that_is_missing_is_not_replaced_by_another(tmp_path):
    with pytest.raises(MachineError, match="no such ffmpeg"):
        ffmpeg.find_ffmpeg(str(tmp_path / "missing"))


def test_an_old_ffmpeg_on_path_is_passed_over_but_refused_when_named(tmp_path, monkeypatch):
    old = script(tmp_path / "ffmpeg", "echo ffmpeg version 4.2.2; echo '  libavutil      56. 31.100 / 56. 31.100'")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(ffmpeg.ENVIRONMENT_VARIABLE, raising=False)
    assert ffmpeg.find_ffmpeg() == media.FFMPEG
    with pytest.raises(MachineError, match=r"older than ffmpeg 6\.0"):
        ffmpeg.find_ffmpeg(old)


def test_a_broken_ffmpeg_on_path_is_passed_over(tmp_path, monkeypatch):
    script(tmp_path / "ffmpeg", "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(ffmpeg.ENVIRONMENT_VARIABLE, raising=False)
    assert ffmpeg.find_ffmpeg() == media.FFMPEG


@pytest.mark.parametrize("body", ["exit 3", "echo hello", "while :; do echo noise >&2; done", "sleep 60"])
def test_what_is_no_ffmpeg_is_told_within_ten_seconds(tmp_path, monkeypatch, body):
    monkeypatch.setattr(ffmpeg, "ANSWER_SECONDS", 1.0)
    began = time.monotonic()
    with pytest.raises(MachineError, match="does not answer"):
        ffmpeg.find_ffmpeg(script(tmp_path / "fake", body))
    assert time.monotonic() - began < 10


def test_an_encoder_tells_its_formats_and_options():
    x264 = ffmpeg.encoder(media.FFMPEG, "libx264")
    assert {"yuv420p", "yuv420p10le"} <= set(x264.pixel_formats)
    assert {"crf", "preset"} <= x264.options
    assert "crf" not in ffmpeg.encoder(media.FFMPEG, "ffv1").options


@pytest.mark.parametrize("name", ["nope", "h264", "aac", "srt"])
def test_what_is_no_video_encoder_is_refused(name):
    with pytest.raises(MachineError, match=name):
        ffmpeg.encoder(media.FFMPEG, name)


def test_command_takes_the_pipe_first_and_repeats_list_options():
    command = ffmpeg.command("ff", {}, "a:b.mp4", {}, (1, 3), "-o.mp4", {"c": "copy", "metadata": ["a=1", "b=2"]}, {"x": "y"})
    assert command.index("-x") < command.index("-i")
    assert [command[i + 1] for i, word in enumerate(command) if word == "-i"] == [
        "pipe:0",
        f"file:{os.getcwd()}/a:b.mp4",
    ]
    assert [command[i + 1] for i, word in enumerate(command) if word == "-map"] == ["0:v:0", "1:1", "1:3"]
    assert [command[i + 1] for i, word in enumerate(command) if word == "-metadata"] == ["a=1", "b=2"]
    assert command[-1] == f"file:{os.getcwd()}/-o.mp4"


def test_a_flood_on_stderr_neither_blocks_nor_fills_memory(tmp_path):
    fake = script(tmp_path / "fake", "head -c 5000000 /dev/zero | tr '\\0' 'x' >&2; cat > /dev/null; exit 7")
    with ffmpeg.Process([fake], feed=True) as process:
        process.write(bytes(1_000_000))
        process.close_input()
        assert process.wait(10) == 7
        assert len(process.complaint) <= 300


def test_a_process_that_takes_no_data_is_given_up():
    with (
        ffmpeg.Process([str(shutil.which("sleep")), "60"], feed=True, stall_seconds=0.5) as process,
        pytest.raises(OutputError, match="taken no data"),
    ):
        process.write(bytes(5_000_000))


def test_leaving_the_block_ends_the_process_and_its_children(tmp_path):
    fake = script(tmp_path / "fake", f"sleep 60 & echo $! > {tmp_path}/child; wait")
    with ffmpeg.Process([fake]):
        while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
            time.sleep(0.01)
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        status = Path(f"/proc/{child}/status")
        if not status.exists() or "\nState:\tZ" in status.read_text():
            break
        time.sleep(0.05)
    else:
        pytest.fail("the grandchild lives on")
