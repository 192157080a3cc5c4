"""Thirty files, six of them bad in six ways: in a shell loop and as one batch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rmfd_cli.video.reader import VideoReader
from tests import media

FRAMES = 4
BAD = {
    "04 no video.mp4": 1,
    "09 empty.mkv": 1,
    "13 sound alone.mp4": 1,
    "18 cut off.mp4": 1,
    "22 half.mkv": 1,
    "27 damaged.mp4": 1,
}
"""The exit code that each of them has for itself."""


@pytest.fixture
def folder(tmp_path, clip) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    good = clip(media.no_audio, frames=FRAMES)
    names = {int(name.split()[0]): name for name in BAD}
    for number in range(30):
        if number not in names:
            shutil.copy(good, folder / f"{number:02d} 'good' ü.mp4")
    (folder / names[4]).write_text("no video")
    (folder / names[9]).touch()
    media.audio_only(folder / names[13])
    media.truncated(folder / names[18], media.cfr(tmp_path / "long.mp4"))
    media.truncated(folder / names[22], media.no_audio(tmp_path / "long.mkv"), keep=0.5)
    media.corrupted(folder / names[27], tmp_path / "long.mp4")
    return folder


def good_outputs(out: Path) -> list[str]:
    for path in out.iterdir():
        with VideoReader(path) as video:
            assert len(list(video)) == FRAMES
    return sorted(path.name for path in out.iterdir())


def expected(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name not in BAD)


def run(command: list[str], folder: Path, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, cwd=folder.parent, input=stdin, capture_output=True, check=False)


def test_as_one_batch(folder):
    done = run([sys.executable, "-m", "rmfd_cli", "derain", "in", "-o", "out", "--report", "report.json"], folder, b"")
    assert done.returncode == 3, done.stderr.decode()
    assert good_outputs(folder.parent / "out") == expected(folder)
    report = json.loads((folder.parent / "report.json").read_text())
    failed = {Path(entry["source"]).name: entry["exit_code"] for entry in report["files"] if entry["status"] == "failed"}
    assert failed == BAD
    assert report["counts"] == {"done": 24, "skipped": 0, "failed": 6, "not_done": 0}
    assert b"Traceback" not in done.stderr


@pytest.mark.slow  # thirty times the start of Python and torch
def test_in_a_shell_loop(folder):
    loop = 'ls in | while IFS= read -r f; do "$0" -m rmfd_cli derain "in/$f" -o "out/$f" -q; echo "$? $f"; done'
    (folder.parent / "out").mkdir()
    done = run(["bash", "-c", loop, sys.executable], folder, b"")
    codes = {line.split(" ", 1)[1]: int(line.split(" ", 1)[0]) for line in done.stdout.decode().splitlines()}
    assert codes == {name: BAD.get(name, 0) for name in os.listdir(folder)}
    assert good_outputs(folder.parent / "out") == expected(folder)
    assert len(done.stderr.splitlines()) == len(BAD)
