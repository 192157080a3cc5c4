"""What is lost of video in which no rain falls: PSNR between input and output.

    python benchmarks/dry.py CLEAN_DIR [--weights FILE] [--frames 60]

Every clip at any depth, 640 pixels wide at most, stored in 8 bits and 4:2:0; RGB PSNR in dB, by the mean squared error of all
frames, of the first, of which no frame before tells that it is dry, and of the worst. Most is lost first in the table.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from media import read_clip, restored_by, shown, stored

from rmfd_cli.metrics import psnr
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
        clips = np.stack([shown(planes) for planes in video]), restored_by(ours, video)
        # As they are shown: in 8 bits.
        before, after = (torch.from_numpy(np.round(clip * 255) / 255) for clip in clips)
        frames = psnr(after, before)
        rows.append((path.stem, float(psnr(after[None], before[None])), float(frames[0]), float(frames.min())))
    print(f"{'clip':28s} {'all':>7s} {'first':>7s} {'worst':>7s}")
    for name, *scores in sorted(rows, key=lambda row: row[1]):
        print(f"{name:28s}" + "".join(f" {score:7.1f}" for score in scores))


if __name__ == "__main__":
    main()
