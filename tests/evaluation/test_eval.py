"""`rmfd eval`: scores of clips that are known, whatever lies beside them that cannot be scored."""

import csv
import json
import math
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from rmfd_cli.cli import app
from rmfd_cli.evaluation.run import ClipScores, Evaluation, Pair, evaluate, pairs_of_set
from rmfd_cli.evaluation.scores import Scores, mean
from rmfd_cli.model.checkpoint import manifest
from rmfd_cli.video.images import write_png
from tests import media
from tests.stand_ins import change, unchanged

FRAMES = 6
OFFSET = 10
OFFSET_DB = 20 * math.log10(255 / OFFSET)


def run(*arguments: object):
    return CliRunner().invoke(app, ["eval", *map(str, arguments)])


def pictures(frames: int = FRAMES, shape: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """A moving texture, far enough from black and white."""
    rng = np.random.default_rng(0)
    scene = rng.integers(40, 200, (shape[0], shape[1] + frames, 3)).astype(np.uint8)
    return [scene[:, t : t + shape[1]] for t in range(frames)]


def folder(path, frames):
    path.mkdir(parents=True)
    for number, picture in enumerate(frames):
        write_png(path / f"{number:05d}.png", np.ascontiguousarray(picture))
    return path


@pytest.fixture
def dataset(tmp_path):
    """Two clips, one brighter by `OFFSET` and one flickering by it."""
    frames = pictures()
    for name, amounts in (("even", [OFFSET] * FRAMES), ("flicker", [0, OFFSET] * (FRAMES // 2))):
        folder(tmp_path / "set/input" / name, [x + np.uint8(y) for x, y in zip(frames, amounts, strict=True)])
        folder(tmp_path / "set/target" / name, frames)
    return tmp_path / "set"


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines(), delimiter="\t"))


def test_what_is_known_of_a_result_is_what_it_scores(dataset):
    done = run(dataset / "input", "--against", dataset / "target", "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    even, flicker, both = rows(done.stdout)
    assert [row["clip"] for row in (even, flicker, both)] == ["even", "flicker", "mean"]
    assert {row["of"] for row in (even, flicker, both)} == {"restored"}
    assert float(even["psnr_db"]) == pytest.approx(OFFSET_DB, abs=0.01)
    assert float(even["y_psnr_db"]) == pytest.approx(OFFSET_DB + 20 * math.log10(255 / 219), abs=0.01)
    assert float(even["change_db"]) == 100
    assert float(flicker["psnr_db"]) == pytest.approx((OFFSET_DB + 100) / 2, abs=0.01)
    assert float(flicker["change_db"]) == pytest.approx(OFFSET_DB, abs=0.01)
    assert float(even["ssim"]) < 1
    assert float(both["psnr_db"]) == pytest.approx((OFFSET_DB + (OFFSET_DB + 100) / 2) / 2, abs=0.01)


def test_a_set_is_restored_first_and_scored_before_and_after(dataset):
    def darker(images):
        return (change(image, -OFFSET / 255) for image in images)

    found = evaluate(pairs_of_set(dataset), darker)
    even, flicker = (clip.mean for clip in found.clips)
    assert even["input"].psnr_db == pytest.approx(OFFSET_DB, abs=0.01)
    assert even["restored"].psnr_db > 55
    assert flicker["restored"].psnr_db == pytest.approx(flicker["input"].psnr_db, abs=1)


def test_the_shipped_model_runs_over_a_set(dataset, tmp_path):
    done = run(dataset, "--frames", 3, "--json", tmp_path / "s.json")
    assert done.exit_code == 0, done.stderr
    assert json.loads((tmp_path / "s.json").read_text())["weights_sha256"] == manifest()["models"]["small"]["sha256"]
    assert [(row["clip"], row["of"], row["frames"]) for row in rows(done.stdout)][-2:] == [
        ("mean", "input", "6"),
        ("mean", "restored", "6"),
    ]
    assert all(float(row["psnr_db"]) > 15 for row in rows(done.stdout))


def test_a_rest_of_frames_and_the_ends_can_be_left_out(dataset):
    pair = Pair("flicker", dataset / "input/flicker", dataset / "target/flicker")
    (all_of_them,), (inner,), (first,) = (evaluate([pair], **asked).clips for asked in ({}, {"skip": 1}, {"frames": 1}))
    assert inner.frames == all_of_them.frames[1:-1]
    assert len(first.frames) == 1
    assert first.frames[0]["restored"][:5] == all_of_them.frames[0]["restored"][:5]
    assert math.isnan(first.mean["restored"].change_db)


def test_two_videos_are_compared(tmp_path):
    one = media.cfr(tmp_path / "one.mp4", frames=8)
    done = run(one, "--against", one)
    assert done.exit_code == 0
    assert {row["psnr_db"] for row in rows(done.stdout)} == {"100.00"}


def test_what_was_turned_by_a_phone_is_compared_upright(tmp_path):
    turned = media.rotated(tmp_path / "phone.mp4", 90)
    upright = folder(tmp_path / "upright", [np.zeros((media.WIDTH, media.HEIGHT, 3), np.uint8)] * 2)
    done = run(turned, "--against", upright, "--frames", 2)
    assert done.exit_code == 0, done.stderr


def test_files_hold_what_the_table_says(dataset, tmp_path):
    names = [tmp_path / name for name in ("scores.json", "scores.csv", "scores.png")]
    done = run(dataset / "input", "--against", dataset / "target", "--json", names[0], "--csv", names[1], "--plot", names[2])
    assert done.exit_code == 0, done.stderr
    told, table = json.loads(names[0].read_text()), list(csv.reader(names[1].read_text().splitlines()))
    assert table == [line.split("\t") for line in done.stdout.splitlines()]
    assert [clip["clip"] for clip in told["clips"]] == ["even", "flicker"]
    assert told["clips"][0]["frames"][0]["restored"]["change_db"] is None
    assert told["mean"]["restored"]["psnr_db"] == pytest.approx(float(table[-1][3]), abs=0.01)
    assert names[2].read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.csv", "scores.json", "scores.png", "set"]


def test_a_clip_that_does_not_match_is_named_and_stops_no_other(dataset, tmp_path):
    folder(dataset / "input" / "short", pictures()[:-2])
    folder(dataset / "target" / "short", pictures())
    folder(dataset / "input" / "small", pictures(shape=(48, 60)))
    folder(dataset / "target" / "small", pictures())
    whole = media.front_index(tmp_path / "whole.mp4", media.cfr(tmp_path / "plain.mov", frames=40))
    media.truncated(dataset / "input" / "torn.mp4", whole)
    whole.rename(dataset / "target" / "torn.mp4")
    done = run(dataset / "input", "--against", dataset / "target", "--json", tmp_path / "s.json")
    assert done.exit_code == 3
    told = done.stderr.splitlines()
    assert [line for line in told if line.startswith("rmfd: failed: ")] == told[:3]
    for words, line in zip(("ends after 4 frames", "60x48 and 64x48", "torn.mp4: is damaged"), told, strict=False):
        assert words in line
    assert told[-1] == f"rmfd: error: {dataset / 'input'}: 3 of 5 clips could not be scored, the others are complete"
    assert [row["clip"] for row in rows(done.stdout)] == ["even", "flicker", "mean"]
    assert len(json.loads((tmp_path / "s.json").read_text())["failures"]) == 3


def test_a_rainy_clip_that_breaks_off_is_named_although_a_model_reads_it(tmp_path):
    whole = media.front_index(tmp_path / "clean.mp4", media.cfr(tmp_path / "plain.mov", frames=40))
    media.truncated(tmp_path / "rainy.mp4", whole)
    found = evaluate([Pair("clip", tmp_path / "rainy.mp4", whole)], unchanged)
    assert not found.clips
    assert "rainy.mp4" in str(found.failures[0])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere",), 2, "nowhere: is no folder"),
        (("empty",), 2, "no rainy and clean clips below empty; looked for"),
        (("set/input", "--against", "nowhere"), 2, "nowhere: does not exist"),
        (("set/input", "--against", "other"), 2, "set/input and other have no clips of the same names"),
        (("set/input", "--against", "set/target", "--model", "small"), 2, "leave --model, --device and --memory out"),
        (("set/input", "--against", "set/target", "--plot", "s.jpg"), 2, "ends in .png, .svg, .pdf"),
        (("set/input", "--against", "set/target", "--json", "nowhere/s.json"), 1, "nowhere/s.json: cannot be written"),
        (("set/input", "--against", "set/target", "--csv", "set"), 1, "set: is a directory"),
        (("set", "--model", "huge"), 4, "no model called 'huge'"),
    ],
)
def test_what_cannot_be_done_is_one_line(dataset, monkeypatch, arguments, code, words):
    monkeypatch.chdir(dataset.parent)
    for name in ("empty", "other"):
        (dataset.parent / name).mkdir()
    done = run(*arguments)
    assert done.exit_code == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("rmfd: error: ")
    assert words in line
    assert done.stdout == ""


def test_where_nothing_can_be_scored_the_code_is_that_of_the_failures(dataset):
    done = run(dataset / "input", "--against", dataset / "target", "--skip", 3)
    assert done.exit_code == 1
    assert "no scores; 2 of 2 clips could not be scored" in done.stderr
    assert done.stdout == ""


def test_pictures_too_small_for_a_score_are_named(tmp_path):
    one, other = (folder(tmp_path / name, pictures(2, (10, 20))) for name in ("one", "other"))
    done = run(one, "--against", other)
    assert done.exit_code == 1
    assert "both sides have to be 11 pixels at least" in done.stderr


def test_a_plot_without_what_draws_it_is_refused_before_any_work(dataset, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = run(dataset, "--plot", tmp_path / "s.png")
    assert done.exit_code == 4
    assert "pip install matplotlib" in done.stderr


def test_means_leave_out_what_is_not_known():
    nothing = math.nan
    found = mean([Scores(30, 0.5, 32, 0.6, 0.1, nothing), Scores(40, 0.7, 42, 0.8, 0.3, 50)])
    assert found == pytest.approx(Scores(35, 0.6, 37, 0.7, 0.2, 50))
    assert math.isnan(mean([Scores(*[nothing] * 6)]).psnr_db)


def test_a_long_clip_counts_no_more_than_a_short_one():
    short, long = Scores(20, 0.2, 22, 0.4, 0.3, 30), Scores(40, 0.8, 42, 0.6, 0.1, 50)
    clips = ClipScores("short", ({"restored": short},)), ClipScores("long", ({"restored": long},) * 9)
    assert Evaluation(clips, ()).mean["restored"] == pytest.approx(Scores(30, 0.5, 32, 0.5, 0.2, 40))
