"""`rmfd derain`."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from rmfd_cli import __version__
from rmfd_cli.batch.log import LogFormat, log_event
from rmfd_cli.batch.naming import is_template
from rmfd_cli.batch.plan import Job, check_beside, plan_jobs
from rmfd_cli.batch.report import as_json, counts, summary, write_report
from rmfd_cli.batch.run import Outcome, exit_code, failed, make_folders, run_jobs
from rmfd_cli.batch.sources import PIPE, Found, find_sources, read_names
from rmfd_cli.cli.loading import DeviceName, ModelName, lazy_restorer, lazy_restorer_from, unheard
from rmfd_cli.cli.outcome import EXIT_CODES, errors_as_lines, print_outcomes, shown, spent_lines, tell_outcome, warn
from rmfd_cli.cli.progress import Style
from rmfd_cli.cli.values import parse_encoder_option, parse_length, parse_size, parse_time
from rmfd_cli.errors import InputError, UsageError
from rmfd_cli.options import SEGMENT_FRAMES, Compare, DerainOptions, Encoding, Hardware, seconds_after
from rmfd_cli.stages import Spent

if TYPE_CHECKING:
    from rmfd_cli.derain import DerainReport, Progress

EPILOG = f"""\b
Examples:
  rmfd derain rain.mp4 -o dry.mp4
  rmfd derain rain.mkv -o dry.mkv --codec libx265 --crf 20
  rmfd derain rain-4k.mp4 -o dry.mp4 --memory 3GiB
  rmfd derain rain.mp4 -o dry.mp4 --hw auto
  rmfd derain rain.mp4 -o dry.mp4 --encoder-opt tune=film --encoder-opt g=50
  rmfd derain rain.mp4 -o look.mp4 --start 1:30 --end 1:40 --compare split
  rmfd derain long.mkv -o dry.mkv --resume
  rmfd derain rtsp://camera/1 -o dry.mkv --duration 30s
  rmfd derain recordings/ -o dry/ --report dry.json
  rmfd derain recordings/ -o dry/ --jobs 4
  rmfd derain *.mp4 -o 'dry/{{stem}}_dry{{suffix}}'
  find . -name '*.mp4' -print0 | rmfd derain --from-file - --null -o 'dry/{{folder}}/{{stem}}{{suffix}}'
  ffmpeg -i in.mp4 -f yuv4mpegpipe - | rmfd derain - -o - | ffmpeg -i - out.mp4
  mkdir -p dry; for f in *.mp4; do rmfd derain "$f" -o "dry/$f"; done

Templates: {{stem}} name without suffix, {{suffix}} container (.mp4, .m4v, .mov as the input, else .mkv), {{name}} both
as in the input, {{folder}} the input's folder (below a folder that was named), {{number}} 1, 2, 3 and so on.

{EXIT_CODES}
What failed leaves no output, and an existing one is untouched. Of several inputs that all fail in one way the exit
code is that of one of them, else 3."""


def derain(
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="The video to write (.mp4, .mkv, .mov, .webm, .ts, .avi and others), a folder, a template, frames such as "
            "'out/%05d.png', or - for stdout.",
            show_default=False,
        ),
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Videos, their URLs, folders of them, frames as a folder or 'in/%05d.png'; - for stdin.",
            show_default=False,
        ),
    ] = None,
    from_file: Annotated[
        str | None, typer.Option(metavar="LIST", help="Read names of inputs from this file, one a line; - for stdin.")
    ] = None,
    null: Annotated[bool, typer.Option("--null", "-0", help="Names in the list end with NUL: find -print0.")] = False,
    model: ModelName = "auto",
    device: DeviceName = "auto",
    memory: Annotated[
        int | None,
        typer.Option(
            parser=parse_size,
            metavar="SIZE",
            help="Keep to so much memory, such as 2GiB or 900MB: large frames are restored in tiles. [default: no bound]",
            show_default=False,
        ),
    ] = None,
    strength: Annotated[float, typer.Option(help="How much of the change to apply, 0 to 1.")] = DerainOptions.strength,
    start: Annotated[
        float | None, typer.Option(parser=parse_time, metavar="TIME", help="Begin here: seconds or HH:MM:SS.")
    ] = None,
    end: Annotated[float | None, typer.Option(parser=parse_time, metavar="TIME", help="Stop here.")] = None,
    duration: Annotated[
        float | None, typer.Option(parser=parse_length, metavar="TIME", help="Stop after so long, such as 30s.")
    ] = None,
    codec: Annotated[
        str, typer.Option(help="An encoder of ffmpeg; ffv1 is lossless; auto is libx264, or what OUT's container is made for.")
    ] = Encoding.codec,
    crf: Annotated[
        float | None, typer.Option(help="Quality, lower is better. [default: 18 for libx264, 20 for libx265]")
    ] = Encoding.crf,
    preset: Annotated[
        str | None, typer.Option(help="Speed of the encoder. [default: veryfast for libx264, libx265]")
    ] = Encoding.preset,
    hardware: Annotated[
        Hardware, typer.Option("--hw", help="Hardware that encodes in place of --codec; auto takes one if it works.")
    ] = Encoding.hardware,
    encoder_opt: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="A further option of the encoder, as in ffmpeg -NAME VALUE; repeatable."),
    ] = None,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="Keep every bit: FFV1, in a .mkv; folders and {suffix} become .mkv.")
    ] = False,
    frame_rate: Annotated[
        str, typer.Option("--fps", metavar="RATE", help="Frames per second of frames that are pictures.")
    ] = "25",
    bits: Annotated[
        Literal["8", "16"] | None, typer.Option(help="Of PNG frames. [default: 8 for inputs of 8 bits, else 16]")
    ] = None,
    pipe_format: Annotated[
        Literal["y4m", "nut"], typer.Option(help="Of -o -; nut keeps the time of every frame, y4m is known everywhere.")
    ] = "y4m",
    compare: Annotated[
        Compare | None, typer.Option(help="Show input and output side by side, or split in the middle.")
    ] = DerainOptions.compare,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing output.")] = DerainOptions.overwrite,
    skip_existing: Annotated[
        bool | None,
        typer.Option(
            "--skip-existing/--no-skip-existing",
            help="An existing output counts as done. [default: for inputs out of folders]",
            show_default=False,
        ),
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="End with the first input that fails.")] = False,
    at_once: Annotated[
        int, typer.Option("--jobs", "-j", min=1, metavar="N", help="How many inputs are restored at a time, by one model.")
    ] = 1,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what became of each input as JSON.", show_default=False)
    ] = None,
    deinterlace: Annotated[
        bool, typer.Option("--deinterlace", help="Make whole pictures of interlaced ones first.")
    ] = DerainOptions.deinterlace,
    salvage: Annotated[
        bool, typer.Option("--salvage", help="Write what can be read of a damaged input.")
    ] = DerainOptions.salvage,
    ffmpeg: Annotated[
        str | None, typer.Option(help="Which ffmpeg to use. [default: $RMFD_FFMPEG, PATH, imageio-ffmpeg]")
    ] = DerainOptions.ffmpeg,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; say what would be done, and how long it may take.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Keep what is done in a hidden folder beside the output; after a kill the same command goes on from there.",
        ),
    ] = False,
    preview: Annotated[
        float | None,
        typer.Option(
            parser=parse_length, metavar="TIME", help="Only so long a piece, such as 5s, from --start or out of the middle."
        ),
    ] = None,
    progress: Annotated[Style, typer.Option(help="How to show progress; json is a line a second.")] = "auto",
    log_file: Annotated[Path | None, typer.Option(metavar="FILE", help="Append a line for each event to this file.")] = None,
    log_format: Annotated[LogFormat, typer.Option(help="Of the lines in --log-file.")] = "text",
    stats: Annotated[
        bool, typer.Option("--stats", help="At the end, say how long each stage took, and which one bounds the run.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say what is used.")] = False,
) -> None:
    """Take the rain out of videos.

    Every frame, every timestamp, audio, subtitles, chapters and metadata are kept; an output appears under its name
    only when it is complete and checked. Folders are searched for videos at any depth and mirrored. What fails is named
    and does not keep the rest from being done.
    """
    segments = f"what is done is kept in pieces of {SEGMENT_FRAMES} frames, and the same command goes on"
    kept = segments if resume else "what is not complete was not written"
    with errors_as_lines(kept):
        if end is not None and duration is not None:
            raise UsageError("--end and --duration contradict each other; give one of them")
        if preview and (end is not None or duration is not None):
            raise UsageError("--preview has a length of its own; leave --end and --duration out")
        extra = tuple(map(parse_encoder_option, encoder_opt or ()))
        options = DerainOptions(
            strength=strength,
            start_seconds=start,
            end_seconds=end if duration is None else seconds_after(start or 0.0, duration),
            compare=compare,
            overwrite=overwrite,
            deinterlace=deinterlace,
            salvage=salvage,
            encoding=_encoding(Encoding(codec, crf, preset, hardware, extra), lossless),
            ffmpeg=ffmpeg,
        )
        if overwrite and skip_existing:
            raise UsageError("--overwrite and --skip-existing contradict each other; give one of them")
        if resume and (dry_run or preview):
            raise UsageError("--resume is for whole outputs; leave --dry-run and --preview out, or --resume")
        if resume and PIPE in (output, *(inputs or ())):
            raise UsageError("--resume needs files that can be gone about in, not pipes; leave it out")
        if PIPE in (inputs or ()) and (dry_run or from_file == PIPE):
            raise UsageError("the video that comes through stdin can be read once only; leave --dry-run and --from-file - out")
        found = _find([*(inputs or ()), *_listed(from_file, null)], output)
        several = from_file is not None or len(inputs or ()) > 1 or any(source.from_folder for source in found.sources)
        skips = False if overwrite else skip_existing
        jobs = plan_jobs(found.sources, output, several=several, skip_existing=skips, lossless=lossless)
        ended = [failed(name, None, error) for name, error in found.unreadable]
        beside = {"--report": report, "--log-file": log_file}
        check_beside(jobs, {option: path for option, path in beside.items() if path is not None})
        for outcome in ended:
            tell_outcome(outcome, quiet)
        tell = unheard if quiet else warn
        spent: Spent | None = {} if stats else None
        at_once = 1 if dry_run else at_once
        restore = lazy_restorer(model, device, memory, tell, spent, at_once)
        going_on = lazy_restorer_from(model, device, memory, tell, spent, at_once) if resume else None
        if verbose:
            _print_details(model, device, options)
        # Two bars cannot be drawn at a time.
        style: Style = "none" if quiet else "plain" if at_once > 1 and progress in ("auto", "rich") else progress
        pictures = _frame_rate(frame_rate), bits and int(bits), pipe_format
        wish = _Wish(restore, going_on, spent, options, preview, *pictures, style)
        work = partial(_outline, wish=wish, device=device) if dry_run else partial(_derain, wish=wish)
        began, outcomes = monotonic(), dict[int, Outcome]()
        log: Callable[..., None] = partial(log_event, log_file, log_format) if log_file else lambda event, **values: None
        log("begin", rmfd=__version__, inputs=len(jobs), dry_run=dry_run)
        stopped: int | None = None
        try:
            for place, outcome in run_jobs(jobs, work, fail_fast=fail_fast, at_once=at_once):
                outcomes[place] = outcome
                tell_outcome(outcome, quiet, told=dry_run and outcome.status == "done")
                log(outcome.status, **{key: value for key, value in asdict(outcome).items() if key != "status"})
        except KeyboardInterrupt:
            stopped = 128 + signal.SIGINT
            raise
        except SystemExit as leaving:
            stopped = leaving.code if isinstance(leaving.code, int) else None
            raise
        finally:
            ended += [outcomes.get(k) or Outcome(job.source.name, job.target, "not done") for k, job in enumerate(jobs)]
            status = exit_code(ended) if stopped is None else stopped
            if report is not None:
                write_report(report, as_json(ended, monotonic() - began, __version__, status))
            if len(ended) > 1 and not quiet and not dry_run:
                print_outcomes(ended, summary(ended))
            frames = sum(outcome.frames - outcome.frames_before for outcome in ended)
            if spent and frames:
                for line in spent_lines(spent, frames, sum(outcome.seconds for outcome in ended)):
                    typer.echo(line, err=True)
            log("end", seconds=round(monotonic() - began, 3), exit_code=status, counts=counts(ended))
        if status:
            raise typer.Exit(status)


def _listed(from_file: str | None, null: bool) -> list[str]:
    if from_file is None:
        if null:
            raise UsageError("--null is about the list of --from-file; give that, too")
        return []
    try:
        if from_file == PIPE:
            if sys.stdin is None:
                raise InputError("--from-file -: stdin is closed; pipe a list into it, or name a file")
            return read_names(sys.stdin.buffer, null)
        with Path(from_file).open("rb") as file:
            return read_names(file, null)
    except OSError as error:
        raise InputError(f"--from-file {from_file}: cannot be read ({error.strerror}); check the name") from error


def _find(names: Sequence[str], output: str) -> Found:
    if not names:
        raise UsageError("no input is named; give files, folders, or a list with --from-file")
    if output == PIPE:
        return find_sources(names)
    # Results of an earlier run may lie below a folder that is named.
    results = os.path.dirname(output.partition("{")[0]) if is_template(output) else output
    return find_sources(names, leave_out=results or None)


@dataclass(frozen=True)
class _Wish:
    """What every job of one command has in common."""

    restore: Any
    going_on: Any
    """With --resume a model that can go on, and what decides its results; else None."""
    spent: Spent | None
    options: DerainOptions
    preview_seconds: float | None
    frame_rate: Fraction
    bits: int | None
    pipe_format: Literal["y4m", "nut"]
    style: Style


def _derain(job: Job, go_on: Callable[[], None], wish: _Wish) -> "DerainReport":
    from rmfd_cli.cli.progress import progress_on_stderr
    from rmfd_cli.derain import derain as run
    from rmfd_cli.derain import derain_in_segments

    make_folders(job)
    source, target, options, notes = _ends(job, wish)
    with progress_on_stderr(shown(Path(job.source.name).name), wish.style) as show:

        def on_progress(now: "Progress") -> None:
            show(now)
            go_on()

        if wish.going_on is None:
            report = run(source, target, wish.restore, options, on_progress, wish.spent)
        else:
            restore, identity = wish.going_on
            report = derain_in_segments(source, target, restore, identity(), options, on_progress, spent=wish.spent)
    return replace(report, warnings=(*notes, *report.warnings))


def _outline(job: Job, go_on: Callable[[], None], wish: _Wish, device: str) -> "DerainReport":
    from rmfd_cli.batch.outline import outline
    from rmfd_cli.derain import DerainReport
    from rmfd_cli.model.placing import choose_device

    source, target, options, notes = _ends(job, wish)
    plan = outline(source, target, wish.restore, options, job.makes_folders)
    typer.echo(f"{shown(job.source.name)} -> {shown(job.target)}")
    for name, text in {**plan.lines(), "device": str(choose_device(device))}.items():
        typer.echo(f"  {name:<9} {text}")
    return DerainReport(Path(job.target), 0, 0.0, notes)


def _ends(job: Job, wish: _Wish) -> tuple[Any, Any, DerainOptions, tuple[str, ...]]:
    """Source and target, the options for this job, and what is to be said of them."""
    from rmfd_cli.batch.ends import source_end, target_end
    from rmfd_cli.derain import piece

    source = source_end(job.source, wish.frame_rate)
    target = target_end(job, wish.bits, wish.pipe_format)
    if wish.preview_seconds is None:
        return source, target, wish.options, ()
    options, note = piece(source, wish.preview_seconds, wish.options)
    return source, target, options, (note,)


def _frame_rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise UsageError(f"--fps is {text}; write a number such as 25, 29.97 or 30000/1001")
    return rate


def _encoding(wish: Encoding, lossless: bool) -> Encoding:
    if lossless and replace(wish, extra=()) != Encoding():
        raise UsageError("--lossless is --codec ffv1; leave --codec, --crf, --preset and --hw out")
    return replace(wish, codec="ffv1") if lossless else wish


def _print_details(model: str, device: str, options: DerainOptions) -> None:
    from rmfd_cli.model.placing import choose_device, find_weights
    from rmfd_cli.video.ffmpeg import find_ffmpeg

    typer.echo(f"weights  {find_weights(model)}", err=True)
    typer.echo(f"device   {choose_device(device)}", err=True)
    typer.echo(f"ffmpeg   {find_ffmpeg(options.ffmpeg)}", err=True)
    codec, hardware = options.encoding.codec, options.encoding.hardware
    encoder = "what suits the output's container (--dry-run says which)" if codec == "auto" else codec
    typer.echo(f"encoder  {encoder}{'' if hardware == 'none' else f', or {hardware} in its place'}", err=True)
