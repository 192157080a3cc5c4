"""What memory `rmfd derain` takes: its peak by the size of frames, and its growth with the length of a video.

    python benchmarks/memory.py [--sizes 640x480 1280x720 1920x1080 3840x2160] [--frames 20] [--long 5000] [--model small]

The clip is looped and scaled by ffmpeg. Each size is a process of its own on the CPU; that of ffmpeg, which encodes, is not
counted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rmfd_cli.video.ffmpeg import find_ffmpeg

STEP = 500
SETTLED = 500
"""Frames after which queues are full and nothing should grow any more."""


def main() -> None:
    """Prints a row per size, then one every 500 frames of the long clip."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, default=Path(__file__).parents[1] / "examples" / "rain.mp4")
    parser.add_argument("--sizes", nargs="*", default=["640x480", "1280x720", "1920x1080", "3840x2160"])
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--long", type=int, default=5000)
    parser.add_argument("--model", default="small")
    parser.add_argument("--memory", help="as of rmfd derain")
    arguments = parser.parse_args()
    options = ["--model", arguments.model, *(("--memory", arguments.memory) if arguments.memory else ())]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in arguments.sizes:
            peak, _ = watch(make(arguments.clip, folder / "source.mp4", size, arguments.frames), options)
            print(f"{size:>10}   peak {peak:5.0f} MiB", flush=True)
        if arguments.long:
            _, rows = watch(make(arguments.clip, folder / "source.mp4", "640x480", arguments.long), options)
            settled = [mebibytes for frame, mebibytes in rows if frame >= SETTLED]
            for frame, mebibytes in rows:
                print(f"frame {frame:6d}   {mebibytes:5.0f} MiB")
            if settled:
                print(f"growth from frame {SETTLED} on: {settled[-1] - settled[0]:.0f} MiB")


def make(clip: Path, target: Path, size: str, frames: int) -> Path:
    """The clip in a loop, at another size."""
    loop = ("-stream_loop", "-1", "-i", str(clip), "-frames:v", str(frames))
    scale = ("-vf", f"scale={size.replace('x', ':')},setsar=1", "-preset", "ultrafast", "-an")
    subprocess.run([find_ffmpeg(), "-v", "error", "-nostdin", "-y", *loop, *scale, str(target)], check=True)
    return target


def watch(source: Path, options: list[str]) -> tuple[float, list[tuple[int, float]]]:
    """Peak MiB of one run, and what was resident at which frame."""
    target = source.with_name("target.mp4")
    command = [sys.executable, "-m", "rmfd_cli", "derain", str(source), "-o", str(target), "--overwrite", "--device", "cpu"]
    rows: list[tuple[int, float]] = []
    log = source.with_name("progress")
    with log.open("w+") as progress:
        process = subprocess.Popen([*command, *options, "--progress", "json"], stderr=progress, stdin=subprocess.DEVNULL)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            frame = frames_done(log.read_text("utf-8"))
            if frame // STEP > (rows[-1][0] // STEP if rows else 0):
                rows.append((frame, resident(process.pid)))
            time.sleep(0.2)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(log.read_text("utf-8"))
    return usage.ru_maxrss / 1024, rows


def frames_done(lines: str) -> int:
    """The last count of frames in the lines of `--progress json`."""
    counts = [int(line.split('"frames":')[1].split(",")[0].strip(" }")) for line in lines.splitlines() if '"frames":' in line]
    return counts[-1] if counts else 0


def resident(pid: int) -> float:
    """MiB of a process in memory now."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
