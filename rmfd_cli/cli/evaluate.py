"""`rmfd eval`."""

from pathlib import Path
from typing import Annotated

import typer

from rmfd_cli import __version__
from rmfd_cli.cli.loading import DeviceName, MemorySize, ModelName, lazy_restorer
from rmfd_cli.cli.outcome import errors_as_lines, print_table, shown, tell_failure, verdict, warn
from rmfd_cli.cli.progress import set_on_stderr
from rmfd_cli.errors import UsageError
from rmfd_cli.files import check_place, write_output

PLOTS = (".png", ".svg", ".pdf")

EPILOG = """\b
Examples:
  rmfd eval set/                                   restore and score a paired data set
  rmfd eval set/ --model runs/stage1/rmfd.safetensors --json scores.json --plot scores.png
  rmfd eval dry.mp4 --against clean.mp4            score a result that is there
  rmfd eval out/ --against set/target --csv scores.csv

\b
Scores, each the mean over the frames of a clip, then over clips:
  psnr_db, ssim       of RGB, 8 bits; identical pictures count as 100 dB
  y_psnr_db, y_ssim   of luma as MATLAB's rgb2ycbcr has it, as most papers on rain do
  gmsd                gradient magnitude similarity deviation of luma: less is better
  change_db           PSNR of the change from frame to frame: flicker lowers it

\b
Exit codes:
  0    all clips are scored
  1    no clip could be scored, or a file cannot be written
  2    options that make no sense, or no clips
  3    some clips could not be scored, named on stderr; the others are
  4    this machine lacks something: a device, weights, matplotlib for --plot
  5    out of memory"""


def evaluate(
    tested: Annotated[
        Path, typer.Argument(metavar="SET", help="A paired data set as rmfd synth and published sets have them; or a result.")
    ],
    against: Annotated[
        Path | None,
        typer.Option(metavar="CLEAN", help="The truth of a result: clips, or folders of clips with the same names."),
    ] = None,
    model: ModelName = "auto",
    device: DeviceName = "auto",
    memory: MemorySize = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Only the first so many of each clip. [default: all]")] = None,
    skip: Annotated[int, typer.Option(min=0, help="Frames at each end of a clip that do not count.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all scores, of each frame, too.")
    ] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the table.")] = None,
    plot_file: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw PSNR by clips and frames: .png, .svg, .pdf.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the table and errors.")] = False,
) -> None:
    """Score restored video against the truth: a data set that is restored first, or a result that is there.

    The table goes to stdout: on a terminal as one, else divided by tabs.
    """
    with errors_as_lines("nothing was written"):
        for path in (path for path in (json_file, csv_file, plot_file) if path is not None):
            check_place(path)
        if plot_file is not None and plot_file.suffix.lower() not in PLOTS:
            raise UsageError(f"--plot is {plot_file}; name a file that ends in {', '.join(PLOTS)}")
        if against is not None and (model, device, memory) != ("auto", "auto", None):
            raise UsageError("--against scores a result as it is; leave --model, --device and --memory out")
        from rmfd_cli.evaluation import plot, report, run

        if plot_file is not None:
            plot.check_plotting()
        pairs = run.pairs_of_set(tested) if against is None else run.pairs_against(tested, against)
        restore = lazy_restorer(model, device, memory, warn) if against is None else None
        with set_on_stderr("clip", quiet) as on_progress:
            found = run.evaluate(pairs, restore, frames=frames, skip=skip, on_progress=on_progress, on_failure=tell_failure)
        if found.clips:
            how = _model(model) if against is None else {"against": str(against)}
            about = {"rmfd": __version__, "tested": str(tested), **how, "skip": skip}
            if json_file is not None:
                write_output(json_file, report.as_json(found, about).encode())
            if csv_file is not None:
                write_output(csv_file, report.as_csv(found).encode(errors="surrogateescape"))
            if plot_file is not None:
                write_output(plot_file, plot.plot(found, plot_file.suffix[1:].lower()))
            header, *rows = ([shown(cell) for cell in row] for row in report.table(found))
            print_table(header, rows, last=len(found.mean))
        if found.failures:
            failed = f"{len(found.failures)} of {len(pairs)} clips could not be scored"
            raise verdict(str(tested), failed, found.failures, len(found.clips), "no scores")


def _model(name: str) -> dict[str, str]:
    from rmfd_cli.model.checkpoint import sha256
    from rmfd_cli.model.placing import find_weights

    return {"model": name, "weights_sha256": sha256(find_weights(name))}
