"""What files are by their names: videos, pictures, rows of pictures, and their order."""

import os
import re
from collections.abc import Callable
from typing import Final

VIDEO_SUFFIXES: Final = frozenset(
    {
        *(".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".h264", ".h265", ".hevc", ".ivf", ".m1v"),
        *(".m2t", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".nut", ".ogv", ".qt"),
        *(".ts", ".vob", ".webm", ".wmv", ".y4m"),
    }
)
"""What is taken out of a folder; a file that is named itself may have any suffix."""
PICTURE_SUFFIXES: Final = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts numbers in text by their value, and text that differs in nothing else by its spelling."""
    parts = re.split(r"(\d+)", text)
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts), (2, 0, text))


def frame_matcher(pattern: str) -> Callable[[str], re.Match[str] | None] | None:
    """What tells whether a file name fits a pattern with one `%d` or `%05d`, its number as group 1; None for no pattern."""
    place = _PLACE.fullmatch(pattern)
    if place is None:
        return None
    width = place[2] or "1"
    return re.compile(rf"{re.escape(place[1])}(\d{{{width},}}){re.escape(place[3])}", re.DOTALL).fullmatch


def frame_name(pattern: str, number: int) -> str:
    """The name that fits a pattern of `frame_matcher`, of a frame of this number."""
    place = _PLACE.fullmatch(pattern)
    assert place is not None
    return f"{place[1]}{number:0{place[2] or 1}d}{place[3]}"


def holds_pictures(folder: str | os.PathLike[str], pattern: str | None = None) -> bool:
    """Whether there are PNG files in a folder, of names that fit a pattern if one is given."""
    matcher = (lambda name: name.lower().endswith(".png")) if pattern is None else frame_matcher(pattern)
    return matcher is not None and any(map(matcher, os.listdir(folder)))


_PLACE = re.compile(r"(.*?)%(?:0?(\d+))?d(.*)", re.DOTALL)
