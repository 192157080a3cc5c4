"""The training loop: draw rain, step the network through the clip, compare, update, now and then validate and save."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rmfd_cli.errors import MemoryExhaustedError, OutputError, TrainingError, UsageError
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.values import State
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.batches import Draw, Lesson, Sources, steps
from rmfd_cli.training.checkpoints import (
    BEST,
    Position,
    Resume,
    architecture,
    check_fits,
    checkpoint_path,
    checkpoints,
    export_average,
    find_checkpoint,
    judged_alike,
    leave_branch,
    other_lessons,
    remove_old,
    restore,
    save_checkpoint,
)
from rmfd_cli.training.clips import Clip, load_clips, load_named_clips
from rmfd_cli.training.fingerprint import fingerprint
from rmfd_cli.training.learner import JUDGE, Learner, make_learner, update, update_average
from rmfd_cli.training.log import Record, no_log, open_log
from rmfd_cli.training.losses import LossWeights
from rmfd_cli.training.paired import load_pairs
from rmfd_cli.training.parallel import Ranks, joined_ranks, only_on_lead
from rmfd_cli.training.schedule import average_decay, learning_rate, place, update_frames
from rmfd_cli.training.validation import Validation, held_out_batches, held_out_names, validate

WEIGHTS = "rmfd.safetensors"
HELD_OUT_FRAMES = 16
"""Frames of a validation clip that are read: enough for those that are scored at twice the pace."""


@dataclass(frozen=True)
class Progress:
    """What a run reports after each step."""

    step: int
    steps: int
    first: int
    """Steps that were done when the command began."""
    loss: float
    step_seconds: float
    """Wall time of this step."""
    seconds: float
    """Wall time since the first step of the command."""
    frames: int
    """Samples that the command has learnt from: frames of clips, those of all processes."""
    waited: float
    """Seconds that its steps waited until their clips were drawn: while they did, nothing was learnt."""
    validation: Validation | None


@dataclass(frozen=True)
class Trained:
    """How a run ended."""

    weights: Path
    """The moving average of the parameters, `out/rmfd.safetensors`."""
    step: int
    finished: bool
    """Whether all steps are done; False if `should_stop` said so."""
    validation: Validation | None
    """The last one of this command."""


def train(
    options: TrainOptions,
    config: ModelConfig | None = None,
    weights: LossWeights | None = None,
    *,
    resume: Resume | None = None,
    init: Path | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    in_haste: Callable[[], bool] = lambda: False,
    on_step: Callable[[Progress], None] = lambda progress: None,
    on_warning: Callable[[str], None] = lambda text: None,
) -> Trained:
    """Trains one of the stages, on this process or on those that torchrun started.

    Args:
        options: what to do; kept in every checkpoint.
        config: the architecture; None for that of the checkpoint, or else the small one.
        weights: of the terms of the loss; None for the defaults.
        resume: a checkpoint of an earlier run to go on from, or `auto` for the newest good one in `out`, if any; the
            batches, the schedule and the optimiser continue as if the run had never stopped.
        init: weights to begin with instead of random ones, widened where `config` is larger than theirs. Not read where there
            is a checkpoint to go on from.
        should_stop: asked after each step; the run then validates, saves and ends.
        in_haste: asked when it stops before the last step: whether to leave out that validation.
        on_step: called after each step.
        on_warning: told what is left out or passed over, in a line each.

    Returns:
        How the run ended. A rank that does not lead tells the same, but wrote nothing.

    Raises:
        UsageError: stage 2 has nothing to begin with, or the processes cannot share a batch.
        TrainingError: no clips, a checkpoint that does not fit, or a loss that is not a number.
        OutputError: `out` cannot be written.
        MachineError: the device, a compiler or a package is missing.
        MemoryExhaustedError: the device's memory does not hold a step.
        WeightsError: `init` holds no weights.
    """
    weights, device = weights or LossWeights(), torch.device(options.device)
    with joined_ranks(device) as ranks, _step_fits(options):
        warn = only_on_lead(ranks, on_warning)
        out, folder = _make_folders(options, ranks)
        found = None if resume is None else find_checkpoint(resume, folder, warn)
        if found is not None:
            config, init = config or architecture(*found), None
        if found is None and init is None and options.stage == 2:
            raise UsageError(
                f"stage 2 begins with the weights of stage 1, and {folder} has no checkpoint to go on from; "
                "give --init runs/stage1/rmfd.safetensors"
            )
        learner = make_learner(options, config, init, ranks, device)
        position = Position(0, ranks=ranks.of) if found is None else continue_from(*found, learner, options, ranks, device)
        draw = Draw(_sources(options, warn), options, ranks)
        check = _validator(options, device, warn) if ranks.leads else None
        clips = fingerprint(options, draw.sources)
        settings = {**asdict(options), "model": asdict(learner.model.config), "weights": asdict(weights), "clips": clips}
        if found is not None and (others := other_lessons(found[1], settings)):
            warn(f"{found[0]} was saved by a run that learnt otherwise ({others}); to go on exactly, give what it had")
        if found is not None and not judged_alike(found[1], settings):
            # A score on other clips is no bar.
            position = position._replace(best_db=-math.inf)

        first, began = position.step, time.perf_counter()
        seen, waited, asked = 0, 0.0, began
        stopping, validation = False, None
        if found is not None and ranks.leads:
            position = leave_branch(folder, position)
        with open_log(out, first, options.tensorboard) if ranks.leads else no_log() as write:
            for step, lesson in steps(draw, first, device):
                step_began = time.perf_counter()
                waited += step_began - asked
                seen += options.batch_size * len(place(options, step).frames)
                terms, state = _learn(learner, lesson, step, position, options, weights, folder)
                terms = ranks.mean({**terms, "stop": float(should_stop())}, device)
                stopping = terms.pop("stop") > 0
                position = position._replace(step=step + 1, state=state)
                validating, saving = (_due(options, step + 1, every) for every in (options.validate_every, options.save_every))
                scoring = validating or (stopping and not in_haste())
                scores = check(learner.average) if check is not None and scoring else None
                best = scores is not None and scores.mean.restored.psnr_db > position.best_db
                if scores is not None:
                    validation, position = scores, position.with_score(scores.mean.restored.psnr_db, scores.ranges)
                    learner.average.ranges = scores.ranges
                if validating or saving or stopping:
                    whole = position._replace(state=ranks.gather(state))
                    # The best first: what goes on from the numbered one takes it that its score has been kept.
                    if best:
                        save_checkpoint(folder / BEST, settings, learner.parts(), whole)
                        export_average(learner.average, out / "best.safetensors")
                    if ranks.leads and (saving or stopping):
                        save_checkpoint(checkpoint_path(folder, step + 1), settings, learner.parts(), whole)
                        remove_old(folder, options.keep)
                loss, now = sum(value for name, value in terms.items() if name != JUDGE), time.perf_counter()
                write(Record(step + 1, loss, terms, now - step_began, learning_rate(options, step), scores))
                on_step(Progress(step + 1, options.steps, first, loss, now - step_began, now - began, seen, waited, scores))
                if stopping:
                    break
                asked = time.perf_counter()
        if ranks.leads:
            export_average(learner.average, out / WEIGHTS)
    return Trained(out / WEIGHTS, position.step, position.step >= options.steps, validation)


def _learn(
    learner: Learner, lesson: Lesson, step: int, position: Position, options: TrainOptions, weights: LossWeights, folder: Path
) -> tuple[dict[str, float], State | None]:
    """Step number `step` of a run: its learning rate, its frames, the update, the average."""
    for group in learner.optimizer.param_groups:
        group["lr"] = learning_rate(options, step)
    frames = place(options, step).frames
    state = position.state if frames.start else None
    try:
        terms, state = update(learner, lesson, frames, state, options, weights)
    except FloatingPointError as error:
        kept = checkpoints(folder)
        how = f"the last good checkpoint is {kept[-1]}: resume it with" if kept else "begin anew with"
        raise TrainingError(f"{error} at step {step + 1}; {how} a lower --learning-rate") from error
    update_average(learner.average, learner.model, average_decay(options, step))
    return terms, state


def continue_from(
    path: Path, content: dict[str, Any], learner: Learner, options: TrainOptions, ranks: Ranks, device: torch.device
) -> Position:
    """Takes a checkpoint back; the state begins anew where the clips are others.

    That is on another number of ranks, and where other `steps` change how long the clips are by now.
    """
    check_fits(path, content, learner.model, options)
    position = restore(path, content, learner.parts(), device)
    learner.average.ranges = position.ranges
    batch = place(options, position.step).batch
    before = replace(options, steps=content["config"].get("steps", options.steps))
    same = position.ranks == ranks.of and update_frames(before, batch) == update_frames(options, batch)
    return position._replace(state=ranks.share(position.state) if same else None, ranks=ranks.of)


def _make_folders(options: TrainOptions, ranks: Ranks) -> tuple[Path, Path]:
    """The run's folder and that of its checkpoints."""
    if options.batch_size % ranks.of:
        raise UsageError(f"--batch-size is {options.batch_size}, which {ranks.of} processes cannot share; give a multiple")
    out = Path(options.out)
    folder = out / "checkpoints"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written ({error.strerror or error}); choose another --out") from error
    return out, folder


def _validator(options: TrainOptions, device: torch.device, on_warning: Callable[[str], None]) -> Callable[[Rmfd], Validation]:
    """What scores a model on the validation clips."""
    clips = load_named_clips(Path(options.validation), HELD_OUT_FRAMES, on_warning)
    batches, names = held_out_batches([clip for _, clip in clips], options), held_out_names(clips, options)
    return lambda model: validate(model, batches, device, names)


def _sources(options: TrainOptions, on_warning: Callable[[str], None]) -> Sources:
    def clips(folder: str | None) -> list[Clip]:
        return load_clips(Path(folder), on_warning=on_warning) if folder else []

    clean = clips(options.data)
    pairs = [pair for name in options.paired for pair in load_pairs(Path(name), on_warning=on_warning)]
    if options.stage == 1:
        return Sources(clean, pairs)
    return Sources(clean, pairs, clips(options.real_rain), clips(options.real_clean) or clean)


def _due(options: TrainOptions, done: int, every: int) -> bool:
    return done % every == 0 or done == options.steps


@contextmanager
def _step_fits(options: TrainOptions) -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryExhaustedError(
            f"the device's memory does not hold a step of {options.batch_size} clips of {options.clip_frames} frames of "
            f"{options.crop_px} pixels; lower --batch-size, --frames or --crop"
        ) from error
