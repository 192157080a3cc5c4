"""`rmfd derain`."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rmfd_cli.cli.outcome import EXIT_CODES, NOTHING_LEFT, errors_as_lines
from rmfd_cli.options import Compare, DerainOptions, Encoding

if TYPE_CHECKING:
    from rmfd_cli.derain import DerainReport

EPILOG = f"""\b
Examples:
  rmfd derain rain.mp4 -o dry.mp4
  rmfd derain rain.mkv -o dry.mkv --codec libx265 --crf 20
  rmfd derain rain.mp4 -o look.mp4 --start 1:30 --end 1:40 --compare split
  ls *.mp4 | while read f; do rmfd derain "$f" -o "dry/$f"; done

{EXIT_CODES}
{NOTHING_LEFT}"""


def parse_time(text: str) -> float:
    """Seconds from `90`, `1.5`, `1:30` or `0:01:30.250`.

    Raises:
        typer.BadParameter: It is none of these.
    """
    match = re.fullmatch(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d*)?|\.\d+)", text.strip())
    if match is None or (match[2] and float(match[3]) >= 60):
        raise typer.BadParameter(f"'{text}' is no time; write seconds or HH:MM:SS.fff")
    return int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + float(match[3])


def derain(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="The rainy video.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The video to write: .mp4, .m4v, .mov, .mkv, .webm.")],
    model: Annotated[str, typer.Option(help="auto, the name of shipped weights (small), or a .safetensors file.")] = "auto",
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the model runs.")] = "auto",
    strength: Annotated[float, typer.Option(help="How much of the change to apply, 0 to 1.")] = DerainOptions.strength,
    start: Annotated[
        float | None, typer.Option(parser=parse_time, metavar="TIME", help="Begin here: seconds or HH:MM:SS.")
    ] = None,
    end: Annotated[float | None, typer.Option(parser=parse_time, metavar="TIME", help="Stop here.")] = None,
    codec: Annotated[str, typer.Option(help="An encoder of ffmpeg; ffv1 is lossless.")] = Encoding.codec,
    crf: Annotated[float | None, typer.Option(help="Quality, lower is better. [default: 18 for libx264]")] = Encoding.crf,
    preset: Annotated[
        str | None, typer.Option(help="Speed of the encoder. [default: veryfast for libx264, libx265]")
    ] = Encoding.preset,
    compare: Annotated[
        Compare | None, typer.Option(help="Show input and output side by side, or split in the middle.")
    ] = DerainOptions.compare,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = DerainOptions.overwrite,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Write what can be read of a damaged input.")
    ] = DerainOptions.salvage,
    ffmpeg: Annotated[
        str | None, typer.Option(help="Which ffmpeg to use. [default: $RMFD_FFMPEG, PATH, imageio-ffmpeg]")
    ] = DerainOptions.ffmpeg,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is used.")] = False,
) -> None:
    """Take the rain out of one video.

    Every frame, every timestamp, audio, subtitles, chapters and metadata are kept; the output appears under its name
    only when it is complete and checked.
    """
    with errors_as_lines():
        options = DerainOptions(
            strength=strength,
            start_seconds=start,
            end_seconds=end,
            compare=compare,
            overwrite=overwrite,
            salvage=salvage,
            encoding=Encoding(codec, crf, preset),
            ffmpeg=ffmpeg,
        )
        if verbose:
            _print_details(model, device, options)
        report = _derain(source, output, lazy_restorer(model, device), options, quiet)
        if quiet:
            return
        for warning in report.warnings:
            typer.echo(f"rmfd: warning: {warning}", err=True)
        speed = report.frames / max(report.seconds, 1e-3)
        typer.echo(f"{report.target}: {report.frames} frames in {report.seconds:.1f} s, {speed:.1f} fps", err=True)


def _derain(source: Path, output: Path, restore: Any, options: DerainOptions, quiet: bool) -> "DerainReport":
    from rmfd_cli.cli.progress import progress_on_stderr
    from rmfd_cli.derain import derain as run

    shown: Any = nullcontext() if quiet else progress_on_stderr(source.name)
    with shown as on_progress:
        return run(source, output, restore, options, on_progress)


def lazy_restorer(model: str, device: str) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """The model as a function, loaded when the first frame is asked for."""

    def restore(pictures: Iterable[Any]) -> Iterator[Any]:
        # Torch takes seconds to import: a missing file should not have to wait for it.
        from rmfd_cli.model.process import keep_freed_memory, share_cores
        from rmfd_cli.model.streaming import restorer

        keep_freed_memory()
        share_cores()
        return restorer(model, device)(pictures)

    return restore


def _print_details(model: str, device: str, options: DerainOptions) -> None:
    from rmfd_cli.model.streaming import choose_device, find_weights
    from rmfd_cli.video.ffmpeg import find_ffmpeg

    typer.echo(f"weights  {find_weights(model)}", err=True)
    typer.echo(f"device   {choose_device(device)}", err=True)
    typer.echo(f"ffmpeg   {find_ffmpeg(options.ffmpeg)}", err=True)
    typer.echo(f"encoder  {options.encoding.codec}", err=True)
