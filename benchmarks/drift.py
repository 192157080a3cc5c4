"""Whether results change as the recurrent state grows old: PSNR at the beginning and at the end of a long run.

    python benchmarks/drift.py CLEAN_DIR [--weights FILE] [--frames 3000]

Each clip's upper left 320×240 pixels run forward and backward without a cut, so that the same fifty rainy frames come again
and again; light and heavy rain and a veil of another generator. RGB PSNR in dB.
"""

import argparse
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import other_rain
import torch
from media import read_clip
from numpy.typing import NDArray

from rmfd_cli.metrics import psnr
from rmfd_cli.model.process import keep_freed_memory
from rmfd_cli.model.streaming import restorer
from rmfd_cli.types import Restore
from rmfd_cli.video.ycc import rgb_change, ycc_of_rgb

TURN = 26
"""Frames up to where a clip runs backward, so that a period is fifty frames."""
SCORED = 100
"""Frames that are scored together."""


def main() -> None:
    """Prints one row per clip and style."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    parser.add_argument("--frames", type=int, default=3000, help="frames per run, a multiple of fifty")
    parser.add_argument("--clips", type=int, default=1, help="how many clips")
    arguments = parser.parse_args()
    keep_freed_memory()
    ours = restorer(arguments.weights, "cpu")
    print(f"{'clip':26s} {'rain':6s} {'first 100':>10s} {'next 100':>10s} {'last 100':>10s}")
    paths = [path for path in sorted(arguments.clean_dir.glob("*.mp4")) if len(read_clip(path, TURN)) == TURN]
    for seed, path in enumerate(paths[: arguments.clips]):
        clip = read_clip(path, TURN)[:, :240, :320]
        clean = np.concatenate([clip, clip[-2:0:-1]])
        for name, style in other_rain.STYLES.items():
            rainy = np.round(other_rain.add_rain(clean, style, seed) * 255).astype(np.uint8)
            scores = list(score(clean, rainy, ours, arguments.frames))
            parts = (scores[:SCORED], scores[SCORED : 2 * SCORED], scores[-SCORED:])
            print(f"{path.stem:26s} {name:6s}" + "".join(f" {np.mean(part):10.2f}" for part in parts), flush=True)


def score(clean: NDArray[np.float32], rainy: NDArray[np.uint8], ours: Restore, frames: int) -> Iterator[float]:
    """PSNR in dB of every frame of a run that repeats a clip `[T, H, W, 3]`."""
    images = [ycc_of_rgb(frame) for frame in rainy]
    for t, change in enumerate(ours(islice(cycle(images), frames))):
        k = t % len(clean)
        restored = (rainy[k].astype(np.float32) / 255 + rgb_change(change)).clip(0, 1)
        yield float(psnr(*(torch.from_numpy(x).permute(2, 0, 1)[None] for x in (restored, clean[k]))).mean())


if __name__ == "__main__":
    main()
