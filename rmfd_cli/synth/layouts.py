"""Where the files of a data set lie: rmfd's own layouts and those that restoration toolboxes read.

| `--format` | rainy pictures           | clean pictures         | frames                  | who reads it                |
|------------|--------------------------|------------------------|-------------------------|-----------------------------|
| `video`    | `CLIP/0/rainy.mkv`       | `CLIP/0/clean.mkv`     | lossless FFV1           | rmfd, any player            |
| `frames`   | `CLIP/0/rainy/`          | `CLIP/0/clean/`        | `00000000.png` and on   | anything                    |
| `basicsr`  | `Rain/000/`              | `GT/000/`              | `00000000.png` and on   | BasicSR, with meta_info.txt |
| `nturain`  | `CLIP-0_Rain/`           | `CLIP-0_GT/`           | `00001.png` and on      | loaders of NTURain          |
| `rainsyn`  | `Rain/CLIP-0/`           | `GT/CLIP-0/`           | `00000000.png` and on   | mmagic, RainSynAll100       |

CLIP is the clip's path below the folder of clips, blanks as `_`; 0 stands for the variant. The last three know no folders
inside folders: there, `town/street` is `town__street`, or a running number. Layers lie beside the pictures under their own
names, and `metadata.json` beside them or, in the last three, as `metadata/NAME.json`.
"""

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rmfd_cli.errors import UsageError
from rmfd_cli.synth.plan import Job
from rmfd_cli.synth.request import Format

_OWN = ("video", "frames")
_FOLDERS = {"rainy": "Rain", "clean": "GT"}


class Place(NamedTuple):
    """Where one variant lies, relative to the data set."""

    name: str
    """What `meta_info.txt` calls it; without blanks."""
    metadata: PurePosixPath
    """The file that says that the variant is complete."""
    units: tuple[PurePosixPath, ...]
    """Files and folders that belong to this variant alone, in the order of publication; the last is or holds `metadata`."""


def place(job: Job, streams: tuple[str, ...], layout: Format) -> Place:
    """Where a variant lies.

    Args:
        job: The variant.
        streams: What is stored of it.
        layout: In which format.
    """
    name = _name(job, layout)
    if layout in _OWN:
        return Place(name, PurePosixPath(name, "metadata.json"), (PurePosixPath(name),))
    metadata = PurePosixPath("metadata", f"{name}.json")
    return Place(name, metadata, (*(stream_path(job, stream, layout) for stream in streams), metadata))


def stream_path(job: Job, stream: str, layout: Format) -> PurePosixPath:
    """The file (`video`) or folder of numbered pictures (all others) of one stream: `rainy`, `clean`, a layer."""
    name = _name(job, layout)
    if layout == "video":
        return PurePosixPath(name, f"{stream}.mkv")
    if layout == "frames":
        return PurePosixPath(name, stream)
    if layout == "nturain":
        return PurePosixPath(f"{name}_{_FOLDERS.get(stream, stream)}")
    return PurePosixPath(_FOLDERS.get(stream, stream), name)


def frame_name(index: int, layout: Format) -> str:
    """The file name of picture `index`, counted from 0."""
    return f"{index + 1:05d}.png" if layout == "nturain" else f"{index:08d}.png"


def check_places(jobs: list[Job], streams: tuple[str, ...], layout: Format) -> None:
    """Make sure that no variant lies in another's place.

    Raises:
        UsageError: One does, e.g. clip `a` in folder `a/0` and a clip `a/0/b`.
    """
    owners: dict[PurePosixPath, Job] = {}
    for job in jobs:
        for unit in place(job, streams, layout).units:
            if unit in owners:
                raise _collision(owners[unit], job, unit)
            owners[unit] = job
    for unit, job in owners.items():
        for above in unit.parents:
            if above in owners:
                raise _collision(owners[above], job, above)


def _collision(one: Job, other: Job, unit: PurePosixPath) -> UsageError:
    return UsageError(f"{one.clip.path} and {other.clip.path}: both would lie in {Path(unit)}; rename one of the clips")


def _name(job: Job, layout: Format) -> str:
    clip = re.sub(r"\s", "_", job.clip.name)
    if layout in _OWN:
        return f"{clip}/{job.variant}"
    return f"{job.number:03d}" if layout == "basicsr" else f"{clip.replace('/', '__')}-{job.variant}"
