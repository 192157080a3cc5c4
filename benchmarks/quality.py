"""PSNR and SSIM of rmfd and of unlearned baselines on clean clips rained on by another generator.

    python benchmarks/quality.py CLEAN_DIR [--weights FILE] [--frames 40] [--json scores.json]

Every clip is scaled to 640 pixels in width at most; every method sees the same rainy frames, stored as most videos are: 8 bits,
4:2:0. Every fourth frame is scored, most of them restored by a state that has grown old, as in a video; scores are means over
the frames of a clip, then over clips. PSNR and SSIM are on RGB; Y is the luma that derain papers use.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import baselines
import numpy as np
import other_rain
import torch
from media import read_clip, restored_by, shown, stored
from numpy.typing import NDArray

from rmfd_cli.metrics import luma, psnr, ssim
from rmfd_cli.model.streaming import restorer
from rmfd_cli.types import Planes, Restore

EVERY = 4
"""One of so many frames is scored."""


def main() -> None:
    """Scores every method on every clip and style, and prints the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    parser.add_argument("--frames", type=int, default=40, help="frames per clip")
    parser.add_argument("--json", type=Path, help="write all scores here")
    arguments = parser.parse_args()
    ours = restorer(arguments.weights, "cpu")
    table: dict[str, dict[str, list[dict[str, float]]]] = defaultdict(lambda: defaultdict(list))
    for number, path in enumerate(sorted(arguments.clean_dir.glob("*.mp4"))):
        clean = read_clip(path, arguments.frames)
        for style_number, (name, style) in enumerate(other_rain.STYLES.items()):
            rainy = other_rain.add_rain(clean, style, seed=7919 * number + style_number)
            for method, restored in _restore_all([stored(frame) for frame in rainy], ours).items():
                table[name][method].append(_scores(restored, clean[EVERY - 1 :: EVERY]))
            before, after = (table[name][method][-1]["psnr"] for method in ("input", "rmfd"))
            print(f"{path.stem:26s} {name:6s} {before:6.2f} -> {after:6.2f} dB", flush=True)
    means = {
        style: {
            method: {key: float(np.mean([clip[key] for clip in clips])) for key in clips[0]} for method, clips in rows.items()
        }
        for style, rows in table.items()
    }
    means["all"] = {
        method: {
            key: float(np.mean([means[style][method][key] for style in other_rain.STYLES])) for key in means["light"][method]
        }
        for method in means["light"]
    }
    _print(means)
    if arguments.json:
        arguments.json.write_text(json.dumps(means, indent=1) + "\n")


def _restore_all(video: list[Planes], ours: Restore) -> dict[str, baselines.Clip]:
    """What every method makes of the scored frames of a clip."""
    rainy = np.stack([shown(planes) for planes in video])
    frames = range(EVERY - 1, len(video), EVERY)
    scored = rainy[EVERY - 1 :: EVERY]
    aligned = {radius: baselines.aligned_median(rainy, radius, frames) for radius in (1, 2)}
    return {
        "input": scored,
        "median of 3": baselines.plain_median(rainy, 1, frames),
        "median of 5": baselines.plain_median(rainy, 2, frames),
        "aligned median of 3": aligned[1],
        "aligned median of 5": aligned[2],
        "aligned 3, where brighter": baselines.replace_outliers(scored, aligned[1]),
        "aligned 5, where brighter": baselines.replace_outliers(scored, aligned[2]),
        "rmfd": restored_by(ours, video)[EVERY - 1 :: EVERY],
    }


def _scores(restored: NDArray[np.float32], clean: NDArray[np.float32]) -> dict[str, float]:
    rounded = np.round(restored.clip(0, 1) * 255).astype(np.float32) / 255
    x, y = (torch.from_numpy(clip).permute(0, 3, 1, 2) for clip in (rounded, clean))
    return {
        "psnr": float(psnr(x, y).mean()),
        "ssim": float(ssim(x, y).mean()),
        "y_psnr": float(psnr(luma(x), luma(y)).mean()),
        "y_ssim": float(ssim(luma(x), luma(y)).mean()),
    }


def _print(means: dict[str, dict[str, dict[str, float]]]) -> None:
    for style, rows in means.items():
        print(f"\n{style:28s} {'PSNR':>7s} {'SSIM':>7s} {'Y PSNR':>7s} {'Y SSIM':>7s}")
        for method, score in rows.items():
            print(f"{method:28s} {score['psnr']:7.2f} {score['ssim']:7.4f} {score['y_psnr']:7.2f} {score['y_ssim']:7.4f}")


if __name__ == "__main__":
    main()
