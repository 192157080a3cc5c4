"""Rain in videos that show pictures more than once, as those of another frame rate do.

    python benchmarks/copies.py CLEAN_DIR [--weights FILE] [--frames 24]

Mean PSNR in dB on RGB of all clips in rain of another generator, of every frame: as it is, each picture twice, and one in four
twice; the same after a camera's coder (H.264, CRF 23), against the dry clip that went through none. In the second column of
each, copies are taken for pictures of their own.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import other_rain
from media import coded, read_clip, restored_rgb
from transplant import psnr_db

from rmfd_cli.model.process import keep_freed_memory
from rmfd_cli.model.streaming import restorer
from rmfd_cli.types import Ycc

CRF, RATE = 23, 50
ORDERS: dict[str, Callable[[int], Iterable[int]]] = {
    "once": range,
    "twice": lambda count: (k // 2 for k in range(2 * count)),
    "one in four twice": lambda count: (k - k // 5 for k in range(count + count // 4)),
}
"""Which picture each frame shows."""


def main() -> None:
    """Prints a row per style and order."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    parser.add_argument("--frames", type=int, default=24)
    arguments = parser.parse_args()
    keep_freed_memory()
    ours = restorer(arguments.weights, "cpu")

    def by_itself(frames: Iterable[Ycc]) -> Iterator[Ycc]:
        with mock.patch("rmfd_cli.model.repeats.MOST_TIMES", 1):
            yield from ours(frames)

    pairs = [(seed, read_clip(path, arguments.frames)) for seed, path in enumerate(sorted(arguments.clean_dir.glob("*.mp4")))]
    print(f"{'rain':8s}{'pictures':20s}{'exact':>9s}{'each':>9s}{'coded':>9s}{'each':>9s}")
    for style in ("light", "heavy"):
        rainy = [other_rain.add_rain(clean, other_rain.STYLES[style], seed) for seed, clean in pairs]
        for name, order in ORDERS.items():
            rows = []
            for rain, (_, clean) in zip(rainy, pairs, strict=True):
                shown = [k for k in order(len(clean)) if k < len(clean)]
                clips = rain[shown], coded(rain[shown], CRF, RATE)
                rows.append([psnr_db(restored_rgb(way, clip), clean[shown]) for clip in clips for way in (ours, by_itself)])
            print(f"{style:8s}{name:20s}" + "".join(f"{mean:9.2f}" for mean in np.mean(rows, 0)), flush=True)


if __name__ == "__main__":
    main()
