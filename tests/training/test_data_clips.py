"""Clips and pairs below a folder: which there are, whose is whose, and what their pixels are."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rmfd_cli.clips.find import find_clips, frames_of
from rmfd_cli.clips.pairs import find_pairs, same_names
from rmfd_cli.clips.walk import walk
from rmfd_cli.errors import InputError
from rmfd_cli.synth.sources import find_sources
from rmfd_cli.video.lossless import LosslessWriter
from tests import media


def clip(path: Path) -> Path:
    """A video by its name, or a folder of two frames, none of which is ever read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".mp4", ".mkv"):
        path.touch()
    else:
        path.mkdir()
        for number in range(2):
            (path / f"{number}.png").touch()
    return path


def below(top: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(top).as_posix() for path in paths]


def test_a_dot_in_a_folder_s_name_is_no_suffix(tmp_path):
    names = ("cam.1-0", "cam.2-0", "cam.mp4")
    for side in ("rainy", "clean"):
        for name in names:
            clip(tmp_path / side / name)
    assert find_pairs(tmp_path) == [(tmp_path / "rainy" / name, tmp_path / "clean" / name) for name in names]


def test_the_suffix_of_a_video_does_not_matter_and_what_comes_before_it_does(tmp_path):
    for name in ("in/a.1.mp4", "out/a.1.mkv", "out/a.2.mkv", "in/b.mp4"):
        clip(tmp_path / name)
    assert list(same_names(tmp_path / "in", tmp_path / "out")) == [(tmp_path / "in/a.1.mp4", tmp_path / "out/a.1.mkv")]


def test_a_clip_that_could_belong_to_two_is_refused(tmp_path):
    for name in ("input/a.mp4", "gt/a.mp4", "gt/a.mkv", "gt/b.mp4", "gt/b.mkv"):
        clip(tmp_path / name)
    with pytest.raises(InputError, match=r"gt/a\.mkv and .*gt/a\.mp4: either could belong to .*input/a\.mp4; rename one"):
        find_pairs(tmp_path)


def test_a_folder_that_is_a_clip_itself_has_no_name_below_itself(tmp_path):
    clip(tmp_path / "rainy")
    clip(tmp_path / "clean" / "a")
    assert find_pairs(tmp_path) == []


def test_hidden_folders_hold_neither_clips_nor_pairs(tmp_path):
    for name in (".rmfd-synth-x/0/tree/a/0/rainy.mkv", ".rmfd-synth-x/0/tree/a/0/clean.mkv", "b/rainy.mkv", "b/clean.mkv"):
        clip(tmp_path / name)
    assert find_pairs(tmp_path) == [(tmp_path / "b/rainy.mkv", tmp_path / "b/clean.mkv")]
    assert below(tmp_path, find_clips(tmp_path)) == ["b/clean.mkv", "b/rainy.mkv"]
    assert len(find_clips(tmp_path / ".rmfd-synth-x")) == 2


def test_linked_folders_are_looked_into_and_no_folder_twice(tmp_path):
    clip(tmp_path / "elsewhere/deep/a.mp4")
    clip(tmp_path / "elsewhere/frames")
    top = tmp_path / "top"
    clip(top / "b.mp4")
    (top / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(top)
    assert below(top, find_clips(top)) == ["b.mp4", "link/deep/a.mp4", "link/frames"]
    assert [found.name for found in find_sources(top).clips] == ["b", "link/deep/a", "link/frames"]


def test_a_video_stands_for_itself(tmp_path):
    clip(tmp_path / "a.mp4")
    (tmp_path / "notes.txt").touch()
    assert find_clips(tmp_path / "a.mp4") == [tmp_path / "a.mp4"]
    assert find_clips(tmp_path / "notes.txt") == []


def test_one_truth_may_be_linked_for_several_rainy_clips(tmp_path):
    clip(tmp_path / "orig/a")
    for name in ("a-light", "a-heavy"):
        clip(tmp_path / "set/rain" / name)
        (tmp_path / "set/gt").mkdir(exist_ok=True)
        (tmp_path / "set/gt" / name).symlink_to(tmp_path / "orig/a")
    (tmp_path / "set/gt/latest").symlink_to(tmp_path / "set/gt/a-light")
    pairs = find_pairs(tmp_path / "set")
    assert [(rainy.name, clean.name) for rainy, clean in pairs] == [("a-heavy", "a-heavy"), ("a-light", "a-light")]


def test_linked_sides_of_a_set_are_paired(tmp_path):
    clip(tmp_path / "other/a.mp4")
    clip(tmp_path / "set/input/a.mp4")
    (tmp_path / "set/gt").symlink_to(tmp_path / "other")
    assert find_pairs(tmp_path / "set") == [(tmp_path / "set/input/a.mp4", tmp_path / "set/gt/a.mp4")]


def test_folders_come_in_natural_order_with_their_files(tmp_path):
    for name in ("a10/x.mp4", "a2/x10.mp4", "a2/x9.mp4", "out/old.mp4"):
        clip(tmp_path / name)
    (tmp_path / "a2/.hidden.mp4").touch()
    folders, unreadable = walk(tmp_path, leave_out=str(tmp_path / "out"))
    assert folders == [
        (str(tmp_path), []),
        (str(tmp_path / "a2"), ["x9.mp4", "x10.mp4"]),
        (str(tmp_path / "a10"), ["x.mp4"]),
    ]
    assert unreadable == []


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    clip(tmp_path / "a.mp4")

    def refuse(top, onerror, **_):
        onerror(PermissionError(13, "Permission denied", f"{top}/closed"))
        yield top, [], ["a.mp4"]

    monkeypatch.setattr("rmfd_cli.clips.walk.os.walk", refuse)
    with pytest.raises(InputError, match=r"closed: cannot be read \(Permission denied\); make the folder readable"):
        find_clips(tmp_path)


def test_no_folder_holds_no_clips(tmp_path):
    assert find_clips(tmp_path / "nowhere") == find_pairs(tmp_path / "nowhere") == []


def noise(frames: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (36, 50, 3)).astype(np.uint8) for _ in range(frames)]


def test_a_lossless_video_of_rmfd_is_read_as_it_is_stored(tmp_path):
    with LosslessWriter(tmp_path / "a.mkv", "rgb8", (50, 36), Fraction(25)) as writer:
        for picture in noise():
            writer.write(picture)
    assert [np.array_equal(*both) for both in zip(frames_of(tmp_path / "a.mkv"), noise(), strict=True)] == [True] * 3


@pytest.mark.parametrize(("codec", "pixels"), [("ffv1", "gbrp"), ("png", "rgb24"), ("libx264rgb", "bgr24")])
def test_so_is_any_other_video_of_rgb(tmp_path, codec, pixels):
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "50x36", "-i", "pipe:0")
    media.ffmpeg(*(*raw, "-c:v", codec, "-pix_fmt", pixels, "-qp", "0", tmp_path / "a.mkv"), stdin=np.stack(noise()).tobytes())
    assert [np.array_equal(*both) for both in zip(frames_of(tmp_path / "a.mkv"), noise(), strict=True)] == [True] * 3


def test_deep_rgb_is_rounded_to_8_bits(tmp_path):
    with LosslessWriter(tmp_path / "a.mkv", "rgb16", (50, 36), Fraction(25)) as writer:
        for picture in noise():
            writer.write(np.minimum(picture.astype(np.uint32) * 257 + 100, 65535).astype(np.uint16))
    assert [np.array_equal(*both) for both in zip(frames_of(tmp_path / "a.mkv"), noise(), strict=True)] == [True] * 3


def test_a_lossless_video_that_breaks_off_is_named(tmp_path):
    with LosslessWriter(tmp_path / "a.mkv", "rgb8", (50, 36), Fraction(25)) as writer:
        for picture in noise(20):
            writer.write(picture)
    whole = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"a\.mkv: is damaged"):
        list(frames_of(tmp_path / "a.mkv"))
