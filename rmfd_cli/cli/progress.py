"""How far a job is, told to a person at a terminal or to a log file."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import typer

from rmfd_cli.cli.outcome import warn

if TYPE_CHECKING:
    from rich.console import Console

    from rmfd_cli.derain import Progress
    from rmfd_cli.training.loop import Progress as TrainingProgress
    from rmfd_cli.types import SetProgress

LINE_SECONDS = 10.0
"""A log gets no more than one line in this time."""
JSON_SECONDS = 1.0
"""A program that listens likewise."""
_FPS = "{task.fields[rate]:.1f} fps"


Style: TypeAlias = Literal["auto", "rich", "plain", "json", "none"]


@contextmanager
def progress_on_stderr(title: str, style: Style = "auto") -> "Iterator[Callable[[Progress], None]]":
    """Show progress until the block ends.

    Args:
        title: What is being worked on.
        style: `rich` is a bar, `plain` a line now and then, `json` an object a second, one a line; `auto` is a bar where
            stderr is a terminal, else plain lines.
    """
    if style == "none" or sys.stderr is None:
        yield lambda now: None
        return
    if style == "json":
        yield _now_and_then(lambda now: _frames_object(title, now), JSON_SECONDS)
        return
    if style == "plain" or (style == "auto" and not sys.stderr.isatty()):
        yield _now_and_then(lambda now: _frames_line(title, now))
        return
    with _bar(title, _FPS, rate=0.0) as (_, show):

        def update(now: "Progress") -> None:
            # A header that promised fewer frames than there are must not show 101 %.
            total = now.frames_estimate if now.frames_estimate and now.frames_estimate >= now.frames else None
            show(completed=now.frames, total=total, rate=rate(now.frames - now.frames_before, now.seconds))

        yield update


@contextmanager
def set_on_stderr(thing: str, quiet: bool) -> "Iterator[Callable[[SetProgress], None]]":
    """Show how far the work on a data set is until the block ends, likewise.

    Args:
        thing: what it is counted in, one of them.
        quiet: show nothing.
    """
    if quiet:
        yield lambda now: None
    elif sys.stderr.isatty():
        with _bar(f"{thing}s", _FPS, rate=0.0) as (_, show):
            yield lambda now: show(completed=now.done, total=now.jobs, rate=rate(now.frames, now.seconds))
    else:
        yield _now_and_then(lambda now: _things_line(thing, now))


@contextmanager
def training_on_stderr(quiet: bool) -> "Iterator[tuple[Callable[[TrainingProgress], None], Callable[[str], None]]]":
    """Show a training run until the block ends: loss, time per step, time left, and a line per validation.

    Args:
        quiet: show nothing but warnings.

    Yields:
        What to call after each step, and with each warning.
    """
    if quiet:
        yield lambda now: None, warn
    elif sys.stderr.isatty():
        measure = "loss {task.fields[loss]:.4f}, {task.fields[pace]}"
        with _bar("training", measure, loss=0.0, pace="") as (console, show):

            def update(now: "TrainingProgress") -> None:
                show(completed=now.step, total=now.steps, loss=now.loss, pace=_pace(now))
                if now.validation:
                    console.print(_scores_line(now), highlight=False)

            yield update, lambda text: console.print(f"rmfd: warning: {' '.join(text.split())}", highlight=False, markup=False)
    else:
        line = _now_and_then(_steps_line)

        def tell(now: "TrainingProgress") -> None:
            line(now)
            if now.validation:
                typer.echo(_scores_line(now), err=True)

        yield tell, warn


@contextmanager
def _bar(title: str, measure: str, **fields: Any) -> "Iterator[tuple[Console, Callable[..., None]]]":
    """A bar until the block ends; gives its console, and a function that sets how far it is and the measure's fields."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(measure),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, **fields)
        yield bar.console, partial(bar.update, task)


def _now_and_then(line: Callable[[Any], str], every_seconds: float = LINE_SECONDS) -> Callable[[Any], None]:
    """A function that prints a line about what it is given, at most so often."""
    due = every_seconds

    def update(now: Any) -> None:
        nonlocal due
        if now.seconds >= due:
            due = now.seconds + every_seconds
            typer.echo(line(now), err=True)

    return update


def _frames_line(title: str, now: "Progress") -> str:
    speed = rate(now.frames - now.frames_before, now.seconds)
    if now.frames_estimate and now.frames_estimate >= now.frames:
        left = clock((now.frames_estimate - now.frames) / speed)
        return f"{title}: frame {now.frames} of about {now.frames_estimate}, {speed:.1f} fps, {left} left"
    return f"{title}: frame {now.frames}, {speed:.1f} fps"


def _frames_object(title: str, now: "Progress") -> str:
    speed = round(rate(now.frames - now.frames_before, now.seconds), 2)
    fields = {"input": title, "frames": now.frames, "frames_estimate": now.frames_estimate, "fps": speed}
    return json.dumps({"event": "progress", **fields, "seconds": round(now.seconds, 2)})


def _steps_line(now: "TrainingProgress") -> str:
    left = clock(now.seconds / (now.step - now.first) * (now.steps - now.step))
    return f"step {now.step} of {now.steps}, loss {now.loss:.4f}, {_pace(now)}, {left} left"


def _pace(now: "TrainingProgress") -> str:
    """How fast a run learns, and how much of its time: it should hardly ever wait for clips to be drawn."""
    samples, learning = rate(now.frames, now.seconds), 1 - now.waited / max(now.seconds, 1e-3)
    return f"{now.step_seconds:.2f} s a step, {samples:.1f} samples a second, learning {learning:.0%} of the time"


def _scores_line(now: "TrainingProgress") -> str:
    assert now.validation is not None
    scores = now.validation.mean._asdict().items()
    return f"step {now.step} of {now.steps}: " + ", ".join(f"{name} {score.psnr_db:.2f} dB" for name, score in scores)


def _things_line(thing: str, now: "SetProgress") -> str:
    left = f", {clock(now.seconds / now.done * (now.jobs - now.done))} left" if now.done else ""
    speed = f"{rate(now.frames, now.seconds):.1f} fps"
    return f"{thing} {now.done} of {now.jobs}, {now.frames} frames, {speed}{left}"


def rate(frames: int, seconds: float) -> float:
    """Frames per second, a small number instead of a division by zero."""
    return max(frames, 1) / max(seconds, 1e-3)


def clock(seconds: float) -> str:
    """`h:mm:ss`, or `m:ss` under an hour."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minute}:{second:02d}"
