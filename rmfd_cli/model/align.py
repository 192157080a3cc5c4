"""Bringing neighbouring frames into register: dense inverse search flow at half resolution, and warping by it.

DIS (Kroeger et al., ECCV 2016) is OpenCV's; docs/decisions.md compares it with the alternatives.
"""

import functools
import threading
from typing import TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SHRINK = 2
"""Flow is estimated on luma reduced by this factor: thin streaks fade there, and the search costs a quarter."""

Flow: TypeAlias = NDArray[np.float32]
"""`[h, w, 2]` displacement (x, y) in pixels."""

_local = threading.local()


def luma_for_flow(luma: NDArray[np.float32]) -> NDArray[np.uint8]:
    """What the flow is estimated on: luma `[H, W]` in [0, 1] to `[⌈H/2⌉, ⌈W/2⌉]` uint8."""
    height, width = luma.shape
    size = (-(-width // SHRINK), -(-height // SHRINK))
    return np.asarray(cv2.convertScaleAbs(cv2.resize(luma, size, interpolation=cv2.INTER_AREA), alpha=255), np.uint8)


def estimate_flow(current: NDArray[np.uint8], neighbour: NDArray[np.uint8]) -> Flow:
    """Where each pixel of the current frame lies in a neighbour, at the resolution of `luma_for_flow`.

    Args:
        current: `[h, w]` luma of the frame that stays.
        neighbour: `[h, w]` luma of the frame to bring into register.

    Returns:
        `[h, w, 2]` displacement (x, y) in pixels of that resolution. Frames too small to search get none.
    """
    if min(current.shape) < 16:
        return np.zeros((*current.shape, 2), np.float32)
    # A DIS object keeps scratch buffers from call to call: one per thread.
    if not hasattr(_local, "dis"):
        _local.dis = _search()
    return np.asarray(_local.dis.calc(current, neighbour, None), np.float32)


def reverse_flow(flow: Flow) -> Flow:
    """The flow from the neighbour back to the current frame, as nearly as one step finds it: −F(x − F(x)).

    A search of its own is no better for the network (docs/decisions.md).
    """
    back = np.empty_like(flow)
    _remap(flow, -flow, back)
    return -back


def _remap(image: NDArray[np.float32], displacement: Flow, target: NDArray[np.float32]) -> None:
    """`image` at so much from every pixel, bilinear, into `target`; the edge is repeated."""
    how = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
    # An empty array in the place of None, which the types ask for, gives numbers of nowhere (OpenCV 5.0).
    cv2.remap(image, displacement, None, how, target, cv2.BORDER_REPLICATE)  # type: ignore[call-overload]


def enlarge_flow(flow: Flow, frame_size: tuple[int, int]) -> Flow:
    """A flow at the resolution of `luma_for_flow` to `[H, W, 2]`, in pixels of the frames, whose size is (H, W)."""
    height, width = frame_size
    large = cv2.resize(flow * np.float32(SHRINK), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32)


def _search() -> cv2.DISOpticalFlow:
    """Between OpenCV's presets FAST and MEDIUM: as fine as the latter, in two thirds of its time (docs/decisions.md)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(1)
    search.setGradientDescentIterations(4)
    search.setVariationalRefinementIterations(1)
    return search


def displacement(flow: Tensor, every: int = 1, corner: tuple[int, int] = (0, 0)) -> Tensor:
    """How far from its own place each pixel of the current frame lies in a neighbour.

    Args:
        flow: `[B, H, W, 2]` displacement (x, y) in pixels, contiguous.
        every: take only the middle of each block of so many pixels, for images that are so much smaller.
        corner: (top, left) of the neighbour in pixels of the current frame, where both are pieces of larger ones.

    Returns:
        `[B, H/every, W/every, 2]`, (x, y) in pixels of a neighbour that is so much smaller.
    """
    if every > 1:
        # A pair of numbers is moved as one.
        flow = flow.view(_PAIR[flow.dtype])[:, every // 2 :: every, every // 2 :: every].contiguous().view(flow.dtype) / every
    top, left = corner
    return flow if corner == (0, 0) else flow - flow.new_tensor([left / every, top / every])


_PAIR = {torch.float32: torch.int64, torch.float64: torch.complex128}


def places(displacement: Tensor) -> Tensor:
    """Where pixels lie, (x, y), of which it is known how far they have moved: `[B, H, W, 2]` to the same shape."""
    return _still_places(*displacement.shape[1:3], displacement.device) + displacement


# As many as tiles of one frame have shapes, at three resolutions.
@functools.lru_cache(maxsize=27)
def _still_places(rows: int, columns: int, device: torch.device) -> Tensor:
    # An ordinary tensor even when first asked for during inference, since training may ask next.
    with torch.inference_mode(False):
        x, y = (torch.arange(side, dtype=torch.float32, device=device) for side in (columns, rows))
        return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def warp(image: Tensor, displacement: Tensor) -> Tensor:
    """The neighbour as it would look from the current frame.

    Args:
        image: `[B, C, h, w]`, the neighbour.
        displacement: `[B, H, W, 2]`, from the function of that name.

    Returns:
        `[B, C, H, W]`, bilinear; what lies outside the neighbour repeats its edge.
    """
    if _is_for_opencv(image):
        warped = image.new_empty(1, image.shape[1], *displacement.shape[1:3])
        for plane, target in zip(image[0], warped[0], strict=True):
            _remap(plane.numpy(), displacement[0].numpy(), target.numpy())
        return warped
    # From -1 to 1 between the outer edges of the outer pixels. Half precision cannot hold a position: that stays as it is.
    size = displacement.new_tensor([image.shape[-1], image.shape[-2]])
    grid = (2 * places(displacement) + 1) / size - 1
    warped = F.grid_sample(image.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped.to(image.dtype)


def _is_for_opencv(image: Tensor) -> bool:
    """Whether OpenCV can warp it, which for a plane takes half of torch's time on a CPU, but knows no gradients."""
    is_plain = image.device.type == "cpu" and image.dtype == torch.float32 and not image.requires_grad
    return is_plain and image.shape[0] == 1 and image.shape[1] <= 2 and max(image.shape) < _OPENCV_MOST_PX


_OPENCV_MOST_PX = 1 << 15
