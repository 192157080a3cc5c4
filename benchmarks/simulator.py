"""How fast it rains: frames per second and memory of the simulator, and what it costs a training step beside the network.

    python benchmarks/simulator.py [--clip examples/rain.mp4] [--frames 8] [--repeats 5] [--batches 2] [--threads 1] \
        [--workers 2]

Rendering: each row is a process of its own, whose peak memory counts. A row is `--repeats` draws of one preset over a clip
of `--frames` frames, after a draw that does not count. Training step: the options and the process settings of `rmfd train`;
drawing and learning, which training does at the same time, are timed in turn, so that a noisy machine strikes both. One
thread is the default, since it compares the work itself. Drawing ahead: how many clips so many processes draw and hand over
in a second while nobody learns, which is what bounds a GPU. What it rains on matters to none of them.
"""

import argparse
import multiprocessing
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from media import read_clip
from torch.nn import functional as F

from rmfd_cli.model.process import keep_freed_memory
from rmfd_cli.options import TrainOptions
from rmfd_cli.rain.presets import preset
from rmfd_cli.rain.render import render
from rmfd_cli.training.batches import Draw, Lesson, Sources, steps
from rmfd_cli.training.clips import Clip
from rmfd_cli.training.data import clip_flows, draw_batch
from rmfd_cli.training.learner import Learner, make_learner, update
from rmfd_cli.training.losses import LossWeights
from rmfd_cli.training.packed import Packed, to_numbers
from rmfd_cli.training.parallel import Ranks

PRESETS = ("light", "violent")
SIZES_PX = ((640, 480), (1920, 1080))


class Rendering(NamedTuple):
    """What it takes to rain on one clip."""

    seconds: list[float]
    """Of each draw."""
    memory_before_mib: float
    """Peak of the process with the clean clip in memory."""
    memory_mib: float
    """Peak of the process."""


def main() -> None:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, default=Path(__file__).parents[1] / "examples" / "rain.mp4")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batches", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    print(f"rendering {arguments.frames} frames at a time, threads: {arguments.threads}")
    for size_px in SIZES_PX:
        for name in PRESETS:
            work = (arguments.clip, name, size_px, arguments.frames, arguments.repeats, arguments.threads)
            with multiprocessing.get_context("spawn").Pool(1) as process:
                report(name, size_px, arguments.frames, process.apply(rain, work))
    use_threads(arguments.threads)
    keep_freed_memory()
    training_step(arguments.clip, arguments.batches)
    drawing_ahead(arguments.clip, arguments.workers)


def use_threads(number: int) -> None:
    """Bounds the threads of everything that computes here."""
    torch.set_num_threads(number)
    cv2.setNumThreads(number)


@torch.inference_mode()
def rain(path: Path, name: str, size_px: tuple[int, int], frames: int, repeats: int, threads: int) -> Rendering:
    """Draws `repeats` weathers of a preset over one clip; to be run in a fresh process."""
    use_threads(threads)
    clip = torch.from_numpy(read_clip(path, frames)).permute(0, 3, 1, 2)
    clean = F.interpolate(clip, size=size_px[::-1], mode="bilinear", antialias=True).clamp(0, 1)
    before = peak_mib()
    seconds = []
    for seed in range(repeats + 1):
        began = time.perf_counter()
        render(clean, preset(name, np.random.default_rng(seed)), torch.Generator().manual_seed(seed))
        seconds.append(time.perf_counter() - began)
    return Rendering(seconds[1:], before, peak_mib())


def peak_mib() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(name: str, size_px: tuple[int, int], frames: int, measured: Rendering) -> None:
    """One row of the first table."""
    median, slowest = frames / statistics.median(measured.seconds), frames / max(measured.seconds)
    print(
        f"{name:8s} {size_px[0]:4d}x{size_px[1]:<4d} {median:7.2f} fps   slowest draw {slowest:6.2f} fps   "
        f"peak memory {measured.memory_mib:5.0f} MiB, {measured.memory_before_mib:4.0f} of it before it rains"
    )


def training_step(path: Path, batches: int) -> None:
    """Seconds of drawing and of learning for each update of the network."""
    options = TrainOptions(data=str(path), validation=str(path))
    clips: list[Clip] = [np.rint(read_clip(path, 64) * 255).astype(np.uint8)]
    updates, frames = options.updates_per_clip, options.updates_per_clip * options.clip_frames
    learner = make_learner(options, None, None, Ranks(), torch.device("cpu"))
    rows: dict[str, list[float]] = {}

    def draw(number: int, size: int) -> Packed:
        return draw_batch(clips, options.seed, number, size=size, frames=frames, crop_px=options.crop_px)

    learn(learner, draw(0, 1), options)
    for number in range(1, batches + 1):
        began = time.perf_counter()
        batch = draw(number, options.batch_size)
        drawn = time.perf_counter()
        learn(learner, batch, options)
        learnt = time.perf_counter()
        for k, clean in enumerate(to_numbers(batch.clean)):
            render(clean, preset("random", np.random.default_rng([number, k])), torch.Generator().manual_seed(k))
        rained = time.perf_counter()
        for rainy in to_numbers(batch.rainy):
            clip_flows(rainy)
        for name, seconds in (
            ("drawing the batch", drawn - began),
            ("  rain alone, as `random`", rained - learnt),
            ("  flow between frames alone", time.perf_counter() - rained),
            ("forward, backward, update", learnt - drawn),
        ):
            rows.setdefault(name, []).append(seconds / updates)

    shape = f"{options.batch_size} clips, {options.clip_frames} frames, {options.crop_px}x{options.crop_px}"
    print(f"\ntraining step: {shape}, threads: {torch.get_num_threads()}          ms per step")
    for name, values in rows.items():
        print(f"{name:68s} {1e3 * statistics.mean(values):9.0f}")
    drawing, learning = (statistics.mean(rows[name]) for name in ("drawing the batch", "forward, backward, update"))
    print(f"{'ratio of drawing to learning':68s} {drawing / learning:9.2f}")


def drawing_ahead(path: Path, workers: int) -> None:
    """Clips that processes hand over in a second, and what the process that learns has to do for it."""
    batches, first = 4 * workers, workers  # each has begun its second one by then
    options = TrainOptions(data=str(path), validation=str(path), batch_size=16, updates_per_clip=4, workers=workers)
    options = replace(options, steps=options.updates_per_clip * (first + batches + 1))
    clip: Clip = np.rint(read_clip(path, 64) * 255).astype(np.uint8)
    marks: list[tuple[float, float]] = []
    for step, lesson in steps(Draw(Sources([clip]), options, Ranks()), 0, torch.device("cpu")):
        if step % options.updates_per_clip == 0:
            # What a copy to a device would do.
            mib = sum(x.clone().nbytes for x in lesson.batch) / 2**20
            marks.append((time.perf_counter(), time.process_time()))
    (began, busy), (ended, still_busy) = marks[first], marks[-1]
    print(
        f"\ndrawing ahead, {workers} processes: {batches * options.batch_size / (ended - began):.1f} clips a second, "
        f"{mib / options.batch_size:.1f} MiB each; {1e3 * (still_busy - busy) / batches / options.batch_size:.1f} ms of the "
        "process that learns for each"
    )


def learn(learner: Learner, batch: Packed, options: TrainOptions) -> None:
    """All updates on one batch, as the training loop makes them."""
    state = None
    for part in range(options.updates_per_clip):
        frames = range(part * options.clip_frames, (part + 1) * options.clip_frames)
        _, state = update(learner, Lesson(batch, None), frames, state, options, LossWeights())


if __name__ == "__main__":
    main()
