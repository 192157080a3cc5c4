"""Times that are even but for a leap tell that frames are missing; times that never were tell nothing."""

from fractions import Fraction

import pytest

from rmfd_cli.video.clock import Clock
from rmfd_cli.video.reader import VideoReader
from tests import media


def remark(times: list[int], step: int = 40) -> str | None:
    clock = Clock(Fraction(1, 1000), step)
    for time in times:
        clock.see(time)
    return clock.remark()


EVEN = [40 * k for k in range(60)]


@pytest.mark.parametrize("times", [[], [0], EVEN, [round(100 * k / 3) for k in range(60)], EVEN[:20] + EVEN[23:]])
def test_nothing_is_said_of_even_times_and_of_two_or_three_dropped_frames(times):
    assert remark(times, step=33 if times[1:2] == [33] else 40) is None


def test_a_leap_among_even_times_is_named():
    said = remark(EVEN[:20] + EVEN[30:])
    assert said is not None
    assert "about 10 frames are missing before frame 20" in said


def test_a_variable_frame_rate_has_leaps_of_its_own():
    times, now = [], 0
    for k in range(60):
        now += (20, 40, 70, 400)[k % 4]
        times.append(now)
    assert remark(times) is None


def test_a_clock_that_jumps_back_is_named_first():
    said = remark([*EVEN[:20], *EVEN[30:], 100, 140])
    assert said is not None
    assert "jumps back by 2.260 s at frame 50" in said


@pytest.mark.parametrize("suffix", [".ts", ".flv", ".nut", ".wmv"])
def test_frames_that_a_damage_has_taken_are_missed_in_every_container(tmp_path, suffix):
    codec = ("-c:v", "wmv2", "-b:v", "600k") if suffix == ".wmv" else media.X264_B
    source, lost = media.encode(tmp_path / f"whole{suffix}", frames=120, codec=codec), 0
    for place in range(20):
        start = 0.3 + place / 50
        with VideoReader(media.corrupted(tmp_path / f"bad{suffix}", source, start, start + 0.05)) as reader:
            frames = len(list(reader))
        if frames <= 120 - 6:
            lost += 1
            assert reader.damage or reader.jump, start
    assert lost > 5
