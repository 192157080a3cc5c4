"""Depth maps beside the clips: how far away the scene is, in metres.

Below the folder of depth maps, clip `town/street` has either one map for all frames, `town/street.png` or
`town/street.npy`, or a folder `town/street/` with one map per frame, numbered. A PNG has one channel of 16 bits and holds
256 units per metre, 0 where nothing was measured, as in the KITTI depth benchmark (Uhrig et al., 3DV 2017); an `.npy` holds
float metres, with what is not finite or not positive as not measured. What was not measured counts as `FAR_M`.
"""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.errors import InputError
from rmfd_cli.synth.frames import fit
from rmfd_cli.video.images import read_grey16
from rmfd_cli.video.names import natural

FAR_M = 1000.0
"""Sensors measure nothing where nothing is near: mostly sky."""
_UNITS_PER_METRE = 256


def depth_maps(depth_dir: Path, clip: str, size_px: tuple[int, int]) -> Iterator[NDArray[np.float32]]:
    """Depth of every frame of a clip.

    Args:
        depth_dir: The folder of depth maps.
        clip: The clip's name.
        size_px: (width, height) of the rendered frame: maps are scaled and cropped as the pictures are.

    Yields:
        float32 `[H, W]` in metres; without end where there is one map for all frames.

    Raises:
        InputError: The clip has no map, or one cannot be read.
    """
    base = depth_dir / clip
    paths = depth_files(depth_dir, clip)
    if len(paths) == 1 and paths[0].parent == base.parent:
        yield from repeat(_read(paths[0], size_px))
    for path in paths:
        yield _read(path, size_px)
    there = f"{len(paths)} depth map{'s' if len(paths) > 1 else ''}"
    raise InputError(
        f"{base}: has {there}, fewer than the clip has frames; add the others, or put one for all frames as {base.name}.png"
    )


def depth_files(depth_dir: Path, clip: str) -> list[Path]:
    """The depth maps of a clip, in order.

    Args:
        depth_dir: The folder of depth maps.
        clip: The clip's name.

    Raises:
        InputError: It has none.
    """
    base = depth_dir / clip
    for suffix in (".png", ".npy"):
        single = base.with_name(base.name + suffix)
        if single.is_file():
            return [single]
    paths = sorted((p for p in base.glob("*") if p.suffix in (".png", ".npy")), key=lambda path: natural(path.name))
    if not paths:
        raise InputError(f"{base}: there is no depth map of this name, as .png, .npy or a folder; add it or omit --depth-dir")
    return paths


def _read(path: Path, size_px: tuple[int, int]) -> NDArray[np.float32]:
    if path.suffix == ".png":
        metres: NDArray[Any] = read_grey16(path).astype(np.float32) / _UNITS_PER_METRE
    else:
        try:
            metres = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{path}: is not an array of numbers that can be read ({error})") from None
        if metres.ndim != 2 or not np.issubdtype(metres.dtype, np.floating):
            raise InputError(f"{path}: holds {metres.dtype} {metres.shape}; a depth map is floating point of two dimensions")
    measured = np.isfinite(metres) & (metres > 0)
    filled = np.where(measured, metres, FAR_M).astype(np.float32)
    return fit(filled, size_px, cv2.INTER_NEAREST)
