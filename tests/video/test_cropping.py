"""Edges that a container hides are left out, as ffmpeg and players do."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from rmfd_cli.derain import derain
from rmfd_cli.video.cropping import Edges, hidden_edges
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.stand_ins import unchanged

EDGES = Edges(20, 8, 6, 14)
SIZE = media.WIDTH - 26, media.HEIGHT - 22


def stream(index=0, width=media.WIDTH, height=media.HEIGHT):
    return SimpleNamespace(index=index, width=width, height=height)


def edges_hidden(folder, make):
    """Of the pictures of a maker of `media`; the same file without that is `plain.mkv`."""
    plain = folder / "plain.mkv"
    media.ffmpeg("-i", make(folder / "source.mp4"), "-map", "0:v", "-c", "copy", plain)
    return media.with_hidden_edges(folder / "hidden.mkv", plain, *EDGES)


@pytest.fixture(params=[media.cfr, partial(media.rotated, degrees=90), media.ten_bit], ids=["plain", "rotated", "ten bits"])
def hidden(request, tmp_path):
    return edges_hidden(tmp_path, request.param)


@pytest.fixture(params=["mkv", "mov", "mp4"])
def source(request, hidden):
    copied = hidden.with_name(f"copied.{request.param}")
    media.ffmpeg("-i", hidden, "-c", "copy", copied)
    return copied


def test_pictures_are_those_that_ffmpeg_shows(source):
    with VideoReader(source) as video:
        frames = list(video)
        assert (video.info.width_px, video.info.height_px) == SIZE
    shown = media.ffmpeg("-noautorotate", "-i", source, "-f", "rawvideo", "-")
    assert b"".join(plane.tobytes() for frame in frames for plane in frame.planes) == shown


def test_all_else_is_as_without_them(source, tmp_path):
    with VideoReader(source) as video, VideoReader(tmp_path / "plain.mkv") as whole:
        for frame, other in zip(video, whole, strict=True):
            assert frame.pts * video.info.time_base == other.pts * whole.info.time_base
            luma, rgb = (array[8:-14, 20:-6] for array in (other.planes[0], other.rgb))
            assert np.array_equal(frame.planes[0], luma)
            assert np.abs(frame.rgb.astype(float) - rgb)[2:-2, 2:-2].max() < rgb.max() / 20
        assert video.info.colour == whole.info.colour
        assert (video.info.rotation_degrees, video.info.format) == (whole.info.rotation_degrees, whole.info.format)
        assert video.damage is None


def test_pictures_are_made_whole_before(tmp_path):
    hidden = edges_hidden(tmp_path, media.field_coded)
    with VideoReader(hidden, deinterlace=True) as video, VideoReader(tmp_path / "plain.mkv", deinterlace=True) as whole:
        for frame, other in zip(video, whole, strict=True):
            assert np.array_equal(frame.planes[0], other.planes[0][8:-14, 20:-6])


def test_it_is_said(source, tmp_path):
    report = derain(source, tmp_path / "out.mkv", unchanged)
    assert ["20 at the left, 8 at the top, 6 at the right, 14 at the bottom" in line for line in report.warnings] == [True]
    with VideoReader(tmp_path / "out.mkv") as video:
        assert (video.info.width_px, video.info.height_px) == SIZE


def test_a_start_is_found_as_ever(hidden):
    with VideoReader(hidden, start_seconds=0.8) as video:
        frames = list(video)
    assert frames[0].planes[0].shape == SIZE[::-1]
    assert len(frames) == media.FRAMES - 20


def test_odd_numbers_are_rounded_so_that_chroma_and_fields_stay(hidden, tmp_path):
    odd = media.with_hidden_edges(tmp_path / "odd.mkv", tmp_path / "plain.mkv", 3, 7, 5, 1)
    assert hidden_edges(odd, stream(), False) == Edges(2, 6, 4, 0)
    assert hidden_edges(odd, stream(), True) == Edges(2, 4, 4, 0)


def test_edges_of_pictures_of_another_size_are_not_believed(source):
    assert hidden_edges(source, stream(), False) == EDGES
    assert hidden_edges(source, stream(height=media.HEIGHT - 8), False) == Edges()


def test_more_than_there_is_is_not_believed(hidden, tmp_path):
    for edges in ((100, 0, 60, 0), (0, 100, 0, 20)):
        absurd = media.with_hidden_edges(tmp_path / "absurd.mkv", tmp_path / "plain.mkv", *edges)
        assert hidden_edges(absurd, stream(), False) == Edges()


@pytest.mark.parametrize("name", ["a.mkv", "a.mov", "a.mp4", "a.avi"])
def test_nothing_is_hidden_of_others(name, tmp_path):
    source = media.encode(tmp_path / name)
    assert hidden_edges(source, stream(), False) == hidden_edges(source, stream(index=7), False) == Edges()
    for length in (10, 100, 600):
        source.write_bytes(source.read_bytes()[:length])
        assert hidden_edges(source, stream(), False) == Edges()
