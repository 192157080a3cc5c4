"""A run goes on as if it had never stopped, from the newest checkpoint that is whole."""

import dataclasses
import json
import resource
import shutil

import pytest
import torch

from rmfd_cli.errors import OutputError, TrainingError
from rmfd_cli.model.checkpoint import export_weights, load_model
from rmfd_cli.training.batches import Sources
from rmfd_cli.training.checkpoints import BEST, checkpoint_path, checkpoints, read_checkpoint
from rmfd_cli.training.clips import load_clips
from rmfd_cli.training.fingerprint import fingerprint
from rmfd_cli.training.learner import make_learner
from rmfd_cli.training.loop import continue_from, train
from rmfd_cli.training.losses import LossWeights
from rmfd_cli.training.parallel import Ranks
from tests import media
from tests.training.runs import CPU, TINY, options


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    clean = tmp_path_factory.mktemp("clean")
    media.cfr(clean / "one.mp4", frames=8)
    return clean


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """An uninterrupted run's folder; only read it."""
    out = tmp_path_factory.mktemp("whole")
    train(options(folder, out), TINY)
    return out


def parameters(weights):
    return load_model(weights).state_dict()


def assert_equal(weights, other):
    for (name, a), b in zip(parameters(weights).items(), parameters(other).values(), strict=True):
        assert torch.equal(a, b), name


class KilledError(Exception):
    pass


def kill_after(step):
    def on_step(progress):
        if progress.step == step:
            raise KilledError

    return on_step


def test_a_resumed_run_equals_an_uninterrupted_one(folder, whole, tmp_path):
    """Also when it was killed in the middle of a clip: the checkpoint of step 3 lies between two updates on one."""
    with pytest.raises(KilledError):
        train(options(folder, tmp_path), TINY, on_step=kill_after(4))
    train(options(folder, tmp_path), TINY, resume="auto")
    assert_equal(whole / "rmfd.safetensors", tmp_path / "rmfd.safetensors")
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_was_asked_to_stop_goes_on_likewise(folder, whole, tmp_path):
    seen = []
    stopped = train(options(folder, tmp_path), TINY, on_step=seen.append, should_stop=lambda: len(seen) == 4)
    assert (stopped.finished, stopped.step) == (False, 5)
    assert load_model(stopped.weights).config == TINY
    assert "recovery.enter" in load_model(stopped.weights).ranges
    done = train(options(folder, tmp_path), TINY, resume=checkpoint_path(tmp_path / "checkpoints", 5))
    assert done.finished
    assert_equal(whole / "rmfd.safetensors", done.weights)


def test_growing_clips_resume_exactly_too(folder, tmp_path):
    growing = {"clip_frames_start": 2, "clip_frames": 4}
    one = train(options(folder, tmp_path / "one", **growing), TINY)
    with pytest.raises(KilledError):
        train(options(folder, tmp_path / "two", **growing), TINY, on_step=kill_after(4))
    two = train(options(folder, tmp_path / "two", **growing), TINY, resume="auto")
    assert_equal(one.weights, two.weights)


def test_the_state_begins_anew_where_other_steps_make_other_clips(folder, tmp_path):
    """After 3 of 6 updates, a growing run is at clips of 3 frames, the same run of 24 at those of 2."""
    growing = {"clip_frames_start": 2, "clip_frames": 4}
    seen = []
    train(options(folder, tmp_path, **growing), TINY, on_step=seen.append, should_stop=lambda: len(seen) == 2)
    halfway = checkpoint_path(tmp_path / "checkpoints", 3)
    for steps, kept in ((6, True), (24, False)):
        wanted = options(folder, tmp_path, **growing, steps=steps)
        learner = make_learner(wanted, TINY, None, Ranks(), CPU)
        position = continue_from(halfway, read_checkpoint(halfway), learner, wanted, Ranks(), CPU)
        assert (position.state is not None) == kept


def test_the_state_begins_anew_where_an_older_version_kept_less_of_it(folder, tmp_path):
    wanted = options(folder, tmp_path, steps=4, updates_per_clip=2)
    train(wanted, TINY, should_stop=iter([False, False, True]).__next__)
    learner = make_learner(wanted, TINY, None, Ranks(), CPU)
    path = checkpoints(tmp_path / "checkpoints")[-1]
    content = read_checkpoint(path)
    assert continue_from(path, content, learner, wanted, Ranks(), CPU).state is not None
    content["state"] = content["state"][:-1]
    position = continue_from(path, content, learner, wanted, Ranks(), CPU)
    assert (position.step, position.state) == (3, None)


def test_going_on_from_an_earlier_checkpoint_leaves_the_later_ones_behind(folder, whole, tmp_path):
    train(options(folder, tmp_path, save_every=1, keep=6), TINY)
    kept = tmp_path / "checkpoints"
    shorter = options(folder, tmp_path, save_every=1, keep=2, validate_every=100)
    train(shorter, TINY, resume=checkpoint_path(kept, 2), should_stop=lambda: True)
    assert [path.name for path in checkpoints(kept)] == ["step-00000002.pt", "step-00000003.pt"]
    train(options(folder, tmp_path), TINY, resume="auto")
    assert_equal(whole / "rmfd.safetensors", tmp_path / "rmfd.safetensors")
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2, 3, 4, 5, 6]


def test_the_best_of_a_branch_that_was_left_gives_way_to_the_next(folder, tmp_path):
    train(options(folder, tmp_path, save_every=2), TINY)
    best = tmp_path / "checkpoints" / BEST
    content = read_checkpoint(best)
    torch.save({**content, "best_db": 99.0}, best)
    train(options(folder, tmp_path, save_every=2), TINY, resume=checkpoint_path(tmp_path / "checkpoints", 4))
    assert read_checkpoint(best)["best_db"] == pytest.approx(content["best_db"])


def test_the_best_is_written_before_a_checkpoint_that_knows_its_score(folder, tmp_path):
    (tmp_path / "best.safetensors").mkdir()
    (tmp_path / "best.safetensors" / "in the way").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        train(options(folder, tmp_path), TINY)
    assert [path.name for path in checkpoints(tmp_path / "checkpoints")] == ["step-00000003.pt"]


def test_what_convolutions_see_is_not_measured_in_vain(folder, tmp_path):
    weights = train(options(folder, tmp_path), TINY).weights
    measured = load_model(weights).ranges
    assert measured
    weights.unlink()
    train(options(folder, tmp_path), TINY, resume="auto")
    assert load_model(weights).ranges == measured


def test_weights_to_begin_with_are_not_read_where_a_run_goes_on(folder, tmp_path):
    train(options(folder, tmp_path, steps=3), TINY)
    train(options(folder, tmp_path), resume="auto", init=tmp_path / "gone.safetensors")
    assert load_model(tmp_path / "rmfd.safetensors").config == TINY


def test_auto_begins_anew_where_there_is_nothing(folder, whole, tmp_path):
    assert_equal(train(options(folder, tmp_path), TINY, resume="auto").weights, whole / "rmfd.safetensors")


def test_auto_passes_over_a_damaged_checkpoint_and_says_so(folder, whole, tmp_path):
    train(options(folder, tmp_path), TINY)
    newest = checkpoints(tmp_path / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:-2000])
    told: list[str] = []
    train(options(folder, tmp_path), TINY, resume="auto", on_warning=told.append)
    assert len(told) == 1
    assert newest.name in told[0]
    assert_equal(whole / "rmfd.safetensors", tmp_path / "rmfd.safetensors")


def test_nothing_but_damaged_checkpoints_is_an_error(folder, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    checkpoint_path(tmp_path / "checkpoints", 3).write_bytes(b"\0" * 100)
    with pytest.raises(TrainingError, match=r"no checkpoint .* can be read"):
        train(options(folder, tmp_path), TINY, resume="auto")


def test_the_last_few_and_the_best_are_kept(folder, tmp_path):
    train(options(folder, tmp_path, save_every=1, keep=2, validate_every=2), TINY)
    kept = tmp_path / "checkpoints"
    assert [path.name for path in checkpoints(kept)] == ["step-00000005.pt", "step-00000006.pt"]
    scores = {}
    for line in (tmp_path / "log.jsonl").read_text().splitlines():
        record = json.loads(line)
        if record["validation"]:
            scores[record["step"]] = record["validation"]["restored"]
    best = read_checkpoint(kept / BEST)
    assert len(scores) == 3
    assert best["step"] == max(scores, key=scores.__getitem__)
    assert best["best_db"] == max(scores.values())
    for name, value in parameters(tmp_path / "best.safetensors").items():
        assert torch.equal(value, best["average"][name])
    assert {path.suffix for path in kept.iterdir()} == {".pt"}


def test_a_full_disk_keeps_the_last_good_checkpoint(folder, tmp_path):
    train(options(folder, tmp_path, steps=3), TINY)
    good = checkpoint_path(tmp_path / "checkpoints", 3)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # files end there, as on a disk that is full
    try:
        with pytest.raises(OutputError, match=f"cannot be written .* the last good checkpoint is {good}"):
            train(options(folder, tmp_path), TINY, resume="auto")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir() if path.name != BEST] == [good.name]
    assert read_checkpoint(good)["step"] == 3


def test_a_checkpoint_of_another_architecture_is_refused(folder, whole, tmp_path):
    other = dataclasses.replace(TINY, width=12)
    with pytest.raises(TrainingError, match=r"another architecture \(width 8 there, 12 here\)"):
        train(options(folder, tmp_path), other, resume=checkpoint_path(whole / "checkpoints", 6))


def test_a_checkpoint_of_other_options_is_refused(folder, whole, tmp_path):
    with pytest.raises(TrainingError, match=r"other options \(crop_px 32 there, 48 here\)"):
        train(options(folder, tmp_path, crop_px=48), TINY, resume=checkpoint_path(whole / "checkpoints", 6))


def test_a_checkpoint_that_does_not_say_what_it_holds_is_refused(folder, whole, tmp_path):
    content = read_checkpoint(checkpoint_path(whole / "checkpoints", 6))
    del content["config"]["model"]
    torch.save(content, tmp_path / "old.pt")
    with pytest.raises(TrainingError, match=r"old.pt is damaged or no checkpoint of rmfd \(its config has no model"):
        train(options(folder, tmp_path), TINY, resume=tmp_path / "old.pt")


def test_something_else_is_no_checkpoint(folder, tmp_path):
    (tmp_path / "picture.pt").write_bytes(b"\x00" * 100)
    with pytest.raises(TrainingError, match="damaged or no checkpoint"):
        train(options(folder, tmp_path), TINY, resume=tmp_path / "picture.pt")
    with pytest.raises(TrainingError, match="there is no checkpoint"):
        train(options(folder, tmp_path), TINY, resume=tmp_path / "nowhere.pt")


def test_equal_runs_write_equal_weights(whole, tmp_path):
    model = load_model(whole / "rmfd.safetensors")
    for name in "abcdef":
        export_weights(model, tmp_path / name)
    (content,) = {(tmp_path / name).read_bytes() for name in "abcdef"}
    assert content.index(b'"config"') < content.index(b'"ranges"')
    assert load_model(tmp_path / "a").ranges == model.ranges
    assert_equal(tmp_path / "a", whole / "rmfd.safetensors")


def saved_by(folder, out, **changes):
    """The warnings of a run that goes on, after one that was saved half way."""
    told: list[str] = []
    train(options(folder, out, **changes), TINY, LossWeights(flow=0.1), resume="auto", on_warning=told.append)
    return told


def test_other_clips_or_weights_than_a_checkpoint_was_saved_with_are_told(folder, tmp_path):
    train(options(folder, tmp_path / "a", steps=3), TINY, LossWeights(flow=0.1))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    assert saved_by(folder, tmp_path / "a") == []
    shutil.copytree(folder, tmp_path / "more")
    media.cfr(tmp_path / "more" / "two.mp4", frames=8)
    (line,) = saved_by(folder, tmp_path / "b", data=str(tmp_path / "more"))
    assert line.startswith(f"{tmp_path / 'b' / 'checkpoints' / 'step-00000003.pt'} was saved by a run that learnt otherwise")
    assert "(clips of --data)" in line
    told: list[str] = []
    train(options(folder, tmp_path / "c"), TINY, LossWeights(flow=0.3), resume="auto", on_warning=told.append)
    assert len(told) == 1
    assert "(weights: flow 0.1 there, 0.3 here)" in told[0]


def test_a_checkpoint_that_does_not_tell_its_clips_is_not_doubted(folder, tmp_path):
    train(options(folder, tmp_path, steps=3), TINY)
    (path,) = checkpoints(tmp_path / "checkpoints")
    content = read_checkpoint(path)
    del content["config"]["clips"], content["config"]["weights"]["flow"]
    torch.save(content, path)
    assert saved_by(folder, tmp_path) == []


def test_clips_are_known_by_their_names_and_shapes(folder, tmp_path):
    def of(top, **changes):
        wanted = options(top, tmp_path, **changes)
        return fingerprint(wanted, Sources(load_clips(top)))

    copy = shutil.copytree(folder, tmp_path / "copy")
    assert of(copy) == of(folder)
    (copy / "one.mp4").rename(copy / "two.mp4")
    renamed = of(copy)
    assert renamed.keys() == {"--data", "--validation"}
    assert renamed != of(folder)
    media.cfr(copy / "two.mp4", frames=5)
    assert of(copy) != renamed


@pytest.mark.parametrize("option", ["validation", "real_rain", "real_clean"])
def test_so_are_those_of_every_option(folder, tmp_path, option):
    copy = shutil.copytree(folder, tmp_path / "copy")
    found = []
    for name in ("one.mp4", "two.mp4"):
        if not (copy / name).exists():
            (copy / "one.mp4").rename(copy / name)
        found.append(fingerprint(options(folder, tmp_path, **{"stage": 2, option: str(copy)}), Sources(load_clips(folder))))
    changed = {key for key in found[0] if found[0][key] != found[1][key]}
    assert changed == {f"--{option.replace('_', '-')}"}


def test_so_are_both_sides_of_pairs(folder, tmp_path):
    top = tmp_path / "set"
    for side in ("rain", "gt"):
        shutil.copytree(folder, top / side)

    def found():
        return fingerprint(options(folder, tmp_path, paired=(str(top),)), Sources(load_clips(folder)))["--paired"]

    before = found()
    (top / "gt").rename(top / "clean")
    assert found() != before


def test_a_best_score_on_other_clips_is_no_bar(folder, tmp_path):
    train(options(folder, tmp_path / "a", steps=2), TINY)
    best = tmp_path / "a" / "checkpoints" / "best.pt"
    content = read_checkpoint(best)
    (path,) = (one for one in checkpoints(tmp_path / "a" / "checkpoints") if one != best)
    for file in (best, path):
        told = read_checkpoint(file)
        told["best_db"] = 99.0
        torch.save(told, file)
    shutil.copytree(folder, tmp_path / "others")
    (tmp_path / "others" / "one.mp4").rename(tmp_path / "others" / "two.mp4")
    assert content["best_db"] < 99
    (line,) = saved_by(folder, tmp_path / "a", validation=str(tmp_path / "others"), steps=3)
    assert "clips of --validation" in line
    assert read_checkpoint(best)["best_db"] < 99
