"""How a command ends: errors as one line on stderr, a table of many jobs, an exit code that tells the truth."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from rmfd_cli.batch.run import Outcome
from rmfd_cli.errors import PartialFailureError, RmfdError, error_line, print_traceback_if_asked
from rmfd_cli.stages import Spent, longest

EXIT_CODES = """\b
Exit codes:
  0    the output is complete and checked
  1    failed: a file is missing or cannot be read, or the target cannot be written
  2    a wrong command line: what rmfd does not know, or options that contradict each other
  3    of many things to do some failed, named on stderr; the others are complete
  4    this machine lacks something: ffmpeg, an encoder, a device, weights
  5    out of memory
  6    refused: the output exists and --overwrite was not given, or it is the source
  130  stopped with Ctrl-C; 143 by SIGTERM"""


@contextmanager
def errors_as_lines(interrupted: str = "no output was written") -> Iterator[None]:
    """Turn what goes wrong into one line on stderr and an exit code; with `RMFD_DEBUG=1` the traceback comes before it.

    Args:
        interrupted: what Ctrl-C leaves behind, for its line.
    """
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"rmfd: stopped; {interrupted}", err=True)
        raise typer.Exit(130) from None
    except Exception as error:
        if isinstance(error, typer.Exit | typer.Abort):
            raise
        print_traceback_if_asked()
        typer.echo(f"rmfd: error: {error_line(error)}", err=True)
        raise typer.Exit(error.exit_code if isinstance(error, RmfdError) else 1) from None


def shown(name: str) -> str:
    """A file name in one line of valid text, whatever it holds."""
    visible = re.sub(r"[\x00-\x1f\x7f]", lambda match: repr(match[0])[1:-1], name)
    return visible.encode("utf-8", "backslashreplace").decode()


def warn(text: str) -> None:
    """Print a warning on stderr."""
    typer.echo(f"rmfd: warning: {' '.join(text.split())}", err=True)


def tell_failure(failure: RmfdError) -> None:
    """Print on stderr what failed of many things, which goes on without it."""
    typer.echo(f"rmfd: failed: {' '.join(str(failure).split())}", err=True)


def verdict(where: str, failed: str, failures: Sequence[RmfdError], complete: int, nothing: str) -> RmfdError:
    """The error that a run ends in of whose many things some failed.

    Args:
        where: what it was about.
        failed: how many failed, in words.
        failures: of them, at least one.
        complete: how many did not.
        nothing: what to say where that is none; the error is then of the failures' kind, if they have all the same.
    """
    if complete:
        return PartialFailureError(f"{where}: {failed}, the others are complete")
    alike = len({failure.exit_code for failure in failures}) == 1
    return (type(failures[0]) if alike else PartialFailureError)(f"{where}: {nothing}; {failed}")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], last: int = 1) -> None:
    """Print a table on stdout: as one on a terminal, else its columns divided by tabs.

    Args:
        header: of the columns.
        rows: of text.
        last: so many of them at the end sum up the others.
    """
    if not sys.stdout.isatty():
        for row in (header, *rows):
            typer.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=None, pad_edge=False)
    for number, row in enumerate(rows):
        table.add_row(*map(Text, row), style="bold" if number >= len(rows) - last else None)
    Console().print(table)


def tell_outcome(outcome: Outcome, quiet: bool, told: bool = False) -> None:
    """Print one line on stderr about a job that has ended, and one for each of its warnings.

    Args:
        outcome: Of the job.
        quiet: Say only what failed.
        told: Whether what was done has been told already.
    """
    if outcome.status == "failed":
        typer.echo(f"rmfd: error: {outcome.error}", err=True)
    if quiet or told or outcome.status not in ("done", "skipped"):
        return
    for warning in outcome.warnings:
        warn(warning)
    typer.echo(f"{shown(outcome.target or '')}: {_achieved(outcome)}", err=True)


def print_outcomes(outcomes: Sequence[Outcome], summary: str) -> None:
    """Print what came of many jobs on stderr: a table on a terminal, else columns divided by tabs; then the summary."""
    rows = [
        (outcome.status, shown(outcome.source), outcome.error or f"{shown(outcome.target or '')}: {_achieved(outcome)}")
        for outcome in outcomes
    ]
    if not sys.stderr.isatty():
        for row in rows:
            typer.echo("\t".join(row), err=True)
        typer.echo(summary, err=True)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"done": "green", "failed": "red", "skipped": "dim", "not done": "dim"}
    table = Table("", "input", "result", box=None, pad_edge=False)
    for status, source, result in rows:
        table.add_row(Text(status, colours[status]), Text(source), Text(result))
    console = Console(stderr=True)
    console.print(table)
    console.print(summary, highlight=False)


def spent_lines(spent: Spent, frames: int, wall_seconds: float) -> list[str]:
    """What each stage took, and which of them the others wait for, as a table divided by tabs.

    Args:
        spent: By stage.
        frames: That it was spent on.
        wall_seconds: How long it took in all.
    """
    rows = [f"{stage}\t{1e3 * seconds / frames:.1f}\t{seconds / wall_seconds:.0%}" for stage, seconds in spent.items()]
    slowest = longest(spent)
    # Where even the busiest waits for half of the time, it is for torch and ffmpeg to start.
    bound = slowest if spent[slowest] > wall_seconds / 2 else "start-up"
    return ["stage\tms per frame\tbusy", *rows, f"all\t{1e3 * wall_seconds / frames:.1f}\t{bound} bounds it"]


def _achieved(outcome: Outcome) -> str:
    if outcome.status == "skipped":
        return "exists, skipped"
    if outcome.status != "done":
        return "not done"
    speed = (outcome.frames - outcome.frames_before) / max(outcome.seconds, 1e-3)
    before = f", {outcome.frames_before} of them before" if outcome.frames_before else ""
    return f"{outcome.frames} frames{before} in {outcome.seconds:.1f} s, {speed:.1f} fps"
