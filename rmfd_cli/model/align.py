"""Bringing neighbouring frames into register: warping by a flow."""

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.model.flow import follow
from rmfd_cli.model.image import is_for_opencv, is_traced


def displacement(flow: Tensor, every: int) -> Tensor:
    """How far each pixel of a smaller picture lies from its own place in a neighbour that is as small.

    Args:
        flow: `[B, H, W, 2]` displacement (x, y) in pixels.
        every: how many times smaller; the middle of each block of so many pixels is taken.

    Returns:
        `[B, H/every, W/every, 2]`, (x, y) in pixels of that size.
    """
    start = every // 2
    if is_traced(flow):
        return flow[:, start::every, start::every].contiguous() / every
    # A pair of numbers is moved as one.
    return flow.view(_PAIR[flow.dtype])[:, start::every, start::every].contiguous().view(flow.dtype) / every


_PAIR = {torch.float32: torch.int64, torch.float64: torch.complex128}


def places(displacement: Tensor) -> Tensor:
    """Where pixels lie, (x, y), of which it is known how far they have moved: `[B, H, W, 2]` to the same shape."""
    # What a graph is made of must not be kept for others.
    still = _still_places.__wrapped__ if torch.compiler.is_compiling() else _still_places
    return still(*displacement.shape[1:3], displacement.device) + displacement


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
        displacement: `[B, H, W, 2]` (x, y) in pixels.

    Returns:
        `[B, C, H, W]`, bilinear; what lies outside the neighbour repeats its edge.
    """
    if is_for_opencv(image) and image.shape[1] <= 2:
        warped = image.new_empty(1, image.shape[1], *displacement.shape[1:3])
        for plane, target in zip(image[0], warped[0], strict=True):
            follow(plane.numpy(), displacement[0].numpy(), target.numpy())
        return warped
    # From -1 to 1 between the outer edges of the outer pixels. Half precision cannot hold a position: that stays as it is.
    size = displacement.new_tensor([image.shape[-1], image.shape[-2]])
    grid = (2 * places(displacement) + 1) / size - 1
    warped = F.grid_sample(image.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped.to(image.dtype)
