"""What can be asked of a job, and what happens unless asked otherwise.

A leaf that imports nothing heavy: `rmfd --help` reads its defaults here.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rmfd_cli.errors import UsageError

Compare: TypeAlias = Literal["side", "split"]


@dataclass(frozen=True)
class Encoding:
    """How the video is compressed."""

    codec: str = "libx264"
    """Name of an ffmpeg encoder; `ffv1` is lossless."""
    crf: float | None = None
    """Constant quality, lower is better and larger; None for a good default of the encoder (18 with libx264)."""
    preset: str | None = None
    """Speed of the encoder in its own words; None for `veryfast` with libx264 and libx265, else its own default."""


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

    data: str
    """Folder of clean training clips."""
    validation: str
    """Folder of clean clips of other scenes."""
    out: str = "runs/stage1"
    """Folder for checkpoints, log and weights."""
    steps: int = 4200
    batch_size: int = 8
    clip_frames: int = 6
    """Frames of one update, which its gradient flows back through."""
    updates_per_clip: int = 5
    """Updates that follow one another on the same clips; the state is carried on, so that most of them see one grown old."""
    crop_px: int = 128
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    gradient_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    ema_decay: float = 0.999
    seed: int = 1
    device: str = "cpu"
    mixed_precision: bool = False
    """bfloat16 where it is safe; for GPUs, most CPUs only emulate it."""
    save_every: int = 200
    validate_every: int = 500
    validation_clips: int = 14

    def __post_init__(self) -> None:
        """Refuses what cannot be trained with."""
        counts = ("steps", "batch_size", "clip_frames", "updates_per_clip", "save_every", "validate_every", "validation_clips")
        for name in counts:
            if getattr(self, name) < 1:
                raise UsageError(f"--{name.replace('_', '-')} is {getattr(self, name)}; it has to be at least 1")
        if self.crop_px < 32:
            raise UsageError(f"--crop is {self.crop_px}; pieces of less than 32 pixels show no rain")
        if not self.learning_rate > 0:
            raise UsageError(f"--learning-rate is {self.learning_rate}; it has to be positive")
