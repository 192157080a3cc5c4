"""Scores on real rain, where nobody knows the clean video: rmfd beside aligned medians and the input.

    python benchmarks/real.py CLIPS_DIR [--weights FILE] [--against FILE] [--frames 60] [--json scores.json]

Columns, defined in `no_reference.py` and explained in docs/results.md; differences are in luma code values of 255:

    removed     mean |input − output|                                 how bold the method is; no merit by itself
    transience  share of the removed light that is rain-like, 0 to 1  higher is better
    leak        removed light that follows the scene's edges, −1 to 1 lower is better
    flicker     frame to frame along the flow                         lower is better, but blur lowers it, too
    rain left   transient light in the output                         lower is better; the input's is all there was
    dark left   transient dark in the output                          lower is better; the input's is noise
    static      PSNR in dB against the temporal median of the input   higher is better; n/a where the camera moves
    tone        mean change by veil and tone                          undone before all columns but flicker

One flow serves all methods, estimated on the aligned median of five of the input. Frames that repeat the one before are left
out. Outputs are rounded to 8 bits.
"""

import argparse
import json
import math
from itertools import pairwise
from pathlib import Path

import baselines
import numpy as np
from media import read_clip, restored_rgb
from motion import Motion, estimate_motion, resting_stretch
from no_reference import (
    THRESHOLD,
    deviation,
    flicker,
    leak,
    luma,
    masked_psnr,
    neighbours_median,
    static_pixels,
    transience,
    undo_tone,
)
from numpy.typing import NDArray

from rmfd_cli.errors import RmfdError
from rmfd_cli.model.streaming import restorer
from rmfd_cli.types import Restore

Clip = baselines.Clip
Scores = dict[str, float]

SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi"}
COLUMNS = ("removed", "transience", "leak", "flicker", "rain left", "dark left", "static", "tone")
STATIC_FRAMES = 121
"""The static scene is the median over this many frames at most."""
FEWEST_STATIC = 15
"""Too few frames to call their median the scene."""
REPEATED = 0.25
"""Mean difference in code values below which a frame repeats the one before."""


def main() -> None:
    """Scores every method on every clip and prints the table of each and of the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips_dir", type=Path, help="folder of rainy videos")
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    parser.add_argument("--against", help="other weights to compare with")
    parser.add_argument("--frames", type=int, default=60, help="frames per clip, 5 at least")
    parser.add_argument("--max-width", type=int, default=960, help="wider clips are scaled down to this")
    parser.add_argument("--json", type=Path, help="write all scores here")
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.clips_dir.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        parser.error(f"no videos in {arguments.clips_dir}")
    if arguments.frames < 5:
        parser.error("--frames must be 5 or more: rain is told from the scene by two frames on either side")
    if arguments.json and not arguments.json.absolute().parent.is_dir():
        parser.error(f"no folder {arguments.json.parent} to write the scores into")
    try:
        ours = {"rmfd": restorer(arguments.weights, "cpu")}
        if arguments.against:
            ours[f"rmfd ({'/'.join(Path(arguments.against).parts[-2:])})"] = restorer(arguments.against, "cpu")
        clips = {}
        for path in paths:
            rainy = without_repeats(read_clip(path, max(arguments.frames, STATIC_FRAMES), arguments.max_width))
            clips[path.stem] = score_clip(rainy, restore_all(rainy[: arguments.frames], ours))
            print_table(path.stem, clips[path.stem])
    except RmfdError as error:
        raise SystemExit(f"error: {error}") from None
    means = mean_scores(list(clips.values()))
    print_table("mean of clips", means)
    if arguments.json:
        result = {"frames": arguments.frames, "weights": arguments.weights, "against": arguments.against}
        tables = {"clips": {name: _plain(rows) for name, rows in clips.items()}, "mean": _plain(means)}
        arguments.json.write_text(json.dumps(result | tables, indent=1) + "\n")


def restore_all(rainy: Clip, ours: dict[str, Restore]) -> dict[str, Clip]:
    """What every method makes of a clip `[T, H, W, 3]` in [0, 1], rounded to 8 bits; the input and the medians among them."""
    outputs = {
        "input": rainy,
        "aligned median of 3": baselines.aligned_median(rainy, 1),
        "aligned median of 5": baselines.aligned_median(rainy, 2),
    }
    outputs |= {name: restored_rgb(restore, rainy) for name, restore in ours.items()}
    return {name: np.round(clip.clip(0, 1) * 255).astype(np.float32) / 255 for name, clip in outputs.items()}


def score_clip(rainy: Clip, outputs: dict[str, Clip]) -> dict[str, Scores]:
    """The columns of the table for every method.

    Args:
        rainy: `[N, H, W, 3]` in [0, 1]; what goes on after the scored frames only helps to find the static scene.
        outputs: from `restore_all`, of the first T ≤ N frames.
    """
    before, median = outputs["input"], outputs["aligned median of 5"]
    motion = estimate_motion(np.round(median * 255).astype(np.uint8), 2)
    rain, background = luma(before), luma(median)
    expected, seen = neighbours_median(rain, motion)
    quiet = np.abs(rain - background) < THRESHOLD
    scene, static = static_scene(rainy, motion)
    scores = {}
    for name, after in outputs.items():
        toned = np.stack([undo_tone(*frames) for frames in zip(after, before, quiet, strict=True)])
        restored = luma(toned)
        removed = rain - restored
        light, dark = deviation(restored, expected, seen)
        scores[name] = {
            "removed": float(np.abs(removed).mean()),
            "transience": transience(removed, motion),
            "leak": leak(removed, expected, seen),
            "flicker": flicker(luma(after), motion),
            "rain left": light,
            "dark left": dark,
            "static": masked_psnr(toned, scene, static),
            "tone": float(np.abs(luma(after) - restored).mean()),
        }
    return scores


def static_scene(rainy: Clip, motion: Motion) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The temporal median of a clip while its camera rests.

    Returns:
        `[H, W, 3]` in [0, 1], and where the scored frames may be compared with it, `[T, H, W]`: nowhere if the camera rests
        for fewer than `FEWEST_STATIC` frames, else `static_pixels` while they move by less than half a pixel.
    """
    usable = np.zeros((len(motion), *rainy.shape[1:3]), np.bool_)
    stretch = resting_stretch(np.round(rainy[:STATIC_FRAMES] * 255).astype(np.uint8))
    if len(stretch) < FEWEST_STATIC:
        return rainy[0], usable
    resting = rainy[stretch.start : stretch.stop]
    static = static_pixels(luma(resting))
    for t in set(stretch) & set(motion):
        usable[t] = static & np.logical_and.reduce(
            [np.linalg.norm(motion[t][k].flow, axis=-1) < 0.5 for k in (-1, 1) if k in motion[t]]
        )
    return np.median(resting, axis=0).astype(np.float32), usable


def without_repeats(clip: Clip) -> Clip:
    """The clip without frames that repeat the one before, as screen recordings and frame rate converters make them."""
    changes = [math.inf, *(np.abs(after - before).mean() * 255 for before, after in pairwise(clip))]
    return clip[np.array(changes) > REPEATED]


def mean_scores(clips: list[dict[str, Scores]]) -> dict[str, Scores]:
    """Means over the clips in which a score is defined."""
    return {method: {c: _mean([rows[method][c] for rows in clips]) for c in COLUMNS} for method in clips[0]}


def print_table(title: str, rows: dict[str, Scores]) -> None:
    """One row per method."""
    print(f"\n{title:28s}" + "".join(f"{column:>11s}" for column in COLUMNS))
    for method, score in rows.items():
        print(
            f"{method:28s}" + "".join("        n/a" if math.isnan(score[c]) else f"{score[c]:11.3f}" for c in COLUMNS),
            flush=True,
        )


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan


def _plain(rows: dict[str, Scores]) -> dict[str, dict[str, float | None]]:
    """JSON knows no NaN."""
    return {method: {c: None if math.isnan(v) else v for c, v in score.items()} for method, score in rows.items()}


if __name__ == "__main__":
    main()
