"""What is lost of video in which no rain falls: PSNR between input and output.

    python benchmarks/dry.py CLEAN_DIR [--weights FILE] [--frames 60]

Every clip at any depth, 640 pixels wide at most, stored in 8 bits and 4:2:0; RGB PSNR in dB, by the mean squared error of all
frames, of the first, of which no frame before tells that it is dry, and of the worst. Most is lost first in the table.
"""

import argparse
from pathlib import Path

import numpy as np
from media import read_clip, restored_by, shown, stored

from rmfd_cli.model.process import keep_freed_memory
from rmfd_cli.model.streaming import restorer


def main() -> None:
    """Prints a row per clip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    parser.add_argument("--frames", type=int, default=60)
    arguments = parser.parse_args()
    keep_freed_memory()
    ours, rows = restorer(arguments.weights, "cpu"), []
    for path in sorted(arguments.clean_dir.rglob("*.mp4")):
        video = [stored(frame) for frame in read_clip(path, arguments.frames)]
        before, after = np.stack([shown(planes) for planes in video]), restored_by(ours, video)
        # As they are shown: in 8 bits.
        errors = ((np.round(after * 255) - np.round(before * 255)) ** 2).mean((1, 2, 3))
        rows.append((path.stem, *map(psnr_db, (errors.mean(), errors[0], errors.max()))))
    print(f"{'clip':28s} {'all':>7s} {'first':>7s} {'worst':>7s}")
    for name, *scores in sorted(rows, key=lambda row: row[1]):
        print(f"{name:28s}" + "".join(f" {score:7.1f}" for score in scores))


def psnr_db(squared_error: float) -> float:
    """Of a mean squared error in code values."""
    return 10 * float(np.log10(255**2 / max(squared_error, 1e-6)))


if __name__ == "__main__":
    main()
