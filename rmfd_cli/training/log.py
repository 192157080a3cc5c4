"""What a run writes down: a line of JSON per step, and TensorBoard's files if they are asked for."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rmfd_cli.errors import MachineError, OutputError
from rmfd_cli.files import replace_whole
from rmfd_cli.training.validation import Validation


class Record(NamedTuple):
    """A step."""

    step: int
    """Counted from 1."""
    loss: float
    terms: dict[str, float]
    """Of the loss."""
    seconds: float
    """Wall time of the step, validation and saving included."""
    learning_rate: float
    validation: Validation | None


@contextmanager
def open_log(out: Path, first: int, tensorboard: bool) -> Iterator[Callable[[Record], None]]:
    """A function that writes a step down, until the block ends.

    Args:
        out: holds `log.jsonl` and `tensorboard/`.
        first: steps done already; what an earlier run wrote about later ones is taken out.
        tensorboard: whether to write the second.

    Raises:
        MachineError: the package `tensorboard` is not installed.
        OutputError: a file cannot be written.
    """
    with ExitStack() as stack:
        try:
            path = out / "log.jsonl"
            _forget_after(path, first)
            file = stack.enter_context(path.open("a", encoding="utf-8"))
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({error.strerror or error}); choose another --out") from error
        board = stack.enter_context(_board(out / "tensorboard", first)) if tensorboard else None

        def write(record: Record) -> None:
            try:
                file.write(json.dumps(_line(record)) + "\n")
                file.flush()
                if board is not None:
                    board(record)
            except OSError as error:
                raise OutputError(f"{path}: cannot be written ({error.strerror or error}); make room") from error

        yield write


@contextmanager
def no_log() -> Iterator[Callable[[Record], None]]:
    """For those who leave it to another process."""
    yield lambda record: None


def _line(record: Record) -> dict[str, Any]:
    mean = record.validation and record.validation.mean
    scores = mean and {
        **{name: score.psnr_db for name, score in mean._asdict().items()},
        "ssim": {name: score.ssim for name, score in mean._asdict().items()},
    }
    return {"step": record.step, "loss": record.loss, **record.terms, "seconds": record.seconds, "validation": scores}


def _forget_after(path: Path, first: int) -> None:
    """Takes out lines of steps after the one that a run goes on from, also one that a crash cut short."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text("utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= first:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue
    replace_whole(path, "".join(kept).encode())


@contextmanager
def _board(folder: Path, first: int) -> Iterator[Callable[[Record], None]]:
    if importlib.util.find_spec("tensorboard") is None:
        raise MachineError("--tensorboard needs the package tensorboard: pip install tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), purge_step=first + 1) as writer:

        def write(record: Record) -> None:
            scalars = {"loss": record.loss, "learning_rate": record.learning_rate, "seconds": record.seconds}
            scalars |= {f"terms/{name}": value for name, value in record.terms.items()}
            if record.validation is not None:
                for name, score in record.validation.mean._asdict().items():
                    scalars |= {f"psnr_db/{name}": score.psnr_db, f"ssim/{name}": score.ssim}
                writer.add_images("input, restored, clean", record.validation.pictures, record.step)
            for name, value in scalars.items():
                writer.add_scalar(name, value, record.step)

        yield write
