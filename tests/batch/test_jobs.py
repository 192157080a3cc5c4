"""Several videos at a time: really at a time, each as it would be alone, and all given up together."""

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rmfd_cli import cli
from rmfd_cli.cli import derain as command
from rmfd_cli.cli.loading import lazy_restorer
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.stand_ins import change, unchanged
from tests.test_cli import ROOT
from tests.test_cli import command as stand_in

SECONDS = 20


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "lazy_restorer", lambda *_: unchanged)
    return tmp_path


def place(clip, *names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip(media.cfr, frames=30), name)


def derain(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["derain", *arguments])


def meeting(count: int):
    """A model that goes on once so many videos have begun."""
    barrier = threading.Barrier(count)

    def restore(images):
        for number, image in enumerate(images):
            if number == 0:
                barrier.wait(SECONDS)
            yield change(image)

    return restore


def test_as_many_as_asked_for_are_under_way_at_a_time(clip, monkeypatch):
    place(clip, "in/a.mp4", "in/b.mp4", "in/c.mp4")
    monkeypatch.setattr(command, "lazy_restorer", lambda *_: meeting(3))
    result = derain("in", "-o", "out", "--jobs", "3", "--report", "report.json")
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir("out")) == ["a.mp4", "b.mp4", "c.mp4"]
    entries = json.loads(Path("report.json").read_text())["files"]
    assert [Path(entry["source"]).name for entry in entries] == ["a.mp4", "b.mp4", "c.mp4"]


def test_each_comes_out_as_it_would_alone(clip, monkeypatch):
    def growing(images):
        return (change(image, number / 200) for number, image in enumerate(images))

    place(clip, "in/a.mp4", "in/b.mp4", "in/c.mp4", "in/d.mp4")
    monkeypatch.setattr(command, "lazy_restorer", lambda *_: growing)
    assert derain("in", "-o", "together", "-j", "2", "--lossless").exit_code == 0
    assert derain("in/a.mp4", "-o", "alone.mkv", "--lossless").exit_code == 0
    with VideoReader("alone.mkv") as video:
        alone = [frame.planes for frame in video]
    for name in ("a", "b", "c", "d"):
        with VideoReader(f"together/{name}.mkv") as video:
            for planes, frame in zip(alone, video, strict=True):
                assert all(np.array_equal(one, other) for one, other in zip(planes, frame.planes, strict=True))


def test_one_that_fails_stops_no_other(clip):
    place(clip, "in/a.mp4", "in/c.mp4")
    Path("in/b.mp4").write_text("no video")
    result = derain("in", "-o", "out", "-j", "2")
    assert result.exit_code == 3
    assert "2 done" in result.stderr
    assert sorted(os.listdir("out")) == ["a.mp4", "c.mp4"]


def test_the_first_failure_gives_up_the_rest_if_asked_to(clip, monkeypatch):
    def slow(images):
        for image in images:
            time.sleep(0.2)
            yield change(image)

    place(clip, "in/b.mp4", "in/c.mp4")
    Path("in/a.mp4").write_text("no video")
    monkeypatch.setattr(command, "lazy_restorer", lambda *_: slow)
    began = time.monotonic()
    result = derain("in", "-o", "out", "-j", "2", "--fail-fast", "--report", "report.json")
    assert result.exit_code == 1
    assert time.monotonic() - began < 5
    assert not list(Path().rglob("*.mp4.*")) + list(Path("out").glob("*"))
    statuses = [entry["status"] for entry in json.loads(Path("report.json").read_text())["files"]]
    assert statuses == ["failed", "not done", "not done"]


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_gives_up_all_and_leaves_nothing(clip, tmp_path, kind):
    place(clip, "in/a.mp4", "in/b.mp4", "in/c.mp4")
    mark = tmp_path / "begun"
    process = subprocess.Popen(
        [*stand_in(0.1), "derain", "in", "-o", "out", "--jobs", "2", "--report", "report.json"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "MARK": str(mark)},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not mark.exists() and process.poll() is None:
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(kind)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + kind, said
    assert "Traceback" not in said
    assert json.loads(Path("report.json").read_text())["exit_code"] == 128 + kind
    assert not [name for _, _, names in os.walk("out") for name in names]


def test_the_model_is_loaded_once_whoever_asks_first(monkeypatch):
    loaded = []

    def slowly(*_):
        loaded.append(1)
        time.sleep(0.2)
        return unchanged

    monkeypatch.setattr("rmfd_cli.model.streaming.restorer", slowly)
    restore = lazy_restorer("small", "cpu")
    threads = [threading.Thread(target=restore, args=([],)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == [1]


def test_no_jobs_are_none_too_few():
    result = derain("in", "-o", "out", "--jobs", "0")
    assert result.exit_code == 2
    assert "--jobs" in result.stderr
