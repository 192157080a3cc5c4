"""What each frame of a scene is compared with: the one before and the one after; at its ends, two on the same side.

The first frame of a scene is seen twice. At first sight nothing is known but the frame after it; that is what the others go on
from. Once the second one is restored, the first is seen again, beside the two that follow and what is remembered of the second.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rmfd_cli.model.flow import Flow, flow_beyond, flows_of, luma_for_flow
from rmfd_cli.types import Ycc


class View(NamedTuple):
    """What is computed once per frame, however many windows it appears in."""

    image: Ycc
    """The frame itself; a tile at a time goes to the device."""
    luma: NDArray[np.uint8]
    """What the flow is estimated on."""


class Sight(NamedTuple):
    """A frame and the two that it is compared with."""

    previous: View
    """The frame before; of the first of a scene itself, and at second sight the one after it."""
    current: View
    following: View
    """The frame after; of the last of a scene the one before the previous, of the first at second sight the second after it.
    The frame itself where there are not so many."""
    flows: tuple[Flow, Flow]
    """From the current one to the others, at the resolution of `flow.luma_for_flow`."""
    begins: bool
    """Whether it is the first of a scene at first sight."""
    again: bool
    """Whether it is that at second sight, for which the state is that of the second frame."""
    between: bool
    """As in `Window`."""

    @property
    def images(self) -> tuple[Ycc, Ycc, Ycc]:
        """The frames themselves."""
        return self.previous.image, self.current.image, self.following.image


class Past(NamedTuple):
    """What a sight takes from that of the frame before; a value."""

    onwards: Flow
    """From that frame to the following one."""
    earlier: View | None
    """The frame before that one; None if it is the first of its scene."""
    awaited: bool
    """Whether that frame is to be seen again, and has not been yet."""


def view_of(image: Ycc) -> View:
    """A frame as windows hold it."""
    return View(image, luma_for_flow(image.luma))


def look(window: tuple[View, View, View], begins: bool, past: Past | None) -> tuple[list[Sight], Past]:
    """The sight of a frame, perhaps the second one of the frame before, and what the next needs.

    Args:
        window: frames t−1, t, t+1 of one scene; at its ends t itself stands in for a missing one.
        begins: whether t is the first of its scene.
        past: of t−1; None at the beginning of a video.
    """
    previous, current, following = window
    ends, past = following is current, None if begins else past
    backwards, onwards = flows_of(
        None if begins else previous.luma,
        current.luma,
        None if ends else following.luma,
        None if past is None else past.onwards,
    )
    towards = onwards
    if ends and past is not None and past.earlier is not None:
        following = past.earlier
        towards = flow_beyond(current.luma, previous.luma, following.luma, backwards)
    sights = [Sight(previous, current, following, (backwards, towards), begins, again=False, between=not (begins or ends))]
    if past is not None and past.awaited:
        far, beyond = previous, np.zeros_like(onwards)
        if not ends:
            far, beyond = following, flow_beyond(previous.luma, current.luma, following.luma, past.onwards)
        sights.append(Sight(current, previous, far, (past.onwards, beyond), begins=False, again=True, between=False))
    return sights, Past(onwards, None if begins else previous, awaited=begins and not ends)
