"""What can be asked of a job, and what happens unless asked otherwise.

A leaf that imports nothing heavy: `rmfd --help` reads its defaults here.
"""

import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

from rmfd_cli.errors import UsageError

Compare: TypeAlias = Literal["side", "split"]
HARDWARE = ("nvenc", "qsv", "vaapi", "videotoolbox")
"""Kinds of hardware that encode, in the order in which `auto` tries them."""
Hardware: TypeAlias = Literal["none", "auto", "nvenc", "qsv", "vaapi", "videotoolbox"]


USUAL_CODEC = "libx264"
"""What nearly every container is usually coded with."""
LOSSLESS_CODEC = "ffv1"
"""The encoder that takes pictures as they are."""
SEGMENT_FRAMES = 250
"""With --resume. Ten seconds of most videos: little to do again, and a keyframe more costs a lossy codec next to nothing."""


@dataclass(frozen=True)
class Encoding:
    """How the video is compressed."""

    codec: str = "auto"
    """Name of an ffmpeg encoder; `ffv1` is lossless, `auto` what the container is usually coded with."""
    crf: float | None = None
    """Constant quality, lower is better and larger; None for a good default of the encoder (18 with libx264)."""
    preset: str | None = None
    """Speed of the encoder in its own words; None for `veryfast` with libx264 and libx265, else its own default."""
    hardware: Hardware = "none"
    """Which hardware is to take the place of `codec`: `auto` any that works, else none."""
    extra: tuple[tuple[str, str], ...] = ()
    """Further options of the encoder, name and value, as in ffmpeg's `-name value`."""


def seconds_after(start: float, seconds: float) -> float:
    """The sum of two times as they are written: of 0.1 and 0.2 it is 0.3, not a little more."""
    return float(Decimal(repr(start)) + Decimal(repr(seconds)))


@dataclass(frozen=True)
class DerainOptions:
    """What to do besides taking out the rain."""

    strength: float = 1.0
    """Share of the change that is applied, 0 to 1; 0 writes the source's own planes."""
    start_seconds: float | None = None
    """Where to begin, in seconds of the video; time 0 of the target."""
    end_seconds: float | None = None
    """Where to stop."""
    compare: Compare | None = None
    """Show input and output in one picture: `side` by side, or `split` in the middle."""
    overwrite: bool = False
    """Whether an existing target is replaced."""
    deinterlace: bool = False
    """Whether interlaced pictures are made whole ones first, as many as there are."""
    salvage: bool = False
    """Whether what can be read of a damaged source is written, instead of nothing."""
    encoding: Encoding = field(default_factory=Encoding)
    """How the target is compressed."""
    ffmpeg: str | None = None
    """Which ffmpeg to use; None to search."""

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise UsageError(f"--strength is {self.strength:g}; it goes from 0 to 1")
        start = self.start_seconds or 0.0
        if start < 0:
            raise UsageError(f"--start is {start:g} s, before the video begins")
        if self.end_seconds is not None and self.end_seconds <= start:
            raise UsageError(f"--end ({self.end_seconds:g} s) is not after --start ({start:g} s)")


@dataclass(frozen=True)
class TrainOptions:
    """What a training run does."""

    data: str | None
    """Folder of clean training clips, which rain is simulated over; None to train on pairs alone."""
    validation: str
    """Folder of clean clips of other scenes."""
    stage: int = 1
    """1: physics-guided recovery and the refinement jointly; 2: the same network refined by an adversary and real rain."""
    out: str = "runs/stage1"
    """Folder for checkpoints, log and weights."""
    paired: tuple[str, ...] = ()
    """Folders of rainy and clean clips."""
    paired_share: float = 0.5
    """Share of the clips that come from pairs where there are both; 0 to 1."""
    real_rain: str | None = None
    """Stage 2: folder of rainy clips without ground truth."""
    real_share: float = 0.25
    """Share of the clips that come from `real_rain`, on average; 0 to 1."""
    real_clean: str | None = None
    """Stage 2: folder of clean clips that the discriminator takes for its example; None for those of `data`."""
    steps: int = 4200
    batch_size: int = 6
    """Clips per update, of all processes together."""
    clip_frames: int = 8
    """Frames of one update, which its gradient flows back through; at least two, and three in stage 2."""
    clip_frames_start: int | None = None
    """The same at the beginning, from where it grows to `clip_frames` in three stages; None for no growth."""
    updates_per_clip: int = 4
    """Updates that follow one another on the same clips; the state is carried on, so that most of them see one grown old."""
    crop_px: int = 144
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    gradient_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    ema_decay: float = 0.999
    seed: int = 1
    device: str = "cpu"
    mixed_precision: bool = False
    """bfloat16 where it is safe; for GPUs, most CPUs only emulate it."""
    compile: bool = False
    """Whether the network's step goes through `torch.compile`."""
    workers: int = 0
    """Processes that draw batches ahead, one batch each; with 0 a thread does. The batches are the same."""
    save_every: int = 200
    keep: int = 3
    """How many checkpoints are kept besides the best."""
    validate_every: int = 500
    validation_clips: int = 14
    tensorboard: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be trained with."""
        counts = ("steps", "batch_size", "updates_per_clip", "save_every", "keep", "validate_every", "validation_clips")
        for name in counts:
            if (value := getattr(self, name)) < 1:
                raise UsageError(f"--{name.replace('_', '-')} is {value}; it has to be at least 1")
        least, why = (2, "change over time is learnt") if self.stage == 1 else (3, "the discriminator sees three at once")
        for flag, length in (("--frames", self.clip_frames), ("--frames-start", self.clip_frames_start)):
            if length is not None and length < least:
                raise UsageError(f"{flag} is {length}; stage {self.stage} needs at least {least}, since {why}")
        for flag, count in (("--workers", self.workers), ("--seed", self.seed)):
            if count < 0:
                raise UsageError(f"{flag} is {count}; it cannot be negative")
        if not 0 <= self.paired_share <= 1:
            raise UsageError(f"--paired-share is {self.paired_share:g}; it goes from 0 to 1")
        if not 0 <= self.real_share <= 1:
            raise UsageError(f"--real-share is {self.real_share:g}; it goes from 0 to 1")
        if self.stage == 1 and (self.real_rain or self.real_clean):
            raise UsageError("--real-rain and --real-clean are for --stage 2; leave them out or give --stage 2 --init WEIGHTS")
        if self.stage == 2 and not self.data and not self.real_clean:
            raise UsageError("the discriminator has no clean video to look at; give --real-clean, or --data")
        if not self.data and not self.paired:
            raise UsageError("there is nothing to train on; give --data, or --paired, or both")
        if self.crop_px < 32:
            raise UsageError(f"--crop is {self.crop_px}; pieces of less than 32 pixels show no rain")
        if not 0 < self.learning_rate < math.inf:
            raise UsageError(f"--learning-rate is {self.learning_rate}; it has to be positive and finite")
