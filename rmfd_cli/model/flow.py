"""How pixels move between two frames: dense inverse search at half resolution, held to the camera's own motion.

DIS (Kroeger et al., ECCV 2016) is OpenCV's. Rain misleads it twice: streaks look like detail that moves, and they hide the
detail behind them. So it searches on luma without thin bright lines and without what the frames before do not explain, begins
where they moved to, and gives way to the motion of the whole picture wherever that explains the two frames as well.
docs/decisions.md says what each is worth, and compares DIS with the alternatives.
"""

import functools
import threading
from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli import compiled
from rmfd_cli.model import native_flow

SHRINK = 2
"""Flow is estimated on luma reduced by this factor: thin streaks fade there, and the search costs a quarter."""

Flow: TypeAlias = NDArray[np.float32]
"""`[h, w, 2]` displacement (x, y) in pixels."""

Luma: TypeAlias = NDArray[np.uint8]
"""`[h, w]`, what flow is estimated on."""

Image = TypeVar("Image", NDArray[np.uint8], NDArray[np.float32])

_STREAK = np.ones((1, 3), np.uint8)
"""A bright line of up to two pixels across, at the resolution of the search, does not contain it."""
_ALIKE = 1.5
"""Times the mean difference of two frames in register."""
_SLOW_PX = 4.0
_STILL_PX = 0.1
"""A camera whose picture moves by less rests."""
_SAMPLED_PX = 8
_FIT_EVERY_PX = 16
"""Or more often, for four points on the shorter side of a small picture."""
_ERROR_MOST = 60
"""In code values; a streak may cover what it will without deciding between two motions."""
_ERROR_WINDOW_PX = 15
_TOLERANCE = 0.2
"""In code values; the flow, which has more freedom, must explain the frames by so much better."""
_RESTING_TOLERANCE = 0.1
"""And by so much of its error where the camera rests: the harder it rains, the more there is that a wrong flow can explain."""

_COMPILED = ((np.dtype(np.uint8), ()), (np.dtype(np.float32), (2,)))
"""Data types and channels of images that `native_flow` can follow a flow in: luma, and flows themselves."""

_local = threading.local()


def luma_for_flow(luma: NDArray[np.float32]) -> Luma:
    """What the flow is estimated on: luma `[H, W]` in [0, 1] to `[⌈H/2⌉, ⌈W/2⌉]` uint8; edges of odd sides count twice."""
    height, width = luma.shape
    if height % SHRINK or width % SHRINK:
        luma = np.pad(luma, ((0, -height % SHRINK), (0, -width % SHRINK)), mode="edge")
    size = (luma.shape[1] // SHRINK, luma.shape[0] // SHRINK)
    return np.asarray(cv2.convertScaleAbs(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), alpha=255), np.uint8)


def estimate_flow(current: Luma, neighbour: Luma, guess: Flow | None = None) -> Flow:
    """Where each pixel of the current frame lies in a neighbour, at the resolution of `luma_for_flow`.

    Args:
        current: `[h, w]` luma of the frame that stays.
        neighbour: `[h, w]` luma of the frame to bring into register.
        guess: where the search begins, such as the flow of the frames before: what moves goes on moving. None for rest.

    Returns:
        `[h, w, 2]` displacement (x, y) in pixels of that resolution. Frames too small to search get none.
    """
    if min(current.shape) < 16:
        return np.zeros((*current.shape, 2), np.float32)
    # A DIS object keeps scratch buffers from call to call, so that each thread has its own; and small frames change its
    # settings for all that follow.
    if getattr(_local, "size", None) != current.shape:
        _local.search, _local.size = _search(), current.shape
    # Never none: OpenCV would begin with the one of the call before.
    begun = np.zeros((*current.shape, 2), np.float32) if guess is None else guess.copy()
    flow = np.asarray(_local.search.calc(_without_streaks(current), _without_streaks(neighbour), begun), np.float32)
    return _steadied(flow, current, neighbour)


def flows_of(previous: Luma | None, current: Luma, following: Luma | None, last_onwards: Flow | None) -> tuple[Flow, Flow]:
    """The flows of a frame to its neighbours; no motion towards one that is missing.

    What is known of the frame before helps to find the way on: the search begins with its motion, and does not see what was
    darker there, if that is what rain hides.

    Args:
        previous: from `luma_for_flow`; None where a scene begins.
        current: likewise.
        following: likewise; None where it ends.
        last_onwards: the flow from the previous frame to this one, where there is one.
    """
    still = np.zeros((*current.shape, 2), np.float32)
    if previous is None or last_onwards is None:
        return still, still if following is None else estimate_flow(current, following)
    backwards = reverse_flow(last_onwards)
    if following is None:
        return backwards, still
    return backwards, _flow_behind_rain(current, previous, backwards, following, last_onwards)


def flow_beyond(current: Luma, neighbour: Luma, beyond: Luma, flow: Flow) -> Flow:
    """The flow to the frame on the far side of a neighbour: what has moved goes on moving.

    Args:
        current: from `luma_for_flow`.
        neighbour: of the frame before or after.
        beyond: of the frame before that, or after it.
        flow: from the current frame to its neighbour.
    """
    return _flow_behind_rain(current, neighbour, flow, beyond, 2 * flow)


def flows_of_scene(lumas: Sequence[Luma]) -> tuple[list[Flow], list[Flow]]:
    """`flows_of` every frame of a scene: those to the previous, and those to the following frames."""
    found: list[tuple[Flow, Flow]] = []
    for previous, current, following in zip([None, *lumas[:-1]], lumas, [*lumas[1:], None], strict=True):
        found.append(flows_of(previous, current, following, found[-1][1] if found else None))
    to_previous, to_following = zip(*found, strict=True)
    return list(to_previous), list(to_following)


def reverse_flow(flow: Flow) -> Flow:
    """The flow from the neighbour back to the current frame, as nearly as one step finds it: −F(x − F(x)).

    A search of its own is no better for the network (docs/decisions.md).
    """
    return -follow(flow, -flow)


def enlarge_flow(flow: Flow, size: tuple[int, int], corner: tuple[int, int] = (0, 0), target: tuple[int, int] = (0, 0)) -> Flow:
    """A flow, or a piece of it, in pixels of the frames.

    Args:
        flow: `[h, w, 2]`, at the resolution of `luma_for_flow`.
        size: (H, W) of the frames, or of the piece.
        corner: (top, left) of the piece in the frames, even numbers.
        target: (top, left) of what the piece leads to, counted from the piece: where that, too, is no whole frame.

    Returns:
        `[H, W, 2]`, what the whole has there.
    """
    (rows, top), (columns, left) = (_around(start, side) for start, side in zip(corner, size, strict=True))
    piece, corner_xy = flow[rows, columns], (float(target[1]), float(target[0]))
    if compiled.is_there():
        large = native_flow.enlarged(piece, SHRINK, corner_xy)
    else:
        piece = np.asarray(cv2.subtract(piece * np.float32(SHRINK), np.array([*corner_xy, 0, 0], np.float64)), np.float32)
        large = np.asarray(cv2.resize(piece, None, fx=SHRINK, fy=SHRINK, interpolation=cv2.INTER_LINEAR), np.float32)
    return large[top : top + size[0], left : left + size[1]]


def extent(flow: Flow, size: tuple[int, int], corner: tuple[int, int]) -> tuple[list[float], list[float]]:
    """The least and the largest displacement (x, y) that `enlarge_flow` can give of a piece, in pixels of the frames."""
    piece = flow[tuple(_around(start, side)[0] for start, side in zip(corner, size, strict=True))]
    # Down the columns first: both at once take fifty times as long.
    return (piece.min(0).min(0) * SHRINK).tolist(), (piece.max(0).max(0) * SHRINK).tolist()


def _around(start: int, side: int) -> tuple[slice, int]:
    """Of a side of a small flow what a piece of the frames is interpolated from, and where in its enlargement that begins."""
    first = max(start // SHRINK - 1, 0)
    return slice(first, -(-(start + side) // SHRINK) + 1), start - first * SHRINK


def follow(image: Image, flow: Flow, into: Image | None = None) -> Image:
    """An image as it would look from the frame that the flow starts in, bilinear; its edge is repeated.

    Args:
        image: `[h, w]` or `[h, w, C]`, which the flow leads to.
        flow: `[H, W, 2]`.
        into: `[H, W]` or `[H, W, C]`, where to leave it instead of in a new array.
    """
    if into is None and compiled.is_there() and min(image.shape[:2]) > 1 and (image.dtype, image.shape[2:]) in _COMPILED:
        return native_flow.follow(image, flow)
    target = np.empty((*flow.shape[:2], *image.shape[2:]), image.dtype) if into is None else into
    how = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
    # An empty array in the place of None, which the types ask for, gives numbers of nowhere (OpenCV 5.0).
    cv2.remap(image, flow, None, how, target, cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return target


def camera_motion(flow: Flow) -> NDArray[np.float32]:
    """The affine motion that most of the picture shares.

    Args:
        flow: `[h, w, 2]`, sides of 16 and more; up to half of it may be wrong, or move by itself.

    Returns:
        `[2, 3]`: as it makes displacements (x, y) of places (x, y, 1); zeros where there is none.
    """
    every = min(_FIT_EVERY_PX, min(flow.shape[:2]) // 4)
    chosen = (slice(every // 2, None, every),) * 2
    places = _places(*flow.shape[:2])[chosen]
    matrix, _ = cv2.estimateAffine2D(places.reshape(-1, 2), (places + flow[chosen]).reshape(-1, 2), method=cv2.LMEDS)
    return np.zeros((2, 3), np.float32) if matrix is None else np.asarray(matrix - np.eye(2, 3), np.float32)


def _steadied(flow: Flow, current: Luma, neighbour: Luma) -> Flow:
    """The camera's motion, or its rest, where that explains the frames as well as the flow does.

    In front of a camera that moves, rest is taken where it explains them better than both: captions are burned in.
    """
    affine = camera_motion(flow)
    if compiled.is_there():
        return native_flow.steadied(flow, current, neighbour, affine, _TOLERANCE, _RESTING_TOLERANCE)
    moving, still = np.asarray(cv2.transform(_places(*current.shape), affine), np.float32), np.zeros_like(flow)
    error, error_moving = (_error(current, follow(neighbour, motion)) for motion in (flow, moving))
    error_still = _error(current, neighbour)
    if cv2.mean(error_still) <= cv2.mean(error_moving):
        return _where(error_still <= error * (1 + _RESTING_TOLERANCE) + _TOLERANCE, still, flow)
    found = _where(error_moving <= error + _TOLERANCE, moving, flow)
    return _where(error_still < np.minimum(error, error_moving) - _TOLERANCE, still, found)


def _where(chosen: NDArray[np.bool_], one: Flow, other: Flow) -> Flow:
    """The one flow where it is chosen, or else the other, with soft edges."""
    share = cv2.blur(chosen.astype(np.float32), (_ERROR_WINDOW_PX, _ERROR_WINDOW_PX))
    return np.asarray(cv2.blendLinear(one, other, share, 1 - share), np.float32)


def _error(current: Luma, aligned: Luma) -> NDArray[np.float32]:
    """What is left of the difference between two frames, in code values: means of windows, `[h, w]`."""
    _, difference = cv2.threshold(cv2.absdiff(current, aligned), _ERROR_MOST, _ERROR_MOST, cv2.THRESH_TRUNC)
    return np.asarray(cv2.boxFilter(difference, cv2.CV_32F, (_ERROR_WINDOW_PX, _ERROR_WINDOW_PX)), np.float32)


def _without_streaks(luma: Luma) -> Luma:
    return np.asarray(cv2.morphologyEx(luma, cv2.MORPH_OPEN, _STREAK), np.uint8)


def _flow_behind_rain(current: Luma, known: Luma, to_known: Flow, other: Luma, guess: Flow) -> Flow:
    """The flow to another frame, by what of the current one is no rain beside a neighbour whose flow is known."""
    return estimate_flow(_without_rain(current, follow(known, to_known), to_known), other, guess)


def _without_rain(luma: Luma, before: Luma, backwards: Flow) -> Luma:
    """The darker of a frame and of the one before in register, since rain is bright and brief.

    Not where the two are far from each other, or the flow is long: there it is more likely to be wrong. And not while the
    camera rests, which is then known all the same.
    """
    if np.abs(np.median(backwards[::_SAMPLED_PX, ::_SAMPLED_PX], axis=(0, 1))).max() < _STILL_PX:
        return luma
    if compiled.is_there():
        return native_flow.darker(luma, before, backwards, _ALIKE, _SLOW_PX)
    error = _error(luma, before)
    alike = cv2.inRange(error, 0.0, _ALIKE * cv2.mean(error)[0])
    slow = cv2.inRange(backwards, (-_SLOW_PX,) * 2, (_SLOW_PX,) * 2)
    return np.asarray(cv2.copyTo(cv2.min(luma, before), cv2.bitwise_and(alike, slow), luma.copy()), np.uint8)


@functools.lru_cache(maxsize=8)
def _places(height: int, width: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(np.mgrid[:height, :width][::-1].transpose(1, 2, 0), np.float32)


def _search() -> cv2.DISOpticalFlow:
    """Between OpenCV's presets FAST and MEDIUM: as fine as the latter, in two thirds of its time (docs/decisions.md)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(1)
    search.setGradientDescentIterations(4)
    search.setVariationalRefinementIterations(2)
    return search
