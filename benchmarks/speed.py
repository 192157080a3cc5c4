"""How long `rmfd derain` takes against a plain ffmpeg transcode with the same encoder settings, and where the time goes.

    python benchmarks/speed.py [--clip examples/rain.mp4] [--frames 250] [--repeats 5]

The clip is looped and scaled to 640x480. Both programs run in turn, whole processes, so that a noisy machine strikes both; the
medians of the pairwise ratios count. Stages are timed one by one on the same frames, on all cores.
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

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from rmfd_cli.model.align import enlarge_flow, estimate_flow, luma_for_flow, reverse_flow
from rmfd_cli.model.checkpoint import load_model, shipped_weights
from rmfd_cli.model.network import Rmfd, Window
from rmfd_cli.model.streaming import precision_for
from rmfd_cli.options import Encoding
from rmfd_cli.video.colour import add_residual
from rmfd_cli.video.ffmpeg import find_ffmpeg
from rmfd_cli.video.reader import VideoReader

WIDTH, HEIGHT = 640, 480
SETTINGS = ("-c:v", Encoding.codec, "-preset", "veryfast", "-crf", "18")


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, default=Path(__file__).parents[1] / "examples" / "rain.mp4")
    parser.add_argument("--frames", type=int, default=250)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        loop = ("-stream_loop", "-1", "-i", str(arguments.clip), "-frames:v", str(arguments.frames))
        scale = ("-vf", f"scale={WIDTH}:{HEIGHT},setsar=1", "-c:v", "libx264", "-preset", "veryfast", "-crf", "16", "-an")
        run((find_ffmpeg(), "-v", "error", "-nostdin", "-y", *loop, *scale, str(source)))
        end_to_end(source, Path(folder), arguments.frames, arguments.repeats)
        stages(source)


def end_to_end(source: Path, folder: Path, frames: int, repeats: int) -> None:
    """Whole processes in turn."""
    target = folder / "target.mp4"
    plain = (find_ffmpeg(), "-v", "error", "-nostdin", "-y", "-i", str(source), *SETTINGS, str(target))
    ours = (sys.executable, "-m", "rmfd_cli", "derain", str(source), "-o", str(target), "--overwrite", "-q")
    pairs = [(run(plain), run(ours)) for _ in range(repeats)]
    for name, k in (("plain transcode", 0), ("rmfd derain", 1)):
        seconds = statistics.median(pair[k][0] for pair in pairs)
        memory = max(pair[k][1] for pair in pairs)
        print(f"{name:18s} {frames / seconds:7.1f} fps   {seconds:6.2f} s for {frames} frames   peak memory {memory:5.0f} MiB")
    ratios = sorted(ours[0] / plain[0] for plain, ours in pairs)
    print(f"{'ratio of times':18s} {statistics.median(ratios):7.2f}       (from {ratios[0]:.2f} to {ratios[-1]:.2f})")


def run(command: Iterable[str]) -> tuple[float, float]:
    """Wall seconds and peak MiB of one process and its children."""
    began = time.perf_counter()
    process = subprocess.Popen(list(command), stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


@torch.inference_mode()
def stages(source: Path) -> None:
    """Milliseconds per frame of each stage alone."""
    with VideoReader(str(source)) as reader:
        began = time.perf_counter()
        frames = [frame for frame, _ in zip(reader, range(60), strict=False)]
        decoding = (time.perf_counter() - began) / len(frames)
        info = reader.info
    precision = precision_for(torch.device("cpu"))
    model = load_model(shipped_weights("small")).to(precision)
    lumas = [luma_for_flow(frame.rgb) for frame in frames]
    images = [torch.from_numpy(frame.rgb.astype(np.float32) / 255).permute(2, 0, 1)[None].contiguous() for frame in frames]
    coarse = estimate_flow(lumas[1], lumas[0])
    flow = torch.from_numpy(enlarge_flow(coarse, (HEIGHT, WIDTH)))[None]
    window = Window(images[0], images[1], images[2], flow, flow)
    _, state = model.step(window, model.initial_state())
    residual = np.random.default_rng(0).normal(0, 0.02, frames[0].rgb.shape).astype(np.float32)

    rows = {
        "decode, planes, RGB": decoding,
        "luma for flow": median_seconds(lambda: luma_for_flow(frames[0].rgb)),
        "flow": median_seconds(lambda: estimate_flow(lumas[1], lumas[0])),
        "flow back, and both enlarged": median_seconds(
            lambda: [enlarge_flow(flow, (HEIGHT, WIDTH)) for flow in (coarse, reverse_flow(coarse))]
        ),
        "network": median_seconds(lambda: model.step(window, state)),
        "residual to planes": median_seconds(lambda: add_residual(frames[0].planes, info.format, info.colour, residual)),
    }
    print(f"\nstage alone at {WIDTH}x{HEIGHT}, {torch.get_num_threads()} threads, {precision}      ms per frame")
    for name, seconds in rows.items():
        print(f"{name:44s} {1e3 * seconds:8.2f}")
    gmac = count_gmac(model, window)
    print(f"\nnetwork: {gmac:.2f} GMAC per frame, {2 * gmac / rows['network']:.0f} GFLOP/s reached")
    print(f"parameters: {sum(p.numel() for p in model.parameters()):,}")


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
