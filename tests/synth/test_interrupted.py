"""Runs that are stopped: killed, interrupted, out of disk."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.run import synthesize
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
        while not (any(out.glob("[!.]*/**/metadata.json")) and any(out.glob(".rmfd-synth-*/tree"))) and process.poll() is None:
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
    with rmfd(clean, "-o", out, *WORDS, "--workers", 2, start_new_session=True) as process:
        while not any(out.glob(".rmfd-synth-*/tree")) and process.poll() is None:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr.splitlines() == ["rmfd: stopped; complete variants are kept, the same command goes on with the rest"]
    for folder in out.glob("**/[0-9]"):
        assert (folder / "metadata.json").is_file()
    assert not list(out.glob(".rmfd*"))


def test_a_full_disk_is_one_line_and_what_is_complete_stays(clean, tmp_path):
    """A limit on the size of files stands for the end of the disk."""
    (tmp_path / "clean").mkdir()
    media.encode(tmp_path / "clean/big.mkv", frames=4, size=(640, 480))
    out = tmp_path / "out"
    limit = (100_000, 100_000)
    with rmfd(
        *(tmp_path / "clean", "-o", out, "--layers", "none", "--workers", 1),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    ) as process:
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 1
    assert stderr.splitlines() == [
        f"rmfd: error: {out}: File too large; what is complete is kept, the same command goes on when there is room"
    ]
    assert list(out.iterdir()) == []
