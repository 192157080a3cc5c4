"""The script of docs/accidents.md on a small scale, with a stand-in for the model."""

import random
import signal
import sys

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
