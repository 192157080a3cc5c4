"""Real rain, which has no ground truth: what the frames around a frame say that its rain hides.

Rain is brief and bright: where the neighbours in time, brought into register, agree with each other, and the frame is brighter
than they are, rain covers it, and their median is what it covers. Where they do not agree, nothing is known. That is the idea
of temporal-median supervision (Yang et al., Self-Learning Video Rain Streak Removal, CVPR 2020; Sun et al., CVPR 2025), kept
to the pixels that bear it out.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from rmfd_cli.model.align import places, warp
from rmfd_cli.model.flow import enlarge_flow, estimate_flow, luma_for_flow
from rmfd_cli.model.image import split
from rmfd_cli.training.clips import Clip
from rmfd_cli.training.data import clip_flows
from rmfd_cli.training.packed import Packed, pack, stack, to_numbers

RADIUS = 2
"""Frames before and after that are asked."""
AGREEMENT = 8 / 255
"""How far the middle three of the five may lie apart, in luma."""
NOISE = 4 / 255
"""What is brighter than the median by less is taken for the camera's noise."""


def draw_real(clips: Sequence[Clip], seed: int, number: int, *, size: int, frames: int, crop_px: int) -> Packed:
    """Random pieces of random rainy clips, half of them mirrored, at most halved in size; never upside down or reversed.

    Args:
        clips: real rain.
        seed: of the whole training run.
        number: of the batch.
        size: clips per batch.
        frames: frames per clip; one that is too short stands still at its end, and nothing is learnt there.
        crop_px: height and width of the pieces.
    """
    return stack([_draw(clips, np.random.default_rng([seed, number, k, 3]), frames, crop_px) for k in range(size)])


def covered_truth(rainy: Tensor) -> tuple[Tensor, Tensor]:
    """What a clip hides, by its own neighbours in time.

    Args:
        rainy: `[T, 3, H, W]` in [0, 1].

    Returns:
        The clip with the median of five registered frames where rain covers it, `[T, 3, H, W]`, and where that can be trusted,
        `[T, 1, H, W]`, 0 or 1: neighbours agree, and the frame is as they are or brighter. The ends of the clip are not, nor is
        what lies outside the picture in a neighbour.
    """
    frames, _, height, width = rainy.shape
    luma, _ = split(rainy)
    edges = rainy.new_tensor([width, height]) - 0.5
    small = [luma_for_flow(plane) for plane in luma[:, 0].cpu().numpy()]
    truth, trust = rainy.clone(), torch.zeros_like(rainy[:, :1])
    for t in range(RADIUS, frames - RADIUS):
        around, inside = [rainy[t]], torch.ones_like(trust[t], dtype=torch.bool)
        for k in (k for k in range(-RADIUS, RADIUS + 1) if k):
            flow = torch.from_numpy(enlarge_flow(estimate_flow(small[t], small[t + k]), (height, width))).to(rainy.device)
            there = places(flow[None])
            around.append(warp(rainy[None, t + k], flow[None])[0])
            inside &= ((there >= -0.5) & (there <= edges)).all(-1)  # beyond, the border is repeated, and agrees with itself
        registered = torch.stack(around)
        median = registered.median(0).values
        ordered = split(registered)[0].sort(0).values
        excess = luma[t] - ordered[RADIUS]
        covered = ((excess - NOISE) / NOISE).clamp(0, 1)
        truth[t] = torch.lerp(rainy[t], median, covered)
        agree = ordered[RADIUS + 1] - ordered[RADIUS - 1] < AGREEMENT
        trust[t] = (agree & inside & (excess > -NOISE)).float()
    return truth, trust


def _draw(clips: Sequence[Clip], rng: np.random.Generator, frames: int, crop_px: int) -> Packed:
    clip = clips[int(rng.integers(len(clips)))]
    length, height, width = clip.shape[:3]
    source_px = int(min(crop_px * rng.uniform(1, 2), height, width))
    # Of fewer frames, none has the neighbours that are asked.
    drawn = max(frames, 2 * RADIUS + 1)
    start = int(rng.integers(max(1, length - drawn + 1)))
    index = np.minimum(start + np.arange(drawn), length - 1)
    top, left = int(rng.integers(height - source_px + 1)), int(rng.integers(width - source_px + 1))
    piece = clip[index, top : top + source_px, left : left + source_px]
    shrink = cv2.INTER_AREA if source_px > crop_px else cv2.INTER_CUBIC
    piece = np.stack([cv2.resize(frame, (crop_px, crop_px), interpolation=shrink) for frame in piece])
    if rng.random() < 0.5:
        piece = piece[:, :, ::-1]
    rainy = to_numbers(torch.from_numpy(np.ascontiguousarray(piece)).permute(0, 3, 1, 2).contiguous())
    truth, trust = covered_truth(rainy)
    trust[length - start - RADIUS :] = 0  # frames that stand still agree about their rain
    first = (drawn - frames) // 2
    rainy, truth, trust = (x[first : first + frames] for x in (rainy, truth, trust))
    clear, unknown = torch.ones_like(trust), torch.zeros(1, 1, 1, 1, dtype=torch.bool)
    veil = (clear, torch.zeros(1, 3, 1, 1), torch.zeros_like(clear))
    known = {"clean_known": unknown, "veil_known": unknown, "hazy_known": trust > 0}
    return pack(rainy, truth, veil, clip_flows(rainy), **known)
