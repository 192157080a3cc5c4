"""`rmfd synth`."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmfd_cli.cli.outcome import EXIT_CODES, errors_as_lines, tell_failure, verdict, warn
from rmfd_cli.cli.progress import set_on_stderr
from rmfd_cli.cli.values import parse_picture_size
from rmfd_cli.cores import usable_cores
from rmfd_cli.errors import RmfdError, UsageError
from rmfd_cli.files import check_place
from rmfd_cli.synth.request import LAYERS, Format, Layer, SynthRequest

if TYPE_CHECKING:
    from rmfd_cli.synth.plan import Job
    from rmfd_cli.synth.run import SynthReport

PRESETS = ("random", "edited", "light", "moderate", "heavy", "violent", "drizzle-veil", "night", "windshield")
"""As `rmfd_cli.rain.presets` has them; naming them in `--help` must not import the simulator."""

EPILOG = f"""\b
Formats (CLIP is the clip's path, 0 the variant):
  video    CLIP/0/rainy.mkv, clean.mkv and layers: lossless FFV1
  frames   CLIP/0/rainy/00000000.png, clean/ and layers
  basicsr  Rain/000/00000000.png, GT/000/00000000.png
  nturain  CLIP-0_Rain/00001.png, CLIP-0_GT/00001.png
  rainsyn  Rain/CLIP-0/00000000.png, GT/CLIP-0/00000000.png
Each has a metadata file per variant with all that was sampled, and meta_info.txt.

\b
Examples:
  rmfd synth clean/ --preview look.png --preset heavy
  rmfd synth clean/ -o rainy/ --variants 2
  rmfd synth clean/ -o rainy/ --preset moderate --rain-rate 12 --wind 4 --frames 100
  rmfd synth clean/ -o set/ --format basicsr --size 640x360 --seed 7
The same command again skips what is complete and makes the rest.

{EXIT_CODES}
A variant is complete or not there at all; one that fails, or a folder that cannot be read, is named
at the end and stops no other. Where nothing could be made, the code is that of the failures, and 3 if
they are of several kinds."""


def parse_layers(text: str) -> tuple[Layer, ...]:
    """Layers from `streaks,flow`, `all` or `none`, in the order of `LAYERS`.

    Raises:
        UsageError: One of them is not known, there is none, or `all` or `none` is not alone.
    """
    words = {word.strip() for word in text.split(",") if word.strip()}
    if not words:
        raise UsageError(f"--layers is empty; write none, or all, or some of {', '.join(LAYERS)}")
    if len(words) > 1 and (whole := sorted(words & {"all", "none"})):
        raise UsageError(f"--layers {text}: {' and '.join(whole)} stands alone; leave it out, or the others")
    wanted = set(LAYERS) if words == {"all"} else set() if words == {"none"} else words
    if unknown := wanted - set(LAYERS):
        raise UsageError(f"--layers: {', '.join(sorted(unknown))} is none; there are {', '.join(LAYERS)}, or all, or none")
    return tuple(layer for layer in LAYERS if layer in wanted)


def synth(
    clean_dir: Annotated[Path, typer.Argument(metavar="CLEAN_DIR", help="Folder of clean videos and numbered frames.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder of the data set.")] = None,
    preset: Annotated[str, typer.Option(metavar="NAME", help=f"One of {', '.join(PRESETS)}.")] = SynthRequest.preset,
    rain_rate: Annotated[float | None, typer.Option(metavar="MM_H", help="Rain in mm/h. [default: the preset's]")] = None,
    visibility: Annotated[
        float | None, typer.Option(metavar="M", help="How far one sees, in metres. [default: likewise]")
    ] = None,
    wind: Annotated[float | None, typer.Option(metavar="M_S", help="Wind to the right, in m/s. [default: likewise]")] = None,
    exposure: Annotated[float | None, typer.Option(metavar="S", help="Exposure time in seconds. [default: likewise]")] = None,
    variants: Annotated[int, typer.Option(help="How many times each clip is rained on.")] = SynthRequest.variants,
    frames: Annotated[int | None, typer.Option(help="Only the first so many of each clip. [default: all]")] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Scale to cover this, and crop about the centre. [default: as it is]")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything random: the same seed makes the same bytes.")] = SynthRequest.seed,
    layers: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help=f"What to store besides: {', '.join(LAYERS)}; all; none. [default: all for video and frames, else none]",
        ),
    ] = None,
    layout: Annotated[Format, typer.Option("--format", help="How files are stored; see below.")] = SynthRequest.format,
    depth_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Depth maps: CLIP.png, CLIP.npy or CLIP/*. [default: a guess]")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes to render with. [default: one per core]")] = None,
    preview: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Only write a contact sheet: clean, layers and rainy."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be made.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what was made with other options.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Make a paired rainy data set from clean video, with the layers of the rain model as ground truth."""
    with errors_as_lines("complete variants are kept, the same command goes on with the rest"):
        request = SynthRequest(
            preset=preset,
            rain_rate_mm_h=rain_rate,
            visibility_m=visibility,
            wind_m_s=wind,
            exposure_s=exposure,
            variants=variants,
            frames=frames,
            size_px=None if size is None else parse_picture_size(size),
            seed=seed,
            layers=None if layers is None else parse_layers(layers),
            format=layout,
            depth_dir=None if depth_dir is None else str(depth_dir),
        )
        if preview is not None and dry_run:
            raise UsageError("--preview and --dry-run both stand for the work itself; give one of them")
        if preview is not None:
            _preview(clean_dir, request, preview, quiet)
        elif dry_run:
            _print_plan(clean_dir, output, request, overwrite)
        elif output is None:
            raise UsageError("--output is missing; name the folder of the data set, or ask for --preview or --dry-run")
        else:
            _synth(clean_dir, output, request, usable_cores() if workers is None else workers, overwrite, quiet)


def _synth(clean_dir: Path, out: Path, request: SynthRequest, workers: int, overwrite: bool, quiet: bool) -> None:
    from rmfd_cli.synth.run import synthesize

    failures: list[RmfdError] = []
    try:
        with set_on_stderr("variant", quiet) as on_progress:
            report = synthesize(
                *(clean_dir, out, request),
                workers=workers,
                overwrite=overwrite,
                on_progress=on_progress,
                on_failure=failures.append,
            )
    finally:
        for failure in failures:
            tell_failure(failure)
    if failures:
        raise _verdict(out, report)
    if not quiet:
        speed = f", {report.frames} frames in {report.seconds:.1f} s" if report.made else ""
        typer.echo(f"{out}: {report.made} variants made, {report.skipped} were complete{speed}", err=True)


def _verdict(out: Path, report: "SynthReport") -> RmfdError:
    """The error that a run with failures ends in."""
    complete = report.made + report.skipped
    what = []
    if failed := len(report.failures):
        what.append(f"{failed} of {complete + failed} variants failed")
    if folders := len(report.unreadable):
        what.append(f"{folders} folder{'s' if folders > 1 else ''} could not be read")
    failures = (*report.failures, *report.unreadable)
    return verdict(str(out), " and ".join(what), failures, complete, "nothing was made")


def _preview(clean_dir: Path, request: SynthRequest, path: Path, quiet: bool) -> None:
    if path.suffix.lower() != ".png":
        raise UsageError(f"--preview is {path}; name a .png file")
    check_place(path)
    from rmfd_cli.synth.preview import write_preview
    from rmfd_cli.synth.run import make_plan

    jobs, unreadable = make_plan(clean_dir, request)
    for failure in (*unreadable, *write_preview(jobs, path)):
        warn(str(failure))
    if not quiet:
        typer.echo(f"{path}", err=True)


def _print_plan(clean_dir: Path, out: Path | None, request: SynthRequest, overwrite: bool) -> None:
    from rmfd_cli.synth.identity import identify
    from rmfd_cli.synth.layouts import place
    from rmfd_cli.synth.publish import is_done
    from rmfd_cli.synth.run import make_plan
    from rmfd_cli.synth.variant import stored_streams

    def line(job: "Job") -> str:
        where = place(job, stored_streams(job), request.format)
        return f"{job.source}\t{where.name}\t{request.preset}\tseed {job.seed}"

    jobs, unreadable = make_plan(clean_dir, request)
    for folder in unreadable:
        warn(str(folder))
    identify_once = cache(identify)
    to_do = jobs if out is None else [job for job in jobs if not is_done(job, out, overwrite, identify_once)]
    for job in to_do:
        typer.echo(line(job))
    complete = f", {len(jobs) - len(to_do)} more are complete" if len(to_do) < len(jobs) else ""
    typer.echo(f"{len(to_do)} variants{complete}, each: {', '.join(stored_streams(jobs[0]))}", err=True)
