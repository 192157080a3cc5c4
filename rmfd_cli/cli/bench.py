"""`rmfd bench`."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rmfd_cli.cli.loading import DeviceName, MemorySize, ModelName, lazy_restorer
from rmfd_cli.cli.outcome import errors_as_lines, spent_lines
from rmfd_cli.cli.values import parse_picture_size
from rmfd_cli.errors import UsageError
from rmfd_cli.stages import Spent, longest

EPILOG = """\b
Examples:
  rmfd bench
  rmfd bench --size 1920x1080 --frames 60
  rmfd bench rain.mp4 --json | jq .derain_fps

\b
Both times are of one run: close other programs, and run it again before you believe it. What a stage takes is
its own work, waiting left out; the stages run side by side, so that the longest bounds the whole.

\b
Exit codes:
  0    measured
  1    the video cannot be read
  2    options that make no sense
  4    this machine lacks something: ffmpeg, an encoder, a device, weights
  5    out of memory"""

LEAST_SIDE_PX = 32


def bench(
    source: Annotated[
        Path | None, typer.Argument(metavar="[INPUT]", help="A video; a made-up one if there is none.", show_default=False)
    ] = None,
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the made-up video.")] = "640x480",
    frames: Annotated[int, typer.Option(min=10, help="Of the made-up video.")] = 100,
    model: ModelName = "auto",
    device: DeviceName = "auto",
    memory: MemorySize = None,
    ffmpeg: Annotated[
        str | None, typer.Option(help="Which ffmpeg to use. [default: $RMFD_FFMPEG, PATH, imageio-ffmpeg]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Measure how fast this machine derains, stage by stage, and against a plain transcode.

    H.264 in and out, x264 veryfast. Start-up is left out. Nothing is kept.
    """
    with errors_as_lines("nothing was kept"):
        width_px, height_px = parse_picture_size(size)
        if min(width_px, height_px) < LEAST_SIDE_PX or width_px % 2 or height_px % 2:
            raise UsageError(f"--size is {size}; both sides are even and at least {LEAST_SIDE_PX}")
        from rmfd_cli.bench import make_clip, measure
        from rmfd_cli.video.ffmpeg import find_ffmpeg

        binary, spent = find_ffmpeg(ffmpeg), Spent()
        restore = lazy_restorer(model, device, memory, spent=spent)
        with tempfile.TemporaryDirectory(prefix="rmfd-bench-") as folder:
            clip = source or Path(folder) / "clip.mp4"
            if source is None:
                make_clip(clip, (width_px, height_px), frames, binary)
            speed = measure(clip, restore, spent, binary)
        transcode_fps, derain_fps = (speed.frames / seconds for seconds in (speed.transcode_seconds, speed.derain_seconds))
        if as_json:
            rates = {
                "transcode_fps": transcode_fps,
                "derain_fps": derain_fps,
                "ratio": speed.ratio,
                "bound": longest(speed.spent),
            }
            typer.echo(json.dumps({**asdict(speed), **rates}, indent=1))
            return
        typer.echo(f"{speed.width_px}x{speed.height_px}, {speed.frames} frames")
        typer.echo(f"plain transcode\t{transcode_fps:.1f} fps")
        typer.echo(f"derain\t{derain_fps:.1f} fps\t{speed.ratio:.2f} times as long")
        for line in spent_lines(speed.spent, speed.frames, speed.derain_seconds):
            typer.echo(line)
