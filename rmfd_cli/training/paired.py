"""Rainy and clean clips from disk, whoever made them: found by their names, read into memory, drawn from."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmfd_cli.errors import InputError, RmfdError, TrainingError
from rmfd_cli.training.clips import MAX_FRAMES, Clip, find_clips, is_clip, read_clip
from rmfd_cli.training.data import clip_flows
from rmfd_cli.training.packed import Packed, pack, stack, to_numbers
from rmfd_cli.video.names import natural

RAINY = ("rainy", "rain", "input", "lq")
CLEAN = ("clean", "gt", "target", "hq")
LOOKED_FOR = f"a folder or video named {', '.join(RAINY)} beside one named {', '.join(CLEAN)}, or a1_Rain beside a1_GT"


class Pair(NamedTuple):
    """A clip with and without rain."""

    rainy: Clip
    clean: Clip


def load_pairs(
    directory: Path, max_frames: int = MAX_FRAMES, on_warning: Callable[[str], None] = lambda text: None
) -> list[Pair]:
    """Every pair below a directory, its first frames in memory.

    Layouts: what `rmfd synth` writes in any format, and what published sets have: sibling folders of clips (`input/a/`,
    `gt/a/`, also with videos), sibling clips (`a/rainy.mp4`, `a/clean.mp4`), and NTURain's `a1_Rain/`, `a1_GT/`.

    Args:
        directory: the data set.
        max_frames: how much of each clip.
        on_warning: told which pair cannot be used, and why.

    Raises:
        TrainingError: there is no pair that can be used.
    """
    pairs = []
    for rainy_path, clean_path in find_pairs(directory):
        try:
            rainy, clean = read_clip(rainy_path, max_frames), read_clip(clean_path, max_frames)
            if rainy.shape != clean.shape:
                sizes = " and ".join(f"{len(c)} frames of {c.shape[2]}x{c.shape[1]}" for c in (rainy, clean))
                raise InputError(f"{rainy_path} and {clean_path} do not match: {sizes}")
            pairs.append(Pair(rainy, clean))
        except RmfdError as error:
            on_warning(f"{error}; training goes on without it")
    if not pairs:
        raise TrainingError(f"no readable rainy and clean clips below {directory}; looked for {LOOKED_FOR}")
    return pairs


def find_pairs(directory: Path) -> list[tuple[Path, Path]]:
    """The paths of every rainy clip and its clean one, in natural order; a rainy clip without a clean one is left out."""
    folders = [directory, *(path for path in directory.rglob("*") if path.is_dir())]
    pairs = {pair for folder in folders if folder.is_dir() for pair in _siblings(folder)}
    return sorted(pairs, key=lambda pair: natural(str(pair[0])))


def draw_pairs(pairs: Sequence[Pair], seed: int, number: int, *, size: int, frames: int, crop_px: int) -> Packed:
    """Random pieces of random pairs, at their own scale and pace, half of them mirrored; never upside down or reversed.

    Args:
        pairs: to draw from.
        seed: of the whole training run.
        number: of the batch.
        size: clips per batch.
        frames: frames per clip.
        crop_px: height and width of the pieces.
    """
    return stack([_draw_pair(pairs, np.random.default_rng([seed, number, k, 1]), frames, crop_px) for k in range(size)])


def _draw_pair(pairs: Sequence[Pair], rng: np.random.Generator, frames: int, crop_px: int) -> Packed:
    pair = pairs[int(rng.integers(len(pairs)))]
    length, height, width = pair.clean.shape[:3]
    start = int(rng.integers(max(1, length - frames + 1)))
    index = np.minimum(start + np.arange(frames), length - 1)
    source_px = min(crop_px, height, width)
    top, left = int(rng.integers(height - source_px + 1)), int(rng.integers(width - source_px + 1))
    flip = rng.random() < 0.5

    def piece(clip: Clip) -> Tensor:
        cut: NDArray[np.uint8] = clip[index, top : top + source_px, left : left + source_px]
        if source_px < crop_px:
            cut = np.stack([cv2.resize(frame, (crop_px, crop_px), interpolation=cv2.INTER_CUBIC) for frame in cut])
        cut = np.ascontiguousarray(cut[:, :, ::-1] if flip else cut)
        return to_numbers(torch.from_numpy(cut).permute(0, 3, 1, 2).contiguous())

    rainy, clean = piece(pair.rainy), piece(pair.clean)
    one = torch.ones(frames, 1, crop_px, crop_px)
    unknown = torch.zeros(1, 1, 1, 1, dtype=torch.bool)
    # Filled as if there were no veil; the masks keep the loss from learning it.
    veil = (one, torch.zeros(1, 3, 1, 1), torch.zeros_like(one))
    return pack(rainy, clean, veil, clip_flows(rainy), veil_known=unknown, hazy_known=unknown)


def _siblings(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Pairs among the entries of one folder: clips, or folders of clips with the same names."""
    roles: dict[tuple[str, bool], list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and (role := _role(path)):
            roles.setdefault(role, []).append(path)
    for (stem, rains), rainy_paths in roles.items():
        for rainy in rainy_paths if rains else []:
            for clean in roles.get((stem, False), []):
                if is_clip(rainy) and is_clip(clean):
                    yield rainy, clean
                elif rainy.is_dir() and clean.is_dir():
                    yield from _same_names(rainy, clean)


def _same_names(rainy: Path, clean: Path) -> Iterator[tuple[Path, Path]]:
    targets = {path.relative_to(clean).with_suffix("").as_posix(): path for path in find_clips(clean)}
    for path in find_clips(rainy):
        name = path.relative_to(rainy).with_suffix("").as_posix()
        if name in targets:
            yield path, targets[name]


def _role(path: Path) -> tuple[str, bool] | None:
    """What stands before the word that says which of the two this is, and whether it is the rainy one."""
    name = path.stem if path.is_file() else path.name
    match = re.fullmatch(rf"(?:(.*)[_-])?({'|'.join(RAINY + CLEAN)})", name.lower())
    return (match[1] or "", match[2] in RAINY) if match else None
