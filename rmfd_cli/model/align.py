"""Bringing neighbouring frames into register: dense inverse search flow at half resolution, and warping by it.

DIS (Kroeger et al., ECCV 2016) is OpenCV's; docs/decisions.md compares it with the alternatives.
"""

import functools
import threading
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

SHRINK = 2
"""Flow is estimated on luma reduced by this factor: thin streaks fade there, and the search costs a quarter."""

_local = threading.local()


def luma_for_flow(rgb: NDArray[Any]) -> NDArray[np.uint8]:
    """What the flow is estimated on: `[H, W, 3]` RGB (uint8, uint16, or float32 in [0, 1]) to `[⌈H/2⌉, ⌈W/2⌉]` uint8."""
    height, width = rgb.shape[:2]
    size = (-(-width // SHRINK), -(-height // SHRINK))
    if rgb.dtype == np.uint8:
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    else:
        scale = 255 / 65535 if rgb.dtype == np.uint16 else 255.0
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA).astype(np.float32) * scale
        small = np.clip(small + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def estimate_flow(current: NDArray[np.uint8], neighbour: NDArray[np.uint8], frame_size: tuple[int, int]) -> NDArray[np.float32]:
    """Where each pixel of the current frame lies in a neighbour.

    Args:
        current: `[h, w]` luma of the frame that stays, from `luma_for_flow`.
        neighbour: `[h, w]` luma of the frame to bring into register.
        frame_size: (H, W) of the frames themselves.

    Returns:
        `[H, W, 2]` displacement (x, y) in pixels. Frames too small to search get none.
    """
    height, width = frame_size
    if min(current.shape) < 16:
        return np.zeros((height, width, 2), np.float32)
    # A DIS object keeps scratch buffers from call to call: one per thread.
    if not hasattr(_local, "dis"):
        _local.dis = _search()
    flow = _local.dis.calc(current, neighbour, None) * np.float32(SHRINK)
    return np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _search() -> cv2.DISOpticalFlow:
    """Between OpenCV's presets FAST and MEDIUM: as fine as the latter, in two thirds of its time (docs/decisions.md)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(1)
    search.setGradientDescentIterations(8)
    search.setVariationalRefinementIterations(2)
    return search


def sampling_grid(flow: Tensor, every: int = 1) -> Tensor:
    """Where the pixels of the current frame lie in a neighbour, in the coordinates of `grid_sample`.

    Args:
        flow: `[B, H, W, 2]` displacement (x, y) in pixels.
        every: take only the middle of each block of so many pixels, for images that are so much smaller.

    Returns:
        `[B, H/every, W/every, 2]`.
    """
    height, width = flow.shape[1:3]
    flow = flow[:, every // 2 :: every, every // 2 :: every]
    still = _still_grid(*flow.shape[1:3], flow.device)
    return torch.addcmul(still, flow, flow.new_tensor([2 / width, 2 / height]))


@functools.lru_cache(maxsize=8)
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
