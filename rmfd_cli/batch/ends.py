"""What the two names of a job stand for: video files, frames in a folder, pipes."""

from fractions import Fraction
from pathlib import Path, PurePath

from rmfd_cli.batch.plan import Job
from rmfd_cli.batch.sources import PIPE, Source
from rmfd_cli.video.names import VIDEO_SUFFIXES, frame_matcher
from rmfd_cli.video.pictures import PictureFolder, PictureRow
from rmfd_cli.video.pipe import Pipe, PipeFormat


def source_end(source: Source, frame_rate: Fraction) -> str | PictureRow | Pipe:
    """Where frames come from.

    Args:
        source: Of a job.
        frame_rate: Of frames that are pictures.
    """
    if source.path == PIPE:
        return Pipe()
    return PictureRow(source.frames, frame_rate) if source.frames else source.path


def target_end(job: Job, bits: int | None, form: PipeFormat) -> str | PictureFolder | Pipe:
    """Where frames go to: into PNG files if the target is a pattern of them, or a folder for a source of frames.

    Args:
        job: Source and target.
        bits: Of frames that are pictures, see `PictureFolder`.
        form: Of stdout.
    """
    if job.target == PIPE:
        return Pipe(form)
    path = PurePath(job.target)
    if path.suffix.lower() == ".png" and frame_matcher(path.name):
        return PictureFolder(Path(path.parent), path.name, bits)
    if job.source.frames and path.suffix.lower() not in (*VIDEO_SUFFIXES, ".png"):
        return PictureFolder(Path(path), None, bits)
    return job.target
