"""Lossless files: what comes out is what went in, and the same pictures are the same bytes."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.video.images import read_grey16, read_rgb, write_png
from rmfd_cli.video.lossless import LosslessWriter, read_lossless
from rmfd_cli.video.reader import VideoReader
from tests import media

KINDS = ["rgb8", "grey16", "rgb16"]


def noise(kind: str, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    width, height = size
    dtype = np.uint8 if kind == "rgb8" else np.uint16
    shape = (height, width) if kind == "grey16" else (height, width, 3)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def write(path: Path, kind: str, size: tuple[int, int], frames: int = 3) -> Path:
    with LosslessWriter(path, kind, size, Fraction(30000, 1001)) as writer:
        for seed in range(frames):
            writer.write(noise(kind, size, seed))
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(64, 48), (61, 45), (16, 16), (17, 130)])
def test_every_value_of_every_pixel_comes_back(kind, size, tmp_path):
    read = list(read_lossless(write(tmp_path / "a.mkv", kind, size)))
    assert len(read) == 3
    for seed, picture in enumerate(read):
        assert picture.dtype == (np.uint8 if kind == "rgb8" else np.uint16)
        assert np.array_equal(picture, noise(kind, size, seed))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_pictures_are_the_same_bytes(kind, tmp_path):
    one, two = (write(tmp_path / name, kind, (80, 60)) for name in ("one.mkv", "two.mkv"))
    assert one.read_bytes() == two.read_bytes()


def test_the_frame_rate_and_colours_are_read_by_others(tmp_path):
    path = tmp_path / "a.mkv"
    pictures = [(media.picture(number) >> 8).astype(np.uint8) for number in range(4)]
    with LosslessWriter(path, "rgb8", (media.WIDTH, media.HEIGHT), Fraction(30000, 1001)) as writer:
        for picture in pictures:
            writer.write(picture)
    with VideoReader(path) as video:
        assert video.info.frame_rate == Fraction(30000, 1001)
        frames = [frame.rgb for frame in video]
    assert [media.frame_number(frame) for frame in frames] == [0, 1, 2, 3]
    assert np.abs(frames[0].astype(int) - pictures[0]).max() <= 2


def test_a_full_disk_is_named_as_such():
    with pytest.raises(OutputError, match=r"/dev/full.*No space left"):
        write(Path("/dev/full"), "rgb8", (320, 240), frames=40)


def test_a_place_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(OutputError, match="No such file"):
        write(tmp_path / "nowhere" / "a.mkv", "rgb8", (32, 32))


def test_a_picture_of_another_size_or_depth_is_refused(tmp_path):
    with LosslessWriter(tmp_path / "a.mkv", "rgb8", (32, 16), Fraction(25)) as writer:
        for wrong in (noise("rgb8", (16, 32)), noise("rgb16", (32, 16))):
            with pytest.raises(ValueError, match="is not a rgb8"):
                writer.write(wrong)
        writer.write(noise("rgb8", (32, 16)))


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "b.mkv").write_text("this is no video")
    for bad in (tmp_path / "b.mkv", media.no_audio(tmp_path / "c.mkv", frames=3), tmp_path / "nowhere.mkv"):
        with pytest.raises(InputError, match=bad.name):
            list(read_lossless(bad))


@pytest.mark.parametrize("kind", KINDS)
def test_png_keeps_every_value(kind, tmp_path):
    picture = noise(kind, (31, 17))
    write_png(tmp_path / "a.png", picture)
    assert np.array_equal((read_grey16 if kind == "grey16" else read_rgb)(tmp_path / "a.png"), picture)


def test_a_text_file_is_no_picture(tmp_path):
    (tmp_path / "a.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"a\.png"):
        read_rgb(tmp_path / "a.png")
    with pytest.raises(OutputError, match="nowhere"):
        write_png(tmp_path / "nowhere" / "a.png", noise("rgb8", (8, 8)))
