"""Matroska files that are whole are known to be, however they were written; frames that are gone are missed."""

import zlib
from pathlib import Path

import pytest

from rmfd_cli.video import matroska
from rmfd_cli.video.matroska import tag_full_range, torn_at
from rmfd_cli.video.reader import VideoReader
from tests import media


def muxed(target: Path, source: Path, *options: str, piped: bool = False) -> Path:
    """The streams of `source` as they are, in another Matroska file."""
    command = ("-i", source, "-map", "0", "-c", "copy", *options)
    if piped:
        target.write_bytes(media.ffmpeg(*command, "-f", "matroska", "-"))
    else:
        media.ffmpeg(*command, target)
    return target


@pytest.mark.parametrize(
    "options",
    [(), ("-live", "1"), ("-cluster_size_limit", "500"), ("-cluster_time_limit", "100"), ("-reserve_index_space", "5000")],
    ids=["plain", "live", "small clusters", "short clusters", "reserved space"],
)
@pytest.mark.parametrize("piped", [False, True])
def test_a_whole_file_is_not_torn(tmp_path, options, piped):
    source = media.rich(tmp_path / "rich.mkv")
    assert torn_at(muxed(tmp_path / "whole.mkv", source, *options, piped=piped)) is None


def test_nor_is_one_that_is_followed_by_something_else(tmp_path):
    source = media.rich(tmp_path / "rich.mkv")
    followed = tmp_path / "followed.mkv"
    followed.write_bytes(source.read_bytes() * 2 + b"\x00" * 100)
    assert torn_at(followed) is None


def test_nor_a_webm_or_what_is_no_matroska_at_all(tmp_path):
    webm = media.encode(tmp_path / "a.webm", codec=("-c:v", "libvpx", "-b:v", "200k"))
    assert torn_at(webm) is None
    assert torn_at(media.cfr(tmp_path / "a.mp4")) is None


def test_no_frame_goes_missing_without_a_word(tmp_path):
    """Noise over a twentieth of the file, at forty places."""
    source, lost = media.b_frames(tmp_path / "whole.mkv", frames=120), 0
    for place in range(40):
        start = 0.3 + place / 100
        with VideoReader(media.corrupted(tmp_path / "bad.mkv", source, start, start + 0.05)) as reader:
            frames = len(list(reader))
        if frames < 120:
            lost += 1
            assert reader.damage is not None, start
    assert lost > 30


def checksums(path: Path) -> list[bool]:
    """Whether each checksum of an outermost element is right."""
    with path.open("rb") as file:
        file.read(4)
        start, end = matroska.segment_of(file)
        found = []
        for _, first, last in matroska.children(file, start, end):
            file.seek(first)
            content = file.read(last - first)
            if content.startswith(b"\xbf\x84"):
                found.append(zlib.crc32(content[6:]).to_bytes(4, "little") == content[2:6])
        return found


def test_a_file_that_is_said_to_have_full_range_still_fits_its_checksums(tmp_path):
    path = media.encode(tmp_path / "a.mkv", frames=4, codec=media.LOSSLESS, filters="setparams=range=tv")
    assert len(checksums(path)) > 2
    before = path.read_bytes()
    tag_full_range(path)
    with VideoReader(path) as video:
        assert video.info.colour.full_range
    assert all(checksums(path))
    assert sum(a != b for a, b in zip(before, path.read_bytes(), strict=True)) <= 5


def test_a_file_that_says_nothing_of_it_is_left_as_it_is(tmp_path, clip):
    for path in (media.grey(tmp_path / "grey.mkv"), media.no_audio(tmp_path / "plain.mp4")):
        before = path.read_bytes()
        tag_full_range(path)
        assert path.read_bytes() == before
