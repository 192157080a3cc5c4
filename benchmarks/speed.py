"""How long `rmfd derain` takes against a plain ffmpeg transcode with the same encoder settings, and where the time goes.

    python benchmarks/speed.py [--clip FILE] [--sizes 640x480 1920x1080] [--seconds 12] [--repeats 5] [--model small]

The clip is looped and scaled. Both programs run in turn, whole processes, so that a noisy machine strikes both; the medians of
the pairwise ratios count. Larger frames come fewer, by their pixels. Stages are timed one by one at the first size, on as many
threads as each of them has.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from rmfd_cli.model import passes
from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.flow import enlarge_flow, estimate_flow, luma_for_flow, reverse_flow
from rmfd_cli.model.int8 import Int8Conv
from rmfd_cli.model.native_convolve import Kernel
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.placing import find_weights, placed, precision_for
from rmfd_cli.model.process import keep_freed_memory, share_cores
from rmfd_cli.model.tiling import frame_box, pixels
from rmfd_cli.model.values import State, Window
from rmfd_cli.options import USUAL_CODEC
from rmfd_cli.types import Ycc
from rmfd_cli.video.ffmpeg import find_ffmpeg
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.ycc import add_change, seen

SETTINGS = ("-c:v", USUAL_CODEC, "-preset", "veryfast", "-crf", "18")
FRAME_RATE = 25
LEAST_FRAMES = 24


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, default=Path(__file__).parents[1] / "examples" / "rain.mp4")
    parser.add_argument("--sizes", nargs="+", default=["640x480"])
    parser.add_argument("--seconds", type=float, default=12, help="length at the first size, at 25 frames a second")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--model", default="small")
    arguments = parser.parse_args()
    sizes = [tuple(map(int, size.split("x"))) for size in arguments.sizes]
    print("| size | frames | plain transcode, fps | rmfd, fps | times as long | peak memory, MiB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for number, (width, height) in enumerate(sizes):
            share = sizes[0][0] * sizes[0][1] / (width * height)
            frames = max(LEAST_FRAMES, round(arguments.seconds * FRAME_RATE * share))
            source = Path(folder) / f"{number}.mp4"
            make_source(arguments.clip, source, (width, height), frames)
            end_to_end(source, f"{width}×{height}", frames, arguments.repeats, arguments.model)
        stages(Path(folder) / "0.mp4", arguments.model)


def make_source(clip: Path, source: Path, size_px: tuple[int, int], frames: int) -> None:
    """A clip of so many frames of this size."""
    loop = ("-stream_loop", "-1", "-i", str(clip), "-frames:v", str(frames))
    scale = ("-vf", f"scale={size_px[0]}:{size_px[1]},setsar=1", "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-an")
    run((find_ffmpeg(), "-v", "error", "-nostdin", "-y", *loop, *scale, str(source)))


def end_to_end(source: Path, name: str, frames: int, repeats: int, model: str) -> None:
    """Whole processes in turn; prints a row."""
    target = source.with_name("target.mp4")
    plain = (find_ffmpeg(), "-v", "error", "-nostdin", "-y", "-i", str(source), *SETTINGS, str(target))
    ours = (sys.executable, "-m", "rmfd_cli", "derain", str(source), "-o", str(target), "--overwrite", "-q", "--model", model)
    pairs = [(run(plain), run(ours)) for _ in range(repeats)]
    rates = [f"{frames / statistics.median(pair[k][0] for pair in pairs):.1f}" for k in (0, 1)]
    ratios = sorted(ours[0] / plain[0] for plain, ours in pairs)
    ratio = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})"
    memory = max(ours[1] for _, ours in pairs)
    print(f"| {name} | {frames} | {' | '.join(rates)} | {ratio} | {memory:.0f} |", flush=True)


def run(command: Iterable[str]) -> tuple[float, float]:
    """Wall seconds and peak MiB of one process and its children."""
    began = time.perf_counter()
    process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


@torch.inference_mode()
def stages(source: Path, name: str) -> None:
    """Milliseconds per frame of each stage alone, and how near the network comes to what convolutions reach here."""
    # As `rmfd derain` does.
    keep_freed_memory()
    share_cores()
    with VideoReader(str(source)) as reader:
        began = time.perf_counter()
        frames = [frame for frame, _ in zip(reader, range(60), strict=False)]
        decoding = (time.perf_counter() - began) / len(frames)
        info = reader.info
    images = [seen(frame, info) for frame in frames]
    size = images[0].luma.shape[0], images[0].luma.shape[1]
    cpu, exact = torch.device("cpu"), load_model(find_weights(name))
    precision = precision_for(cpu, exact)
    model = placed(exact, cpu, precision)
    lumas = [luma_for_flow(image.luma) for image in images]
    coarse = estimate_flow(lumas[1], lumas[0])
    flow = torch.from_numpy(enlarge_flow(coarse, size))[None]
    window = Window(*(pixels(image, frame_box(*size), cpu) for image in images[:3]), flow, flow)
    _, state = model.step(window, model.initial_state())
    change = Ycc(*(np.random.default_rng(0).normal(0, 0.02, plane.shape).astype(np.float32) for plane in images[0]))

    rows = {
        "decode": decoding,
        "planes to numbers": median_seconds(lambda: seen(frames[0], info)),
        "luma for flow": median_seconds(lambda: luma_for_flow(images[0].luma)),
        "flow": median_seconds(lambda: estimate_flow(lumas[1], lumas[0])),
        "flow back, and both enlarged": median_seconds(
            lambda: [enlarge_flow(flow, size) for flow in (coarse, reverse_flow(coarse))]
        ),
        "network": median_seconds(lambda: model.step(window, state)),
        "  its convolutions alone": median_seconds(convolutions(model, window, state)),
        "change to planes": median_seconds(lambda: add_change(frames[0].planes, info.format, info.colour, change)),
    }
    threads = torch.get_num_threads()
    print(f"\nstage alone at {size[1]}x{size[0]}, threads: {threads}, {str(precision).removeprefix('torch.')}, ms per frame")
    for stage, seconds in rows.items():
        print(f"{stage:44s} {1e3 * seconds:8.2f}")
    gmac, peak = count_gmac(exact, window), peak_gmac(precision)
    alone = gmac / rows["  its convolutions alone"]
    print(f"\nnetwork: {gmac:.2f} GMAC per frame, {sum(p.numel() for p in exact.parameters()):,} parameters")
    print(f"a 3x3 convolution of 64 channels reaches {2 * peak:.0f} billion operations a second here; of that")
    reached = gmac / rows["network"]
    print(f"the network's convolutions reach {alone / peak:.0%}, and with all that is done to pixels {reached / peak:.0%}")
    usual = peak_gmac(torch.float32)
    print(f"the same one in float32 reaches {2 * usual:.0f}; of that all of the network {reached / usual:.0%}")


def convolutions(model: Rmfd, window: Window, state: State) -> Callable[[], object]:
    """All convolutions of a step, on what they see in it, one after the other; what is done to their results left out."""
    calls: list[tuple[nn.Module, Tensor]] = []

    def noted(conv: nn.Module, seen: Tensor) -> Kernel | None:
        calls.append((conv, seen))
        return kernel_of(conv, seen)

    kernel_of = passes.kernel_of
    with mock.patch.object(passes, "kernel_of", noted):
        model.step(window, state)
    return lambda: [passes.convolve(*call) for call in calls]


def peak_gmac(precision: torch.dtype) -> float:
    """Billions of multiply-accumulates a second of one convolution, by oneDNN or by our own, whichever is faster."""
    layer: nn.Module
    layer, x = nn.Conv2d(64, 64, 3, padding=1), torch.rand(1, 64, 120, 160).to(memory_format=torch.channels_last)
    if precision == torch.int8:
        layer = Int8Conv(layer, 0, 1)
        x = layer.rounded(x)
    else:
        layer, x = layer.to(precision, memory_format=torch.channels_last), x.to(precision)
    seconds = min(median_seconds(lambda: layer(x)), median_seconds(lambda: passes.convolve(layer, x, keep=True)))
    return 64 * 64 * 9 * 120 * 160 / 1e9 / seconds


def count_gmac(model: Rmfd, window: Window) -> float:
    """Multiply-accumulates of the convolutions for one frame, in billions."""
    with FlopCounterMode(display=False) as counter:
        model.step(window, model.initial_state())
    return counter.get_total_flops() / 2e9


def median_seconds(work: Callable[[], object], repeats: int = 15) -> float:
    """Median time of a call after two that do not count."""
    seconds = []
    for _ in range(repeats + 2):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[2:])


if __name__ == "__main__":
    main()
