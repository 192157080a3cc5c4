"""Time code that goes on as a clock or a counter does, with every number of a day counted out."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from rmfd_cli.video.arguments import tags_from
from rmfd_cli.video.containers import container_of
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.streams import companions
from rmfd_cli.video.timecode import later
from tests import media


def whole_day(base: int, dropped: int) -> Iterator[str]:
    """Every code of a day, in order, as SMPTE ST 12-1 numbers frames."""
    mark = ";" if dropped else ":"
    for minute in range(24 * 60):
        for second in range(60):
            first = dropped if second == 0 and minute % 10 else 0
            for frame in range(first, base):
                yield f"{minute // 60:02d}:{minute % 60:02d}:{second:02d}{mark}{frame:02d}"


@pytest.mark.parametrize(
    ("base", "dropped", "rate"),
    [(24, 0, Fraction(24000, 1001)), (25, 0, Fraction(25)), (30, 2, Fraction(30000, 1001)), (60, 4, Fraction(60000, 1001))],
)
def test_so_many_frames_later_is_so_many_numbers_on(base, dropped, rate):
    codes = list(whole_day(base, dropped))
    for start in (0, 1, 59 * base, 61 * base, 17_977, len(codes) - 5):
        for frames in (0, 1, 2, 3, 25, 1_798, 1_799, 17_982, 107_892):
            assert later(codes[start], frames, rate) == codes[(start + frames) % len(codes)]


def test_at_low_rates_frames_have_one_digit():
    assert later("01:00:00:3", 4, Fraction(5)) == "01:00:01:2"


@pytest.mark.parametrize("text", ["", "10:00:00", "noon", "1:2:3:4", "01:00:00:"])
def test_what_is_none_has_no_later_one(text):
    assert later(text, 5, Fraction(25)) is None


def test_without_a_cut_a_code_stays_whatever_rate_the_video_has(clip):
    # A code that counts to thirty, of pictures that come at 24.9 per second on average.
    with VideoReader(clip(media.no_audio)) as video:
        along = companions(video.info, container_of(Path("out.mov")))
    code = ("timecode", "01:00:00:29")
    along = replace(along, video_tags=(code,), time_code_tags=(code,), brand_tags=())
    assert tags_from(along, None, Fraction(249, 10)) == (["timecode=01:00:00:29"], ["timecode=01:00:00:29"])
    assert tags_from(along, 1.0, Fraction(30)) == (["timecode=01:00:01:29"], ["timecode=01:00:01:29"])
