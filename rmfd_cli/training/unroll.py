"""The network stepped through a clip."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

from rmfd_cli.errors import MachineError
from rmfd_cli.model.image import from_rgb
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.values import Restored, State, Window
from rmfd_cli.training.data import Batch
from rmfd_cli.training.losses import ClipEstimates

Step: TypeAlias = Callable[[Window, State | None], tuple[Restored, State]]
"""`Rmfd.step`, compiled or not."""


def run_clip(step: Step, batch: Batch, frames: range, state: State | None) -> tuple[ClipEstimates, State | None]:
    """Steps the network through frames of a batch of clips.

    Args:
        step: of a model on the batch's device.
        batch: whole clips, since a window reaches beyond the frames asked for.
        frames: which to restore.
        state: of the frame before the first one.

    Returns:
        The estimates for these frames and the state after them.
    """
    last = batch.rainy.shape[1] - 1
    images = {t: from_rgb(batch.rainy[:, t]) for t in range(max(frames.start - 1, 0), min(frames.stop, last) + 1)}
    steps = []
    for t in frames:
        window = Window(
            images[max(t - 1, 0)],
            images[t],
            images[min(t + 1, last)],
            batch.to_previous[:, t],
            batch.to_following[:, t],
        )
        restored, state = step(window, state)
        steps.append(restored)
    return ClipEstimates.of(steps), state


class Unrolled(nn.Module):
    """A model whose `forward` is `run_clip`, which is what DistributedDataParallel needs to average gradients.

    Args:
        model: whose parameters it shares.
        step: the model's, perhaps compiled.
    """

    def __init__(self, model: Rmfd, step: Step | None = None) -> None:
        super().__init__()
        self.model = model
        self._step: Step = step or model.step

    def forward(self, batch: Batch, frames: range, state: State | None) -> tuple[ClipEstimates, State | None]:
        """As `run_clip`."""
        return run_clip(self._step, batch, frames, state)


def compiled(step: Step, device: torch.device) -> Step:
    """The step through `torch.compile`, which takes a minute or so at the first frames.

    Raises:
        MachineError: this machine cannot compile: no C++ compiler, no Triton, or a Python that torch does not know yet.
    """
    try:
        torch.compile(lambda x: x * 2 + 1)(torch.zeros(8, device=device))
        return torch.compile(step, dynamic=False)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise MachineError(f"torch.compile does not work here ({reason}); train without --compile") from error
