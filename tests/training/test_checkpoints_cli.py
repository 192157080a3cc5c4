"""What `rmfd train` does with an earlier run, and what it takes from where."""

import pytest
from typer.testing import CliRunner

from rmfd_cli.cli import app
from rmfd_cli.training.checkpoints import checkpoints, read_checkpoint
from tests import media


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    clean = tmp_path_factory.mktemp("clean")
    media.cfr(clean / "one.mp4", frames=6)
    return clean


def run(folder, out, *arguments: object):
    quick = ("--data", folder, "--validation", folder, "--out", out, "--batch-size", 1, "--frames", 2, "--crop", 32)
    return CliRunner().invoke(app, ["train", *map(str, (*quick, "--device", "cpu", *arguments))])


@pytest.fixture(scope="module")
def earlier(folder, tmp_path_factory):
    """A run of two steps; only read it."""
    out = tmp_path_factory.mktemp("earlier")
    assert run(folder, out, "--steps", 2, "--save-every", 1, "-q").exit_code == 0
    return out


def test_a_checkpoint_from_elsewhere_does_not_take_the_place_of_another_run(folder, earlier, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    precious = tmp_path / "checkpoints" / "step-00000007.pt"
    precious.write_bytes(b"precious")
    (first, _) = checkpoints(earlier / "checkpoints")
    refused = run(folder, tmp_path, "--steps", 2, "--resume", first)
    assert refused.exit_code == 2
    assert f"{tmp_path / 'checkpoints'} is there from an earlier run; pass --resume auto" in refused.stderr
    assert [path.name for path in tmp_path.rglob("*.*")] == [precious.name]
    assert precious.read_bytes() == b"precious"


def test_it_may_go_on_in_an_empty_place_and_in_its_own(folder, earlier, tmp_path):
    (first, _) = checkpoints(earlier / "checkpoints")
    assert run(folder, tmp_path / "new", "--steps", 2, "--resume", first, "-q").exit_code == 0
    own = tmp_path / "new" / "checkpoints" / "step-00000002.pt"
    done = run(folder, tmp_path / "new", "--steps", 3, "--resume", own, "-q")
    assert done.exit_code == 0, done.stderr


def test_a_weight_of_the_command_line_leaves_the_file_s_others(folder, tmp_path):
    (tmp_path / "run.toml").write_text("[weight]\nflow = 0\nhazy = 0.25\n")
    done = run(folder, tmp_path, "--config", tmp_path / "run.toml", "--weight", "flow=0.5", "--steps", 1, "-q")
    assert done.exit_code == 0, done.stderr
    saved = read_checkpoint(tmp_path / "checkpoints" / "step-00000001.pt")["config"]["weights"]
    assert (saved["flow"], saved["hazy"], saved["change"]) == (0.5, 0.25, 0.2)


@pytest.mark.parametrize("seed", [2**63, 99999999999999999999])
def test_a_seed_that_is_too_large_is_one_line(folder, tmp_path, seed):
    done = run(folder, tmp_path, "--seed", seed)
    assert done.exit_code == 2
    assert done.stderr == f"rmfd: error: --seed is {seed}; it goes from 0 to 9223372036854775807\n"


def test_the_table_names_clips_and_their_weather(folder, tmp_path):
    done = run(folder, tmp_path, "--steps", 1)
    assert done.exit_code == 0, done.stderr
    names = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert names[0] == "clip"
    assert names[-1] == "mean"
    assert all(name.startswith("one.mp4, ") for name in names[1:-1])
    assert len(set(names)) > 4


def test_help_has_the_exit_codes_of_training():
    words = " ".join(CliRunner().invoke(app, ["train", "--help"]).stdout.split())
    assert "0 all steps are done, or the time limit was reached" in words
    assert "129 by SIGHUP" in words
    assert "--overwrite was not given" not in words
