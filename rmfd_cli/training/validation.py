"""How good a model is: PSNR and SSIM on held-out clips in weather that training never draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rmfd_cli.metrics import psnr, ssim
from rmfd_cli.model.int8 import Ranges, inputs_of, ranges_of
from rmfd_cli.model.network import Rmfd
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.clips import Clip
from rmfd_cli.training.data import draw_batch
from rmfd_cli.training.packed import Packed
from rmfd_cli.training.unroll import run_clip

VALIDATION_SEED = 1_000_003
"""Weather that training, whose seeds are small, never draws."""

FRAMES = 8
PICTURES = 3
HIGHEST_DB = 50.0
"""More than this cannot be seen; without a limit, a clip without rain decides the mean."""


class Score(NamedTuple):
    """Means over the frames of a clip."""

    psnr_db: float
    ssim: float


class ClipScores(NamedTuple):
    """How close the clip is to the truth as it comes in, after stage 1, and in the end."""

    input: Score
    coarse: Score
    restored: Score


@dataclass(frozen=True)
class Validation:
    """What a validation found."""

    clips: tuple[ClipScores, ...]
    pictures: Tensor
    """A frame of the first clips, `[N, 3, H, 3·W]` in [0, 1]: input, restored, clean, side by side."""

    ranges: Ranges
    """Of the model, measured while these clips were restored."""

    @property
    def mean(self) -> ClipScores:
        """Over all clips."""
        columns = zip(*self.clips, strict=True)
        return ClipScores(*(Score(*(sum(x) / len(x) for x in zip(*column, strict=True))) for column in columns))


def held_out_batches(clips: Sequence[Clip], options: TrainOptions) -> list[Packed]:
    """The batches to validate on, a clip each."""
    size = options.crop_px * 3 // 2
    return [
        draw_batch([clips[k % len(clips)]], VALIDATION_SEED, k, size=1, frames=FRAMES, crop_px=size)
        for k in range(options.validation_clips)
    ]


@torch.inference_mode()
def validate(model: Rmfd, batches: Sequence[Packed], device: torch.device) -> Validation:
    """Restores every clip from its first frame on and compares it with the truth."""
    with inputs_of(model, but=model.recovery.veil) as seen:
        clips, pictures = zip(*(_scored(model, batch.to(device)) for batch in batches), strict=True)
    return Validation(clips, torch.stack(pictures[:PICTURES]), ranges_of(seen))


def _scored(model: Rmfd, clip: Packed) -> tuple[ClipScores, Tensor]:
    """The scores of a clip, and its frame in the middle as in `Validation.pictures`."""
    frames = range(clip.rainy.shape[1])
    estimates, _ = run_clip(model, clip, frames, model.initial_state())
    whole = clip.part(frames)
    rainy, clean = whole.rainy[0], whole.clean[0]
    coarse, restored = estimates.coarse[0].clamp(0, 1), estimates.image[0].clamp(0, 1)
    scores = (
        Score(float(psnr(x, clean).clamp(max=HIGHEST_DB).mean()), float(ssim(x, clean).mean()))
        for x in (rainy, coarse, restored)
    )
    return ClipScores(*scores), torch.cat([x[len(frames) // 2] for x in (rainy, restored, clean)], -1).cpu()
