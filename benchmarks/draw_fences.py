"""Clips with fences before them, to learn from: `fence.py`'s scenes, with everything about a fence at random.

    python benchmarks/draw_fences.py CLEAN_DIR OUT [--clips 54] [--frames 32] [--seed 0]

`rmfd synth OUT --preset edited` makes pairs of them. The pictures behind are frames of the clips, in turn.
"""

import argparse
from fractions import Fraction
from pathlib import Path

import numpy as np
from fence import Fence, scene
from media import read_clip
from numpy.typing import NDArray

from rmfd_cli.video.lossless import LosslessWriter

SIZE_PX = 640, 480


def main() -> None:
    """Writes the clips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=int, default=54)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    sources = sorted(arguments.clean_dir.rglob("*.mp4"))
    arguments.out.mkdir(parents=True, exist_ok=True)
    for number in range(arguments.clips):
        source = sources[number % len(sources)]
        picture = read_clip(source, 1 + int(rng.integers(20)))[-1]
        write(arguments.out / f"fence-{number:03d}.mkv", scene(picture, draw_fence(rng), arguments.frames)[0])


def draw_fence(rng: np.random.Generator) -> Fence:
    """Railings, blinds and wire mesh, dark or bright, in front of a camera that pans in most clips."""
    kind = rng.choice(["railing", "blind", "mesh"], p=[0.6, 0.15, 0.25])
    across, down = np.exp(rng.uniform(np.log(2.4), np.log(14), 2))
    return Fence(
        period_px=(0 if kind == "blind" else across, 0 if kind == "railing" else down),
        share=rng.uniform(0.15, 0.65),
        light=rng.uniform(0.05, 0.35) if rng.random() < 0.5 else rng.uniform(0.65, 0.95),
        speed_px=(rng.uniform(-4.5, 4.5), rng.uniform(-1.5, 1.5)),
        rest=int(rng.choice([0, 8, 16, 1000], p=[0.5, 0.2, 0.2, 0.1])),
        far=rng.choice([1.0, rng.uniform(0.3, 1)]),
        slant=rng.choice([0.0, rng.normal(0, 0.06)]),
    )


def write(path: Path, clip: NDArray[np.float32]) -> None:
    """Stores the upper left of a clip, `SIZE_PX` at most, without loss."""
    pictures = np.rint(clip[:, : SIZE_PX[1], : SIZE_PX[0]] * 255).astype(np.uint8)
    with LosslessWriter(path, "rgb8", pictures.shape[2:0:-1], Fraction(25)) as writer:
        for picture in pictures:
            writer.write(picture)


if __name__ == "__main__":
    main()
