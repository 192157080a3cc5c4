"""`rmfd train` on the command line."""

import pytest
from typer.testing import CliRunner

from rmfd_cli.cli import app
from rmfd_cli.model.checkpoint import load_model
from tests import media


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    clean = tmp_path_factory.mktemp("clean")
    media.cfr(clean / "one.mp4", frames=6)
    return clean


def run(*arguments: object):
    return CliRunner().invoke(app, ["train", *map(str, arguments)])


def quick(folder, out):
    return (
        "--data",
        folder,
        "--validation",
        folder,
        "--out",
        out,
        "--batch-size",
        1,
        "--frames",
        2,
        "--crop",
        32,
        "--device",
        "cpu",
    )


def test_it_trains_resumes_and_leaves_weights_that_load(folder, tmp_path):
    done = run(*quick(folder, tmp_path), "--steps", 2)
    assert done.exit_code == 0, done.stderr
    assert "restored" in done.stderr
    assert load_model(tmp_path / "rmfd.safetensors").config.look_ahead == 1
    again = run(*quick(folder, tmp_path), "--steps", 3, "--resume", "-q")
    assert again.exit_code == 0, again.stderr
    assert again.stderr == ""
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 3


def test_an_earlier_run_is_not_overwritten(folder, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"precious")
    done = run(*quick(folder, tmp_path))
    assert done.exit_code == 2
    assert "--resume" in done.stderr
    assert (tmp_path / "checkpoint.pt").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("extra", "code", "word"),
    [
        (("--resume",), 2, "train without --resume first"),
        (("--steps", 0), 2, "--steps is 0"),
        (("--crop", 8), 2, "--crop is 8"),
        (("--stage", "2"), 2, "--stage"),
    ],
)
def test_what_cannot_be_done_is_one_line(folder, tmp_path, extra, code, word):
    done = run(*quick(folder, tmp_path), *extra)
    assert done.exit_code == code
    assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_no_clips_is_one_line(folder, tmp_path):
    done = run("--data", tmp_path / "nowhere", "--validation", folder, "--out", tmp_path / "out", "--device", "cpu")
    assert done.exit_code == 1
    assert "no video with at least two frames" in done.stderr
