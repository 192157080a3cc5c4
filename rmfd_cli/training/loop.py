"""The training loop: draw rain, step the network through the clip, compare, update, now and then validate and save."""

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rmfd_cli.errors import TrainingError
from rmfd_cli.metrics import psnr
from rmfd_cli.model.checkpoint import export_weights, load_model
from rmfd_cli.model.network import ModelConfig, Rmfd, State, Window
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.data import Batch, Clip, draw_batch, load_clips
from rmfd_cli.training.losses import ClipEstimates, LossWeights, losses

VALIDATION_SEED = 1_000_003
"""Weather that training, whose seeds are small, never draws."""


@dataclass(frozen=True)
class Progress:
    """What a run reports after each step."""

    step: int
    steps: int
    loss: float
    seconds: float
    """Wall time of this step."""
    validation: dict[str, float] | None
    """Scores in dB, after a validation."""


def train(
    options: TrainOptions,
    config: ModelConfig | None = None,
    weights: LossWeights | None = None,
    *,
    resume: Path | None = None,
    init: Path | None = None,
    on_step: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Trains stage 1 and the refinement together.

    Args:
        options: what to do; kept in every checkpoint.
        config: the architecture; None for the small one.
        weights: of the terms of the loss; None for the defaults.
        resume: a checkpoint of an earlier run to go on from; the batches, the schedule and the optimiser continue as if
            the run had never stopped.
        init: weights to begin with instead of random ones; their architecture takes the place of `config`.
        on_step: called after each step.

    Returns:
        The exported weights, `out/rmfd.safetensors`: the moving average of the parameters.

    Raises:
        TrainingError: no clips, a checkpoint of another architecture, or a loss that is not a number.
        WeightsError: `init` holds no weights.
    """
    beginning = load_model(init) if init else None
    config, weights = (beginning.config if beginning else config) or ModelConfig(), weights or LossWeights()
    device = torch.device(options.device)
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    clips = load_clips(Path(options.data))
    held_out = _validation_batches(load_clips(Path(options.validation), max_frames=12), options)

    torch.manual_seed(options.seed)
    model = Rmfd(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if beginning:
        model.load_state_dict(beginning.state_dict())
    average = Rmfd(config).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average.load_state_dict(model.state_dict())
    optimizer = torch.optim.AdamW(_parameter_groups(model), lr=options.learning_rate, betas=(0.9, 0.99))
    first, state = 0, model.initial_state()
    if resume is not None:
        first, state = _load_checkpoint(resume, model, average, optimizer)

    with (out / "log.jsonl").open("a") as log:
        for step, batch in _batches(clips, options, first, device):
            began = time.perf_counter()
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(options, step)
            part = step % options.updates_per_clip
            frames = range(part * options.clip_frames, (part + 1) * options.clip_frames)
            terms, state = update(model, optimizer, batch, frames, state if part else None, options, weights)
            loss = sum(terms.values())
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is not a number at step {step}; the last good checkpoint is {out / 'checkpoint.pt'}; "
                    "resume it with a lower --learning-rate"
                )
            _update_average(average, model, min(options.ema_decay, (1 + step) / (10 + step)))
            done = step + 1
            validation = None
            if done % options.validate_every == 0 or done == options.steps:
                validation = validate(average, held_out, device)
            if done % options.save_every == 0 or done == options.steps:
                _save_checkpoint(out / "checkpoint.pt", options, weights, model, average, optimizer, state, done)
            progress = Progress(done, options.steps, loss, time.perf_counter() - began, validation)
            record = {"step": done, "loss": loss, **terms, "seconds": progress.seconds, "validation": validation}
            log.write(json.dumps(record) + "\n")
            log.flush()
            on_step(progress)
    target = out / "rmfd.safetensors"
    export_weights(average, target)
    return target


def run_clip(model: Rmfd, batch: Batch, frames: range, state: State | None) -> tuple[ClipEstimates, State | None]:
    """Steps the network through frames of a batch of clips.

    Args:
        model: on the batch's device.
        batch: whole clips, since a window reaches beyond the frames asked for.
        frames: which to restore.
        state: of the frame before the first one.

    Returns:
        The estimates for these frames and the state after them.
    """
    last = batch.rainy.shape[1] - 1
    steps = []
    for t in frames:
        window = Window(
            batch.rainy[:, max(t - 1, 0)],
            batch.rainy[:, t],
            batch.rainy[:, min(t + 1, last)],
            batch.to_previous[:, t],
            batch.to_following[:, t],
        )
        restored, state = model.step(window, state)
        steps.append(restored)
    return ClipEstimates.of(steps), state


def validate(model: Rmfd, batches: list[Batch], device: torch.device) -> dict[str, float]:
    """Mean PSNR in dB over clips of the input, of stage 1's estimate and of the result."""
    scores: dict[str, list[float]] = {"input": [], "coarse": [], "restored": []}
    with torch.inference_mode():
        for held_out in batches:
            batch = held_out.to(device)
            estimates, _ = run_clip(model, batch, range(batch.rainy.shape[1]), model.initial_state())
            for name, images in (("input", batch.rainy), ("coarse", estimates.coarse), ("restored", estimates.image)):
                scores[name].append(float(psnr(images[0].clamp(0, 1), batch.clean[0]).mean()))
    return {name: sum(values) / len(values) for name, values in scores.items()}


def _batches(clips: list[Clip], options: TrainOptions, first: int, device: torch.device) -> Iterator[tuple[int, Batch]]:
    """The batch of every step, the next one drawn while the last one is learnt from."""
    updates = options.updates_per_clip

    def draw(number: int) -> Batch:
        frames = updates * options.clip_frames
        size, crop_px = options.batch_size, options.crop_px
        return draw_batch(clips, options.seed, number, size=size, frames=frames, crop_px=crop_px).to(device)

    with ThreadPoolExecutor(1) as drawer:
        number = first // updates
        pending = drawer.submit(draw, number)
        while number * updates < options.steps:
            batch = pending.result()
            steps = range(max(first, number * updates), min((number + 1) * updates, options.steps))
            number += 1
            if number * updates < options.steps:
                pending = drawer.submit(draw, number)
            for step in steps:
                yield step, batch


def _validation_batches(clips: list[Clip], options: TrainOptions) -> list[Batch]:
    size = options.crop_px * 3 // 2
    return [
        draw_batch([clips[k % len(clips)]], VALIDATION_SEED, k, size=1, frames=8, crop_px=size)
        for k in range(options.validation_clips)
    ]


def update(
    model: Rmfd,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    frames: range,
    state: State | None,
    options: TrainOptions,
    weights: LossWeights,
) -> tuple[dict[str, float], State | None]:
    """One step of gradient descent on some frames of a batch.

    Args:
        model: on the batch's device.
        optimizer: of the model's parameters.
        batch: whole clips.
        frames: the ones to learn from.
        state: of the frame before them; no gradient flows into it.
        options: for precision and clipping.
        weights: of the loss.

    Returns:
        The loss's terms before the step, and the state after the last frame, free of gradients.
    """
    kind = batch.rainy.device.type
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=options.mixed_precision):
        estimates, state = run_clip(model, batch, frames, state)
    terms = losses(ClipEstimates(*(x.float() for x in estimates)), batch.part(frames), weights)
    total: Tensor = torch.stack(list(terms.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(total)
    nn.utils.clip_grad_norm_(model.parameters(), options.gradient_norm)
    optimizer.step()
    after = None if state is None else State(*(x.detach() for x in state))
    return {name: float(value.detach()) for name, value in terms.items()}, after


def _learning_rate(options: TrainOptions, step: int) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < options.warmup_steps:
        return options.learning_rate * (step + 1) / options.warmup_steps
    share = (step - options.warmup_steps) / max(1, options.steps - options.warmup_steps)
    return options.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def _parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Weight decay on convolution kernels, none on biases."""
    kernels = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": 1e-4}, {"params": biases, "weight_decay": 0.0}]


@torch.no_grad()
def _update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


def _save_checkpoint(
    path: Path,
    options: TrainOptions,
    weights: LossWeights,
    model: Rmfd,
    average: Rmfd,
    optimizer: torch.optim.Optimizer,
    state: State | None,
    step: int,
) -> None:
    checkpoint = {
        "config": {**asdict(options), "model": asdict(model.config), "weights": asdict(weights)},
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "state": None if state is None else tuple(state),
        "step": step,
    }
    partial = path.with_suffix(".partial")
    torch.save(checkpoint, partial)
    partial.replace(path)


def _load_checkpoint(path: Path, model: Rmfd, average: Rmfd, optimizer: torch.optim.Optimizer) -> tuple[int, State | None]:
    """Fills model, average and optimiser; returns the number of steps done and the state after the last one."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        if checkpoint["config"]["model"] != asdict(model.config):
            raise TrainingError(f"{path} holds another architecture: {checkpoint['config']['model']}")
        model.load_state_dict(checkpoint["model"])
        average.load_state_dict(checkpoint["average"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        device = next(model.parameters()).device
        state = checkpoint["state"] and State(*(x.to(device) for x in checkpoint["state"]))
        return int(checkpoint["step"]), state
    except TrainingError:
        raise
    except Exception as error:
        raise TrainingError(f"{path} is not a checkpoint of rmfd ({error}); train without --resume") from error
