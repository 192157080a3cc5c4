"""Fences in rain: what is as thin, as bright and as regular as rain, and has to stay.

    python benchmarks/fence.py CLEAN_DIR [--weights FILE]

A fence is drawn on the first frame of a clip: bars or a mesh, darker or brighter than what is behind, a few pixels from each
other. The camera rests for a third of the time, and pans from then on. Neighbours can be brought into register with such a
frame in many wrong ways, in which bars lie before the gaps. Rain of `other_rain` falls before it. PSNR in dB on RGB of frames
before and after the camera has begun to move, on the fence alone.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from media import read_clip, restored_by, shown, stored
from numpy.typing import NDArray
from other_rain import STYLES, add_rain

from rmfd_cli.metrics import psnr
from rmfd_cli.model.process import keep_freed_memory
from rmfd_cli.model.streaming import restorer

FRAMES = 36
EDGE_PX = 4


class Fence(NamedTuple):
    """How a fence looks and moves."""

    period_px: tuple[float, float]
    """From bar to bar, across and down; 0 for no bars of that kind."""
    share: float
    """Of a period that is a bar."""
    light: float
    """Of the bars, of 1."""
    speed_px: tuple[float, float]
    """Right and down per frame, once the camera pans."""
    rest: int = 12
    """Frames until the camera pans."""
    far: float = 1.0
    """How fast the picture behind moves, of the fence's speed."""
    slant: float = 0.0
    """Of the bars: across by down."""


FENCES = (
    Fence((2.6, 0), 0.5, 0.2, (1.1, 0.0)),
    Fence((3.4, 0), 0.4, 0.25, (2.3, 0.2)),
    Fence((5.0, 0), 0.6, 0.15, (-3.1, 0.0)),
    Fence((7.3, 7.3), 0.2, 0.9, (1.7, 0.6)),
    Fence((12.0, 0), 0.25, 0.85, (-4.4, 0.3)),
    Fence((0, 4.2), 0.5, 0.2, (0.3, 1.4)),
    Fence((4.1, 6.0), 0.35, 0.3, (2.9, -0.4)),
)
"""Railings, wire mesh and a blind, at all speeds of a hand-held camera."""


def main() -> None:
    """Prints a row per fence, and their means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    arguments = parser.parse_args()
    keep_freed_memory()
    ours, rows = restorer(arguments.weights, "cpu"), []
    print(f"{'':40s}{'at rest':>16s}{'panned':>16s}\n{'scene':28s}{'period':>12s}" + f"{'input':>8s}{'rmfd':>8s}" * 2)
    clips = sorted(arguments.clean_dir.glob("*.mp4"))
    for path, fence in zip(clips, FENCES, strict=False):
        clean, area = scene(read_clip(path, 1)[0], fence)
        video = [stored(frame) for frame in add_rain(clean, STYLES["light"], seed=len(rows))]
        rainy, restored = np.stack([shown(planes) for planes in video]), restored_by(ours, video)
        parts = slice(fence.rest // 2, fence.rest - 1), slice(fence.rest + 1, FRAMES)
        scores = [score(clip[when], clean[when], area) for when in parts for clip in (rainy, restored)]
        rows.append(scores)
        print(f"{path.stem:28s}{'x'.join(f'{p:g}' for p in fence.period_px):>12s}" + _row(scores), flush=True)
    print(f"{'mean':40s}" + _row(np.mean(rows, 0)))


def scene(picture: NDArray[np.float32], fence: Fence, frames: int = FRAMES) -> tuple[NDArray[np.float32], tuple[slice, slice]]:
    """A picture with a fence before most of it, filmed by a camera that rests and pans.

    Args:
        picture: `[H, W, 3]` in [0, 1].
        fence: what stands there.
        frames: how many are filmed.

    Returns:
        `[T, H, W, 3]` in [0, 1], in 8 bits; and the rows and columns where the fence is in all frames.
    """
    height, width = picture.shape[:2]
    reach = [round(speed * max(0, frames - 1 - fence.rest)) for speed in fence.speed_px]
    margin = max(map(abs, reach)) + 1
    wide = cv2.copyMakeBorder(picture, *(margin,) * 4, cv2.BORDER_REFLECT_101)
    rows, columns, clip = np.arange(height)[:, None], np.arange(width)[None], []
    for t in range(frames):
        right, down = (speed * max(0, t - fence.rest) for speed in fence.speed_px)
        shift = np.array([[1, 0, fence.far * right - margin], [0, 1, fence.far * down - margin]])
        frame = cv2.warpAffine(wide, shift, (width, height), flags=cv2.INTER_CUBIC)
        across = _bars(columns + fence.slant * rows - right, fence.period_px[0], fence.share)
        along = _bars(rows - fence.slant * columns - down, fence.period_px[1], fence.share)
        covered = 1 - (1 - across) * (1 - along)
        covered = covered * _between(columns, width / 8 + right, width * 7 / 8 + right)
        covered = covered * _between(rows, height / 8 + down, height * 7 / 8 + down)
        clip.append(frame + covered[..., None] * (fence.light - frame))
    film = np.round(np.stack(clip).clip(0, 1) * 255) / 255
    return film.astype(np.float32), (_seen(height, reach[1]), _seen(width, reach[0]))


def score(clip: NDArray[np.float32], clean: NDArray[np.float32], area: tuple[slice, slice]) -> float:
    """PSNR in dB of part of a clip, as it is shown in 8 bits."""
    rows, columns = area
    ours, theirs = (torch.from_numpy(np.round(x[:, rows, columns] * 255) / 255) for x in (clip, clean))
    return float(psnr(ours[None], theirs[None]))


def _bars(pixels: NDArray[np.float64], period: float, share: float) -> NDArray[np.float64]:
    """How far pixels that begin at these places are covered by bars."""
    if not period:
        return np.zeros_like(pixels)
    # The width of all bars before a place.
    before, after = (np.floor(edge) * share + np.minimum(edge % 1, share) for edge in (pixels / period, (pixels + 1) / period))
    return (after - before) * period


def _between(pixels: NDArray[np.int64], start: float, end: float) -> NDArray[np.float64]:
    """How far pixels that begin at these places lie between two others."""
    return (np.minimum(pixels + 1, end) - np.maximum(pixels, start)).clip(0, 1)


def _seen(length: int, reach: int) -> slice:
    """Where the fence is in a row of pixels, wherever it has moved."""
    return slice(length // 8 + max(reach, 0) + EDGE_PX, length * 7 // 8 + min(reach, 0) - EDGE_PX)


def _row(scores: Iterable[float]) -> str:
    return "".join(f"{score:8.2f}" for score in scores)


if __name__ == "__main__":
    main()
