"""How a clip moves: where a frame's pixels lie in its neighbours, where to trust that, and how long the camera rests."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.model.flow import enlarge_flow, estimate_flow, luma_for_flow
from rmfd_cli.video.ycc import ycc_of_rgb

CONSISTENT_PX = 1.0
"""A pixel counts as seen where going there by the flow and back by the other flow ends this near to where it began."""
STILL_PX = 0.1
"""A camera rests while the median displacement from the first frame of a stretch stays below this."""


class Sight(NamedTuple):
    """Where the pixels of one frame lie in another."""

    flow: NDArray[np.float32]
    """`[H, W, 2]` displacement (x, y) in pixels."""
    seen: NDArray[np.bool_]
    """`[H, W]`: inside the other frame, and forward and backward flow agree."""


Motion = dict[int, dict[int, Sight]]
"""`motion[t][k]`: frame t seen in frame t + k, k from −reach to reach without 0; frames outside the clip are missing."""


def estimate_motion(clip: NDArray[np.uint8], reach: int) -> Motion:
    """Flow between all pairs of frames of `[T, H, W, 3]` RGB that are at most `reach` apart."""
    lumas = [luma_for_flow(ycc_of_rgb(frame).luma) for frame in clip]
    size = clip.shape[1:3]
    motion: Motion = {t: {} for t in range(len(clip))}
    for t in motion:
        for k in range(1, min(reach, len(clip) - 1 - t) + 1):
            there, back = (
                enlarge_flow(estimate_flow(*pair), size) for pair in ((lumas[t], lumas[t + k]), (lumas[t + k], lumas[t]))
            )
            motion[t][k] = Sight(there, _agree(there, back))
            motion[t + k][-k] = Sight(back, _agree(back, there))
    return motion


def follow(image: NDArray[Any], flow: NDArray[np.float32]) -> NDArray[Any]:
    """The other frame `[H, W]` or `[H, W, C]` as it would look from this one, bilinear; its edge is repeated outside."""
    return cv2.remap(image, *_positions(flow), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def resting_stretch(clip: NDArray[np.uint8]) -> range:
    """The longest run of frames of `[T, H, W, 3]` RGB whose median displacement from its first stays below `STILL_PX`."""
    rainy = np.stack([luma_for_flow(ycc_of_rgb(frame).luma) for frame in clip])
    # Rain disturbs the flow. Where the camera rests, this takes it off; where not, motion stays motion.
    lumas = [np.median(rainy[max(t - 2, 0) : t + 3], axis=0).astype(np.uint8) for t in range(len(clip))]
    longest, first = range(0), 0
    for t in range(len(clip)):
        flow = enlarge_flow(estimate_flow(lumas[first], lumas[t]), clip.shape[1:3])
        if np.linalg.norm(np.median(flow, axis=(0, 1))) >= STILL_PX:
            first = t
        longest = max(longest, range(first, t + 1), key=len)
    return longest


def _agree(there: NDArray[np.float32], back: NDArray[np.float32]) -> NDArray[np.bool_]:
    x, y = _positions(there)
    height, width = there.shape[:2]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside & (np.linalg.norm(there + follow(back, there), axis=-1) < CONSISTENT_PX)


def _positions(flow: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y, x = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float32)
    return x + flow[..., 0], y + flow[..., 1]
