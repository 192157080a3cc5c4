"""Warping by a flow brings a neighbour into register."""

import numpy as np
import pytest
import torch

from rmfd_cli.model.align import displacement, warp
from rmfd_cli.model.flow import enlarge_flow, estimate_flow, luma_for_flow


def scene(height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((height // 8 + 1, width // 8 + 1), np.float32).repeat(8, 0).repeat(8, 1)[:height, :width]


def test_flow_finds_a_shift_and_warping_by_it_brings_the_neighbour_into_register():
    big = scene(120, 160)
    current, neighbour = big[8:104, 10:138], big[4:100, 4:132]  # content moved by (+6, +4)
    flow = enlarge_flow(estimate_flow(luma_for_flow(current), luma_for_flow(neighbour)), (96, 128))
    assert flow.shape == (96, 128, 2)
    inner = flow[16:-16, 16:-16]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)), (6, 4), atol=0.5)

    a, b = (torch.from_numpy(x.copy())[None, None] for x in (current, neighbour))
    aligned = warp(b, torch.from_numpy(flow)[None])
    before = (b - a)[..., 12:-12, 12:-12].abs().mean()
    after = (aligned - a)[..., 12:-12, 12:-12].abs().mean()
    assert after < before / 4


def test_warping_by_whole_pixels_is_exact_and_repeats_the_edge():
    image = torch.rand(1, 2, 6, 9)
    flow = torch.zeros(1, 6, 9, 2)
    flow[..., 0] = 2.0
    warped = warp(image, flow)
    torch.testing.assert_close(warped[..., :7], image[..., 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(warped[..., 7:], image[..., 8:].expand(1, 2, 6, 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 2])
def test_opencv_warps_like_torch(channels):
    rng = torch.Generator().manual_seed(2)
    image, flow = torch.rand(1, channels, 33, 47, generator=rng), 4 * torch.randn(1, 66, 94, 2, generator=rng)
    there = displacement(flow, 2)
    by_torch = warp(image.double(), there.double()).float()
    torch.testing.assert_close(warp(image, there), by_torch, atol=1e-4, rtol=0)
