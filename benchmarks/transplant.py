"""Rain that was rendered into one clip, taken out of it and laid over clean clips, where the truth is known.

    python benchmarks/transplant.py RAINY_CLIP CLEAN_DIR [--weights FILE] [--frames 24] [--strength 1.25]

For a clip of a public data set whose own truth is not at hand (`ntu-b1-nogt`, of NTURain, is one): what is brighter than the
median of the neighbours in register, long, thin and upright, is its rain, as an opacity under a near-white light. Faint rain
and rain in front of leaves is missed, for which the strength makes up: 1.25 gives that clip's rain the error that NTURain's
clips have. The middle of each clean clip, 640×480 at most at its own resolution, gets it; PSNR in dB on RGB, of all frames but
the first and last two, each stored in 8 bits as 4:2:0 before.
"""

import argparse
from pathlib import Path

import baselines
import cv2
import numpy as np
import torch
from media import read_clip, restored_by, shown, stored
from numpy.typing import NDArray

from rmfd_cli.metrics import psnr
from rmfd_cli.model.streaming import restorer

SIZE = (480, 640)
"""(H, W) of what is scored of a clean clip, at most."""
EDGE = 2
"""Frames at either end that are not scored."""
RADIUS = 3
"""So many neighbours on either side say what is behind a frame's rain."""
LIGHT = 0.9
"""Of the drops."""

_FAINTEST = 0.018
"""Least opacity of a streak's core."""
_DOUBT = 0.03
"""Where neighbours differ by more among themselves, they show nothing reliable, but of rain five times as strong."""
_SHORTEST_PX, _ELONGATION, _LEAN_DEGREES = 9, 2.2, 25
"""A streak's length at least, how many times it is longer than wide, and how far it leans at most."""

Opacity = NDArray[np.float32]
"""`[T, H, W]` in [0, 1)."""


def main() -> None:
    """Prints a row per clip, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rainy_clip", type=Path)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    parser.add_argument("--frames", type=int, default=24, help="of each clean clip")
    parser.add_argument("--strength", type=float, default=1.25, help="times the opacity that was found")
    arguments = parser.parse_args()
    rain = rain_of(read_clip(arguments.rainy_clip, 64)) * arguments.strength
    ours, rows = restorer(arguments.weights, "cpu"), []
    names = ("input", "aligned 5", "aligned 5, where brighter", "rmfd")
    print(f"{'clip':28s}" + "".join(f" {name:>26s}" for name in names))
    for path in sorted(arguments.clean_dir.glob("*.mp4")):
        clean = middle(read_clip(path, arguments.frames, max_width=10_000))
        video = [stored(frame) for frame in under(rain, clean)]
        rainy, frames = np.stack([shown(planes) for planes in video]), range(EDGE, len(video) - EDGE)
        aligned = baselines.aligned_median(rainy, 2, frames)
        restored = (
            rainy[frames],
            aligned,
            baselines.replace_outliers(rainy[frames], aligned),
            restored_by(ours, video)[frames],
        )
        rows.append([psnr_db(method, clean[frames]) for method in restored])
        print(f"{path.stem:28s}" + "".join(f" {score:26.2f}" for score in rows[-1]), flush=True)
    print(f"{'mean':28s}" + "".join(f" {score:26.2f}" for score in np.mean(rows, 0)))


def psnr_db(restored: baselines.Clip, clean: baselines.Clip) -> float:
    """Mean over frames, of what is rounded to 8 bits."""
    rounded = (np.round(restored.clip(0, 1) * 255) / 255).astype(np.float32)
    return float(psnr(*(torch.from_numpy(clip).permute(0, 3, 1, 2) for clip in (rounded, clean))).mean())


def rain_of(rainy: baselines.Clip) -> Opacity:
    """How opaque the rain of a clip is, where it can be told."""
    lumas = [cv2.cvtColor((frame * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for frame in rainy]
    return np.stack([_rain_of_frame(rainy, lumas, t) for t in range(len(rainy))])


def under(rain: Opacity, clean: baselines.Clip) -> baselines.Clip:
    """A clean clip in that rain, which begins anew, mirrored and moved down, where it is shorter; rounded to 8 bits."""
    height, width = clean.shape[1:3]
    frames = []
    for t, frame in enumerate(clean):
        rounds, k = divmod(t, len(rain))
        opacity = np.roll(rain[k][:, :: -1 if rounds % 2 else 1], 37 * rounds, 0)
        opacity = opacity[:height, :width, None].clip(0, 0.95)
        frames.append(frame + opacity * (np.maximum(LIGHT, frame) - frame))
    return (np.round(np.stack(frames) * 255) / 255).astype(np.float32)


def _rain_of_frame(rainy: baselines.Clip, lumas: list[NDArray[np.uint8]], t: int) -> NDArray[np.float32]:
    scene, doubt = _scene_behind(rainy, lumas, t)
    level = scene.mean(-1)
    opacity = ((rainy[t] - scene).mean(-1) / np.maximum(LIGHT - level, 0.12)).clip(0, 0.95)
    lines = np.max([cv2.morphologyEx(opacity, cv2.MORPH_OPEN, line) for line in _lines()], 0)
    core = (lines > _FAINTEST) & ((doubt < _DOUBT) | (lines > 5 * _DOUBT))
    streaks = _streaks(core.astype(np.uint8))
    soft = cv2.GaussianBlur(cv2.dilate(streaks, np.ones((5, 3), np.uint8)).astype(np.float32), (0, 0), 0.7)
    return np.asarray(opacity * soft * (doubt < 2 * _DOUBT), np.float32)


def _scene_behind(
    rainy: baselines.Clip, lumas: list[NDArray[np.uint8]], t: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The median of a frame's neighbours in register, `[H, W, 3]`, and how much they differ from it, `[H, W]`."""
    # Thin bright lines are not followed.
    opened = {
        k: cv2.morphologyEx(lumas[k], cv2.MORPH_OPEN, np.ones((1, 5), np.uint8))
        for k in range(max(0, t - RADIUS), min(len(lumas), t + RADIUS + 1))
    }
    search, aligned = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM), []
    y, x = np.mgrid[: lumas[t].shape[0], : lumas[t].shape[1]].astype(np.float32)
    for k in opened.keys() - {t}:
        flow = cv2.GaussianBlur(search.calc(opened[t], opened[k], np.zeros((*x.shape, 2), np.float32)), (0, 0), 4)
        places = x + flow[..., 0], y + flow[..., 1]
        aligned.append(cv2.remap(rainy[k], *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))
    scene = np.median(aligned, 0)
    return scene, np.median(np.abs(np.stack(aligned) - scene), 0).mean(-1)


def _lines() -> list[NDArray[np.uint8]]:
    """Lines of nine pixels, upright and leaning."""
    lines, middle = [], _SHORTEST_PX // 2
    for degrees in range(-16, 17, 4):
        line, reach = np.zeros((_SHORTEST_PX, _SHORTEST_PX), np.uint8), np.tan(np.deg2rad(degrees)) * middle
        cv2.line(line, (round(middle - reach), 0), (round(middle + reach), _SHORTEST_PX - 1), 1, 1)
        lines.append(line)
    return lines


def _streaks(core: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Those pieces of a mask that are long, thin and upright."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(core, connectivity=8)
    is_streak = np.zeros(count, np.uint8)
    for k, (left, top, width, height, pixels) in enumerate(boxes):
        if k == 0 or height < _SHORTEST_PX or pixels < _SHORTEST_PX:
            continue
        rows, columns = np.nonzero(labels[top : top + height, left : left + width] == k)
        (least, most), axes = np.linalg.eigh(np.cov(rows, columns))
        lean = np.rad2deg(np.arctan2(abs(axes[1, 1]), abs(axes[0, 1])))
        is_streak[k] = most > _ELONGATION**2 * max(least, 0.08) and lean < _LEAN_DEGREES
    return is_streak[labels]


def middle(clip: baselines.Clip) -> baselines.Clip:
    """The middle of a clip, `SIZE` at most, sides even."""
    top, left = (max(0, (have - want) // 2) for have, want in zip(clip.shape[1:3], SIZE, strict=True))
    bottom, right = (min(have, want) // 2 * 2 for have, want in zip(clip.shape[1:3], SIZE, strict=True))
    return clip[:, top : top + bottom, left : left + right]


if __name__ == "__main__":
    main()
