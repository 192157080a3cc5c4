"""What is to be made: one job per clip and variant, each with a seed of its own."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from rmfd_cli.synth.identity import Identity
from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.sources import Clip


@dataclass(frozen=True)
class Job:
    """One variant of one clip: all that decides what its files hold."""

    clip: Clip
    variant: int
    """From 0 on."""
    number: int
    """Its place in the plan, from 0 on: the name in layouts that number their clips."""
    source: str
    """Path of the clip's file or folder below the folder of clips, `.` for that folder itself."""
    seed: int
    """Of everything random in this variant, in [0, 2⁶³)."""
    request: SynthRequest
    identity: Identity | None = None
    """Of the clip's files, where they have been read already."""


def plan(clips: list[Clip], clean_dir: Path, request: SynthRequest) -> list[Job]:
    """The jobs of a data set, clip by clip.

    A job's seed comes from the request's seed, the clip's path below `clean_dir` and the variant: neither other clips nor
    the order of work nor the number of workers change what a job makes.

    Args:
        clips: What to rain on.
        clean_dir: The folder that their paths are relative to.
        request: What is asked for.
    """
    pairs = [(clip, variant) for clip in clips for variant in range(request.variants)]
    return [
        Job(clip, variant, number, source, derive_seed(request.seed, clip.name, source, variant), request)
        for number, (clip, variant) in enumerate(pairs)
        for source in (clip.path.relative_to(clean_dir).as_posix(),)
    ]


def derive_seed(seed: int, *parts: str | int) -> int:
    """A seed in [0, 2⁶³) that any change of any argument changes beyond recognition."""
    digest = hashlib.sha256("\0".join(map(str, (seed, *parts))).encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") >> 1
