"""`rmfd train` on the command line."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.main import get_command
from typer.testing import CliRunner

from rmfd_cli.cli import app
from rmfd_cli.cli.stopping import parse_duration
from rmfd_cli.cli.train import _device
from rmfd_cli.errors import UsageError
from rmfd_cli.model.checkpoint import load_model, shipped_weights
from rmfd_cli.model.config import SIZES
from rmfd_cli.training.checkpoints import read_checkpoint
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
        *("--data", folder, "--validation", folder, "--out", out),
        *("--batch-size", 1, "--frames", 2, "--crop", 32, "--device", "cpu"),
    )


def test_the_example_for_a_gpu_is_understood(tmp_path, monkeypatch):
    example = Path(__file__).parents[2] / "examples" / "large.toml"
    monkeypatch.chdir(tmp_path)
    done = run("--config", example, "--out", "runs/large", "--device", "cpu", "--init", shipped_weights("small"))
    assert done.exit_code == 1
    assert "no video with at least two frames below clean/train" in done.stderr.splitlines()[-1]


def last_step(out: Path) -> int:
    return json.loads((out / "log.jsonl").read_text().splitlines()[-1])["step"]


def test_it_trains_resumes_and_leaves_weights_that_load(folder, tmp_path):
    done = run(*quick(folder, tmp_path), "--steps", 2)
    assert done.exit_code == 0, done.stderr
    assert "restored" in done.stderr
    table = [line.split("\t") for line in done.stdout.splitlines()]
    assert table[0] == [
        "clip",
        *("input PSNR", "input SSIM", "stage 1 PSNR", "stage 1 SSIM", "restored PSNR", "restored SSIM"),
    ]
    assert table[-1][0] == "mean"
    assert len(table) == 1 + 14 + 1
    assert 5 < float(table[-1][1]) < 60
    assert load_model(tmp_path / "rmfd.safetensors").config.look_ahead == 1
    again = run(*quick(folder, tmp_path), "--steps", 3, "--resume", "auto", "-q")
    assert again.exit_code == 0, again.stderr
    assert again.stderr == again.stdout == ""
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 3


def test_a_size_is_trained_and_kept(folder, tmp_path):
    done = run(*quick(folder, tmp_path / "a"), "--steps", 1, "--model", "large", "-q")
    assert done.exit_code == 0, done.stderr
    weights = tmp_path / "a" / "rmfd.safetensors"
    assert load_model(weights).config == SIZES["large"]
    other = run(*quick(folder, tmp_path / "b"), "--init", weights, "--model", "small")
    assert other.exit_code == 2
    assert "does not fit into one of this size" in other.stderr


def test_an_earlier_run_is_not_overwritten(folder, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    precious = tmp_path / "checkpoints" / "step-00000007.pt"
    precious.write_bytes(b"precious")
    done = run(*quick(folder, tmp_path))
    assert done.exit_code == 2
    assert "--resume auto" in done.stderr
    assert precious.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("extra", "code", "word"),
    [
        (("--resume", "nowhere.pt"), 1, "there is no checkpoint nowhere.pt"),
        (("--steps", 0), 2, "--steps is 0"),
        (("--frames", 1), 2, "--frames is 1"),
        (("--keep", 0), 2, "--keep is 0"),
        (("--seed", -1), 2, "--seed is -1"),
        (("--learning-rate", "inf"), 2, "--learning-rate is inf"),
        (("--weight", "adversay=0"), 2, "no term 'adversay'; the nearest"),
        (("--weight", "adversary"), 2, "write adversary=NUMBER"),
        (("--weight", "adversary=-1"), 2, "write adversary=NUMBER"),
        (("--crop", 8), 2, "--crop is 8"),
        (("--workers", -1), 2, "--workers is -1"),
        (("--paired-share", 2), 2, "--paired-share is 2"),
        (("--time-limit", "soon"), 2, "'soon' is no time"),
        (("--stage", "3"), 2, "--stage"),
        (("--model", "huge"), 2, "--model"),
        (("--config", "nowhere.toml"), 2, "nowhere.toml: cannot be read"),
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


def test_nothing_to_train_on_is_one_line(folder, tmp_path):
    done = run("--validation", folder, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "give --data, or --paired, or both" in done.stderr


def test_a_file_gives_options_and_the_command_line_wins(folder, tmp_path):
    (tmp_path / "run.toml").write_text(
        f'data = "{folder}"\nvalidation = "{folder}"\nout = "{tmp_path / "a"}"\nsteps = 3\nbatch-size = 1\nframes = 2\n'
        'updates_per_clip = 1\ncrop = 32\ndevice = "cpu"\nquiet = true\nlearning-rate = 1e-4\ncompile = false\n'
        "[weight]\nflow = 0\nhazy = 0.25\n"
    )
    done = run("--config", tmp_path / "run.toml", "--steps", 1, "--out", tmp_path / "b")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    assert last_step(tmp_path / "b") == 1
    assert not (tmp_path / "a").exists()
    saved = read_checkpoint(tmp_path / "b" / "checkpoints" / "step-00000001.pt")["config"]["weights"]
    assert (saved["flow"], saved["hazy"], saved["change"]) == (0, 0.25, 0.2)


def test_every_option_can_be_given_in_a_file(tmp_path):
    command = get_command(app).commands["train"]
    flags = [flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")]
    assert "--compile" in flags
    for flag in flags:
        if flag != "--config":
            (tmp_path / "run.toml").write_text(f"{flag[2:]} = {{}}\n")  # no value for anything, so that none is run with
            done = run("--config", tmp_path / "run.toml")
            assert done.exit_code == 2
            assert "there is no option" not in done.stderr, flag


def test_each_process_of_torchrun_takes_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert _device("auto") == "cuda:3"
    assert _device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batchsize = 2", "there is no option 'batchsize'; the nearest is 'batch-size'"),
        ("steps = 2.5", "Invalid value for '--steps'"),
        ("steps = [2]", "steps is [2]"),
        ("steps = ", "is not TOML"),
    ],
)
def test_a_file_that_is_wrong_is_one_line(tmp_path, text, words):
    (tmp_path / "run.toml").write_text(text)
    done = run("--config", tmp_path / "run.toml")
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("text", "seconds"), [("600", 600), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h", 3600)])
def test_times_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "10x", "m", "1m1h"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError, match="is no time"):
        parse_duration(text)


def test_a_time_limit_saves_and_says_how_to_go_on(folder, tmp_path):
    done = run(*quick(folder, tmp_path), "--steps", 1000, "--time-limit", "0.01s")
    assert done.exit_code == 0, done.stderr
    assert "time is up after step 1 of 1000, saved; the same command with --resume auto goes on" in done.stderr
    assert load_model(tmp_path / "rmfd.safetensors")
    assert done.stdout.splitlines()[-1].startswith("mean\t")
    assert (tmp_path / "best.safetensors").is_file()
    again = run(*quick(folder, tmp_path), "--steps", 1000, "--time-limit", "0.01s", "--resume", "auto")
    assert "after step 2 of 1000" in again.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_tells(folder, tmp_path, number, code):
    command = [sys.executable, "-m", "rmfd_cli", "train", *map(str, quick(folder, tmp_path)), "--steps", "100000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    log = tmp_path / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "rmfd: stopped after step" in said
    assert "weights: " in said
    assert json.loads(log.read_text().splitlines()[-1])["validation"] is None
    assert "Traceback" not in said
    saved = tmp_path / "checkpoints" / f"step-{last_step(tmp_path):08d}.pt"
    assert saved.is_file()
    assert load_model(tmp_path / "rmfd.safetensors")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_where_nothing_can_be_compiled_is_one_line(folder, tmp_path):
    environment = {**os.environ, "CXX": "/nowhere/c++", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    command = [
        sys.executable,
        "-m",
        "rmfd_cli",
        "train",
        *map(str, quick(folder, tmp_path / "out")),
        "--compile",
        "--steps",
        "1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 4, done.stderr
    assert done.stderr.startswith("rmfd: error: torch.compile does not work here")
    assert done.stderr.count("\n") == 1
