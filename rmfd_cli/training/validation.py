"""How good a model is: PSNR and SSIM on held-out clips in weather that training never draws."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rmfd_cli.metrics import psnr, ssim
from rmfd_cli.model.int8 import Ranges, inputs_of, ranges_of
from rmfd_cli.model.network import Rmfd
from rmfd_cli.options import TrainOptions
from rmfd_cli.rain.weather import Weather, sample_weather
from rmfd_cli.training.clips import Clip
from rmfd_cli.training.data import draw_batch, draw_clip
from rmfd_cli.training.losses import HIGHEST_DB
from rmfd_cli.training.packed import Packed
from rmfd_cli.training.unroll import run_clip

VALIDATION_SEED = 1_000_003
"""Weather that training, whose seeds are small, never draws."""

FRAMES = 8
PICTURES = 3


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

    names: tuple[str, ...] = ()
    """What each clip is called; none where nobody said."""

    @property
    def mean(self) -> ClipScores:
        """Over all clips."""
        columns = zip(*self.clips, strict=True)
        return ClipScores(*(Score(*(sum(x) / len(x) for x in zip(*column, strict=True))) for column in columns))


def held_out_batches(clips: Sequence[Clip], options: TrainOptions) -> list[Packed]:
    """The batches to validate on, a clip each: every one at least once, `options.validation_clips` in all if they are fewer."""
    size = _size_px(options)
    return [
        draw_batch([clips[k % len(clips)]], VALIDATION_SEED, k, size=1, frames=FRAMES, crop_px=size)
        for k in range(_count(clips, options))
    ]


def held_out_names(clips: Sequence[tuple[str, Clip]], options: TrainOptions) -> tuple[str, ...]:
    """What to call the batches of these clips: by the clip's name and the weather over it."""
    names = []
    for k in range(_count(clips, options)):
        name, clip = clips[k % len(clips)]
        # Drawn as the batch is, so that the weather is its own.
        rng = np.random.default_rng([VALIDATION_SEED, k, 0])
        draw_clip([clip], rng, FRAMES, _size_px(options))
        names.append(f"{name}, {in_words(sample_weather(rng))}")
    return tuple(names)


def in_words(weather: Weather) -> str:
    """A weather's kind, such as `drops at 12 mm/h, veil`."""
    if weather.particles is not None:
        kind = f"drops at {weather.particles.rain_rate_mm_h:.0f} mm/h"
    else:
        kind = "painted noise" if weather.noise else "painted streaks" if weather.layers else "no rain"
    veiled = weather.veil.optical_depth > 0
    return kind + (", veil" if veiled and weather.rains else ", haze" if veiled else "")


def _count(clips: Sequence[object], options: TrainOptions) -> int:
    return max(options.validation_clips, len(clips))


def _size_px(options: TrainOptions) -> int:
    return options.crop_px * 3 // 2


@torch.inference_mode()
def validate(model: Rmfd, batches: Sequence[Packed], device: torch.device, names: tuple[str, ...] = ()) -> Validation:
    """Restores every clip from its first frame on and compares it with the truth.

    Args:
        model: on the device.
        batches: a clip each.
        device: where to work.
        names: what each is called.
    """
    with inputs_of(model, but=model.recovery.veil) as seen:
        clips, pictures = zip(*(_scored(model, batch.to(device)) for batch in batches), strict=True)
    return Validation(clips, torch.stack(pictures[:PICTURES]), ranges_of(seen), names)


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
