"""The network stepped through a clip: what needs no state for all frames at once, the rest frame by frame."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from rmfd_cli.errors import MachineError
from rmfd_cli.model.image import from_rgb
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.values import Recovered, Registered, Restored, State, Window
from rmfd_cli.training.losses import ClipEstimates
from rmfd_cli.training.packed import Packed, full_size, to_numbers


class Steps(Protocol):
    """The parts of a step, as `Rmfd` has them."""

    @property
    def register(self) -> Callable[[Window], Registered]:
        """`Rmfd.register`."""

    @property
    def recover(self) -> Callable[[Registered, State | None], tuple[Recovered, State]]:
        """`Rmfd.recover`."""

    @property
    def refine(self) -> Callable[[Recovered, tuple[int, int]], Restored]:
        """`Rmfd.refine`."""


class Compiled(NamedTuple):
    """`Steps` that `torch.compile` has made."""

    register: Callable[[Window], Registered]
    recover: Callable[[Registered, State | None], tuple[Recovered, State]]
    refine: Callable[[Recovered, tuple[int, int]], Restored]


def run_clip(network: Steps, batch: Packed, frames: range, state: State | None) -> tuple[ClipEstimates, State | None]:
    """Steps the network through frames of a batch of clips.

    Windows are registered and estimates refined all at once, the frames of a clip as so many clips: fewer and larger
    operations keep a GPU busy. Only what needs the state of the frame before goes through the frames in turn.

    Args:
        network: on the batch's device.
        batch: whole clips, since a window reaches beyond the frames asked for.
        frames: which to restore.
        state: of the frame before the first one.

    Returns:
        The estimates for these frames and the state after them.
    """
    size, last = batch.rainy.shape[0], batch.rainy.shape[1] - 1
    images = {t: from_rgb(to_numbers(batch.rainy[:, t])) for t in range(max(frames.start - 1, 0), min(frames.stop, last) + 1)}
    around = ([images[min(max(t + shift, 0), last)] for t in frames] for shift in (-1, 0, 1))
    pixels = (batch.rainy.shape[-2], batch.rainy.shape[-1])
    flows = (full_size(torch.cat([x[:, t] for t in frames]), pixels) for x in (batch.to_previous, batch.to_following))
    registered = network.register(Window(*(_with_tensors(column, torch.cat) for column in around), *flows))
    found: list[Recovered] = []
    for start in range(0, size * len(frames), size):
        frame = _with_tensors([registered], partial(_clips, start=start, size=size))
        recovered, state = network.recover(frame, state)
        found.append(recovered)
    restored = network.refine(_with_tensors(found, torch.cat), registered.size)
    return ClipEstimates.of(restored, len(frames)), state


def _clips(whole: list[Tensor], start: int, size: int) -> Tensor:
    return whole[0][start : start + size]


def _with_tensors(values: Sequence[Any], join: Callable[[list[Tensor]], Tensor]) -> Any:
    """A value like all of `values`, named tuples of tensors and of their like, with one tensor made of theirs at each place."""
    first = values[0]
    if isinstance(first, Tensor):
        return join(list(values))
    if not hasattr(first, "_fields"):
        return first
    return type(first)(*(_with_tensors(column, join) for column in zip(*values, strict=True)))


class Unrolled(nn.Module):
    """A model whose `forward` is `run_clip`, which is what DistributedDataParallel needs to average gradients.

    Args:
        model: whose parameters it shares.
        steps: the model's, perhaps compiled.
    """

    def __init__(self, model: Rmfd, steps: Steps | None = None) -> None:
        super().__init__()
        self.model = model
        self._steps: Steps = steps or model

    def forward(self, batch: Packed, frames: range, state: State | None) -> tuple[ClipEstimates, State | None]:
        """As `run_clip`."""
        return run_clip(self._steps, batch, frames, state)


def compiled(network: Steps, device: torch.device) -> Steps:
    """The steps through `torch.compile`, which takes a minute or so at the first frames.

    Raises:
        MachineError: this machine cannot compile: no C++ compiler, no Triton, or a Python that torch does not know yet.
    """
    try:
        torch.compile(lambda x: x * 2 + 1)(torch.zeros(8, device=device))
        return Compiled(
            register=torch.compile(network.register, dynamic=False),
            recover=torch.compile(network.recover, dynamic=False),
            refine=torch.compile(network.refine, dynamic=False),
        )
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise MachineError(f"torch.compile does not work here ({reason}); train without --compile") from error
