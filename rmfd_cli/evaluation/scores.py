"""What a frame is scored by, and what that comes to for clips and data sets."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmfd_cli.metrics import gmsd, luma, psnr, ssim

LEAST_SIDE_PX = 11
"""SSIM's window."""


class Scores(NamedTuple):
    """Of a frame, or means over frames, or over clips. 100 dB stands for identical pictures."""

    psnr_db: float
    """Of RGB."""
    ssim: float
    y_psnr_db: float
    """Of luma as MATLAB's rgb2ycbcr has it, which most papers on rain report."""
    y_ssim: float
    gmsd: float
    """Of luma; less is better."""
    change_db: float
    """PSNR of the change from the frame before, RGB: flicker and trailing lower it. NaN for the first frame of a clip."""


class Seen(NamedTuple):
    """A frame as it is compared, `[1, 3, H, W]` and `[1, 1, H, W]` in [0, 1]."""

    rgb: Tensor
    luma: Tensor


def as_seen(rgb: NDArray[np.uint8]) -> Seen:
    """A picture `[H, W, 3]`, ready to be compared."""
    image = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None].float() / 255
    return Seen(image, luma(image))


def score(frame: Seen, truth: Seen, before: tuple[Seen, Seen] | None) -> Scores:
    """How close a frame is to the truth.

    Args:
        frame: what is scored.
        truth: of the same size, `LEAST_SIDE_PX` at least.
        before: both of the frame before.
    """
    change = psnr(frame.rgb - before[0].rgb, truth.rgb - before[1].rgb) if before else torch.tensor([math.nan])
    found = (
        *(psnr(frame.rgb, truth.rgb), ssim(frame.rgb, truth.rgb)),
        *(psnr(frame.luma, truth.luma), ssim(frame.luma, truth.luma)),
        *(gmsd(frame.luma, truth.luma), change),
    )
    return Scores(*(float(value) for value in found))


def mean(scores: Sequence[Scores]) -> Scores:
    """The mean of each score over those that have it; NaN where none has."""
    columns = ([x for x in column if not math.isnan(x)] for column in zip(*scores, strict=True))
    return Scores(*(sum(column) / len(column) if column else math.nan for column in columns))
