"""How far a job is, told to a person at a terminal or to a log file."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rmfd_cli.derain import Progress
    from rmfd_cli.training.loop import Progress as TrainingProgress

LINE_SECONDS = 10.0
"""A log gets no more than one line in this time."""


@contextmanager
def progress_on_stderr(title: str) -> "Iterator[Callable[[Progress], None]]":
    """Show progress until the block ends: a bar where stderr is a terminal, else a plain line now and then.

    Args:
        title: What is being worked on.
    """
    if sys.stderr.isatty():
        with _bar(title) as update:
            yield update
    else:
        yield _lines(title)


@contextmanager
def _bar(title: str) -> "Iterator[Callable[[Progress], None]]":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:.1f} fps"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, rate=0.0)

        def update(now: "Progress") -> None:
            # A header that promised fewer frames than there are must not show 101 %.
            total = now.frames_estimate if now.frames_estimate and now.frames_estimate >= now.frames else None
            bar.update(task, completed=now.frames, total=total, rate=rate(now.frames, now.seconds))

        yield update


def _lines(title: str) -> "Callable[[Progress], None]":
    due = LINE_SECONDS

    def update(now: "Progress") -> None:
        nonlocal due
        if now.seconds < due:
            return
        due = now.seconds + LINE_SECONDS
        speed = rate(now.frames, now.seconds)
        line = f"{title}: frame {now.frames}"
        if now.frames_estimate and now.frames_estimate >= now.frames:
            left = (now.frames_estimate - now.frames) / speed
            line += f" of about {now.frames_estimate}, {speed:.1f} fps, {clock(left)} left"
        else:
            line += f", {speed:.1f} fps"
        typer.echo(line, err=True)

    return update


@contextmanager
def training_on_stderr(quiet: bool) -> "Iterator[Callable[[TrainingProgress], None]]":
    """Show a training run until the block ends: loss, time per step, time left, and a line per validation.

    Args:
        quiet: show nothing.
    """
    if quiet:
        yield lambda now: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}, {task.fields[seconds]:.2f} s a step"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("training", total=None, loss=0.0, seconds=0.0)

        def update(now: "TrainingProgress") -> None:
            bar.update(task, completed=now.step, total=now.steps, loss=now.loss, seconds=now.seconds)
            if now.validation:
                scores = ", ".join(f"{name} {value:.2f} dB" for name, value in now.validation.items())
                console.print(f"step {now.step} of {now.steps}: {scores}", highlight=False)

        yield update


def rate(frames: int, seconds: float) -> float:
    """Frames per second, a small number instead of a division by zero."""
    return max(frames, 1) / max(seconds, 1e-3)


def clock(seconds: float) -> str:
    """`h:mm:ss`, or `m:ss` under an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
