"""Bringing neighbouring frames into register: dense inverse search flow at half resolution, and warping by it.

DIS (Kroeger et al., ECCV 2016) is OpenCV's; docs/decisions.md compares it with the alternatives.
"""

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


def estimate_flow(current: NDArray[np.uint8], neighbour: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Where each pixel of `current` lies in `neighbour`.

    Args:
        current: `[h, w]` luma of the frame that stays, from `luma_for_flow`.
        neighbour: `[h, w]` luma of the frame to bring into register.

    Returns:
        `[2, h, w]` displacement (x, y) in pixels of the full-size frame. Frames too small to search get none.
    """
    if min(current.shape) < 16:
        return np.zeros((2, *current.shape), np.float32)
    # A DIS object keeps scratch buffers from call to call: one per thread.
    if not hasattr(_local, "dis"):
        _local.dis = _search()
    flow = _local.dis.calc(current, neighbour, None)
    planar: NDArray[np.float32] = np.ascontiguousarray(flow.transpose(2, 0, 1)) * np.float32(SHRINK)
    return planar


def _search() -> cv2.DISOpticalFlow:
    """Between OpenCV's presets FAST and MEDIUM: as fine as the latter, in two thirds of its time (docs/decisions.md)."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    search.setFinestScale(1)
    search.setGradientDescentIterations(8)
    search.setVariationalRefinementIterations(2)
    return search


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """The neighbour as it would look from the current frame.

    Args:
        image: `[B, C, H, W]`, the neighbour.
        flow: `[B, 2, H, W]` displacement (x, y) in pixels of `image`.

    Returns:
        `[B, C, H, W]`, bilinear; what lies outside the neighbour repeats its edge.
    """
    _, _, height, width = image.shape
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)[:, None]
    grid_x = (flow[:, 0] + x) * (2 / width) + (1 / width - 1)
    grid_y = (flow[:, 1] + y) * (2 / height) + (1 / height - 1)
    grid = torch.stack([grid_x, grid_y], -1)
    # Half precision cannot hold a pixel position; positions and interpolation stay in the flow's own precision.
    warped = F.grid_sample(image.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped.to(image.dtype)


def resize_flow(flow: Tensor, height: int, width: int, scale: float) -> Tensor:
    """`[B, 2, h, w]` flow on another grid, its displacements multiplied by `scale`."""
    return F.interpolate(flow, size=(height, width), mode="bilinear", align_corners=False) * scale
