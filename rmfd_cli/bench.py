"""How fast this machine takes the rain out of a video, stage by stage, beside a plain transcode of the same video."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rmfd_cli.derain import derain
from rmfd_cli.errors import OutputError
from rmfd_cli.options import USUAL_CODEC, DerainOptions
from rmfd_cli.stages import Spent
from rmfd_cli.types import Restore
from rmfd_cli.video import ffmpeg
from rmfd_cli.video.reader import VideoReader

FRAME_RATE = 25
WARM_UP_FRAMES = 5
"""That many go through the model first: its import and loading are not what is measured."""
_STALL_SECONDS = 120.0


@dataclass(frozen=True)
class Speed:
    """What was measured on one video."""

    width_px: int
    height_px: int
    frames: int
    transcode_seconds: float
    """ffmpeg alone, from the source to the same encoder settings."""
    derain_seconds: float
    """The same with the model in between, start-up left out."""
    spent: Spent
    """Of `derain_seconds`, by stage; stages run side by side."""

    @property
    def ratio(self) -> float:
        """How many times as long as the transcode it took."""
        return self.derain_seconds / self.transcode_seconds


def make_clip(path: Path, size_px: tuple[int, int], frames: int, binary: str) -> None:
    """A moving picture with detail and noise, encoded as H.264.

    Args:
        path: Where to write it.
        size_px: (width, height), even.
        frames: How many.
        binary: Path of ffmpeg.

    Raises:
        OutputError: ffmpeg fails.
    """
    width, height = size_px
    picture = f"mandelbrot=size={width}x{height}:rate={FRAME_RATE}:start_scale=0.02:end_scale=0.0002,noise=alls=6:allf=t"
    coding = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-pix_fmt", "yuv420p")
    ffmpeg.run(
        [binary, "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture, "-frames:v", str(frames), *coding, str(path)],
        _STALL_SECONDS,
        path,
    )


def measure(source: Path, restore: Restore, spent: Spent, binary: str) -> Speed:
    """Transcodes and derains a video once each, with the default encoder.

    Args:
        source: The video.
        restore: The model as a function.
        spent: Where `restore` adds what its stages take; it is emptied after the warm-up.
        binary: Path of ffmpeg.

    Raises:
        RmfdError: As of `derain`.
    """
    with VideoReader(str(source)) as video:
        size_px = video.info.width_px, video.info.height_px
        rate = float(video.info.frame_rate or FRAME_RATE)
    with tempfile.TemporaryDirectory(prefix="rmfd-bench-") as folder:
        target = Path(folder) / "out.mkv"
        warm_up = DerainOptions(end_seconds=WARM_UP_FRAMES / rate, overwrite=True, salvage=True, ffmpeg=binary)
        derain(source, target, restore, warm_up)
        spent.clear()
        report = derain(source, target, restore, DerainOptions(overwrite=True, ffmpeg=binary), spent=spent)
        transcode_seconds = _transcode(source, Path(folder) / "plain.mkv", binary)
    return Speed(*size_px, report.frames, transcode_seconds, report.seconds, spent)


def _transcode(source: Path, target: Path, binary: str) -> float:
    coding = ("-c:v", USUAL_CODEC, "-preset", "veryfast", "-crf", "18")
    command = [binary, "-v", "error", "-nostdin", "-y", "-i", str(source), "-map", "0:v:0", *coding, str(target)]
    began = perf_counter()
    try:
        ffmpeg.run(command, _STALL_SECONDS, target)
    except OutputError as error:
        raise OutputError(f"the plain transcode failed: {error}") from error
    return perf_counter() - began
