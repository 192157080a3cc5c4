"""File names of every kind, through the command line; files that change under our hands."""

import os
import sys

import pytest

from rmfd_cli.derain import derain
from rmfd_cli.errors import InputError
from rmfd_cli.options import DerainOptions
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.batch.test_pipe import RMFD, shell
from tests.stand_ins import change

NAMES = [
    "a:b.mp4",
    "http:c.mp4",
    "50%d.mp4",
    "100%05d%%.mp4",
    "two\nlines.mp4",
    "übung 雨 ☔.mp4",
    "a 'quoted\" $x;.mp4",
    "[a]*?.mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(rmfd, clip, tmp_path, monkeypatch, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(clip(media.cfr, frames=5).read_bytes())
    monkeypatch.chdir(tmp_path / "in")
    done = rmfd("derain", name, "-o", f"../{name}")
    assert done.exit_code == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1
    with VideoReader(tmp_path / name) as video:
        assert len(list(video)) == 5
    assert sorted(os.listdir(tmp_path)) == sorted(["in", name])


@pytest.mark.parametrize("arguments", [("-o", "./-y.mp4", "--", "-x.mp4"), ("-o", "-y.mp4", "./-x.mp4")])
def test_a_name_may_begin_with_a_dash(rmfd, clip, tmp_path, monkeypatch, arguments):
    (tmp_path / "-x.mp4").write_bytes(clip(media.cfr, frames=5).read_bytes())
    monkeypatch.chdir(tmp_path)
    done = rmfd("derain", *arguments)
    assert done.exit_code == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == ["-x.mp4", "-y.mp4"]


@pytest.mark.parametrize("how", ["grow", "shrink", "replace"])
def test_a_file_that_changes_while_it_is_read_is_refused(clip, tmp_path, how):
    source = tmp_path / "in.mkv"
    data = clip(media.no_audio, ".mkv", frames=100).read_bytes()
    source.write_bytes(data)

    def restore(pictures):
        for number, picture in enumerate(pictures):
            if number == 3 and how == "grow":
                with source.open("ab") as file:
                    file.write(b"more")
            elif number == 3 and how == "shrink":
                os.truncate(source, len(data) - 100)
            elif number == 3:
                (tmp_path / "new").write_bytes(data)
                os.replace(tmp_path / "new", source)
            yield change(picture)

    with pytest.raises(InputError, match=r"in\.mkv: changed while it was read; copy it first"):
        derain(source, tmp_path / "o.mkv", restore, DerainOptions(salvage=True))
    assert os.listdir(tmp_path) == ["in.mkv"]


def test_what_a_pipe_brings_beside_the_video_is_named(clip, tmp_path):
    done = shell(f"cat {clip(media.rich, '.mkv')} | {RMFD} derain - -o o.mkv", tmp_path)
    assert done.returncode == 0
    for words in (
        b"audio stream 1 (aac) is left out",
        b"audio stream 2 (aac)",
        b"subtitle stream 3 (subrip)",
        b"attachment stream 4",
    ):
        assert words in done.stderr


def test_a_file_through_stdin_is_a_file_and_keeps_its_sound(clip, tmp_path):
    done = shell(f"{RMFD} derain - -o o.mkv < {clip(media.rich, '.mkv')}", tmp_path)
    assert done.returncode == 0
    assert b"warning" not in done.stderr
    assert media.ffmpeg("-i", tmp_path / "o.mkv", "-map", "0:a:1", "-f", "null", "-") == b""


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes are of POSIX")
def test_a_named_pipe_is_read_once(clip, tmp_path):
    source = clip(media.pixel_format, ".nut", pix_fmt="yuv420p")
    done = shell(f"mkfifo p && (cat {source} > p &) && {RMFD} derain p -o o.mkv -q", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    with VideoReader(tmp_path / "o.mkv") as video:
        assert len(list(video)) == 8
