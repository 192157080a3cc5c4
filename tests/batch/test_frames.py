"""Frames as picture files, in and out, with models that change nothing or something known."""

import os
import shutil
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from rmfd_cli import cli
from rmfd_cli.cli import derain as command
from rmfd_cli.video.images import left_out, read_rgb, write_png
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.stand_ins import change


def brighter(level: float):
    return lambda images: (change(image, level) for image in images)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "lazy_restorer", lambda *_: brighter(0.0))
    return tmp_path


def derain(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["derain", *arguments])


def frames(folder: str, names: list[str], bits: int = 8, size: tuple[int, int] = (media.WIDTH, media.HEIGHT)) -> None:
    Path(folder).mkdir(parents=True)
    for number, name in enumerate(names):
        picture = media.picture(number, *size)
        write_png(Path(folder, name), picture if bits == 16 else (picture >> 8).astype(np.uint8))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("target", ["out", "out/", "out/%03d.png"])
def test_frames_come_back_bit_for_bit(bits, target):
    names = ["8.png", "9.png", "10.png"]
    frames("in", names, bits)
    result = derain("in", "-o", target)
    assert result.exit_code == 0, result.stderr
    written = names if "%" not in target else ["001.png", "002.png", "003.png"]
    assert sorted(os.listdir("out")) == sorted(written)
    for before, after in zip(names, written, strict=True):
        one, other = read_rgb(Path("in", before)), read_rgb(Path("out", after))
        assert one.dtype == other.dtype
        assert np.array_equal(one, other)
    assert sorted(os.listdir(".")) == ["in", "out"]


def test_a_tree_of_clips_is_mirrored_and_done_once(monkeypatch):
    for clip in ("in/a", "in/deep/b"):
        frames(clip, ["1.png", "2.png"])
    assert derain("in", "-o", "out").exit_code == 0
    assert sorted(os.listdir("out/a") + os.listdir("out/deep/b")) == ["1.png", "1.png", "2.png", "2.png"]
    again = derain("in", "-o", "out")
    assert "0 done, 2 skipped" in again.stderr
    monkeypatch.setattr(command, "lazy_restorer", lambda *_: brighter(0.25))
    assert derain("in", "-o", "out", "--overwrite").exit_code == 0
    before, after = (read_rgb(Path(top, "a/1.png")).astype(int) for top in ("in", "out"))
    assert np.abs(after - np.minimum(before + 63.75, 255)).max() <= 0.5


def test_frames_become_a_video_of_the_rate_that_is_given():
    frames("in", [f"{number:05d}.png" for number in range(6)])
    result = derain("in/%05d.png", "-o", "a.mp4", "--fps", "30000/1001")
    assert result.exit_code == 0, result.stderr
    with VideoReader("a.mp4") as video:
        shown = list(video)
        assert (video.info.format.name, str(video.info.frame_rate)) == ("yuv420p", "30000/1001")
    assert [media.frame_number(frame.planes[0]) for frame in shown] == list(range(6))
    expected = media.picture(0)[-20:] / 65535
    assert np.abs(shown[0].rgb[-20:] / 255 - expected).mean() < 0.02


@pytest.mark.parametrize("bits", [8, 16])
def test_a_lossless_video_holds_the_very_samples(bits):
    frames("in", ["1.png", "2.png"], bits, size=(161, 121))
    result = derain("in", "-o", "a.mkv", "--lossless")
    assert result.exit_code == 0, result.stderr
    raw = media.ffmpeg("-i", "a.mkv", "-f", "rawvideo", "-pix_fmt", "rgb48le", "pipe:1")
    pictures = np.frombuffer(raw, np.uint16).reshape(2, 121, 161, 3)
    for number in (0, 1):
        assert np.array_equal(
            pictures[number], read_rgb(Path("in", f"{number + 1}.png")).astype(int) * (257 if bits == 8 else 1)
        )


@pytest.mark.parametrize(("extra", "bits"), [((), 8), (("--bits", "16"), 16)])
def test_a_video_becomes_frames(clip, extra, bits):
    result = derain(str(clip(media.no_audio, frames=5)), "-o", "out/%d.png", *extra)
    assert result.exit_code == 0, result.stderr
    pictures = [read_rgb(Path(f"out/{number}.png")) for number in range(1, 6)]
    assert [media.frame_number(picture) for picture in pictures] == list(range(5))
    assert pictures[0].itemsize * 8 == bits
    with VideoReader(clip(media.no_audio, frames=5)) as video:
        scale = 1 if bits == 8 else 257
        assert np.array_equal(next(iter(video)).rgb.astype(int) * scale, pictures[0])


def test_a_turned_video_becomes_upright_frames_and_a_cut_is_exact(clip):
    result = derain(str(clip(media.rotated, degrees=90)), "-o", "out/%d.png", "--start", "0.4", "--end", "0.48")
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir("out")) == ["1.png", "2.png"]
    picture = read_rgb(Path("out/1.png"))
    assert picture.shape[:2] == (media.WIDTH, media.HEIGHT)
    assert media.frame_number(np.rot90(picture, -1)) == 10


@pytest.mark.parametrize("level", [0.0, 0.1])
def test_a_mirrored_video_becomes_frames_as_they_are_shown(clip, monkeypatch, level):
    def brighter_on_the_left(images):
        for image in images:
            one = change(image)
            one.luma[:, : one.luma.shape[1] // 2] = level
            yield one

    monkeypatch.setattr(command, "lazy_restorer", lambda *_: brighter_on_the_left)
    source = clip(media.mirrored, degrees=0)
    assert derain(str(source), "-o", "out/%d.png").exit_code == 0
    with VideoReader(source) as video:
        stored = next(iter(video)).rgb.astype(float)
    stored[:, : stored.shape[1] // 2] += 255 * level
    assert np.abs(read_rgb(Path("out/1.png")) - stored.clip(0, 255)[:, ::-1]).mean() < 1


def test_pictures_that_are_see_through_say_that_it_is_lost():
    picture = np.full((40, 60, 4), 200, np.uint8)
    for folder, is_told in (("a", False), ("b", True)):
        Path(folder).mkdir()
        picture[..., 3] = 255
        cv2.imwrite(f"{folder}/1.png", picture)
        picture[..., 3] = 128 if is_told else 255
        cv2.imwrite(f"{folder}/2.png", picture)
        for target in (f"{folder}.mp4", f"{folder}-out"):
            result = derain(folder, "-o", target)
            assert result.exit_code == 0, result.stderr
            assert ("see-through" in result.stderr) == is_told


@pytest.mark.parametrize("codec", ["png", "mjpeg"])
def test_pictures_with_a_profile_say_that_it_is_lost(codec):
    profile = b"ICC_PROFILE\0\1\1profile"
    chunk = media.icc_chunk() if codec == "png" else b"\xff\xe2" + (2 + len(profile)).to_bytes(2, "big") + profile
    media.pictures_in(Path("made.mkv"), codec, chunk)
    result = derain("pictures-made", "-o", "out")
    assert result.exit_code == 0, result.stderr
    assert "an ICC profile" in result.stderr


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(kind: int, rows: bytes, *extra: bytes, level: int = 6) -> bytes:
    """A PNG of 16x16 pixels of 8 bits, from a type of colour and rows that begin with their filter."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 8, kind, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(rows, level))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + data + chunk(b"IEND", b"")


PALETTE = chunk(b"PLTE", bytes(range(6)))
GREY_ROWS, WORDS = (b"\0" + bytes(16)) * 16, (b"\0" + b"iCCPtRNSICCP\1\1\1\1") * 16


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (png(3, GREY_ROWS, PALETTE, chunk(b"tRNS", b"\x40\xff")), "see-through"),
        (png(3, GREY_ROWS, PALETTE, chunk(b"tRNS", b"\xff\xff")), ""),
        (png(3, GREY_ROWS, PALETTE), ""),
        (png(0, GREY_ROWS, chunk(b"tRNS", b"\0\0")), "see-through"),
        (png(0, WORDS, level=0), ""),
        (png(0, GREY_ROWS, chunk(b"tEXt", b"Comment\0iCCP tRNS")), ""),
        (png(0, GREY_ROWS, media.icc_chunk()), "ICC profile"),
    ],
)
def test_only_what_a_header_says_is_lost_of_a_picture(content, told):
    Path("a.png").write_bytes(content)
    lines = left_out(Path("a.png"))
    assert [told in line for line in lines] == ([True] if told else [])


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_words_in_the_samples_of_others_say_nothing(suffix):
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    cv2.imwrite(f"a{suffix}", picture)
    whole = Path(f"a{suffix}").read_bytes()
    Path(f"a{suffix}").write_bytes(whole + b"ICC_PROFILE\0 iCCP ICCP tRNS")
    assert left_out(Path(f"a{suffix}")) == ()


@pytest.mark.parametrize("suffix", [".3g2", ".3gp", ".mov"])
def test_a_name_of_a_video_makes_a_video_of_frames(suffix):
    frames("in", ["1.png", "2.png"])
    assert derain("in", "-o", f"out{suffix}").exit_code == 0
    assert Path(f"out{suffix}").is_file()


def test_a_cut_and_a_comparison_of_frames():
    frames("in", [f"{number}.png" for number in range(10)])
    result = derain("in", "-o", "out", "--start", "0.08", "--end", "0.2", "--compare", "side")
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir("out")) == ["2.png", "3.png", "4.png"]
    picture = read_rgb(Path("out/2.png"))
    assert picture.shape == (media.HEIGHT, 2 * media.WIDTH, 3)
    assert np.array_equal(picture[:, : media.WIDTH], picture[:, media.WIDTH :])


@pytest.mark.parametrize("fault", ["size", "depth", "broken"])
def test_a_row_that_is_none_leaves_nothing(fault):
    frames("in", ["1.png", "2.png"])
    if fault == "broken":
        Path("in/3.png").write_text("no picture")
    elif fault == "size":
        write_png(Path("in/3.png"), np.zeros((4, 4, 3), np.uint8))
    else:
        write_png(Path("in/3.png"), media.picture(2))
    result = derain("in", "-o", "out")
    assert result.exit_code == 1
    assert "in/3.png" in result.stderr
    assert os.listdir(".") == ["in"]


def test_frames_are_not_written_over_unasked_nor_among_their_source(clip):
    frames("in", ["1.jpg.png", "2.jpg.png"])
    frames("out", ["7.png"])
    kept = Path("out/7.png").read_bytes()
    assert derain("in", "-o", "out", "--no-skip-existing").exit_code == 6
    again = derain("in", "-o", "out", "--overwrite")
    assert again.exit_code == 0
    assert "1 other PNG" in again.stderr
    assert Path("out/7.png").read_bytes() == kept
    for target in ("in", "in/dry_%d.png", "./in/../in"):
        assert derain("in", "-o", target).exit_code == 6, target


def test_a_folder_that_holds_no_frames_of_it_is_not_done(clip):
    frames("in", ["1.png", "2.png"])
    frames("in/deep", ["1.png", "2.png"])
    Path("out/deep").mkdir(parents=True)
    Path("out/deep/notes.txt").touch()
    assert derain("in", "-o", "out").exit_code == 0
    assert sorted(os.listdir("out")) == ["1.png", "2.png", "deep"]
    assert sorted(os.listdir("out/deep")) == ["1.png", "2.png", "notes.txt"]
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(clip(media.no_audio, frames=3), name)
    assert derain("a.mp4", "b.mp4", "-o", "out/{stem}_%02d.png").exit_code == 0
    assert len(os.listdir("out")) == 9
    assert derain("a.mp4", "-o", "out/a_%02d.png").exit_code == 6


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no file system is mounted here")
def test_frames_fit_into_the_root_of_another_file_system(clip):
    name = f"rmfd-test-{os.getpid()}"
    try:
        done = derain(str(clip(media.no_audio, frames=3)), "-o", f"/dev/shm/{name}-%d.png")
        assert done.exit_code == 0, done.stderr
        assert sorted(path.name for path in Path("/dev/shm").glob(f"{name}*")) == [f"{name}-{k}.png" for k in (1, 2, 3)]
    finally:
        for path in Path("/dev/shm").glob(f"{name}*"):
            path.unlink()


def test_a_duration_from_a_start_is_exact():
    frames("in", [f"{k}.png" for k in range(6)])
    assert derain("in", "-o", "out", "--fps", "10", "--start", "0.1", "--duration", "0.2").exit_code == 0
    assert sorted(os.listdir("out")) == ["1.png", "2.png"]


def test_two_pictures_of_one_name_are_refused():
    frames("in", ["1.png", "2.png"])
    cv2.imwrite("in/1.jpg", cv2.imread("in/1.png"))
    result = derain("in", "-o", "out")
    assert result.exit_code == 1
    assert "one name" in result.stderr
    assert derain("in", "-o", "out/%d.png").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("in", "-o", "out", "--fps", "0"), "--fps"),
        (("in", "-o", "out", "--fps", "1/0"), "--fps"),
        (("in", "-o", "a.mp4", "--lossless"), ".mkv"),
        (("in", "-o", "a.mkv", "--lossless", "--crf", "3"), "--lossless"),
    ],
)
def test_what_does_not_go_together_is_said(arguments, words):
    frames("in", ["1.png"])
    result = derain(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert os.listdir(".") == ["in"]


def test_a_dry_run_of_frames_and_a_preview():
    frames("in", [f"{number}.png" for number in range(10)])
    result = derain("in", "-o", "out", "--dry-run", "--bits", "16")
    assert result.exit_code == 0, result.stderr
    assert "PNG of 16 bits" in result.stdout
    assert "about 10 frames" in result.stdout
    assert os.listdir(".") == ["in"]
    assert derain("in", "-o", "out", "--preview", "0.2s").exit_code == 0
    assert sorted(os.listdir("out")) == ["3.png", "4.png", "5.png", "6.png", "7.png"]
