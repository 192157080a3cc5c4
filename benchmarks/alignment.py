"""Ways of bringing neighbouring frames into register, compared by what they leave.

Printed, for light and for heavy rain, are the error of the aligned clean neighbours in code values and the PSNR in dB of the
median of three with outliers replaced, and milliseconds per pair on one thread.

    python benchmarks/alignment.py CLEAN_DIR [--frames 8]

The flow is estimated on rainy frames, as at inference, and judged on the clean ones. The learned flow is trained here, on the
clean clips of --train, for --steps steps: three convolutions on a cost volume at an eighth of the resolution.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import baselines
import cv2
import numpy as np
import other_rain
import torch
from media import read_clip
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from rmfd_cli.metrics import psnr
from rmfd_cli.model import flow
from rmfd_cli.model.align import warp
from rmfd_cli.model.flow import SHRINK, enlarge_flow, estimate_flow, follow
from rmfd_cli.training.clips import load_clips
from rmfd_cli.training.data import draw_clip

STYLES = ("light", "heavy")

Flow = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]
"""Luma of the current frame and of a neighbour, `[H, W]` uint8, to displacement `[H, W, 2]` in pixels."""


def main() -> None:
    """Prints a row per way of alignment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--train", type=Path, help="clean clips to train the learned flow on; left out without it")
    parser.add_argument("--steps", type=int, default=600)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    ways: dict[str, Flow] = {
        "none": lambda current, neighbour: np.zeros((*current.shape, 2), np.float32),
        "global shift (phase correlation)": global_shift,
    }
    for shrink in (4, 2, 1):
        for name, preset in (("fast", 1), ("medium", 2)):
            ways[f"DIS {name}, 1/{shrink} resolution"] = dis(shrink, preset)
    ways["as rmfd does it"] = shipped
    ways["the same, its search sees streaks"] = without("_without_streaks", lambda luma: luma)
    ways["the same, without the camera"] = without("_steadied", lambda flow, *frames: flow)
    if arguments.train:
        ways["learned, 1/8 cost volume"] = learned(arguments.train, arguments.steps)
    rows: dict[str, list[list[tuple[float, float, float]]]] = defaultdict(list)
    for number, path in enumerate(sorted(arguments.clean_dir.glob("*.mp4"))):
        clean = read_clip(path, arguments.frames)
        rained_on = [other_rain.add_rain(clean, other_rain.STYLES[style], seed=7919 * number) for style in STYLES]
        for name, way in ways.items():
            rows[name].append([judge(way, clean, rainy) for rainy in rained_on])
    print(f"{'':36s} " + " ".join(f"{style + ': error':>14s} {'PSNR':>6s}" for style in STYLES) + f" {'ms per pair':>12s}")
    for name, scores in rows.items():
        means = np.mean(scores, axis=0)
        figures = " ".join(f"{error:14.2f} {quality:6.2f}" for error, quality, _ in means)
        print(f"{name:36s} {figures} {means[:, 2].mean():12.2f}")


def judge(way: Flow, clean: NDArray[np.float32], rainy: NDArray[np.float32]) -> tuple[float, float, float]:
    """Mean absolute error of aligned clean neighbours in code values, PSNR in dB, milliseconds per pair."""
    lumas = [cv2.cvtColor((frame * 255).astype(np.uint8), cv2.COLOR_RGB2GRAY) for frame in rainy]
    errors, medians, seconds = [], [rainy[0]], 0.0
    for t in range(1, len(clean) - 1):
        neighbours = [rainy[t]]
        for k in (t - 1, t + 1):
            began = time.perf_counter()
            flow = way(lumas[t], lumas[k])
            seconds += time.perf_counter() - began
            errors.append(np.abs(follow(clean[k], flow) - clean[t]).mean() * 255)
            neighbours.append(follow(rainy[k], flow))
        medians.append(np.median(neighbours, axis=0).astype(np.float32))
    restored = baselines.replace_outliers(rainy[1:-1], np.stack(medians[1:]))
    x, y = (torch.from_numpy(clip).permute(0, 3, 1, 2) for clip in (restored, clean[1:-1]))
    return float(np.mean(errors)), float(psnr(x, y).mean()), 1e3 * seconds / len(errors)


def global_shift(current: NDArray[np.uint8], neighbour: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One displacement for the whole frame, by phase correlation at a quarter of the resolution."""
    a, b = (
        cv2.resize(x, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA).astype(np.float32) for x in (current, neighbour)
    )
    window = cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F)
    (dx, dy), peak = cv2.phaseCorrelate(a, b, window)
    shift = (4 * dx, 4 * dy) if peak > 0.1 else (0.0, 0.0)
    return np.broadcast_to(np.float32(shift), (*current.shape, 2)).copy()


def shipped(current: NDArray[np.uint8], neighbour: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The product's own, its reduction to half size included."""
    height, width = current.shape
    size = (-(-width // SHRINK), -(-height // SHRINK))
    small = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (current, neighbour))
    return enlarge_flow(estimate_flow(*small), (height, width))


def without(part: str, substitute: Callable[..., object]) -> Flow:
    """The product's own with one of its functions replaced."""

    def changed(current: NDArray[np.uint8], neighbour: NDArray[np.uint8]) -> NDArray[np.float32]:
        with mock.patch.object(flow, part, substitute):
            return shipped(current, neighbour)

    return changed


def dis(shrink: int, preset: int) -> Flow:
    """Dense inverse search at a reduced resolution."""
    search = cv2.DISOpticalFlow.create(preset)

    def searched(current: NDArray[np.uint8], neighbour: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = current.shape
        size = (width // shrink, height // shrink)
        a, b = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) if shrink > 1 else x for x in (current, neighbour))
        small = search.calc(a, b, None)
        return (cv2.resize(small, (width, height)) * shrink if shrink > 1 else small).astype(np.float32)

    return searched


class LearnedFlow(nn.Module):
    """Flow at an eighth of the resolution from luma at half: features, a 9x9 cost volume at 1/8, three convolutions, twice."""

    REACH = 4

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 5, 2, 2), nn.ReLU(), nn.Conv2d(16, 24, 3, 2, 1), nn.ReLU(), nn.Conv2d(24, 24, 3, 1, 1)
        )
        costs = (2 * self.REACH + 1) ** 2
        self.regress = nn.Sequential(
            nn.Conv2d(costs + 24 + 2, 48, 3, 1, 1), nn.ReLU(), nn.Conv2d(48, 32, 3, 1, 1), nn.ReLU(), nn.Conv2d(32, 2, 3, 1, 1)
        )

    def forward(self, current: Tensor, neighbour: Tensor) -> Tensor:
        """Luma `[B, 1, H/2, W/2]` to displacement `[B, 2, h, w]` in full-size pixels, at an eighth of the full size."""
        a, b = self.features(current), self.features(neighbour)
        flow = torch.zeros_like(a[:, :2])
        for _ in range(2):
            aligned = warp(b, flow.permute(0, 2, 3, 1) / 8)
            padded = F.pad(aligned, (self.REACH,) * 4, mode="replicate")
            h, w = a.shape[-2:]
            costs = [
                (a * padded[..., dy : dy + h, dx : dx + w]).mean(1)
                for dy in range(2 * self.REACH + 1)
                for dx in range(2 * self.REACH + 1)
            ]
            flow = flow + self.regress(torch.cat([torch.stack(costs, 1), a, flow / 8], 1))
        return flow


def learned(clips_dir: Path, steps: int) -> Flow:
    """Trains the small flow network to bring rainy neighbours into register with clean clips."""
    clips = load_clips(clips_dir, 24)
    torch.manual_seed(0)
    torch.set_num_threads(2)
    network = LearnedFlow()
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for step in range(steps):
        rng = np.random.default_rng([5, step])
        pairs = torch.stack([draw_clip(clips, rng, 2, 160) for _ in range(8)])
        luma = pairs.mean(2, keepdim=True)
        noisy = luma + (torch.rand_like(luma) < 0.02) * torch.rand(8, 1, 1, 1, 1) * 0.5
        small = F.avg_pool2d(noisy.flatten(0, 1), 2).unflatten(0, (8, 2))
        moved = network(small[:, 0], small[:, 1])
        loss = (
            (warp(pairs[:, 1], F.interpolate(moved, size=(160, 160), mode="bilinear").permute(0, 2, 3, 1)) - pairs[:, 0])
            .abs()
            .mean()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.set_num_threads(1)

    def flow_of(current: NDArray[np.uint8], neighbour: NDArray[np.uint8]) -> NDArray[np.float32]:
        height, width = current.shape
        size = (-(-width // 8) * 4, -(-height // 8) * 4)
        a, b = (
            torch.from_numpy(cv2.resize(x, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255)[None, None]
            for x in (current, neighbour)
        )
        with torch.inference_mode():
            flow = network(a, b)
        return cv2.resize(flow[0].permute(1, 2, 0).contiguous().numpy(), (width, height))

    return flow_of


if __name__ == "__main__":
    main()
