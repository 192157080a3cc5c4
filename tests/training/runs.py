"""Runs that are over in a second."""

import dataclasses
from pathlib import Path

import torch

from rmfd_cli.model.config import ModelConfig
from rmfd_cli.options import TrainOptions

CPU = torch.device("cpu")
TINY = ModelConfig(width=8, deep_width=12, hidden=4, deep_blocks=1, refine_blocks=1)


def options(folder: Path, out: Path, **changes: object) -> TrainOptions:
    small = TrainOptions(
        data=str(folder),
        validation=str(folder),
        out=str(out),
        steps=6,
        batch_size=2,
        clip_frames=3,
        clip_frames_start=None,
        updates_per_clip=2,
        crop_px=32,
        warmup_steps=2,
        save_every=3,
        validate_every=6,
        validation_clips=2,
    )
    return dataclasses.replace(small, **changes)
