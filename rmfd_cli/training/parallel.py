"""Several processes that train one model, as torchrun starts them; without torchrun, one that need not know."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from rmfd_cli.errors import MachineError
from rmfd_cli.model.values import State


class Ranks(NamedTuple):
    """This process among those that train together."""

    rank: int = 0
    of: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that logs, validates and saves."""
        return self.rank == 0

    def mean(self, values: dict[str, float], device: torch.device) -> dict[str, float]:
        """Each value's mean over all ranks; all have to ask, with the same names."""
        if self.of == 1:
            return values
        together = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
        distributed.all_reduce(together)
        return dict(zip(values, (together / self.of).tolist(), strict=True))

    def gather(self, state: State | None) -> State | None:
        """The state of all ranks' clips, those of rank 0 first; all have to ask."""
        if state is None or self.of == 1:
            return state

        def joined(mine: Tensor) -> Tensor:
            pieces = [torch.empty_like(mine, memory_format=torch.contiguous_format) for _ in range(self.of)]
            distributed.all_gather(pieces, mine.contiguous())
            return torch.cat(pieces)

        return State(*map(joined, state))

    def share(self, state: State | None) -> State | None:
        """What `gather` took from this rank."""
        return state and State(*(x.chunk(self.of)[self.rank] for x in state))


@contextmanager
def joined_ranks(device: torch.device) -> Iterator[Ranks]:
    """Joins the processes that torchrun started until the block ends; alone where it started none.

    Raises:
        MachineError: this machine has fewer GPUs than processes.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Ranks()
        return
    if device.type == "cuda":
        local = int(os.environ.get("LOCAL_RANK", "0"))
        if local >= torch.cuda.device_count():
            raise MachineError(f"there is no GPU {local} for process {local}; lower torchrun's --nproc-per-node")
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()


def synchronized(module: nn.Module, ranks: Ranks) -> nn.Module:
    """The module with gradients averaged over all ranks, and the parameters of rank 0."""
    return module if ranks.of == 1 else DistributedDataParallel(module)


def only_on_lead(ranks: Ranks, callback: Callable[[str], None]) -> Callable[[str], None]:
    """A message that one process tells for all."""
    return callback if ranks.leads else lambda text: None
