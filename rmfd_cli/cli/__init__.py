"""The command line: options in, one line out, an exit code that tells the truth.

Nothing heavy is imported before a command runs, so that `rmfd --help` answers at once.
"""

import logging
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import Annotated

import typer

from rmfd_cli import __version__
from rmfd_cli.cli.bench import EPILOG as BENCH_EPILOG
from rmfd_cli.cli.bench import bench as bench_command
from rmfd_cli.cli.derain import EPILOG as DERAIN_EPILOG
from rmfd_cli.cli.derain import derain as derain_command
from rmfd_cli.cli.doctor import EPILOG as DOCTOR_EPILOG
from rmfd_cli.cli.doctor import doctor as doctor_command
from rmfd_cli.cli.evaluate import EPILOG as EVAL_EPILOG
from rmfd_cli.cli.evaluate import evaluate as eval_command
from rmfd_cli.cli.outcome import EXIT_CODES
from rmfd_cli.cli.synth import EPILOG as SYNTH_EPILOG
from rmfd_cli.cli.synth import synth as synth_command
from rmfd_cli.cli.train import EPILOG as TRAIN_EPILOG
from rmfd_cli.cli.train import train as train_command
from rmfd_cli.cli.weights import EPILOG as WEIGHTS_EPILOG
from rmfd_cli.cli.weights import app as weights_app

app = typer.Typer(
    name="rmfd",
    help="Take the rain out of video.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rmfd {__version__}")
        raise typer.Exit


@app.callback()
def rmfd(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Take the rain out of video."""


app.command("derain", epilog=DERAIN_EPILOG)(derain_command)
app.command("synth", epilog=SYNTH_EPILOG)(synth_command)
app.command("train", epilog=TRAIN_EPILOG)(train_command)
app.command("eval", epilog=EVAL_EPILOG)(eval_command)
app.add_typer(weights_app, name="weights", epilog=WEIGHTS_EPILOG)
app.command("bench", epilog=BENCH_EPILOG)(bench_command)
app.command("doctor", epilog=DOCTOR_EPILOG)(doctor_command)


def _stop_on_signal(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """The entry point of `rmfd`: also SIGTERM and SIGHUP leave nothing half-written behind."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):  # Windows has no SIGHUP
        # Under nohup, SIGHUP is ignored and has to stay so.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop_on_signal)
    try:
        app(prog_name="rmfd")
    except SystemExit as leaving:
        if "torch" in sys.modules and isinstance(leaving.code, int) and not _is_busy():
            _leave(leaving.code)
        raise


def _is_busy() -> bool:
    """Whether Python would at its end wait for threads besides this one, or stop other processes."""
    import multiprocessing

    waited_for = sum(not thread.daemon for thread in threading.enumerate())
    return waited_for > 1 or bool(multiprocessing.active_children())


def _leave(status: int) -> None:
    """Ends the process without taking torch's modules apart first, which takes half a second (docs/decisions.md)."""
    # What cannot be written any more is Python's to complain of, as ever.
    with suppress(OSError, ValueError):
        for stream in (sys.stdout, sys.stderr):
            # There is none where the shell has closed it.
            if stream is not None:
                stream.flush()
        logging.shutdown()
        os._exit(status)
