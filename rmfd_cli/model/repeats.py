"""Frames that show once more what the one before showed: fifteen pictures a second in a video of thirty, a picture that stands.

A frame and its copy say nothing of rain, which stands in both. So a copy is in no window, and the change of the frame that it
repeats is its own.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.model.scene import is_cut

Item = TypeVar("Item")

MOST_TIMES = 4
"""How often a picture is shown before it counts as another one: windows wait for the next."""
SAME = 1
"""Difference, in code values of 255, up to which a frame is a copy of the one before in any case."""
_ALIKE, _SHARE = 10, 0.25
"""It is one, too, if that is no more than the first, nor than such a share of what the last two pictures differed by. A coder
leaves 3 to 9 code values between a picture and its copy, and 40 and more between that and the next one (docs/decisions.md)."""
_BLOCK = 4


class Shown(NamedTuple):
    """How a picture has been shown so far."""

    times: int
    difference: float
    """From the picture before it; 0 at the beginning of a scene."""


class WithoutCopies(Generic[Item]):
    """The frames of a stream but for copies, and for each how it was shown, time after time.

    Args:
        frames: the stream.
        luma_of: gives the luma of a frame, from `flow.luma_for_flow`.
        before: the frame that was shown last before the stream begins, and how; None at the beginning of a video.
    """

    def __init__(
        self, frames: Iterable[Item], luma_of: Callable[[Item], NDArray[np.uint8]], before: tuple[Item, Shown] | None = None
    ) -> None:
        self._frames, self._luma_of, self._before = frames, luma_of, before
        self._runs: deque[list[Shown]] = deque([[]] if before else [])
        self.begins = True
        """Whether a scene begins with the frame that was given last."""

    def __iter__(self) -> Iterator[Item]:
        """Gives a frame as soon as it is there; how often it is shown is known once the next one is asked for."""
        last, shown = self._before or (None, Shown(0, 0.0))
        for frame in self._frames:
            begins = last is None or is_cut(self._luma_of(last), self._luma_of(frame))
            difference = 0.0 if last is None or begins else difference_of(self._luma_of(last), self._luma_of(frame))
            alike = max(SAME, min(_ALIKE, _SHARE * shown.difference))
            if not begins and shown.times < MOST_TIMES and difference <= alike:
                shown = shown._replace(times=shown.times + 1)
                self._runs[-1].append(shown)
                continue
            last, shown, self.begins = frame, Shown(1, difference), begins
            self._runs.append([shown])
            yield frame

    def run(self) -> list[Shown]:
        """How the oldest frame was shown that was not asked for yet, in this stream; `before` is the first of them."""
        return self._runs.popleft()


def difference_of(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """How much two frames differ where they differ most, in code values: mean of a block of `_BLOCK` pixels of luma."""
    height, width = before.shape
    size = max(1, width // _BLOCK), max(1, height // _BLOCK)
    return float(cv2.resize(cv2.absdiff(before, after), size, interpolation=cv2.INTER_AREA).max())
