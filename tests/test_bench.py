"""rmfd bench: what is measured, on real runs."""

import json

import pytest
from typer.testing import CliRunner

from rmfd_cli.cli import app
from tests import media


def bench(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_the_made_up_video_is_measured_and_the_longest_stage_named():
    result = bench("--size", "64x48", "--frames", "12", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["width_px"], told["height_px"], told["frames"]) == (64, 48, 12)
    assert set(told["spent"]) == {"decode", "align", "stage 1", "stage 2", "encode"}
    assert told["bound"] == max(told["spent"], key=told["spent"].get)
    assert max(told["spent"].values()) <= told["derain_seconds"]
    assert told["ratio"] == pytest.approx(told["derain_seconds"] / told["transcode_seconds"])
    assert told["derain_fps"] == pytest.approx(12 / told["derain_seconds"])


def test_a_video_of_ones_own_is_measured(tmp_path):
    clip = media.cfr(tmp_path / "a.mp4", frames=11)
    before = clip.read_bytes()
    result = bench(clip)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].endswith(", 11 frames")
    assert lines[1].startswith("plain transcode\t")
    assert lines[-1].endswith(" bounds it")
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert clip.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["--size", "big"], 2, "WIDTHxHEIGHT"),
        (["--size", "63x48"], 2, "even"),
        (["--size", "16x16"], 2, "at least 32"),
        (["nothing.mp4"], 1, "nothing.mp4"),
        (["--model", "nothing.safetensors", "--size", "64x48", "--frames", "10"], 4, "nothing.safetensors"),
    ],
)
def test_what_cannot_be_measured_is_one_line(arguments, code, word):
    result = bench(*arguments)
    assert result.exit_code == code
    assert word in result.stderr
    assert len(result.stderr.splitlines()) == 1
