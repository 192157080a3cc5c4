"""Whole data sets: the same bytes whoever makes them, complete variants only, and failures that stop nothing."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rmfd_cli.cli import app
from rmfd_cli.errors import MachineError, MemoryExhaustedError, OutputError, OutputExistsError, RmfdError, UsageError
from rmfd_cli.synth import run
from rmfd_cli.synth.identity import Identity, identify
from rmfd_cli.synth.pool import Ended, work_through
from rmfd_cli.synth.publish import clear_up, hidden_folder, only_writer, publish
from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.run import synthesize
from rmfd_cli.synth.variant import make_variant
from tests.synth import clips

ROOT = Path(__file__).parents[2]
REQUEST = SynthRequest(preset="heavy", variants=2, layers=("streaks", "occlusion"))


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    clips.video(folder / "b.mkv")
    clips.video(folder / "town" / "a.mp4", frames=5)
    clips.frames(folder / "town" / "frames", 3)
    return folder


@pytest.fixture(scope="module")
def whole(clean, tmp_path_factory):
    """The data set as one worker makes it without interruption."""
    out = tmp_path_factory.mktemp("out") / "set"
    report = synthesize(clean, out, REQUEST, workers=1)
    assert (report.made, report.skipped, report.failures, report.frames) == (6, 0, (), 24)
    return clips.contents(out)


@pytest.fixture
def copy(whole, tmp_path):
    """A data set to spoil."""
    for name, data in whole.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "set"


def test_one_worker_and_two_make_the_same_bytes(clean, whole, tmp_path):
    seen = []
    report = synthesize(clean, tmp_path / "out", REQUEST, workers=2, on_progress=seen.append)
    assert report.made == 6
    assert clips.contents(tmp_path / "out") == whole
    assert (seen[-1].done, seen[-1].jobs, seen[-1].frames) == (6, 6, 24)


def test_variants_and_seeds_differ(whole):
    rainy = [data for name, data in whole.items() if name.endswith("rainy.mkv")]
    assert len(set(rainy)) == len(rainy) == 6


def test_the_list_of_clips_is_that_of_basicsr(whole):
    assert whole["meta_info.txt"].decode().splitlines() == [
        "b/0 4 (36,48,3)",
        "b/1 4 (36,48,3)",
        "town/a/0 5 (36,48,3)",
        "town/a/1 5 (36,48,3)",
        "town/frames/0 3 (36,48,3)",
        "town/frames/1 3 (36,48,3)",
    ]


def test_what_is_done_is_left_alone(clean, copy, whole):
    (copy / "b/0/rainy.mkv").write_bytes(b"precious")
    report = synthesize(clean, copy, REQUEST)
    assert (report.made, report.skipped) == (0, 6)
    assert (copy / "b/0/rainy.mkv").read_bytes() == b"precious"


def test_a_missing_file_is_made_again(clean, copy, whole):
    (copy / "b/1/rainy.mkv").unlink()
    report = synthesize(clean, copy, REQUEST)
    assert (report.made, report.skipped) == (1, 5)
    assert clips.contents(copy) == whole


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (SynthRequest(preset="light", variants=2, layers=REQUEST.layers), "--preset heavy, not light"),
        (SynthRequest(preset="heavy", variants=2, layers=REQUEST.layers, seed=2), "--seed 1, not 2"),
        (SynthRequest(preset="heavy", variants=2, layers=REQUEST.layers, format="rainsyn"), "--format video, not rainsyn"),
    ],
)
def test_other_parameters_in_the_same_place_are_refused_and_nothing_is_touched(clean, copy, whole, other, words):
    with pytest.raises(OutputExistsError, match=words) as caught:
        synthesize(clean, copy, other)
    assert "--overwrite" in str(caught.value)
    assert clips.contents(copy) == whole


def test_another_clip_under_the_same_name_is_refused(whole, copy, tmp_path):
    clips.video(tmp_path / "clean" / "b.mkv", frames=9)
    with pytest.raises(OutputExistsError, match=r"another b\.mkv"):
        synthesize(tmp_path / "clean", copy, REQUEST)


def test_a_clip_that_has_changed_but_for_its_size_is_refused(whole, copy, clean, tmp_path):
    shutil.copytree(clean, tmp_path / "clean")
    changed = tmp_path / "clean" / "b.mkv"
    content = bytearray(changed.read_bytes())
    content[-1] ^= 1
    changed.write_bytes(content)
    with pytest.raises(OutputExistsError, match=r"another b\.mkv: its content has changed"):
        synthesize(tmp_path / "clean", copy, REQUEST)


def test_other_depth_maps_make_another_data_set(tmp_path):
    clips.video(tmp_path / "clean/one.mkv")
    for name, metres in (("near", 5.0), ("far", 500.0)):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "one.npy", np.full((clips.SIZE[1], clips.SIZE[0]), metres, np.float32))
    near, far = (SynthRequest(preset="heavy", frames=1, layers=(), depth_dir=str(tmp_path / name)) for name in ("near", "far"))
    assert synthesize(tmp_path / "clean", tmp_path / "out", near).made == 1
    assert synthesize(tmp_path / "clean", tmp_path / "out", near).skipped == 1
    with pytest.raises(OutputExistsError, match="other depth maps"):
        synthesize(tmp_path / "clean", tmp_path / "out", far)


def test_another_plan_s_running_numbers_are_left_alone(clean, tmp_path):
    request = SynthRequest(format="basicsr", frames=1)
    synthesize(clean, tmp_path / "out", request)
    before = clips.contents(tmp_path / "out")
    clips.video(tmp_path / "other" / "z.mkv")
    report = synthesize(tmp_path / "other", tmp_path / "out", SynthRequest(frames=1, layers=()), overwrite=True)
    assert report.made == 1
    after = clips.contents(tmp_path / "out")
    assert {name: after.get(name) for name in before if name != "meta_info.txt"} == {
        name: content for name, content in before.items() if name != "meta_info.txt"
    }


def test_overwriting_in_another_layout_leaves_nothing_of_the_old_one(clean, copy):
    request = SynthRequest(preset="light", format="rainsyn", frames=1)
    report = synthesize(clean, copy, request, overwrite=True)
    assert report.made == 3
    names = set(clips.contents(copy))
    assert {name for name in names if not name.startswith(("b/1", "town/a/1", "town/frames/1"))} == {
        "meta_info.txt",
        *(f"{top}/{clip}-0/00000000.png" for top in ("GT", "Rain") for clip in ("b", "town__a", "town__frames")),
        *(f"metadata/{clip}-0.json" for clip in ("b", "town__a", "town__frames")),
    }


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_rmfd_has_not_made_is_not_touched(clean, tmp_path, overwrite):
    mine = tmp_path / "out" / "GT" / "b-0" / "00000000.png"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(OutputExistsError, match="not made by rmfd synth"):
        synthesize(clean, tmp_path / "out", SynthRequest(format="rainsyn"), overwrite=overwrite)
    assert clips.contents(tmp_path / "out") == {"GT/b-0/00000000.png": b"mine"}


def test_a_publication_that_was_cut_short_is_taken_back(clean, tmp_path):
    """Rain and GT are two folders: a run killed between the two renames leaves one without the other."""
    (job, *_) = clips.jobs_of(clean, SynthRequest(format="rainsyn", preset="light"))
    run = tmp_path / ".rmfd-synth-killed"
    tree = hidden_folder(job, run) / "tree"
    tree.mkdir(parents=True)
    make_variant(job, tree, lambda count: None)
    # The third of three renames fails, as if the run had ended before it.
    (tree / "metadata/b-0.json").unlink()
    with pytest.raises(OutputError):
        publish(job, tmp_path, run)
    assert (tmp_path / "Rain/b-0/00000000.png").is_file()
    clear_up(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_clip_that_has_gone_costs_nothing_else(clean, copy, whole, tmp_path):
    for name in ("b.mkv", "town"):
        (tmp_path / "clean").mkdir(exist_ok=True)
        (tmp_path / "clean" / name).symlink_to(clean / name)
    (tmp_path / "clean/b.mkv").unlink()
    (tmp_path / "clean/b.mkv").symlink_to(tmp_path / "nowhere")
    report = synthesize(tmp_path / "clean", copy, REQUEST)
    assert (report.made, report.skipped, len(report.failures)) == (0, 4, 2)
    assert all("b.mkv" in str(failure) and "no such file" in str(failure) for failure in report.failures)
    assert clips.contents(copy) == whole


def test_two_runs_do_not_write_to_one_place(clean, tmp_path):
    with only_writer(tmp_path), pytest.raises(OutputError, match="another rmfd synth"):
        synthesize(clean, tmp_path, REQUEST)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", [".", "town/out"])
def test_a_data_set_among_its_clips_is_refused(clean, where):
    with pytest.raises(UsageError, match="next run would take it for clips"):
        synthesize(clean, clean / where, REQUEST)


def test_bad_clips_are_named_and_the_rest_is_done(tmp_path):
    clips.video(tmp_path / "clean/good.mkv", frames=4)
    clips.video(tmp_path / "clean/short.mkv", frames=2)
    (tmp_path / "clean/broken.mp4").write_text("this is no video")
    out = tmp_path / "out"
    arguments = ("synth", tmp_path / "clean", "-o", out, "--frames", 3, "--layers", "none", "--workers", 1)
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert (done.exit_code, done.stdout) == (3, "")
    failed = [line for line in done.stderr.splitlines() if line.startswith("rmfd: failed: ")]
    assert len(failed) == 2
    assert "broken.mp4" in failed[0]
    assert "has 2 frames, --frames asks for 3" in failed[1]
    assert done.stderr.splitlines()[-1] == f"rmfd: error: {out}: 2 of 3 variants failed, the others are complete"
    assert (out / "meta_info.txt").read_text() == "good/0 3 (36,48,3)\n"
    assert sorted(path.name for path in out.iterdir()) == ["good", "meta_info.txt"]


def suicidal(job: int, on_frames: object) -> None:
    if job == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if job == 2:
        raise ZeroDivisionError("by nothing")
    if job == 3:
        raise MachineError("no x264 here")
    if job == 4:
        np.empty(1 << 60, np.uint8)
    if job == 5:
        torch.empty(1 << 60, dtype=torch.uint8)


def test_a_worker_that_dies_costs_its_job_and_no_other_and_errors_stay_what_they_are():
    ended = [event for event in work_through(range(7), suicidal, 1) if isinstance(event, Ended)]
    assert [event.job for event in ended] == list(range(7))
    kinds = (None, MemoryExhaustedError, RmfdError, MachineError, MemoryExhaustedError, MemoryExhaustedError, None)
    assert [event.error and type(event.error) for event in ended] == [*kinds]
    assert "killed" in str(ended[1].error)
    assert "ZeroDivisionError: by nothing" in str(ended[2].error)
    assert str(ended[3].error) == "no x264 here"


def test_a_job_is_taken_when_a_worker_is_free_for_it():
    taken = []
    for event in work_through((taken.append(job) or job for job in (0, 6, 7)), suicidal, 1):
        if isinstance(event, Ended):
            assert taken[-1] == event.job


def test_every_clip_is_read_once_however_many_variants(clean, copy, whole, monkeypatch):
    read = []
    monkeypatch.setattr(run, "identify", lambda clip, depth_dir: read.append(clip.name) or identify(clip, depth_dir))
    for name in ("b/1", "town/frames/0", "town/frames/1"):
        (copy / name / "metadata.json").unlink()
        shutil.rmtree(copy / name)
    assert synthesize(clean, copy, REQUEST).made == 3
    assert sorted(read) == ["b", "town/a", "town/frames"]
    assert clips.contents(copy) == whole


def test_a_variant_takes_the_parent_s_word_for_what_the_clip_is(clean, tmp_path):
    (job, *_) = clips.jobs_of(clean, SynthRequest(preset="light", layers=(), frames=1))
    make_variant(dataclasses.replace(job, identity=Identity(7, "seven", None)), tmp_path, lambda count: None)
    source = json.loads((tmp_path / "b/0/metadata.json").read_text())["source"]
    assert (source["bytes"], source["sha256"]) == (7, "seven")


def test_a_folder_that_cannot_be_read_is_named_and_the_rest_is_done(tmp_path):
    """No right stops root, but no system lists a folder below a path of more than 4096 bytes."""
    clips.video(tmp_path / "clean/good.mkv", frames=1)
    folder = os.open(tmp_path / "clean", os.O_RDONLY)
    for _ in range(17):
        os.mkdir(250 * "d", dir_fd=folder)
        above, folder = folder, os.open(250 * "d", os.O_RDONLY, dir_fd=folder)
        os.close(above)
    os.close(folder)
    out = tmp_path / "out"
    words = ("synth", str(tmp_path / "clean"), "--layers", "none", "--workers", "1", "--quiet")
    done = CliRunner().invoke(app, [*words, "-o", str(out)])
    failed, verdict = done.stderr.splitlines()
    assert failed.startswith(f"rmfd: failed: {tmp_path}/clean/ddd")
    assert failed.endswith("cannot be read (File name too long); make the folder readable or take it out")
    assert (verdict, done.exit_code) == (f"rmfd: error: {out}: 1 folder could not be read, the others are complete", 3)
    assert (out / "good/0/metadata.json").is_file()
    plan = CliRunner().invoke(app, [*words, "--dry-run"])
    assert (plan.exit_code, plan.stdout.split()[:2]) == (0, ["good.mkv", "good/0"])
    assert plan.stderr.startswith("rmfd: warning: ")


def test_nothing_outside_the_data_set_is_removed(clean, copy, tmp_path):
    (tmp_path / "precious").write_text("mine")
    path = copy / "b/0/metadata.json"
    metadata = json.loads(path.read_text())
    metadata["files"] |= {"../precious": "", str(tmp_path / "precious"): "", ".": ""}
    path.write_text(json.dumps(metadata))
    synthesize(clean, copy, SynthRequest(preset="light", frames=1, layers=()), overwrite=True)
    assert (tmp_path / "precious").read_text() == "mine"
    assert (copy / "b/1/metadata.json").is_file()


NOT_POSIX = """
import signal, sys
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("pthread_sigmask", "SIGKILL"):
    delattr(signal, name)
from pathlib import Path
from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.run import synthesize
if __name__ == "__main__":
    synthesize(*map(Path, sys.argv[1:]), SynthRequest(preset="heavy", layers=("streaks", "occlusion")))
"""
"""What Windows lacks, in the parent and in its workers."""


def test_a_system_without_what_is_posix_s_own_makes_the_same(clean, whole, tmp_path):
    (tmp_path / "script.py").write_text(NOT_POSIX)
    command = [sys.executable, str(tmp_path / "script.py"), str(clean), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    made = clips.contents(tmp_path / "out")
    assert made.pop("meta_info.txt").count(b"\n") == 3
    assert made == {name: data for name, data in whole.items() if "/0/" in name}


def test_metadata_is_the_same_wherever_it_is_made(whole):
    metadata = json.loads(whole["town/a/1/metadata.json"])
    assert metadata["source"]["path"] == "town/a.mp4"
    assert metadata["request"]["preset"] == "heavy"
    assert b"/tmp" not in whole["town/a/1/metadata.json"]
