"""Runs that are stopped: killed, interrupted, out of disk."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rmfd_cli.errors import OutputError
from rmfd_cli.synth.publish import clear_up, only_writer, publish
from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.run import _render, synthesize
from tests import media
from tests.synth import clips

ROOT = Path(__file__).parents[2]
REQUEST = SynthRequest(preset="heavy", variants=3, layers=("streaks", "occlusion"))
WORDS = ("--preset", "heavy", "--variants", "3", "--layers", "streaks,occlusion")


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    clips.video(folder / "b.mkv")
    clips.video(folder / "town" / "a.mp4", frames=5)
    return folder


def rmfd(*arguments: object, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rmfd_cli", "synth", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options)


def test_a_run_that_is_killed_and_resumed_equals_an_uninterrupted_one(clean, tmp_path):
    out = tmp_path / "out"
    with rmfd(clean, "-o", out, *WORDS, "--workers", 2) as process:
        patterns = ("[!.]*/**/metadata.json", ".rmfd-synth-*/*/tree")
        while not all(any(out.glob(pattern)) for pattern in patterns) and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    before = clips.contents(out)
    assert 0 < len(list(out.glob("[!.]*/**/metadata.json"))) < 6
    assert any(".rmfd-synth-" in name for name in before)
    report = synthesize(clean, out, REQUEST, workers=1)
    assert 0 < report.skipped < 6
    assert report.skipped + report.made == 6
    synthesize(clean, tmp_path / "whole", REQUEST, workers=1)
    assert clips.contents(out) == clips.contents(tmp_path / "whole")


def test_ctrl_c_leaves_complete_variants_only(clean, tmp_path):
    out = tmp_path / "out"
    with rmfd(clean, "-o", out, *WORDS, "--workers", 2, "--quiet", start_new_session=True) as process:
        while not any(out.glob(".rmfd-synth-*/*/tree")) and process.poll() is None:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.splitlines() == ["rmfd: stopped; complete variants are kept, the same command goes on with the rest"]
    for folder in out.glob("**/[0-9]"):
        assert (folder / "metadata.json").is_file()
    assert not list(out.glob(".rmfd*"))


def test_a_full_disk_is_one_line_after_what_failed_before_and_what_is_complete_stays(tmp_path):
    """A limit on the size of files stands for the end of the disk."""
    (tmp_path / "clean").mkdir()
    broken = tmp_path / "clean/a.mp4"
    broken.write_text("this is no video")
    media.encode(tmp_path / "clean/big.mkv", frames=4, size=(640, 480))
    out = tmp_path / "out"
    limit = (100_000, 100_000)
    with rmfd(
        *(tmp_path / "clean", "-o", out, "--layers", "none", "--workers", 1, "--quiet"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    ) as process:
        _, stderr = process.communicate(timeout=300)
    assert process.returncode == 1
    assert stderr.splitlines() == [
        f"rmfd: failed: a.mp4: {broken}: is not a video that can be read; check that it plays elsewhere",
        f"rmfd: error: {out}: File too large; what is complete is kept, the same command goes on when there is room",
    ]
    assert list(out.iterdir()) == []


def test_a_worker_without_memory_is_told_from_other_failures(clean, tmp_path):
    """16 GiB of addresses hold any torch, and no picture of 24 GB."""
    limit = (16 << 30, 16 << 30)
    with rmfd(
        *(clean / "town", "-o", tmp_path / "out", "--size", "90000x90000", "--workers", 1, "--quiet"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limit),
    ) as process:
        _, stderr = process.communicate(timeout=300)
    assert (process.returncode, len(stderr.splitlines())) == (5, 2)
    assert stderr.startswith("rmfd: failed: a.mp4: there is not enough memory; try fewer --workers or a smaller --size\n")


def test_a_worker_that_outlives_its_run_does_not_meet_the_next_one(clean, tmp_path):
    (job, *_) = clips.jobs_of(clean, SynthRequest(preset="light", layers=(), frames=2))
    with only_writer(tmp_path) as old:
        pass
    old.mkdir()  # as a run that is killed leaves it

    def next_run(count: int) -> None:
        with only_writer(tmp_path) as new:
            assert not old.exists()
            _render(tmp_path, new, job, lambda count: None)
            with pytest.raises(OutputError):
                _render(tmp_path, old, job, lambda count: None)
            publish(job, tmp_path, new)

    _render(tmp_path, old, job, next_run)
    assert sorted(path.name for path in tmp_path.glob("b/0/*")) == ["clean.mkv", "metadata.json", "rainy.mkv"]
    clear_up(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
