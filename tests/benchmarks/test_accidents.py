"""The script of docs/accidents.md on a small scale, with a stand-in for the model."""

import os
import random
import signal
import sys
import time

import pytest

from benchmarks import accidents
from benchmarks.accidents import Accident, Scene, run, send, send_ffmpeg

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")

QUICK = (
    Accident("SIGINT", send(signal.SIGINT), resume=False, leaves_nothing=True),
    Accident("SIGTERM", send(signal.SIGTERM), resume=True, leaves_nothing=True),
    Accident("SIGKILL", send(signal.SIGKILL), resume=False, overwrite=True),
    Accident("SIGKILL", send(signal.SIGKILL), resume=True),
    Accident("SIGKILL of ffmpeg", send_ffmpeg(signal.SIGKILL), resume=True, leaves_nothing=True),
    Accident("ffmpeg floods stderr", accidents.nothing, resume=True, must_succeed=True),
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Scene:
    folder = tmp_path_factory.mktemp("accidents")
    return Scene(folder, ("--stand-in",), accidents.source_clip(folder / "in.mp4", frames=40), timed_runs=1)


@pytest.mark.parametrize("accident", QUICK, ids=lambda accident: f"{accident.kind}{' --resume' * accident.resume}")
def test_nothing_is_left_half_done(scene, accident):
    assert run(accident, scene, random.Random(3)).faults == ()


def test_a_target_that_is_not_complete_is_seen(scene, tmp_path):
    whole = scene.whole(".mkv", True)
    (tmp_path / "out.mkv").write_bytes(scene.source.read_bytes()[:2000])
    assert accidents.state_of(tmp_path / "out.mkv", whole) == "damaged"
    assert accidents.state_of(scene.source, whole) == "another"


def test_ctrl_c_says_that_the_same_command_goes_on(scene, tmp_path):
    with scene.start(tmp_path, ".mp4", True) as process:
        deadline = time.monotonic() + 30
        while not (tmp_path / ".out.mp4.rmfd" / "plan.json").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == "rmfd: stopped; what is done is kept in pieces of 250 frames, and the same command goes on\n"
    assert os.listdir(tmp_path) == [".out.mp4.rmfd"]
    with scene.start(tmp_path, ".mp4", True) as process:
        assert process.wait(timeout=60) == 0
    assert accidents.state_of(tmp_path / "out.mp4", scene.whole(".mp4", True)) == "complete"
