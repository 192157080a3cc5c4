"""Stage 2: the adversary and real rain beside the simulator."""

import json
import shutil

import pytest
import torch
from typer.testing import CliRunner

from rmfd_cli.cli import app
from rmfd_cli.errors import TrainingError, UsageError
from rmfd_cli.model.checkpoint import export_weights, load_model
from rmfd_cli.model.network import Rmfd
from rmfd_cli.training.batches import Draw, Sources, steps
from rmfd_cli.training.checkpoints import checkpoint_path
from rmfd_cli.training.clips import load_clips
from rmfd_cli.training.loop import train
from rmfd_cli.training.losses import LossWeights
from rmfd_cli.training.parallel import Ranks
from tests import media
from tests.training.runs import CPU, TINY, options


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    media.cfr(folder / "a.mp4", frames=12)
    return folder


def stage2(folder, out, **changes):
    return options(folder, out, stage=2, real_rain=str(folder), batch_size=3, **changes)


def test_a_lesson_has_real_rain_and_other_clean_video(folder, tmp_path):
    clips = load_clips(folder)
    lesson = Draw(Sources(clips, real_rain=clips, real_clean=clips), stage2(folder, tmp_path), Ranks())[0]
    assert lesson.batch.clean_known.flatten().tolist() in ([1, 1, 1], [1, 1, 0])
    assert lesson.clean is not None
    assert lesson.clean.shape == lesson.batch.rainy.shape
    assert not torch.equal(lesson.clean, lesson.batch.clean)


def test_without_an_adversary_nothing_is_drawn_for_it(folder, tmp_path):
    assert Draw(Sources(load_clips(folder)), options(folder, tmp_path), Ranks())[0].clean is None


def test_processes_draw_what_a_thread_draws(folder, tmp_path):
    clips = load_clips(folder)
    sources = Sources(clips, real_rain=clips, real_clean=clips)
    thread, processes = (
        list(steps(Draw(sources, stage2(folder, tmp_path, steps=3, workers=n), Ranks()), 0, CPU)) for n in (0, 1)
    )
    for (_, one), (_, other) in zip(thread, processes, strict=True):
        assert torch.equal(one.clean, other.clean)
        assert all(torch.equal(a, b) for a, b in zip(one.batch, other.batch, strict=True))


@pytest.fixture(scope="module")
def stage1(tmp_path_factory):
    """Weights to begin with."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("stage1") / "rmfd.safetensors"
    export_weights(Rmfd(TINY), path)
    return path


@pytest.fixture(scope="module")
def whole(folder, stage1, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    train(stage2(folder, out, real_share=0.5), init=stage1)
    return out


def test_the_log_tells_how_the_adversary_fares(whole):
    records = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert len(records) == 6
    for record in records:
        assert 0 < record["judge"] < 10
        assert record["loss"] == pytest.approx(sum(record[name] for name in record if name in TERMS))
    assert all(record["dark"] > 0 for record in records)  # of three clips, one or two are real


def test_an_adversary_that_weighs_nothing_is_not_trained(folder, stage1, tmp_path):
    train(stage2(folder, tmp_path, steps=1), init=stage1, weights=LossWeights(adversary=0.0))
    assert "judge" not in json.loads((tmp_path / "log.jsonl").read_text())


TERMS = {
    "image",
    "structure",
    "coarse",
    "hazy",
    "transmission",
    "airlight",
    "flow",
    "change",
    "dark",
    "dark_change",
    "adversary",
}


def test_what_judges_the_veil_is_left_as_it_is(stage1, whole):
    before, after = (dict(load_model(path).named_parameters()) for path in (stage1, whole / "rmfd.safetensors"))
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    learning = {"recur", "up", "decode", "rain", "witnesses"}
    assert {name.split(".")[1] for name in changed if name.startswith("recovery.")} == learning
    assert {"recovery.rain.weight", "refinement.out.weight"} <= set(changed)


def test_a_resumed_run_equals_an_uninterrupted_one(folder, whole, tmp_path):
    halfway = checkpoint_path(whole / "checkpoints", 3)
    train(stage2(folder, tmp_path, real_share=0.5), TINY, resume=halfway)
    ours, theirs = (torch.load(checkpoint_path(out / "checkpoints", 6), weights_only=True) for out in (tmp_path, whole))
    for part in ("model", "average", "judge"):
        assert ours[part].keys() == theirs[part].keys()
        assert all(torch.equal(ours[part][name], theirs[part][name]) for name in ours[part])


def test_random_weights_are_nothing_to_refine(folder, tmp_path):
    with pytest.raises(UsageError, match="stage 2 begins with the weights of stage 1"):
        train(stage2(folder, tmp_path), TINY, resume="auto")
    assert not list(tmp_path.rglob("*.pt"))


def test_the_command_refines_and_goes_on(folder, stage1, tmp_path):
    out, weights = tmp_path / "run", tmp_path / "stage1.safetensors"
    shutil.copy(stage1, weights)
    base = [
        *("train", "--stage", "2", "--init", str(weights), "--data", str(folder), "--validation", str(folder)),
        *("--real-rain", str(folder), "--out", str(out), "--batch-size", "2", "--frames", "3", "--crop", "32"),
        *("--device", "cpu", "--resume", "auto", "--weight", "adversary=0.5", "--updates-per-clip", "1"),
    ]
    for count in ("1", "2"):
        result = CliRunner().invoke(app, [*base, "--steps", count])
        assert result.exit_code == 0, result.stderr
        weights.unlink(missing_ok=True)  # what goes on does not ask for it
    records = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2]
    assert all(record["judge"] > 0 and record["adversary"] != 0 for record in records)
    assert load_model(out / "rmfd.safetensors").config == TINY


def test_a_checkpoint_of_the_other_stage_is_refused(folder, whole, tmp_path):
    with pytest.raises(TrainingError, match="stage 2 there, 1 here"):
        train(options(folder, tmp_path, batch_size=3), TINY, resume=checkpoint_path(whole / "checkpoints", 6))


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--stage", "2"], "--init"),
        (["--real-rain", "FOLDER"], "--stage 2"),
        (["--stage", "2", "--init", "nothing.safetensors"], "nothing.safetensors"),
        (["--stage", "2", "--init", "nothing.safetensors", "--real-share", "2"], "--real-share"),
        (["--stage", "2", "--resume", "auto"], "--init"),
        (["--stage", "2", "--init", "nothing.safetensors", "--frames-start", "2"], "--frames-start is 2"),
    ],
)
def test_what_stage_2_cannot_do_is_one_line(folder, tmp_path, arguments, word):
    given = [str(folder) if argument == "FOLDER" else argument for argument in arguments]
    base = ["train", "--data", str(folder), "--validation", str(folder), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, [*base, *given])
    assert result.exit_code != 0
    assert word in result.stderr
    assert "Traceback" not in result.stderr


def test_a_judge_without_examples_is_refused(folder, tmp_path):
    with pytest.raises(UsageError, match="--real-clean"):
        options(folder, tmp_path, stage=2, data=None, paired=(str(folder),))
