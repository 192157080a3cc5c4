"""Whether memory grows with the length of a video: resident memory of `rmfd derain` by frame number.

    python benchmarks/memory.py [--clip examples/rain.mp4] [--frames 5000] [--size 640x480]

The clip is looped. ffmpeg's own process is not counted.
"""

import argparse
import subprocess
import tempfile
from pathlib import Path

from rmfd_cli.derain import Progress, derain
from rmfd_cli.model.process import keep_freed_memory, share_cores
from rmfd_cli.model.streaming import restorer
from rmfd_cli.video.ffmpeg import find_ffmpeg

STEP = 500


def main() -> None:
    """Prints a row every 500 frames."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, default=Path(__file__).parents[1] / "examples" / "rain.mp4")
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--size", default="640x480")
    arguments = parser.parse_args()
    keep_freed_memory()
    share_cores()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source.mp4"
        loop = ("-stream_loop", "-1", "-i", str(arguments.clip), "-frames:v", str(arguments.frames))
        scale = ("-vf", f"scale={arguments.size.replace('x', ':')},setsar=1", "-preset", "ultrafast", "-an")
        subprocess.run([find_ffmpeg(), "-v", "error", "-nostdin", "-y", *loop, *scale, str(source)], check=True)
        derain(source, Path(folder) / "target.mp4", restorer("small", "cpu"), on_progress=report)


def report(now: Progress) -> None:
    """Resident memory, now and then."""
    if now.frames % STEP == 0:
        status = Path("/proc/self/status").read_text()
        kibibytes = int(status.split("VmRSS:")[1].split()[0])
        print(f"frame {now.frames:6d}   {kibibytes / 1024:7.0f} MiB   {now.frames / now.seconds:5.1f} fps", flush=True)


if __name__ == "__main__":
    main()
