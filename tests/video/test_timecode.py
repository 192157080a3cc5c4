"""Time code that goes on as a clock or a counter does, with every number of a day counted out."""

from collections.abc import Iterator
from fractions import Fraction

import pytest

from rmfd_cli.video.timecode import later


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
