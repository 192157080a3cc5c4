"""What the times of frames tell of a file: whether they rise, and whether some are missing among times that are even.

Containers other than MP4, AVI and Matroska do not tell of frames that a damage has taken; the clock does, where it is even.
"""

from fractions import Fraction

LEAST_MISSING = 4
"""Cameras drop a frame or two by themselves."""
EVEN_SHARE = 0.9
"""Of all times; less, and gaps belong to a video of variable frame rate."""


class Clock:
    """The times of a video's frames as they come.

    Args:
        time_base: seconds per tick.
        step: ticks between frames.
    """

    def __init__(self, time_base: Fraction, step: int) -> None:
        self._time_base, self._step = time_base, step
        self._last: int | None = None
        self._count = self._even = 0
        self._back: tuple[int, int] | None = None
        self._leap = (0, 0)

    def see(self, pts: int) -> None:
        """The time of the next frame, in ticks."""
        if self._last is not None:
            passed = pts - self._last
            self._even += abs(passed - self._step) <= 1
            self._leap = max(self._leap, (passed, self._count))
            if passed < 0 and self._back is None:
                self._back = -passed, self._count
        self._last, self._count = pts, self._count + 1

    def remark(self) -> str | None:
        """What is to be said of the times so far."""
        if self._back is not None:
            ticks, frame = self._back
            seconds = float(ticks * self._time_base)
            return f"the clock jumps back by {seconds:.3f} s at frame {frame}, and what follows is squeezed; cut it there"
        ticks, frame = self._leap
        missing = round(ticks / self._step) - 1
        if missing >= LEAST_MISSING and self._even >= EVEN_SHARE * (self._count - 1):
            return (
                f"about {missing} frames are missing before frame {frame}, by the times of the others; the file may be damaged"
            )
        return None
