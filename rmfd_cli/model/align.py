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
    there, no_second_map = _places(*flow.shape[:2]) - flow, np.empty(0, np.float32)
    return -np.asarray(cv2.remap(flow, there, no_second_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


@functools.lru_cache(maxsize=2)
def _places(rows: int, columns: int) -> Flow:
    """(x, y) of every pixel."""
    return np.dstack(np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32)))


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


def sampling_grid(
    flow: Tensor, every: int = 1, corner: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
) -> Tensor:
    """Where the pixels of the current frame lie in a neighbour, in the coordinates of `grid_sample`.

    Args:
        flow: `[B, H, W, 2]` displacement (x, y) in pixels.
        every: take only the middle of each block of so many pixels, for images that are so much smaller.
        corner: (top, left) of the neighbour in pixels of the current frame, where both are pieces of larger ones.
        size: (height, width) of the neighbour in pixels, where it is not that of the current frame.

    Returns:
        `[B, H/every, W/every, 2]`.
    """
    height, width = flow.shape[1:3]
    flow = flow[:, every // 2 :: every, every // 2 :: every]
    still = _still_grid(*flow.shape[1:3], flow.device)
    (top, left), (rows, columns) = corner, size or (height, width)
    if (top, left, rows, columns) != (0, 0, height, width):
        shift = flow.new_tensor([(width - 2 * left) / columns - 1, (height - 2 * top) / rows - 1])
        still = torch.addcmul(shift, still, flow.new_tensor([width / columns, height / rows]))
    # A row at a time, since pairs of numbers are too short to be added fast.
    scale = flow.new_tensor([2 / columns, 2 / rows]).repeat(flow.shape[2])
    return torch.addcmul(still.flatten(-2), flow.flatten(-2), scale).view_as(flow)


# As many as tiles of one frame have shapes, at two resolutions.
@functools.lru_cache(maxsize=18)
def _still_grid(rows: int, columns: int, device: torch.device) -> Tensor:
    # An ordinary tensor even when first asked for during inference, since training may ask next.
    with torch.inference_mode(False):
        still = torch.empty(rows, columns, 2, device=device)
        still[..., 0] = torch.linspace(1 / columns - 1, 1 - 1 / columns, columns, device=device)
        still[..., 1] = torch.linspace(1 / rows - 1, 1 - 1 / rows, rows, device=device)[:, None]
    return still


def warp(image: Tensor, grid: Tensor) -> Tensor:
    """The neighbour as it would look from the current frame.

    Args:
        image: `[B, C, H, W]`, the neighbour.
        grid: `[B, H, W, 2]`, from `sampling_grid`.

    Returns:
        `[B, C, H, W]`, bilinear; what lies outside the neighbour repeats its edge.
    """
    # Half precision cannot hold a pixel position; positions and interpolation stay in the flow's own precision.
    warped = F.grid_sample(image.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped.to(image.dtype)
