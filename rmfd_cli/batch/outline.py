"""What would be done to one video, and how long it may take, without writing anything."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import monotonic

from rmfd_cli.derain import frames_in_range
from rmfd_cli.errors import RmfdError
from rmfd_cli.options import DerainOptions
from rmfd_cli.types import Frame, Restore, VideoInfo
from rmfd_cli.video.ends import Reader, Source, Target, names_of, open_source, picture_bits, traits_in, video_writer
from rmfd_cli.video.pictures import PictureFolder, PictureReader, PictureWriter
from rmfd_cli.video.pipe import Pipe, lost_in_pipe
from rmfd_cli.video.ycc import seen

TRIAL_FRAMES = 12
"""That many are restored to see how long one takes."""


@dataclass(frozen=True)
class Outline:
    """The plan for one video."""

    video: str
    """What it is."""
    encoder: str
    """What it becomes."""
    kept: str
    """Which streams go along."""
    lost: tuple[str, ...]
    """What cannot be kept, a line each."""
    seconds_estimate: float | None
    """Time to restore its frames at the speed of the first few; None where their number is not known."""
    frames_per_second: float

    def lines(self) -> dict[str, str]:
        """What there is to tell, by name."""
        left = "; ".join(self.lost)
        time = "not known" if self.seconds_estimate is None else f"about {self.seconds_estimate:.0f} s"
        told = {"video": self.video, "encoder": self.encoder, "keeps": self.kept, "loses": left}
        return {**{name: text for name, text in told.items() if text}, "takes": f"{time}, {self.frames_per_second:.1f} fps"}


def outline(source: Source, target: Target, restore: Restore, options: DerainOptions, makes_folders: bool = False) -> Outline:
    """Look at a video as far as its first frames, and at what would be written.

    Args:
        source: As of `derain`.
        target: Likewise.
        restore: The model; it gets the first frames.
        options: Those of the job.
        makes_folders: Whether missing folders above the target would be made.

    Raises:
        RmfdError: What would stop the job before its first frame.
    """
    with open_source(source, options) as video:
        info = video.info
        encoded, kept, lost = _written(video, target, options, makes_folders)
        speed = _frames_per_second(restore, info, video)
    frames = frames_in_range(info, options)
    return Outline(
        video=_described(info, frames),
        encoder=encoded,
        kept=kept,
        lost=lost,
        seconds_estimate=None if frames is None else frames / speed,
        frames_per_second=speed,
    )


def _written(video: Reader, target: Target, options: DerainOptions, makes_folders: bool) -> tuple[str, str, tuple[str, ...]]:
    """The encoder and its settings, which streams go along, and what cannot be kept."""
    info, pictures = video.info, isinstance(video, PictureReader)
    if isinstance(target, PictureFolder):
        if not makes_folders or target.folder.parent.is_dir():
            PictureWriter(target, names_of(video), options.overwrite).check()
        bits = target.bits or picture_bits(video)
        only = () if pictures else ("only the pictures are written: no sound, no times",)
        return f"PNG of {bits} bits", "", (*only, *video.left_behind)
    if isinstance(target, Pipe):
        lost = lost_in_pipe(info, target.form, traits_in(video, options))
        only = () if pictures else ("only the pictures are written: no sound",)
        return f"none, {target.form} on stdout", "", (*only, *lost, *video.left_behind, *video.rounding)
    place = Path(os.path.realpath(target))
    if place.parent.is_dir() or not makes_folders:
        writer = video_writer(video, place, options, place.parent)
        settings, counts = writer.tried()
    else:
        with tempfile.TemporaryDirectory(prefix="rmfd-") as folder:
            writer = video_writer(video, Path(folder, place.name), options, Path(folder))
            try:
                settings, counts = writer.tried()
            except RmfdError as error:
                raise type(error)(str(error).replace(str(writer.target), str(place))) from error
    said = [f"{name.partition(':')[0]} {value}" for name, value in settings.options.items() if name != "c:v:0"]
    kept = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count and kind != "video")
    return ", ".join([settings.codec, *said]), kept, tuple(writer.warnings)


def _described(info: VideoInfo, frames: int | None) -> str:
    rate = "" if info.frame_rate is None else f", {float(info.frame_rate):g} fps"
    count = "" if frames is None else f", about {frames} frames"
    return f"{info.width_px}x{info.height_px} {info.format.name}{rate}{count}"


def _frames_per_second(restore: Restore, info: VideoInfo, frames: Iterable[Frame]) -> float:
    first = islice(frames, TRIAL_FRAMES)
    began = monotonic()
    times = [monotonic() for _ in restore(seen(frame, info) for frame in first)]
    # The first one waits for the model to be loaded.
    if len(times) > 1:
        return (len(times) - 1) / max(times[-1] - times[0], 1e-6)
    return 1 / max(monotonic() - began, 1e-6)
