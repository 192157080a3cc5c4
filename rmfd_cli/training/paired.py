"""Rainy and clean clips from disk, whoever made them: found by their names, read into memory, drawn from."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmfd_cli.clips.pairs import LOOKED_FOR, find_pairs
from rmfd_cli.errors import InputError, RmfdError, TrainingError
from rmfd_cli.training.clips import MAX_FRAMES, Clip, read_clip
from rmfd_cli.training.data import clip_flows
from rmfd_cli.training.packed import Packed, pack, stack, to_numbers


class Pair(NamedTuple):
    """A clip with and without rain."""

    rainy: Clip
    clean: Clip


def load_pairs(
    directory: Path, max_frames: int = MAX_FRAMES, on_warning: Callable[[str], None] = lambda text: None
) -> list[Pair]:
    """Every pair that `find_pairs` finds below a directory, its first frames in memory.

    Args:
        directory: the data set.
        max_frames: how much of each clip.
        on_warning: told which pair cannot be used, and why.

    Raises:
        TrainingError: there is no pair that can be used.
    """
    pairs = []
    for rainy_path, clean_path in find_pairs(directory):
        try:
            rainy, clean = read_clip(rainy_path, max_frames), read_clip(clean_path, max_frames)
            if rainy.shape != clean.shape:
                sizes = " and ".join(f"{len(c)} frames of {c.shape[2]}x{c.shape[1]}" for c in (rainy, clean))
                raise InputError(f"{rainy_path} and {clean_path} do not match: {sizes}")
            pairs.append(Pair(rainy, clean))
        except RmfdError as error:
            on_warning(f"{error}; training goes on without it")
    if not pairs:
        raise TrainingError(f"no readable rainy and clean clips below {directory}; looked for {LOOKED_FOR}")
    return pairs


def draw_pairs(pairs: Sequence[Pair], seed: int, number: int, *, size: int, frames: int, crop_px: int) -> Packed:
    """Random pieces of random pairs, at their own scale and pace, half of them mirrored; never upside down or reversed.

    Args:
        pairs: to draw from.
        seed: of the whole training run.
        number: of the batch.
        size: clips per batch.
        frames: frames per clip; a pair that is too short stands still at its end, and no truth is learnt there: it would teach
            that rain stands still, and played backwards, that it rises.
        crop_px: height and width of the pieces.
    """
    return stack([_draw_pair(pairs, np.random.default_rng([seed, number, k, 1]), frames, crop_px) for k in range(size)])


def _draw_pair(pairs: Sequence[Pair], rng: np.random.Generator, frames: int, crop_px: int) -> Packed:
    pair = pairs[int(rng.integers(len(pairs)))]
    length, height, width = pair.clean.shape[:3]
    start = int(rng.integers(max(1, length - frames + 1)))
    index = np.minimum(start + np.arange(frames), length - 1)
    source_px = min(crop_px, height, width)
    top, left = int(rng.integers(height - source_px + 1)), int(rng.integers(width - source_px + 1))
    flip = rng.random() < 0.5

    def piece(clip: Clip) -> Tensor:
        cut: NDArray[np.uint8] = clip[index, top : top + source_px, left : left + source_px]
        if source_px < crop_px:
            cut = np.stack([cv2.resize(frame, (crop_px, crop_px), interpolation=cv2.INTER_CUBIC) for frame in cut])
        cut = np.ascontiguousarray(cut[:, :, ::-1] if flip else cut)
        return to_numbers(torch.from_numpy(cut).permute(0, 3, 1, 2).contiguous())

    rainy, clean = piece(pair.rainy), piece(pair.clean)
    one = torch.ones(frames, 1, crop_px, crop_px)
    unknown = torch.zeros(1, 1, 1, 1, dtype=torch.bool)
    moving = (start + torch.arange(frames) < length).view(-1, 1, 1, 1)
    # Filled as if there were no veil; the masks keep the loss from learning it.
    veil = (one, torch.zeros(1, 3, 1, 1), torch.zeros_like(one))
    return pack(rainy, clean, veil, clip_flows(rainy), clean_known=moving, veil_known=unknown, hazy_known=unknown)
