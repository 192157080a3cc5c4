"""A variant read back: pictures and layers frame by frame, and the rainy picture recomposed from them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rmfd_cli import physics
from rmfd_cli.errors import InputError
from rmfd_cli.physics import RainLayers
from rmfd_cli.rain.elements import Light
from rmfd_cli.rain.light import to_display, to_light
from rmfd_cli.synth.layers import Scale, from_codes
from rmfd_cli.synth.layouts import frame_name
from rmfd_cli.synth.request import Format
from rmfd_cli.synth.storage import pixels_of
from rmfd_cli.synth.variant import SCHEMA, to_tensor
from rmfd_cli.video.images import read_grey16, read_rgb
from rmfd_cli.video.lossless import read_lossless


class StoredFrame(NamedTuple):
    """One frame of a variant, `[C, H, W]` float32."""

    rainy: Tensor
    """What the camera saw in the rain, in [0, 1]."""
    clean: Tensor
    """What the same camera would have seen without rain: what a network is to restore."""
    background: Tensor
    """B: the clip's own picture, before rain and camera. What `layers` lie over."""
    layers: RainLayers
    motion: Tensor
    """Of the streaks, `[3, H, W]` in pixels per frame: to the right, down, nothing; 0 where it was not stored."""


def read_variant(metadata_path: Path, out: Path) -> Iterator[StoredFrame]:
    """The frames of a variant that was made with `--layers all`, or all but `motion`.

    Args:
        metadata_path: Its `metadata.json`.
        out: The data set that it belongs to.

    Raises:
        InputError: Something is missing, cannot be read, or was written by a version of rmfd that is not known here.
    """
    metadata = read_metadata(metadata_path)
    streams = metadata["streams"]
    if missing := {"background", *RainLayers._fields} - streams.keys():
        raise InputError(f"{metadata_path}: has no {', '.join(sorted(missing))}; make the data set with --layers all")
    layout: Format = metadata["request"]["format"]
    scales = {
        name: Scale(one["offset"], one["scale"], 1 if pixels_of(name) == "grey16" else 3)
        for name, one in streams.items()
        if one["bits"] == 16
    }
    readers = {name: _read_stream(out / one["path"], name, layout, metadata["frames"]) for name, one in streams.items()}
    for _ in range(metadata["frames"]):
        pictures = {name: next(reader) for name, reader in readers.items()}
        values = {
            name: from_codes(picture, scales[name]) if name in scales else to_tensor([picture])[0]
            for name, picture in pictures.items()
        }
        layers = RainLayers(**{name: values[name] for name in RainLayers._fields})
        motion = values["motion"] if "motion" in values else values["rainy"] * 0
        yield StoredFrame(values["rainy"], values["clean"], values["background"], layers, motion)


def recompose(frame: StoredFrame, light: Light) -> Tensor:
    """The rainy picture before the camera, display-referred `[3, H, W]`, computed from a frame's background and layers.

    Args:
        frame: The frame.
        light: As its metadata says.
    """
    return to_display(physics.compose(to_light(frame.background, light), frame.layers), light)


def read_metadata(path: Path) -> dict[str, Any]:
    """What `metadata.json` says.

    Raises:
        InputError: It cannot be read, or a version of rmfd wrote it that is not known here.
    """
    try:
        metadata = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    if not isinstance(metadata, dict) or metadata.get("schema") != SCHEMA:
        raise InputError(f"{path}: is not metadata that this version of rmfd knows; make the data set again")
    return metadata


def _read_stream(path: Path, stream: str, layout: Format, frames: int) -> Iterator[NDArray[Any]]:
    count = 0
    if layout == "video":
        for picture in read_lossless(path):
            count += 1
            yield picture
    else:
        read = read_grey16 if pixels_of(stream) == "grey16" else read_rgb
        for count in range(1, frames + 1):
            yield np.asarray(read(path / frame_name(count - 1, layout)))
    if count < frames:
        raise InputError(f"{path}: holds {count} frames, not {frames}; make it again")
