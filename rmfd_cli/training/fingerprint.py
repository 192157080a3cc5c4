"""What tells the clips of one run from those of another, without their pixels."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from rmfd_cli.clips.find import find_clips
from rmfd_cli.clips.pairs import find_pairs
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.batches import Sources


def fingerprint(options: TrainOptions, sources: Sources) -> dict[str, str]:
    """A digest for every option that names clips: of their paths below its folder, and of the shapes of those learnt from.

    The folder itself may lie elsewhere on the next machine. Nor do pixels count: decoders of two machines may round otherwise.

    Args:
        options: of the run.
        sources: the clips in memory.
    """
    digests = {}
    for option, folder, clips in (
        ("--data", options.data, sources.clean),
        ("--real-rain", options.real_rain, sources.real_rain),
        ("--real-clean", options.real_clean, sources.real_clean),
        ("--validation", options.validation, ()),
    ):
        if folder is not None:
            digests[option] = _digest([*_names(Path(folder), find_clips(Path(folder))), *(clip.shape for clip in clips)])
    if options.paired:
        names = [name for top in map(Path, options.paired) for pair in find_pairs(top) for name in _names(top, pair)]
        digests["--paired"] = _digest([*names, *(pair.rainy.shape for pair in sources.pairs)])
    return digests


def _names(top: Path, paths: Iterable[Path]) -> list[str]:
    return [path.relative_to(top).as_posix() for path in paths]


def _digest(parts: Iterable[object]) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode("utf-8", "surrogateescape")).hexdigest()
