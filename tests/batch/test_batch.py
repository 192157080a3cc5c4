"""Whole batches through the command line, in this process, with a model that changes nothing."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rmfd_cli import cli
from rmfd_cli.batch.log import log_event
from rmfd_cli.batch.run import Outcome, exit_code
from rmfd_cli.cli import derain as command
from rmfd_cli.errors import OutputError
from rmfd_cli.types import Ycc
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.stand_ins import unchanged


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "lazy_restorer", lambda *_: unchanged)
    return tmp_path


def derain(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli.app, ["derain", *arguments], input=stdin)


def count(path: str) -> int:
    with VideoReader(path) as video:
        return len(list(video))


def place(clip, *names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip(media.no_audio, frames=5), name)


def test_a_folder_with_bad_files_is_done_but_for_those(clip):
    place(clip, "in/a.mp4", "in/deep/b c.mp4", "in/done.mp4")
    Path("in/text.mp4").write_text("no video")
    Path("in/empty.mkv").touch()
    place(clip, "out/done.mp4")
    before = Path("out/done.mp4").stat().st_mtime_ns
    result = derain("in", "-o", "out", "--report", "report.json", "--log-file", "log", "--log-format", "json")
    assert result.exit_code == 3, result.stderr
    assert [count(name) for name in ("out/a.mp4", "out/deep/b c.mp4")] == [5, 5]
    assert sorted(os.listdir("out")) == ["a.mp4", "deep", "done.mp4"]
    assert Path("out/done.mp4").stat().st_mtime_ns == before
    assert result.stderr.splitlines()[-1] == "2 done, 1 skipped, 2 failed"
    report = json.loads(Path("report.json").read_text())
    statuses = {entry["source"]: (entry["status"], entry["exit_code"]) for entry in report["files"]}
    assert statuses == {
        "in/a.mp4": ("done", 0),
        "in/deep/b c.mp4": ("done", 0),
        "in/done.mp4": ("skipped", 0),
        "in/text.mp4": ("failed", 1),
        "in/empty.mkv": ("failed", 1),
    }
    assert report["exit_code"] == 3
    assert report["counts"] == {"done": 2, "skipped": 1, "failed": 2, "not_done": 0}
    events = [json.loads(line) for line in Path("log").read_text().splitlines()]
    assert [event["event"] for event in events] == ["begin", "done", "skipped", "failed", "failed", "done", "end"]
    assert events[-1]["exit_code"] == 3


def test_fail_fast_leaves_the_rest(clip):
    place(clip, "in/b.mp4")
    Path("in/a.mp4").write_text("no video")
    result = derain("in", "-o", "out", "--fail-fast", "--report", "report.json")
    assert result.exit_code == 1
    assert not Path("out/b.mp4").exists()
    assert [entry["status"] for entry in json.loads(Path("report.json").read_text())["files"]] == ["failed", "not done"]
    assert "1 not done" in result.stderr


def test_a_list_of_strange_names_from_stdin(clip):
    names = ["a b.mp4", "-dash.mp4", "a:b.mp4", "%d.mp4", "line\nbreak.mp4", "søt 雨.mp4"]
    place(clip, *names)
    listed = b"".join(os.fsencode(name) + b"\0" for name in names)
    result = derain("--from-file", "-", "-0", "-o", "out/{stem}_dry{suffix}", stdin=listed)
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir("out")) == sorted(f"{name[:-4]}_dry.mp4" for name in names)
    assert len(result.stderr.splitlines()) == 2 * len(names) + 1


def test_stdin_is_left_alone_unless_asked_for(clip, monkeypatch):
    class Untouchable:
        def __getattr__(self, name):
            raise AssertionError("stdin was touched")

    place(clip, "a.mp4")
    runner = CliRunner()
    with runner.isolation():
        monkeypatch.setattr(sys, "stdin", Untouchable())
        cli.app(["derain", "a.mp4", "-o", "b.mp4", "-q"], standalone_mode=False)
    assert count("b.mp4") == 5


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("a.mp4", "b.mp4", "-o", "c.mp4"), 2, "both be written"),
        (("a.mp4", "-o", "./a.mp4", "--overwrite"), 6, "source itself"),
        ((".", "-o", "."), 6, "source itself"),
        (("-o", "c.mp4"), 2, "no input"),
        (("a.mp4", "-o", "c.mp4", "--null"), 2, "--from-file"),
        (("--from-file", "missing", "-o", "out"), 1, "missing"),
        (("a.mp4", "-o", "c.mp4", "--overwrite", "--skip-existing"), 2, "contradict"),
        (("a.mp4", "-o", "c.mp4", "--preview", "1s", "--end", "2"), 2, "--preview"),
        (("a.mp4", "-o", "c.mp4", "--log-file", "no/such/log"), 1, "--log-file"),
        (("a.mp4", "-o", "c.mp4", "--report", "."), 1, "--report .: is a directory"),
        (("x.mp4", "y.mp4", "-o", "."), 1, "no such file"),
        (("a.mp4", "x.mp4", "-o", "b.mp4/"), 1, "b.mp4: cannot be made a folder"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(clip, arguments, status, words):
    place(clip, "a.mp4")
    shutil.copy("a.mp4", "b.mp4")
    result = derain(*arguments)
    assert result.exit_code == status, result.stderr
    assert words in result.stderr
    assert sorted(os.listdir(".")) == ["a.mp4", "b.mp4"]


def test_skipping_and_overwriting(clip):
    place(clip, "a.mp4")
    Path("b.mp4").write_text("mine")
    assert derain("a.mp4", "-o", "b.mp4").exit_code == 6
    assert derain("a.mp4", "-o", "b.mp4", "--skip-existing").exit_code == 0
    assert Path("b.mp4").read_text() == "mine"
    assert derain("a.mp4", "-o", "b.mp4", "--overwrite").exit_code == 0
    assert count("b.mp4") == 5


def test_the_model_is_loaded_once(clip, monkeypatch):
    loaded = []
    monkeypatch.undo()
    monkeypatch.setattr("rmfd_cli.model.streaming.restorer", lambda model, *_: loaded.append(model) or unchanged)
    restore = command.lazy_restorer("small", "cpu")
    for _ in range(2):
        assert len(list(restore([Ycc(np.zeros((2, 2), np.float32), np.zeros((2, 1, 1), np.float32))]))) == 1
    assert loaded == ["small"]


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ([("done", 0), ("skipped", 0)], 0),
        ([("failed", 4), ("failed", 4)], 4),
        ([("failed", 4), ("failed", 1)], 3),
        ([("done", 0), ("failed", 1)], 3),
        ([("failed", 6), ("not done", 0)], 6),
    ],
)
def test_exit_codes_tell_the_truth(ends, code):
    assert exit_code([Outcome("a", "b", status, exit_code=own) for status, own in ends]) == code


def test_a_text_log_has_a_line_for_each_event(tmp_path):
    log_event(tmp_path / "log", "text", "done", source="a\nb", frames=3)
    log_event(tmp_path / "log", "text", "end")
    first, second = (tmp_path / "log").read_text().splitlines()
    assert first.endswith('Z done source="a\\nb" frames=3')
    assert second.endswith("Z end")


def test_a_full_disk_is_no_traceback():
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with pytest.raises(OutputError, match="No space"):
        log_event(Path("/dev/full"), "json", "begin")


def test_a_dry_run_tells_the_plan_and_writes_nothing(clip):
    shutil.copy(clip(media.rich, ".mkv"), "a.mkv")
    result = derain("a.mkv", "-o", "out/{stem}.mp4", "--dry-run", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    for words in ("a.mkv -> out/a.mp4", "160x120 yuv420p, 25 fps", "libx264, crf 18", "2 audio", "attachment", "cpu", "about"):
        assert words in result.stdout
    assert os.listdir(".") == ["a.mkv"]
    assert derain("missing.mkv", "-o", "out.mp4", "--dry-run").exit_code == 1
    assert derain("a.mkv", "-o", "out.mp4", "--dry-run", "--codec", "nope").exit_code == 4


@pytest.mark.parametrize(("start", "first"), [((), 10), (("--start", "0.2"), 5), (("--preview", "9"), 0)])
def test_a_preview_is_a_piece_and_says_which(clip, start, first):
    shutil.copy(clip(media.cfr), "a.mp4")
    result = derain("a.mp4", "-o", "b.mkv", "--codec", "ffv1", "--preview", "0.4s", *start)
    assert result.exit_code == 0, result.stderr
    assert "preview of second" in result.stderr
    with VideoReader("b.mkv") as video:
        numbers = [media.frame_number(frame.planes[0]) for frame in video]
    assert numbers[0] == first
    assert len(numbers) == (30 if "9" in start else 10)


def test_stats_tell_what_each_stage_took(clip):
    place(clip, "a.mp4", "b.mp4")
    result = derain("a.mp4", "b.mp4", "-o", "out", "--stats")
    assert result.exit_code == 0, result.stderr
    rows = [line.split("\t") for line in result.stderr.splitlines()]
    stages = {row[0]: float(row[1]) for row in rows if len(row) == 3 and row[0] in ("decode", "encode", "all")}
    assert 0 < stages["decode"] < stages["all"]
    assert 0 < stages["encode"] < stages["all"]
    assert any(row[-1].endswith(" bounds it") for row in rows)


def test_progress_as_json(clip, monkeypatch):
    monkeypatch.setattr("rmfd_cli.cli.progress.JSON_SECONDS", 0.0)
    shutil.copy(clip(media.cfr), "a.mp4")
    result = derain("a.mp4", "-o", "b.mp4", "--progress", "json")
    shown = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    assert shown[-1]["event"] == "progress"
    assert shown[-1]["frames"] == 30
    result = derain("a.mp4", "-o", "c.mp4", "--progress", "none")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("option", ["--report", "--log-file"])
@pytest.mark.parametrize("place_of_it", ["in/a.mp4", "out/a.mp4", "./in/../in/a.mp4"])
def test_a_report_takes_the_place_of_no_video(clip, option, place_of_it):
    place(clip, "in/a.mp4")
    Path("out").mkdir()
    before = Path("in/a.mp4").read_bytes()
    result = derain("in/a.mp4", "-o", "out/a.mp4", option, place_of_it)
    assert result.exit_code == 2, result.stderr
    assert "name another file" in result.stderr
    assert Path("in/a.mp4").read_bytes() == before
    assert os.listdir("out") == []


def test_a_report_that_has_no_place_is_told_before_any_work(clip):
    place(clip, "a.mp4")
    result = derain("a.mp4", "-o", "b.mp4", "--report", "nowhere/report.json")
    assert result.exit_code == 1
    assert "nowhere: no such directory" in result.stderr
    assert not Path("b.mp4").exists()


@pytest.mark.parametrize(
    ("target", "status"),
    [("nowhere/x.mp4", 1), ("there.mp4", 6), ("frames/%02d.png", 6), ("frames/x/%02d.png", 0), ("folder/{stem}.mp4", 0)],
)
def test_a_dry_run_refuses_what_the_run_would(clip, target, status):
    place(clip, "a.mp4", "there.mp4")
    Path("frames").mkdir()
    Path("frames/01.png").touch()
    before = sorted(Path().rglob("*"))
    asked = derain("a.mp4", "-o", target, "--dry-run")
    assert asked.exit_code == status, asked.stderr
    assert sorted(Path().rglob("*")) == before
    assert derain("a.mp4", "-o", target).exit_code == status


def test_a_dry_run_finds_what_only_a_trial_finds(clip):
    shutil.copy(clip(media.cfr), "a.mp4")
    for asked in (derain("a.mp4", "-o", "b.webm", "--dry-run"), derain("a.mp4", "-o", "b.webm")):
        assert asked.exit_code == 1
        assert "Only VP8 or VP9 or AV1" in asked.stderr
    source = str(clip(media.field_coded))
    assert "interlaced" in derain(source, "-o", "b.mp4", "--dry-run").stdout
    assert "interlaced" in derain(source, "-o", "-", "--dry-run").stdout
    assert os.listdir(".") == ["a.mp4"]


def test_a_dry_run_speaks_of_the_target_and_not_of_its_trial(clip):
    shutil.copy(clip(media.cfr), "a.mp4")
    for target in ("new/{stem}.webm", "b.webm"):
        said = derain("a.mp4", "-o", target, "--dry-run").stderr
        assert f"{os.path.realpath(target.replace('{stem}', 'a'))}: ffmpeg failed: Only VP8" in said
    assert os.listdir(".") == ["a.mp4"]


def test_every_kind_of_video_in_a_folder_is_found(clip):
    Path("in").mkdir()
    for name in ("a.3g2", "b.mov", "c.mkv"):
        media.ffmpeg("-i", clip(media.no_audio), "-c", "copy", f"in/{name}")
    media.ffmpeg("-i", clip(media.no_audio), "-c", "copy", "-f", "h264", "in/raw.h264")
    Path("in/notes.txt").touch()
    result = derain("in", "-o", "made")
    assert result.exit_code == 0, result.stderr
    assert sorted(path.stem for path in Path("made").iterdir()) == ["a", "b", "c", "raw"]


def test_report_and_log_are_two_files(clip):
    place(clip, "a.mp4")
    assert derain("a.mp4", "-o", "b.mp4", "--report", "c", "--log-file", "c").exit_code == 2


@pytest.mark.skipif(sys.platform != "linux", reason="a file system that takes any bytes")
@pytest.mark.parametrize("names", [("a\udcff.mp4", "b.mp4"), ("a.mp4", "b\udcff.mp4")])
def test_names_of_any_bytes(clip, names):
    place(clip, names[0])
    result = derain(names[0], "-o", names[1])
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir(".")) == sorted(names)


@pytest.mark.parametrize(("kind", "suffix"), [(media.cfr, ".ts"), (media.late_video, ".mp4"), (media.late_video, ".mkv")])
def test_an_end_counts_from_where_the_picture_begins(clip, kind, suffix):
    shutil.copy(clip(kind, suffix), f"a{suffix}")
    result = derain(f"a{suffix}", "-o", "out.mp4", "--end", "0.4")
    assert result.exit_code == 0, result.stderr
    assert count("out.mp4") == 10


def test_a_clock_that_jumps_back_is_named(clip):
    part = clip(media.cfr, ".ts", frames=12).read_bytes()
    Path("a.ts").write_bytes(part + part)
    result = derain("a.ts", "-o", "out.mkv", "--salvage")
    assert result.exit_code == 0, result.stderr
    assert count("out.mkv") == 24
    assert "the clock jumps back by 0.440 s at frame 12" in result.stderr


def test_what_is_lost_of_rgb_is_named():
    rgb = media.encode(Path("rgb.mkv"), frames=3, pix_fmt="gbrp", codec=("-c:v", "ffv1"))
    result = derain(str(rgb), "-o", "out.mkv", "--lossless", "--strength", "0")
    assert result.exit_code == 0, result.stderr
    assert "pictures are RGB: they are worked on and stored as yuv444p" in result.stderr


@pytest.mark.parametrize(("suffix", "status"), [(".ts", 1), (".mpg", 1), (".mkv", 0)])
def test_a_day_and_more_is_too_long_for_mpeg(clip, suffix, status):
    shifts = ("-c", "copy", "-bsf:v", "setts=ts='if(lt(N,3),TS,TS+100000/TB)'")
    media.ffmpeg("-i", media.url(clip(media.no_audio, frames=6)), *shifts, "long.mkv")
    result = derain("long.mkv", "-o", f"out{suffix}")
    assert result.exit_code == status, result.stderr
    assert "holds 26.5 hours at most, and this is 27.8" in result.stderr or not status
