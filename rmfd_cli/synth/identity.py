"""Which files a variant is made from, so that a source that has changed since is noticed."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rmfd_cli.errors import InputError
from rmfd_cli.synth.depth import depth_files
from rmfd_cli.synth.sources import Clip


class Identity(NamedTuple):
    """What a clip's files hold."""

    bytes: int
    """Of all its files together."""
    sha256: str
    """Of a video's bytes; of a folder of frames, of their names and the SHA-256 of each."""
    depth_sha256: str | None
    """Of the names of its depth maps and the SHA-256 of each; None without any."""


def identify(clip: Clip, depth_dir: str | None) -> Identity:
    """Read all files of a clip.

    Args:
        clip: The clip.
        depth_dir: The folder of depth maps; None without any.

    Raises:
        InputError: A file cannot be read, or the clip has no depth map.
    """
    maps = None if depth_dir is None else depth_files(Path(depth_dir), clip.name)
    try:
        return Identity(
            bytes=sum(path.stat().st_size for path in clip.frames or (clip.path,)),
            sha256=_sha256_of_all(clip.frames) if clip.frames else file_sha256(clip.path),
            depth_sha256=None if maps is None else _sha256_of_all(maps),
        )
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}); check the name and the disk") from None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sha256_of_all(paths: Iterable[Path]) -> str:
    lines = (f"{path.name} {file_sha256(path)}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
