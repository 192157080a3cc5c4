"""`rmfd synth` on the command line, as far as it needs no worker."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from rmfd_cli.cli import app
from rmfd_cli.cli.progress import set_on_stderr
from rmfd_cli.cli.synth import PRESETS, _verdict, parse_layers
from rmfd_cli.cli.values import parse_picture_size
from rmfd_cli.errors import InputError, MachineError, OutputError, PartialFailureError, UsageError
from rmfd_cli.rain import presets
from rmfd_cli.synth.request import LAYERS
from rmfd_cli.synth.run import SynthReport
from rmfd_cli.types import SetProgress
from tests.synth import clips


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    clips.video(folder / "a.mkv")
    clips.video(folder / "b.mkv")
    return folder


def run(*arguments: object):
    return CliRunner().invoke(app, ["synth", *map(str, arguments)])


def test_help_names_every_preset_of_the_simulator_and_every_layer():
    assert set(PRESETS) == set(presets.PRESETS)
    words = run("--help").stdout.split()
    for word in (*PRESETS[:-1], *LAYERS[:-1]):
        assert f"{word}," in words
    for word in ("Examples:", "basicsr", "nturain", "--depth-dir", "130"):
        assert word in words


def test_a_dry_run_prints_the_plan_and_writes_nothing(clean, tmp_path):
    before = clips.contents(clean)
    done = run(clean, "-o", tmp_path / "out", "--variants", 2, "--dry-run")
    assert done.exit_code == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[:2] for row in rows] == [["a.mkv", "a/0"], ["a.mkv", "a/1"], ["b.mkv", "b/0"], ["b.mkv", "b/1"]]
    assert len({row[3] for row in rows}) == 4
    assert not (tmp_path / "out").exists()
    assert clips.contents(clean) == before


def test_a_preview_is_all_that_is_written(clean, tmp_path):
    done = run(clean, "--preview", tmp_path / "look.png", "--preset", "light")
    assert (done.exit_code, done.stderr) == (0, f"{tmp_path / 'look.png'}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["look.png"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ((), 2, "--output is missing"),
        (("--size", "big", "-o", "x"), 2, "--size: 'big' is no size"),
        (("--size", "8x8", "-o", "x"), 2, "--size is 8x8"),
        (("--layers", "streaks,fog", "-o", "x"), 2, "fog"),
        (("--variants", "0", "-o", "x"), 2, "--variants is 0"),
        (("--workers", "-1", "-o", "x"), 2, "--workers is -1"),
        (("--workers", "0", "-o", "x"), 2, "--workers is 0"),
        (("--preview", "look.png", "--dry-run"), 2, "--dry-run"),
        (("--preset", "hail", "-o", "x"), 2, "hail"),
        (("--rain-rate", "-3", "-o", "x"), 2, "rain rate is -3"),
        (("--exposure", "9", "-o", "x"), 2, "exposure is 9"),
        (("--depth-dir", "/nonexistent", "-o", "x"), 2, "/nonexistent"),
        (("--preview", "look.jpg"), 2, "name a .png"),
        (("-o", "/proc/rmfd"), 1, "/proc/rmfd"),
    ],
)
def test_what_cannot_be_done_is_one_line(clean, tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    done = run(clean, *arguments)
    assert done.exit_code == code
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("rmfd: error: ")
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_one_line(tmp_path):
    done = run(tmp_path, "-o", tmp_path.parent / "out")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"rmfd: error: {tmp_path}: holds no video")
    assert not (tmp_path.parent / "out").exists()


@pytest.mark.parametrize(
    ("complete", "failures", "folders", "kind", "words"),
    [
        (0, [MachineError("a"), MachineError("b")], [], MachineError, "nothing was made; 2 of 2 variants failed"),
        (0, [OutputError("a"), InputError("b")], [InputError("c")], OutputError, "2 of 2 variants failed and 1 folder could"),
        (0, [MachineError("a"), InputError("b")], [], PartialFailureError, "nothing was made; 2 of 2 variants failed"),
        (2, [MachineError("a")], [], PartialFailureError, "1 of 3 variants failed, the others are complete"),
        (1, [], [InputError("a"), InputError("b")], PartialFailureError, "2 folders could not be read, the others are"),
    ],
)
def test_the_exit_code_is_that_of_the_failures_only_where_all_failed_alike(complete, failures, folders, kind, words):
    report = SynthReport(complete, 0, tuple(failures), tuple(folders), frames=0, seconds=0.0)
    verdict = _verdict(Path("out"), report)
    assert verdict.exit_code == kind.exit_code
    assert words in str(verdict)


def test_sizes_and_layers_are_understood():
    assert parse_picture_size("640x360") == (640, 360)
    assert parse_layers("all") == LAYERS
    assert parse_layers("none") == ()
    assert parse_layers(" flow,streaks ") == ("streaks", "flow")
    for bad in ("640", "x", "-1x5", "640x", "1e3x5"):
        with pytest.raises(UsageError):
            parse_picture_size(bad)


def test_a_log_gets_a_line_now_and_then(capsys):
    with set_on_stderr("variant", quiet=False) as update:
        for second in range(26):
            update(SetProgress(done=second, jobs=50, frames=3 * second, seconds=float(second)))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0] == "variant 10 of 50, 30 frames, 3.0 fps, 0:40 left"
