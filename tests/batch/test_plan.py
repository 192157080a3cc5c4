import io
import os
from pathlib import Path

import pytest

from rmfd_cli.batch.naming import is_folder
from rmfd_cli.batch.plan import plan_jobs
from rmfd_cli.batch.sources import PIPE, Source, find_sources, frames_of_pattern, read_names
from rmfd_cli.errors import InputError, OutputExistsError, UsageError

STRANGE = ["a b.mp4", "-dash.mp4", "a:b.mp4", "%d.mp4", "line\nbreak.mp4", "søt 雨.mp4", "{stem}.mp4", "a{1}.mp4"]


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def planned(names: list[str], output: str, **options: object) -> list[tuple[str, str]]:
    found = find_sources(names, leave_out=output)
    several = options.pop("several", len(names) > 1 or any(source.from_folder for source in found.sources))
    jobs = plan_jobs(found.sources, output, several=several, **{"skip_existing": None, **options})
    return [(job.source.path, job.target) for job in jobs]


def test_a_folder_stands_for_the_videos_below_it_in_natural_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(*(tmp_path / "in" / name for name in ("b.mkv", "a10.mp4", "a2.MP4", "notes.txt", "thumb1.jpg", "thumb2.jpg")))
    touch(tmp_path / "in/deep/er/c.avi", tmp_path / "in/.hidden/d.mp4", tmp_path / "in/.e.mp4")
    assert planned(["in"], "out") == [
        ("in/a2.MP4", "out/a2.MP4"),
        ("in/a10.mp4", "out/a10.mp4"),
        ("in/b.mkv", "out/b.mkv"),
        ("in/deep/er/c.avi", "out/deep/er/c.mkv"),
    ]


def test_results_of_an_earlier_run_are_no_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "a.mp4", tmp_path / "dry/a.mp4")
    assert planned(["."], "dry") == [("./a.mp4", "dry/a.mp4")]


def test_results_beside_their_sources_are_no_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(*(tmp_path / "in" / name for name in ("a.mp4", "a_dry.mp4", "b.avi")))
    dry = [("in/a.mp4", "in/a_dry.mp4"), ("in/b.avi", "in/b_dry.mkv")]
    assert planned(["in"], "in/{stem}_dry{suffix}") == dry
    touch(tmp_path / "two/a.mp4", tmp_path / "two/dry/a.mp4")
    assert planned(["two"], "two/{folder}/dry/{stem}{suffix}") == [("two/a.mp4", "two/dry/a.mp4")]
    touch(tmp_path / "one/b.avi", tmp_path / "one/b.mkv")
    assert planned(["one"], "one") == [("one/b.avi", "one/b.mkv")]
    # Named itself, it is meant.
    with pytest.raises(UsageError, match="both"):
        planned(["in/a.mp4", "in/a_dry.mp4"], "out/a.mp4", several=False)


def test_several_folders_keep_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "one/a.mp4", tmp_path / "two/x/a.mp4", tmp_path / "b.mp4")
    targets = [target for _, target in planned(["one", "two/", "b.mp4"], "out")]
    assert targets == ["out/one/a.mp4", "out/two/x/a.mp4", "out/b.mp4"]


def test_a_folder_that_leads_back_into_itself_is_searched_once(tmp_path):
    touch(tmp_path / "in/a.mp4")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    assert len(find_sources([str(tmp_path / "in")]).sources) == 1


def test_a_folder_without_videos_and_one_that_cannot_be_listed_are_named(tmp_path):
    (tmp_path / "empty").mkdir()
    touch(tmp_path / "in/a.mp4")
    found = find_sources([str(tmp_path / "empty"), str(tmp_path / "in")])
    assert [source.path for source in found.sources] == [str(tmp_path / "in/a.mp4")]
    assert [name for name, _ in found.unreadable] == [str(tmp_path / "empty")]
    assert "holds no video" in str(found.unreadable[0][1])


def test_a_folder_of_pictures_is_one_video_and_so_is_a_pattern(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(*(tmp_path / f"in/clip/{number}.png" for number in (9, 10, 8)))
    numbers = ["8", "9", "10"]
    for name in ("in", "in/clip", "in/clip/%d.png"):
        [source] = find_sources([name]).sources
        assert [frame.stem for frame in source.frames] == numbers
    assert planned(["in"], "out") == [("in/clip", "out/clip")]
    assert planned(["in/clip"], "out") == [("in/clip", "out")]
    assert planned(["in/clip/%d.png"], "out") == [("in/clip/%d.png", "out")]
    assert planned(["in/clip"], "{stem}.mkv") == [("in/clip", "clip.mkv")]


def test_a_pattern_asks_for_its_digits_and_a_file_of_that_very_name_wins(tmp_path):
    touch(*(tmp_path / name for name in ("f0001.png", "f0002.png", "f3.png", "g%d.png", "h%d.mp4")))
    assert [path.name for path in frames_of_pattern(str(tmp_path / "f%04d.png"))] == ["f0001.png", "f0002.png"]
    assert frames_of_pattern(str(tmp_path / "g%d.png")) == ()
    assert frames_of_pattern(str(tmp_path / "no%d.mp4")) == ()
    with pytest.raises(InputError, match="no picture"):
        frames_of_pattern(str(tmp_path / "x%d.png"))


@pytest.mark.parametrize(("divider", "null"), [(b"\n", False), (b"\r\n", False), (b"\0", True)])
def test_a_list_holds_any_name(divider, null):
    names = [name for name in STRANGE if null or "\n" not in name]
    raw = divider.join(os.fsencode(name) for name in [*names, "", "last"])
    assert read_names(io.BytesIO(raw), null) == [*names, "last"]
    assert os.fsencode(read_names(io.BytesIO(b"\xff.mp4"), null)[0]) == b"\xff.mp4"


@pytest.mark.parametrize("name", STRANGE)
def test_any_name_is_kept_to_the_letter(name):
    for output, target in (("out/", f"out/{name}"), ("out/{stem}_dry{suffix}", f"out/{name[:-4]}_dry.mp4")):
        [job] = plan_jobs([Source(name)], output, several=False, skip_existing=None)
        assert job.target == target


@pytest.mark.parametrize(
    ("source", "template", "target"),
    [
        (Source("in/a.mov"), "{folder}/{number}-{name}", "in/1-a.mov"),
        (Source("in/a.webm"), "o/{stem}{suffix}", "o/a.mkv"),
        (Source("/x/../in/a.mp4"), "o/{folder}/{stem}{suffix}", "o/x/in/a.mp4"),
        (Source("a.mp4"), "o/{folder}/{stem}{suffix}", "o/a.mp4"),
        (Source("top/deep/a.mp4", "deep", from_folder=True), "o/{folder}/{stem}{suffix}", "o/deep/a.mp4"),
        (Source("a.mp4"), "o/{other}.mp4", "o/{other}.mp4"),
    ],
)
def test_templates(source, template, target):
    [job] = plan_jobs([source], template, several=False, skip_existing=None)
    assert job.target == target


def test_lossless_goes_to_matroska_by_default():
    [job] = plan_jobs([Source("a.mp4")], "out/", several=False, skip_existing=None, lossless=True)
    assert job.target == "out/a.mkv"


def test_what_counts_as_a_folder(tmp_path):
    (tmp_path / "there").mkdir()
    assert is_folder(str(tmp_path / "there"), several=False)
    assert is_folder("new/", several=False)
    assert is_folder("new", several=True)
    assert not is_folder("new", several=False)
    assert not is_folder("new.mp4", several=True)


@pytest.mark.parametrize(
    ("names", "output"),
    [
        (["a.mp4", "b.mp4"], "out.mp4"),
        (["x/a.mp4", "y/a.mp4"], "out"),
        (["a.mp4", "a.mp4"], "out"),
        (["a.avi", "a.mkv"], "out"),
    ],
)
def test_two_sources_of_one_target_are_refused(names, output):
    with pytest.raises(UsageError, match="would both be written to"):
        planned(names, output)


def test_two_names_of_one_target_folder_are_seen_through(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "x/a.mp4", tmp_path / "y/a.mp4")
    (tmp_path / "o/x").mkdir(parents=True)
    (tmp_path / "o/y").symlink_to("x")
    with pytest.raises(UsageError, match="would both be written to"):
        planned(["x/a.mp4", "y/a.mp4"], "o/{folder}/{name}")


@pytest.mark.parametrize("way", ["same", "symlink", "hard link", "folder link", "another source"])
def test_a_source_is_never_a_target(tmp_path, monkeypatch, way):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "in/a.mp4", tmp_path / "b.mp4")
    names, output = ["in/a.mp4"], "b.mp4"
    if way == "same":
        names, output = ["in"], "in"
    elif way == "another source":
        names, output = ["b.mp4", "in/a.mp4"], "in/a{number}.mp4"
        os.rename("in/a.mp4", "in/a1.mp4")
        names[1] = "in/a1.mp4"
    elif way == "folder link":
        (tmp_path / "other").symlink_to("in")
        output = "other/"
    else:
        os.unlink("b.mp4")
        (os.symlink if way == "symlink" else os.link)(tmp_path / "in/a.mp4", "b.mp4")
    with pytest.raises(OutputExistsError, match="is the source"):
        planned(names, output)


@pytest.mark.parametrize(("asked", "skipped"), [(None, [True, False]), (True, [True, True]), (False, [False, False])])
def test_what_exists_is_done_already_for_folders(tmp_path, monkeypatch, asked, skipped):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "in/a.mp4", tmp_path / "b.mp4", tmp_path / "out/a.mp4", tmp_path / "out/b.mp4")
    jobs = plan_jobs(find_sources(["in", "b.mp4"]).sources, "out", several=True, skip_existing=asked)
    assert [job.skip for job in jobs] == skipped


def test_one_video_fits_through_a_pipe():
    with pytest.raises(UsageError, match="stdout"):
        plan_jobs([Source("a.mp4"), Source("b.mp4")], PIPE, several=True, skip_existing=None)
