"""SMPTE time code (ST 12-1): the number of a frame as hours, minutes, seconds and frames."""

import re
from fractions import Fraction

_TEXT = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d+)")


def later(text: str, frames: int, rate: Fraction) -> str | None:
    """The time code so many frames on; None where there is none in the text.

    Args:
        text: `HH:MM:SS:FF`, or with `;` before the frames for drop-frame code, which leaves out numbers, so as to keep up with
            the clock at 30/1.001 frames per second or twice that. Below ten frames per second FFmpeg writes one F.
        frames: From 0 up.
        rate: Frames per second.
    """
    match = _TEXT.fullmatch(text.strip())
    base = round(rate)
    if match is None or base < 1:
        return None
    hours, minutes, seconds, number = (int(match[group]) for group in (1, 2, 3, 5))
    dropped = base // 15 if match[4] in ";." and base % 30 == 0 else 0
    minute, ten = 60 * base - dropped, 600 * base - 9 * dropped
    tens, ones = divmod(60 * hours + minutes, 10)
    tens, rest = divmod((tens * ten + ones * minute + base * seconds + number + frames) % (144 * ten), ten)
    # The first minute of ten is whole.
    ones, rest = (0, rest) if rest < 60 * base else ((rest - dropped) // minute, (rest - dropped) % minute + dropped)
    hours, minutes = divmod(10 * tens + ones, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // base:02d}{match[4]}{rest % base:0{len(match[5])}d}"
