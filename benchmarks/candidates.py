"""What each source that covered pixels are filled from is worth: PSNR with each one forbidden in turn.

    python benchmarks/candidates.py CLEAN_DIR [--weights FILE] [--frames 6]

The network is not trained anew, so a source that others can stand in for shows small here. Every second clip, its upper left
320×240 pixels, light and heavy rain of another generator; RGB PSNR in dB, means over clips.
"""

import argparse
from pathlib import Path

import numpy as np
import other_rain
import torch
from media import read_clip
from numpy.typing import NDArray

from rmfd_cli.metrics import psnr
from rmfd_cli.model.checkpoint import load_model, shipped_weights
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.streaming import restore

SOURCES = ("following frame", "last estimate")
STYLES = ("light", "heavy")


def main() -> None:
    """Prints one row per forbidden source."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--weights", type=Path, help="a safetensors file; the shipped small model if left out")
    parser.add_argument("--frames", type=int, default=6, help="frames per clip")
    arguments = parser.parse_args()
    model = load_model(arguments.weights or shipped_weights("small"))
    clips = [read_clip(path, arguments.frames)[:, :240, :320] for path in sorted(arguments.clean_dir.glob("*.mp4"))[::2]]
    print(f"{'forbidden':32s}" + "".join(f"{style:>8s}" for style in STYLES))
    print(f"{'nothing':32s}" + "".join(f"{score:8.2f}" for score in scores(model, clips)))
    bias = model.recovery.rain.bias
    assert bias is not None
    kept = bias.clone()
    for forbidden in ((0,), (1,), (0, 1)):
        bias.copy_(kept)
        for source in forbidden:
            bias[16 * source : 16 * (source + 1)] = -50
        if len(forbidden) == len(SOURCES):
            bias[16 * len(SOURCES) : 16 * (len(SOURCES) + 1)] = -50
        name = " and ".join(SOURCES[source] for source in forbidden)
        print(f"{name:32s}" + "".join(f"{score:8.2f}" for score in scores(model, clips)))


def scores(model: Rmfd, clips: list[NDArray[np.float32]]) -> list[float]:
    """Mean PSNR in dB by style."""
    means = []
    for style in STYLES:
        values = []
        for seed, clean in enumerate(clips):
            rainy = other_rain.add_rain(clean, other_rain.STYLES[style], seed)
            frames = np.round(rainy * 255).astype(np.uint8)
            restored = rainy + np.stack(list(restore(iter(frames), model, torch.device("cpu"))))
            x, y = (torch.from_numpy(clip).permute(0, 3, 1, 2) for clip in (restored.clip(0, 1), clean))
            values.append(float(psnr(x, y).mean()))
        means.append(float(np.mean(values)))
    return means


if __name__ == "__main__":
    main()
