"""What changes over a run: learning rate, averaging, and which frames of which batch a step learns from. All by step alone."""

import math
from typing import NamedTuple

from rmfd_cli.options import TrainOptions

STAGES = 3
"""In so many equal parts of a run do clips grow from `clip_frames_start` to `clip_frames`."""


class Place(NamedTuple):
    """Where a step is."""

    batch: int
    """Number of the batch."""
    frames: range
    """Of the batch's clips, that this step learns from; the state is carried on unless they begin at 0."""


def place(options: TrainOptions, step: int) -> Place:
    """The batch and the frames of a step, counted from 0."""
    batch, part = divmod(step, options.updates_per_clip)
    length = update_frames(options, batch)
    return Place(batch, range(part * length, (part + 1) * length))


def update_frames(options: TrainOptions, batch: int) -> int:
    """Frames of each update on a batch."""
    start = options.clip_frames if options.clip_frames_start is None else options.clip_frames_start
    stage = min(STAGES - 1, STAGES * batch * options.updates_per_clip // options.steps)
    return round(start + (options.clip_frames - start) * stage / (STAGES - 1))


def learning_rate(options: TrainOptions, step: int) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    share = (step - options.warmup_steps) / max(1, options.steps - options.warmup_steps)
    return options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def average_decay(options: TrainOptions, step: int) -> float:
    """How much of the moving average a step leaves; little at first, so that the random beginning is forgotten."""
    return min(options.ema_decay, (1 + step) / (10 + step))
