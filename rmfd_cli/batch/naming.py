"""Where each result goes: a file, a folder that mirrors the sources, or a template."""

import os
import re
from pathlib import PurePath

from rmfd_cli.batch.sources import Source
from rmfd_cli.video.location import local_name

_FIELD = re.compile(r"\{(stem|suffix|name|folder|number)\}")
"""What a template may hold in braces; other braces stay as they are, since names may hold them."""
_KEPT_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
"""Of containers that can hold what rmfd writes by default; Matroska takes the place of all others."""


def is_template(output: str) -> bool:
    """Whether an output is a template such as `out/{stem}_dry{suffix}`."""
    return _FIELD.search(output) is not None


def is_folder(output: str, several: bool) -> bool:
    """Whether an output is a folder: one that exists or ends in `/`, or for several sources a name without suffix."""
    bare = several and not PurePath(output).suffix
    return output.endswith(("/", os.sep)) or os.path.isdir(output) or bare


def target_of(source: Source, number: int, output: str, folder: bool, lossless: bool) -> str:
    """The file, or for frames the folder, that a source is written to.

    Args:
        source: One of the sources.
        number: Which one, from 1.
        output: A file, a folder, or a template.
        folder: Whether it is a folder.
        lossless: Whether only Matroska holds what is written.
    """
    name = PurePath(source.place).name
    stem, own = (name, "") if source.frames else os.path.splitext(name)
    suffix = own if own.lower() in _KEPT_SUFFIXES and not lossless else ".mkv"
    if is_template(output):
        place = source.below if source.from_folder else PurePath(local_name(source.path)).parent
        parts = [part for part in PurePath(place).parts if part not in ("..", PurePath(place).anchor)]
        values = {
            "stem": stem,
            "suffix": "" if source.frames else suffix,
            "name": name,
            "folder": "/".join(parts) or ".",
            "number": str(number),
        }
        return os.path.normpath(_FIELD.sub(lambda match: values[match[1]], output))
    if not folder:
        return output
    if source.frames and source.from_folder:
        return os.path.normpath(os.path.join(output, source.below))
    return os.path.normpath(os.path.join(output, source.below, stem + ("" if source.frames else suffix)))
