"""How a command ends: errors as one line on stderr, and an exit code that tells the truth."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from rmfd_cli.errors import RmfdError

EXIT_CODES = """\b
Exit codes:
  0    the output is complete and checked
  1    failed: the source cannot be read, the target cannot be written
  2    options that contradict each other or name what is not there
  3    of many things to do some failed, named on stderr; the others are complete
  4    this machine lacks something: ffmpeg, an encoder, a device, weights
  5    out of memory
  6    refused: the output exists and --overwrite was not given
  130  stopped with Ctrl-C; 143 by SIGTERM"""

NOTHING_LEFT = "After any of these but 0 no output file is left, and an existing one is untouched."


@contextmanager
def errors_as_lines(interrupted: str = "no output was written") -> Iterator[None]:
    """Turn what goes wrong into one line on stderr and an exit code; `RMFD_DEBUG=1` lets tracebacks through.

    Args:
        interrupted: what Ctrl-C leaves behind, for its line.
    """
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"rmfd: stopped; {interrupted}", err=True)
        raise typer.Exit(130) from None
    except RmfdError as error:
        if os.environ.get("RMFD_DEBUG"):
            raise
        typer.echo(f"rmfd: error: {_one_line(error)}", err=True)
        raise typer.Exit(error.exit_code) from None
    except Exception as error:
        if os.environ.get("RMFD_DEBUG") or isinstance(error, typer.Exit | typer.Abort):
            raise
        name = type(error).__name__
        typer.echo(f"rmfd: error: {name}: {_one_line(error)}; set RMFD_DEBUG=1 for the traceback", err=True)
        raise typer.Exit(1) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
