"""What learns, and how: the network, its moving average, its optimiser, its adversary, and one step of gradient descent."""

import copy
import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rmfd_cli.errors import UsageError
from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.values import State
from rmfd_cli.model.widen import fits_into, widen
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.adversary import Adversary, deception, judge_better, make_adversary
from rmfd_cli.training.batches import Lesson
from rmfd_cli.training.checkpoints import Stateful
from rmfd_cli.training.losses import ClipEstimates, LossWeights, losses
from rmfd_cli.training.packed import to_numbers
from rmfd_cli.training.parallel import Ranks, synchronized
from rmfd_cli.training.unroll import Unrolled, compiled

JUDGE = "judge"
"""What the adversary's own loss is called, which the network does not minimise."""


class Learner(NamedTuple):
    """What a run changes."""

    model: Rmfd
    average: Rmfd
    """Moving average of the model's parameters: what is validated and exported."""
    optimizer: torch.optim.Optimizer
    unrolled: nn.Module
    """The model over a clip, as `Unrolled`; its gradients are averaged over the ranks."""
    adversary: Adversary | None
    """In stage 2."""

    def parts(self) -> dict[str, Stateful]:
        """What a checkpoint holds of it, by name."""
        parts: dict[str, Stateful] = {"model": self.model, "average": self.average, "optimizer": self.optimizer}
        if self.adversary is not None:
            parts |= {"judge": self.adversary.judge, "judge_optimizer": self.adversary.optimizer}
        return parts


def make_learner(
    options: TrainOptions, config: ModelConfig | None, init: Path | None, ranks: Ranks, device: torch.device
) -> Learner:
    """A model at its beginning: random by the seed, or as `init` says, widened if that is smaller than `config`.

    Stage 2 leaves as it is what judges the veil.

    Raises:
        UsageError: `init` does not fit into `config`.
        MachineError: `options.compile` is set and this machine cannot compile.
        WeightsError: `init` holds no weights.
    """
    beginning = load_model(init) if init else None
    torch.manual_seed(options.seed)
    if beginning is None:
        model = Rmfd(config or ModelConfig())
    elif config is None or config == beginning.config:
        model = Rmfd(beginning.config)
        model.load_state_dict(beginning.state_dict())
    elif fits_into(beginning.config, config):
        model = widen(beginning, config)
    else:
        raise UsageError(f"{init} holds a network that does not fit into one of this size; leave --model out, or --init")
    if options.stage == 2:
        # A veil is judged by the frame as a whole, which pieces of clips do not show.
        for part in model.recovery.judging():
            part.requires_grad_(False)
    model = model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(model).eval()
    optimizer = torch.optim.AdamW(_parameter_groups(model), lr=options.learning_rate, betas=(0.9, 0.99))
    unrolled = Unrolled(model, compiled(model, device) if options.compile else None)
    adversary = make_adversary(ranks, device) if options.stage == 2 else None
    return Learner(model, average, optimizer, synchronized(unrolled, ranks), adversary)


def update(
    learner: Learner, lesson: Lesson, frames: range, state: State | None, options: TrainOptions, weights: LossWeights
) -> tuple[dict[str, float], State | None]:
    """One step of gradient descent on some frames of a batch, and one of the adversary if there is one.

    Args:
        learner: what is changed, but for the average.
        lesson: whole clips, on the learner's device.
        frames: the ones to learn from.
        state: of the frame before them; no gradient flows into it.
        options: for precision and clipping.
        weights: of the loss.

    Returns:
        The loss's terms before the step, with the adversary's own loss as `JUDGE` besides, and the state after the last frame,
        free of gradients.

    Raises:
        FloatingPointError: the loss, its gradient or the adversary's loss is not finite; no parameter was changed.
    """
    batch, adversary = lesson.batch, learner.adversary if weights.adversary else None
    kind = batch.rainy.device.type
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=options.mixed_precision):
        estimates, state = learner.unrolled(batch, frames, state)
    terms = losses(ClipEstimates(*(x.float() for x in estimates)), batch.part(frames), weights)
    if adversary is not None:
        terms["adversary"] = weights.adversary * deception(adversary.judge, estimates.image.float())
    total: Tensor = torch.stack(list(terms.values())).sum()
    learner.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(total)
    norm = nn.utils.clip_grad_norm_(learner.model.parameters(), options.gradient_norm)
    # All at once: a GPU has to be waited for but once.
    *found, whole, slope = torch.stack([value.detach() for value in (*terms.values(), total, norm)]).tolist()
    if not (math.isfinite(whole) and math.isfinite(slope)):
        raise FloatingPointError("the loss or its gradient is not a number")
    values = dict(zip(terms, found, strict=True))
    if adversary is not None and lesson.clean is not None:
        clean = to_numbers(lesson.clean[:, frames.start : frames.stop])
        values[JUDGE] = judge_better(adversary, clean, estimates.image.float())
    learner.optimizer.step()
    return values, None if state is None else State(*(x.detach() for x in state))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Moves the average towards the model, by `1 - decay` of the way."""
    for kept, new in zip(average.parameters(), model.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


def _parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Weight decay on convolution kernels, none on biases."""
    kernels = [p for p in model.parameters() if p.ndim > 1]
    biases = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": 1e-4}, {"params": biases, "weight_decay": 0.0}]
