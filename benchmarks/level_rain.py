"""Sets what is taken off video without rain to nothing in the mean, and leaves the result as it is.

    python benchmarks/level_rain.py CLEAN_DIR weights/rmfd-small.safetensors [--frames 12] [--out FILE]

How hard it rains is told by the light that stage 1 takes off (`model/rest.py`, `model/witness.py`), down to a fifth of a code
value. Training asks for the result; of clips whose veil is not known it does not ask for H, so that stage 1 may learn to give
all pixels a little light that stage 2 takes back. The median over dry clips of what they have too much goes from the one to the
other.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from media import read_clip

from rmfd_cli.model.checkpoint import export_weights, load_model
from rmfd_cli.model.network import Rmfd, block
from rmfd_cli.model.passes import LUMA, MAPS
from rmfd_cli.model.placing import placed, precision_for
from rmfd_cli.model.streaming import restore_from
from rmfd_cli.video.ycc import ycc_of_rgb

CPU = torch.device("cpu")
SETTLED = 3
"""Frames of a scene that are not counted: the first knows next to nothing."""


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--frames", type=int, default=12, help="of each clip")
    parser.add_argument("--out", type=Path, help="instead of the file itself")
    arguments = parser.parse_args()
    model = load_model(arguments.weights)
    taken = []
    for path in sorted(arguments.clean_dir.glob("*.mp4")):
        taken.append(taken_off(model, path, arguments.frames))
        print(f"{path.stem:26s} {255 * taken[-1]:6.2f}", flush=True)
    level = float(np.median(taken))
    print(f"{'median, in code values':26s} {255 * level:6.2f}")
    with torch.no_grad():
        for bias, rows in ((model.recovery.rain.bias, block(MAPS, "glow")), (model.refinement.out.bias, slice(0, LUMA))):
            assert bias is not None
            bias[rows] -= level
    export_weights(model, arguments.out or arguments.weights)


def taken_off(model: Rmfd, path: Path, frames: int) -> float:
    """Mean light that a clip loses in stage 1, of 1."""
    clip = (np.round(frame * 255).astype(np.uint8) for frame in read_clip(path, frames))
    left = restore_from(None, map(ycc_of_rgb, clip), placed(model, CPU, precision_for(CPU, model)), CPU)
    return float(np.mean([memory.state.calm[0, 0].item() for _, memory in left][SETTLED:]))


if __name__ == "__main__":
    main()
