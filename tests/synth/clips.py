"""Folders of small clean clips, and data sets compared byte for byte."""

from collections.abc import Callable
from pathlib import Path

from rmfd_cli.synth.plan import Job, plan
from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.run import make_plan
from rmfd_cli.synth.sources import find_sources
from rmfd_cli.synth.variant import make_variant
from tests import media

SIZE = (48, 36)


def video(path: Path, frames: int = 4, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return media.encode(path, frames=frames, size=size)


def frames(folder: Path, count: int = 4, pattern: str = "%05d.png", pix_fmt: str = "rgb24") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return media.encode(folder / pattern, frames=count, size=SIZE, pix_fmt=pix_fmt, codec=("-c:v", "png"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def jobs_of(clean: Path, request: SynthRequest) -> list[Job]:
    return plan(find_sources(clean).clips, clean, request)


def made(clean: Path, out: Path, request: SynthRequest, on_frames: Callable[[int], None] = lambda count: None) -> list[Job]:
    """All variants rendered here and now, straight to their places."""
    jobs, _ = make_plan(clean, request)
    for job in jobs:
        make_variant(job, out, on_frames)
    return jobs
