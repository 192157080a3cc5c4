"""Rain in front of a camera that rests: real clips, stabilised, against their own median over time.

    python benchmarks/resting.py CLIPS_DIR [--weights FILE] [--frames 60] [--input 32.3]

No clip at hand rests, so that each is brought into register with its middle frame by a homography (ECC, Evangelidis and
Psarakis, PAMI 2008), which leaves real rain, and noise, on a scene that stands nearly still. PSNR in dB on RGB of every eighth
frame, where all frames see. A clip whose scene moves by itself, or is no plane, says little: its input and its medians are all
alike. Stabilising leaves motion of a tenth of a pixel and more that comes and goes, which a tripod does not: in the last column
rmfd takes all for still. How far frames are from their median differs from clip to clip: `--input` makes all that departs from
it weaker or stronger by one factor, so that the input scores the same on each.
"""

import argparse
from pathlib import Path
from unittest import mock

import baselines
import cv2
import numpy as np
from media import read_clip, restored_rgb
from no_reference import masked_psnr
from numpy.typing import NDArray

from rmfd_cli.model.streaming import restorer
from rmfd_cli.types import Restore

EVERY = 8
EDGE_PX = 8
"""Left out at the border, where frames end at different places."""
ECC_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 1e-5)


def main() -> None:
    """Prints a row per clip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips_dir", type=Path)
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--input", type=float, metavar="DB", help="what the input is to score; as it is, unless given")
    arguments = parser.parse_args()
    ours = restorer(arguments.weights, "cpu")
    names = ("input", "median of 5", "aligned 5, where brighter", "rmfd", "rmfd, all taken for still")
    print(f"{'clip':24s}" + "".join(f" {name:>26s}" for name in names))
    for path in sorted(arguments.clips_dir.glob("*.mp4")):
        clip, seen = stabilised(read_clip(path, arguments.frames))
        scene, frames = np.median(clip, 0), range(EVERY, len(clip) - EVERY // 2, EVERY)
        if arguments.input is not None:
            share = 10 ** ((_score(clip[frames], scene, seen) - arguments.input) / 20)
            clip = np.round((scene + share * (clip - scene)).clip(0, 1) * 255).astype(np.float32) / 255
        aligned = baselines.aligned_median(clip, 2, frames)
        restored = (
            clip[frames],
            baselines.plain_median(clip, 2, frames),
            baselines.replace_outliers(clip[frames], aligned),
            restored_rgb(ours, clip)[frames],
            _taken_for_still(ours, clip)[frames],
        )
        print(f"{path.stem:24s}" + "".join(f" {_score(method, scene, seen):26.2f}" for method in restored), flush=True)


def _score(frames: baselines.Clip, scene: NDArray[np.float32], seen: NDArray[np.bool_]) -> float:
    rounded = np.round(frames.clip(0, 1) * 255) / 255
    return float(np.mean([masked_psnr(frame[None], scene, seen[None]) for frame in rounded]))


def _taken_for_still(ours: Restore, clip: baselines.Clip) -> baselines.Clip:
    with mock.patch("rmfd_cli.model.flow.estimate_flow", lambda luma, *_: np.zeros((*luma.shape, 2), np.float32)):
        return restored_rgb(ours, clip)


def stabilised(clip: baselines.Clip) -> tuple[baselines.Clip, NDArray[np.bool_]]:
    """A clip in register with its middle frame, sides even and rounded to 8 bits, and which pixels all frames see."""
    frames, height, width = clip.shape[:3]
    lumas = [cv2.GaussianBlur(cv2.cvtColor((frame * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY), (0, 0), 1.0) for frame in clip]
    middle = frames // 2
    found = {middle: np.eye(3, dtype=np.float32)}
    for onwards in (range(middle + 1, frames), range(middle - 1, -1, -1)):
        last = found[middle]
        for t in onwards:
            last = _homography(lumas[middle], lumas[t], last)
            found[t] = last
    how, size = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, (width, height)
    steady = [cv2.warpPerspective(clip[t], found[t], size, flags=how, borderMode=cv2.BORDER_REPLICATE) for t in range(frames)]
    whole = np.ones((height, width), np.uint8)
    seen = np.min([cv2.warpPerspective(whole, found[t], size, flags=cv2.WARP_INVERSE_MAP) for t in range(frames)], 0) > 0
    rows, columns = np.where(seen)
    top, left = rows.min(), columns.min()
    bottom, right = (start + (end + 1 - start) // 2 * 2 for start, end in ((top, rows.max()), (left, columns.max())))
    inside = seen[top:bottom, left:right]
    inside[:EDGE_PX] = inside[-EDGE_PX:] = False
    inside[:, :EDGE_PX] = inside[:, -EDGE_PX:] = False
    return np.round(np.stack(steady)[:, top:bottom, left:right].clip(0, 1) * 255).astype(np.float32) / 255, inside


def _homography(still: NDArray[np.uint8], moved: NDArray[np.uint8], guess: NDArray[np.float32]) -> NDArray[np.float32]:
    """From the one picture to the other; the guess where ECC does not converge."""
    try:
        found = cv2.findTransformECC(still, moved, guess.copy(), cv2.MOTION_HOMOGRAPHY, ECC_STEPS, None, 5)[1]  # type: ignore[call-overload]
    except cv2.error:
        return guess
    return np.asarray(found, np.float32)


if __name__ == "__main__":
    main()
