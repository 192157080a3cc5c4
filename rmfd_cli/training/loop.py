"""The training loop: draw rain, step the network through the clip, compare, update, now and then validate and save."""

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rmfd_cli.errors import TrainingError
from rmfd_cli.metrics import psnr
from rmfd_cli.model.checkpoint import export_weights
from rmfd_cli.model.network import ModelConfig, Rmfd, Window
from rmfd_cli.training.data import Batch, Clip, draw_batch, load_clips
from rmfd_cli.training.losses import ClipEstimates, LossWeights, losses

VALIDATION_SEED = 1_000_003
"""Weather that training, whose seeds are small, never draws."""


@dataclass(frozen=True)
class TrainConfig:
    """What a run does; it is saved in every checkpoint."""

    data: str
    """Folder of clean training clips."""
    validation: str
    """Folder of clean clips of other scenes."""
    out: str
    """Folder for checkpoints, log and weights."""
    steps: int = 20_000
    batch_size: int = 8
    clip_frames: int = 6
    """Frames a gradient flows back through."""
    crop_px: int = 128
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    gradient_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    ema_decay: float = 0.999
    seed: int = 1
    device: str = "cpu"
    mixed_precision: bool = False
    """bfloat16 where it is safe; for GPUs, most CPUs only emulate it."""
    save_every: int = 200
    validate_every: int = 500
    validation_clips: int = 14
    model: ModelConfig = field(default_factory=ModelConfig)
    weights: LossWeights = field(default_factory=LossWeights)


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


def train(config: TrainConfig, resume: Path | None = None, on_step: Callable[[Progress], None] = lambda p: None) -> Path:
    """Trains stage 1 and the refinement together.

    Args:
        config: what to do.
        resume: a checkpoint of an earlier run to go on from; the batches, the schedule and the optimiser continue as if
            the run had never stopped.
        on_step: called after each step.

    Returns:
        The exported weights, `out/rmfd.safetensors`: the moving average of the parameters.

    Raises:
        TrainingError: no clips, a checkpoint of another architecture, or a loss that is not a number.
    """
    device = torch.device(config.device)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    clips = load_clips(Path(config.data))
    held_out = _validation_batches(load_clips(Path(config.validation), max_frames=12), config)

    torch.manual_seed(config.seed)
    model = Rmfd(config.model).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = Rmfd(config.model).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average.load_state_dict(model.state_dict())
    optimizer = torch.optim.AdamW(_parameter_groups(model), lr=config.learning_rate, betas=(0.9, 0.99))
    first = 0
    if resume is not None:
        first = _load_checkpoint(resume, config, model, average, optimizer)

    with (out / "log.jsonl").open("a") as log:
        for step, batch in _batches(clips, config, first):
            began = time.perf_counter()
            for group in optimizer.param_groups:
                group["lr"] = _learning_rate(config, step)
            terms = update(model, optimizer, batch.to(device), config)
            loss = sum(terms.values())
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss is not a number at step {step}; the last good checkpoint is {out / 'checkpoint.pt'}; "
                    "resume it with a lower --learning-rate"
                )
            _update_average(average, model, min(config.ema_decay, (1 + step) / (10 + step)))
            done = step + 1
            validation = None
            if done % config.validate_every == 0 or done == config.steps:
                validation = validate(average, held_out, device)
            if done % config.save_every == 0 or done == config.steps:
                _save_checkpoint(out / "checkpoint.pt", config, model, average, optimizer, done)
            progress = Progress(done, config.steps, loss, time.perf_counter() - began, validation)
            record = {"step": done, "loss": loss, **terms, "seconds": progress.seconds, "validation": validation}
            log.write(json.dumps(record) + "\n")
            log.flush()
            on_step(progress)
    target = out / "rmfd.safetensors"
    export_weights(average, target)
    return target


def run_clip(model: Rmfd, batch: Batch) -> ClipEstimates:
    """Steps the network through every frame of a batch of clips, from the initial state."""
    frames = batch.rainy.shape[1]
    state = model.initial_state()
    steps = []
    for t in range(frames):
        window = Window(
            batch.rainy[:, max(t - 1, 0)],
            batch.rainy[:, t],
            batch.rainy[:, min(t + 1, frames - 1)],
            batch.to_previous[:, t],
            batch.to_following[:, t],
        )
        restored, state = model.step(window, state)
        steps.append(restored)
    return ClipEstimates.of(steps)


def validate(model: Rmfd, batches: list[Batch], device: torch.device) -> dict[str, float]:
    """Mean PSNR in dB over clips of the input, of stage 1's estimate and of the result."""
    scores: dict[str, list[float]] = {"input": [], "coarse": [], "restored": []}
    with torch.inference_mode():
        for held_out in batches:
            batch = held_out.to(device)
            estimates = run_clip(model, batch)
            for name, images in (("input", batch.rainy), ("coarse", estimates.coarse), ("restored", estimates.image)):
                scores[name].append(float(psnr(images[0].clamp(0, 1), batch.clean[0]).mean()))
    return {name: sum(values) / len(values) for name, values in scores.items()}


def _batches(clips: list[Clip], config: TrainConfig, first: int) -> Iterator[tuple[int, Batch]]:
    """Batches by step, the next one drawn while the last one is learnt from."""

    def draw(step: int) -> Batch:
        return draw_batch(clips, config.seed, step, size=config.batch_size, frames=config.clip_frames, crop_px=config.crop_px)

    with ThreadPoolExecutor(1) as drawer:
        pending = drawer.submit(draw, first)
        for step in range(first, config.steps):
            batch = pending.result()
            if step + 1 < config.steps:
                pending = drawer.submit(draw, step + 1)
            yield step, batch


def _validation_batches(clips: list[Clip], config: TrainConfig) -> list[Batch]:
    size = config.crop_px * 3 // 2
    return [
        draw_batch([clips[k % len(clips)]], VALIDATION_SEED, k, size=1, frames=8, crop_px=size)
        for k in range(config.validation_clips)
    ]


def update(model: Rmfd, optimizer: torch.optim.Optimizer, batch: Batch, config: TrainConfig) -> dict[str, float]:
    """One step of gradient descent on one batch; returns every weighted term of the loss before it."""
    kind = batch.rainy.device.type
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=config.mixed_precision):
        estimates = run_clip(model, batch)
    terms = losses(ClipEstimates(*(x.float() for x in estimates)), batch, config.weights)
    total: Tensor = torch.stack(list(terms.values())).sum()
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(total)
    nn.utils.clip_grad_norm_(model.parameters(), config.gradient_norm)
    optimizer.step()
    return {name: float(value.detach()) for name, value in terms.items()}


def _learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine to a hundredth."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    share = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


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
    path: Path, config: TrainConfig, model: Rmfd, average: Rmfd, optimizer: torch.optim.Optimizer, step: int
) -> None:
    checkpoint = {
        "config": asdict(config),
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
    }
    partial = path.with_suffix(".partial")
    torch.save(checkpoint, partial)
    partial.replace(path)


def _load_checkpoint(path: Path, config: TrainConfig, model: Rmfd, average: Rmfd, optimizer: torch.optim.Optimizer) -> int:
    """Fills model, average and optimiser; returns the number of steps done."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        if checkpoint["config"]["model"] != asdict(config.model):
            raise TrainingError(f"{path} holds another architecture: {checkpoint['config']['model']}")
        model.load_state_dict(checkpoint["model"])
        average.load_state_dict(checkpoint["average"])
        optimizer.load_state_dict(checkpoint["optimizer"])
        return int(checkpoint["step"])
    except TrainingError:
        raise
    except Exception as error:
        raise TrainingError(f"{path} is not a checkpoint of this run ({error}); train without --resume") from error
