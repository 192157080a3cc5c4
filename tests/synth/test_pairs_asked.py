"""What is asked of a data set at its edges: small frames, few layers, a contact sheet in its place, too few depth maps."""

from itertools import islice

import numpy as np
import pytest
from typer.testing import CliRunner

from rmfd_cli.cli import app
from rmfd_cli.clips.find import frames_of
from rmfd_cli.clips.pairs import find_pairs
from rmfd_cli.errors import InputError
from rmfd_cli.synth.depth import depth_maps
from rmfd_cli.synth.frames import read_pictures
from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.run import synthesize
from rmfd_cli.synth.sources import Clip
from rmfd_cli.video.lossless import read_lossless
from tests.synth import clips


def run(*arguments: object):
    return CliRunner().invoke(app, ["synth", *map(str, arguments)])


@pytest.fixture
def clean(tmp_path):
    clips.video(tmp_path / "clean" / "a.mkv")
    return tmp_path / "clean"


def test_a_frame_too_small_for_its_rain_is_made(clean, tmp_path):
    rain = ("--preset", "violent", "--rain-rate", 500, "--exposure", 0.1, "--wind", 60)
    done = run(clean, "-o", tmp_path / "out", "--frames", 3, "--size", "16x16", *rain)
    assert done.exit_code == 0, done.stderr
    assert len(list(read_lossless(tmp_path / "out/a/0/rainy.mkv"))) == 3


def test_what_is_made_is_found_and_read_as_it_is_stored(clean, tmp_path):
    synthesize(clean, tmp_path / "out", SynthRequest(preset="heavy", layers=()))
    ((rainy, truth),) = find_pairs(tmp_path / "out")
    for path in (rainy, truth):
        assert all(np.array_equal(*both) for both in zip(frames_of(path), read_lossless(path), strict=True))
    again = read_pictures(Clip("a", truth), None)
    assert all(np.array_equal(*both) for both in zip(again, read_lossless(truth), strict=True))


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ("all,streaks", "--layers all,streaks: all stands alone; leave it out, or the others"),
        ("none,streaks", "--layers none,streaks: none stands alone; leave it out, or the others"),
        ("", "--layers is empty; write none, or all, or some of streaks, "),
        (" , ", "--layers is empty; write none, or all, or some of streaks, "),
    ],
)
def test_layers_that_make_no_sense_are_one_line(clean, tmp_path, layers, words):
    done = run(clean, "-o", tmp_path / "out", "--layers", layers)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"rmfd: error: {words}")
    assert done.stderr.count("\n") == 1


def test_the_place_of_a_contact_sheet_is_looked_at_before_any_work(clean, tmp_path, monkeypatch):
    monkeypatch.setattr("rmfd_cli.synth.run.make_plan", lambda *_: pytest.fail("it has begun to work"))
    done = run(clean, "--preview", tmp_path / "nowhere" / "look.png")
    assert done.exit_code == 1
    assert f"{tmp_path / 'nowhere' / 'look.png'}: cannot be written" in done.stderr


def test_a_contact_sheet_that_cannot_be_completed_leaves_the_one_before(clean, tmp_path, monkeypatch):
    sheet = tmp_path / "look.png"
    sheet.write_bytes(b"precious")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rmfd_cli.files.os.fsync", full)
    done = run(clean, "--preview", sheet)
    assert done.exit_code == 1
    assert "look.png: cannot be written: No space left on device" in done.stderr
    assert sheet.read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "look.png"]


@pytest.mark.parametrize(("count", "there"), [(1, "1 depth map,"), (3, "3 depth maps,")])
def test_too_few_depth_maps_say_where_a_single_one_would_go(tmp_path, count, there):
    (tmp_path / "street").mkdir()
    for number in range(count):
        np.save(tmp_path / "street" / f"{number}.npy", np.full((2, 3), 5.0))
    with pytest.raises(InputError, match=rf"street: has {there} fewer .* or put one for all frames as street\.png"):
        list(islice(depth_maps(tmp_path, "street", (3, 2)), count + 1))
