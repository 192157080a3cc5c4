"""Checkpoints: written whole or not at all, the last few kept, the newest that can be read found again."""

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import torch

from rmfd_cli.errors import OutputError, TrainingError
from rmfd_cli.files import replace_whole
from rmfd_cli.model.checkpoint import export_weights
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.int8 import Ranges
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.values import State
from rmfd_cli.options import TrainOptions

BEST = "best.pt"

Resume: TypeAlias = Path | Literal["auto"]
"""A checkpoint to go on from, or the newest good one of the folder if there is one."""

FIXED = (
    "stage",
    "seed",
    "batch_size",
    "clip_frames",
    "clip_frames_start",
    "updates_per_clip",
    "crop_px",
    "paired_share",
    "real_share",
)
"""Options that decide what the next batch is and which state fits it: a run goes on with the same ones only."""


class Stateful(Protocol):
    """A module or an optimiser."""

    def state_dict(self) -> dict[str, Any]:
        """What there is to remember."""

    def load_state_dict(self, state_dict: dict[str, Any], /) -> Any:
        """Takes it back."""


class Position(NamedTuple):
    """How far a run is."""

    step: int
    """Updates done."""
    state: State | None = None
    """After the last frame seen, of the clips of all ranks in order."""
    ranks: int = 1
    """Processes that the clips were divided among."""
    best_db: float = -math.inf
    """PSNR of the best validation so far."""
    ranges: Ranges = {}  # noqa: RUF012 - never changed
    """For convolutions in integers, as the last validation measured them."""

    def with_score(self, psnr_db: float, ranges: Ranges) -> "Position":
        """After a validation."""
        return self._replace(best_db=max(self.best_db, psnr_db), ranges=ranges)


def checkpoint_path(folder: Path, step: int) -> Path:
    """The file of a step; names sort by step."""
    return folder / f"step-{step:08d}.pt"


def checkpoints(folder: Path) -> list[Path]:
    """The numbered checkpoints of a folder, oldest first."""
    return sorted(folder.glob("step-*.pt"))


def save_checkpoint(path: Path, config: Mapping[str, Any], parts: Mapping[str, Stateful], position: Position) -> None:
    """Writes a checkpoint; an older file of this name stays until the new one is complete.

    Args:
        path: the file.
        config: options and hyper-parameters, of plain values.
        parts: what has a `state_dict`, by name.
        position: how far the run is.

    Raises:
        OutputError: it cannot be written, e.g. because the disk is full.
    """
    content = {
        "config": dict(config),
        **{name: part.state_dict() for name, part in parts.items()},
        **position._asdict(),
        "state": position.state and tuple(x.cpu() for x in position.state),
    }
    # To memory first: what goes wrong on the disk is then an OSError that says what it is.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    try:
        replace_whole(path, buffer.getbuffer())
    except OSError as error:
        raise _not_written(path, error, checkpoints(path.parent)) from error


def export_average(average: Rmfd, path: Path) -> None:
    """Writes the weights that `rmfd derain --model` takes.

    Raises:
        OutputError: they cannot be written.
    """
    try:
        export_weights(average, path)
    except OSError as error:
        raise _not_written(path, error, checkpoints(path.parent / "checkpoints")) from error


def remove_old(folder: Path, keep: int) -> None:
    """Removes all but the last `keep` numbered checkpoints."""
    for path in checkpoints(folder)[:-keep]:
        path.unlink(missing_ok=True)


def leave_branch(folder: Path, position: Position) -> Position:
    """Takes out the numbered checkpoints of later steps than the one that a run goes on from: it will make others.

    The best one stays until there is another, after the next validation unless the position knows of the one that is there.

    Args:
        folder: where the run keeps its checkpoints.
        position: where it goes on.

    Returns:
        The position, without a best score if the folder does not hold what earned it.
    """
    here = checkpoint_path(folder, position.step)
    for path in checkpoints(folder):
        if path.name > here.name:
            path.unlink(missing_ok=True)
    try:
        known = read_checkpoint(folder / BEST).get("best_db") == position.best_db
    except TrainingError:
        known = False
    return position if known else position._replace(best_db=-math.inf)


def find_checkpoint(resume: Resume, folder: Path, on_warning: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
    """What to go on from, and its content.

    Args:
        resume: a file, or `auto` for the newest good one of the folder.
        folder: where the run keeps its checkpoints.
        on_warning: told about each newer one that is damaged.

    Returns:
        None for `auto` in a folder that holds none.

    Raises:
        TrainingError: the file is missing or damaged, or all those of the folder are.
    """
    if isinstance(resume, Path):
        return resume, read_checkpoint(resume)
    found = checkpoints(folder)
    for path in reversed(found):
        try:
            return path, read_checkpoint(path)
        except TrainingError as error:
            on_warning(f"{error}; trying the one before it")
    if found:
        raise TrainingError(f"no checkpoint in {folder} can be read; give --resume another file, or train into another --out")
    return None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, its tensors in main memory.

    Raises:
        TrainingError: it is missing, damaged, or something else.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if missing := {"config", "model", "average", "optimizer", "state", "step"} - content.keys():
            raise ValueError(f"it has no {', '.join(sorted(missing))}")
        if "model" not in content["config"]:
            raise ValueError("its config has no model")
    except FileNotFoundError:
        raise TrainingError(f"there is no checkpoint {path}; check the name, or pass --resume auto") from None
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise TrainingError(f"{path} is damaged or no checkpoint of rmfd ({reason})") from error
    return content


def architecture(path: Path, content: Mapping[str, Any]) -> ModelConfig:
    """The hyper-parameters of the network that a checkpoint holds.

    Raises:
        TrainingError: this version does not know such a network.
    """
    try:
        return ModelConfig(**content["config"]["model"])
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"{path} holds a network that this version does not know ({error}); begin anew with --init"
        ) from error


def check_fits(path: Path, content: Mapping[str, Any], model: Rmfd, options: TrainOptions) -> None:
    """Makes sure that a run can go on from a checkpoint.

    Raises:
        TrainingError: it holds another architecture, or was made with other options of those that are `FIXED`.
    """
    saved, here = content["config"], asdict(options)
    architecture = asdict(model.config)
    if saved["model"] != architecture:
        theirs = _differences(saved["model"], architecture)
        raise TrainingError(f"{path} holds another architecture ({theirs}); give the same --model, or begin anew with --init")
    ours = {name: here[name] for name in FIXED}
    if other := _differences({name: saved.get(name, ours[name]) for name in FIXED}, ours):
        raise TrainingError(f"{path} was made with other options ({other}); give the same, or begin anew with --init")


def other_lessons(content: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """In what a run learns otherwise than it did when a checkpoint was saved, where that is no error; nothing if it does not.

    Args:
        content: of the checkpoint; what older ones do not tell counts as the same.
        settings: of the run, as it saves them: the fingerprints of its `clips`, the `weights` of its loss.
    """
    saved = content["config"]
    clips = saved.get("clips", settings["clips"])
    changed = sorted(name for name in clips.keys() | settings["clips"].keys() if clips.get(name) != settings["clips"].get(name))
    others = [f"clips of {', '.join(changed)}"] if changed else []
    weights = _differences({**settings["weights"], **saved.get("weights", {})}, settings["weights"])
    return "; ".join([*others, *([f"weights: {weights}"] if weights else [])])


def judged_alike(content: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's best score is one on the clips that a run scores; arguments as of `other_lessons`."""
    saved = content["config"].get("clips", settings["clips"])
    return bool(saved.get("--validation") == settings["clips"].get("--validation"))


def restore(path: Path, content: Mapping[str, Any], parts: Mapping[str, Stateful], device: torch.device) -> Position:
    """Gives every part back what it was.

    Raises:
        TrainingError: one of them does not fit.
    """
    try:
        for name, part in parts.items():
            part.load_state_dict(content[name])
        kept = content["state"]
        # What a state holds has changed now and then: clips begin anew, and the run goes on.
        state = State(*(x.to(device) for x in kept)) if kept and len(kept) == len(State._fields) else None
        rest = content.get("ranks", 1), content.get("best_db", -math.inf), content.get("ranges", {})
        return Position(int(content["step"]), state, *rest)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise TrainingError(f"{path} does not fit this run ({reason}); begin anew with --init") from error


def _differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    names = [name for name in ours if theirs.get(name) != ours[name]]
    return ", ".join(f"{name} {theirs.get(name)} there, {ours[name]} here" for name in names)


def _not_written(path: Path, error: Exception, kept: list[Path]) -> OutputError:
    reason = getattr(error, "strerror", None) or error
    good = f"; the last good checkpoint is {kept[-1]}: make room and go on with --resume auto" if kept else "; make room"
    return OutputError(f"{path}: cannot be written ({reason}){good}")
