"""Rain in front of a tripod: pictures in a real camera's noise and code, against their own median over time.

    python benchmarks/still.py RAINY_CLIP CLEAN_DIR [--weights FILE] [--strength 0.6]

The pictures are the first frames of clean clips. The rain is `transplant.py`'s, every frame has new noise, and all goes
through H.264 as a camera's film does. PSNR in dB on RGB against the median of all frames, of every fourth; the last two columns
are those of the first second and of the last.
"""

import argparse
from pathlib import Path

import baselines
import numpy as np
from media import coded, read_clip, restored_by, shown, stored
from transplant import Opacity, middle, psnr_db, rain_of, under

from rmfd_cli.model.process import keep_freed_memory
from rmfd_cli.model.streaming import restorer

FRAMES, EVERY, SECOND = 121, 4, 25
NOISE = 2 / 255
"""Standard deviation of the sensor's noise, of 1."""
CRF = 23
"""Of the camera's coder."""


def main() -> None:
    """Prints a row per clip, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rainy_clip", type=Path)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    parser.add_argument("--strength", type=float, default=0.6, help="times the opacity that was found")
    arguments = parser.parse_args()
    keep_freed_memory()
    rain = rain_of(read_clip(arguments.rainy_clip, 64)) * arguments.strength
    ours, rows = restorer(arguments.weights, "cpu"), []
    print(f"{'clip':28s}{'input':>8s}{'median 5':>10s}{'rmfd':>8s}{'first':>8s}{'last':>8s}")
    for path in sorted(arguments.clean_dir.glob("*.mp4")):
        video = [stored(frame) for frame in filmed(read_clip(path, 1, max_width=10_000), rain)]
        rainy, restored = np.stack([shown(planes) for planes in video]), restored_by(ours, video)
        frames = range(EVERY // 2, FRAMES, EVERY)
        median = baselines.plain_median(rainy, 2, frames)
        scored = rainy[frames], median, restored[frames], restored[:SECOND], restored[-SECOND:]
        scene = np.median(rainy, 0)
        rows.append([psnr_db(clip, np.repeat(scene[None], len(clip), 0)) for clip in scored])
        print(f"{path.stem:28s}" + _row(rows[-1]), flush=True)
    print(f"{'mean':28s}" + _row(np.mean(rows, 0).tolist()))


def filmed(picture: baselines.Clip, rain: Opacity) -> baselines.Clip:
    """What a camera on a tripod makes of a picture `[1, H, W, 3]` in rain."""
    rng = np.random.default_rng(0)
    rainy = under(rain, np.repeat(middle(picture), FRAMES, 0))
    return coded(rainy + rng.normal(0, NOISE, rainy.shape), CRF, SECOND)


def _row(scores: list[float]) -> str:
    return "".join(f"{score:{width}.2f}" for score, width in zip(scores, (8, 10, 8, 8, 8), strict=True))


if __name__ == "__main__":
    main()
