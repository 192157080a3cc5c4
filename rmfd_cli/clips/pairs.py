"""Which clips on disk are one clip with and without rain, by their names, whoever made them."""

import re
from collections.abc import Iterator
from pathlib import Path

from rmfd_cli.clips.find import find_clips, folders_below, is_clip
from rmfd_cli.clips.walk import is_hidden
from rmfd_cli.errors import InputError
from rmfd_cli.video.names import natural

RAINY = ("rainy", "rain", "input", "lq")
CLEAN = ("clean", "gt", "target", "hq")
LOOKED_FOR = f"a folder or video named {', '.join(RAINY)} beside one named {', '.join(CLEAN)}, or a1_Rain beside a1_GT"


def find_pairs(directory: Path) -> list[tuple[Path, Path]]:
    """The paths of every rainy clip below a directory and its clean one, in natural order; one without the other is left out.

    Layouts: what `rmfd synth` writes in any format, and what published sets have: sibling folders of clips (`input/a/`,
    `gt/a/`, also with videos), sibling clips (`a/rainy.mp4`, `a/clean.mp4`), and NTURain's `a1_Rain/`, `a1_GT/`. Hidden files
    and folders are left out, links are followed.

    Raises:
        InputError: a folder cannot be read, or a rainy clip could belong to two clean ones.
    """
    pairs = {pair for folder, _ in folders_below(directory) for pair in _siblings(folder)}
    return sorted(pairs, key=lambda pair: natural(str(pair[0])))


def same_names(rainy: Path, clean: Path) -> Iterator[tuple[Path, Path]]:
    """Clips below two folders that are called the same, but for the suffix of a video.

    Raises:
        InputError: a folder cannot be read, or two clean clips are called as a rainy one.
    """
    targets: dict[str, list[Path]] = {}
    for path in find_clips(clean):
        targets.setdefault(_name(path, clean), []).append(path)
    for path in find_clips(rainy):
        found = targets.get(_name(path, rainy), [])
        if len(found) > 1:
            raise InputError(f"{found[0]} and {found[1]}: either could belong to {path}; rename one of them, or take it out")
        yield from ((path, target) for target in found)


def _name(path: Path, top: Path) -> str:
    """What a clip below a folder is called; a folder of frames may have a dot in its name, which is no suffix."""
    below = path.relative_to(top)
    return (below if path.is_dir() else below.with_suffix("")).as_posix()


def _siblings(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Pairs among the entries of one folder: clips, or folders of clips with the same names."""
    roles: dict[tuple[str, bool], list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if not is_hidden(path.name) and (role := _role(path)):
            roles.setdefault(role, []).append(path)
    for (stem, rains), rainy_paths in roles.items():
        for rainy in rainy_paths if rains else []:
            for clean in roles.get((stem, False), []):
                if is_clip(rainy) and is_clip(clean):
                    yield rainy, clean
                elif rainy.is_dir() and clean.is_dir():
                    yield from same_names(rainy, clean)


def _role(path: Path) -> tuple[str, bool] | None:
    """What stands before the word that says which of the two this is, and whether it is the rainy one."""
    name = path.stem if path.is_file() else path.name
    match = re.fullmatch(rf"(?:(.*)[_-])?({'|'.join(RAINY + CLEAN)})", name.lower())
    return (match[1] or "", match[2] in RAINY) if match else None
