"""A model where it runs: which weights, on which device, in which precision."""

import copy
from pathlib import Path

import torch

from rmfd_cli.errors import MachineError
from rmfd_cli.model.checkpoint import shipped_weights
from rmfd_cli.model.int8 import is_supported, with_int8
from rmfd_cli.model.network import Rmfd


def placed(model: Rmfd, device: torch.device, precision: torch.dtype) -> Rmfd:
    """A copy of a float32 model on a device.

    Args:
        model: on any device.
        device: where to.
        precision: of its convolutions, as from `precision_for`.
    """
    network = copy.deepcopy(model).to(device, torch.float32 if precision == torch.int8 else precision)
    # On a CPU, too, convolutions are a quarter faster so, and blocks of pixels lie together.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return with_int8(network, network.ranges) if precision == torch.int8 else network


def find_weights(model: str) -> Path:
    """The file that `auto`, a shipped model's name or a path stands for.

    Raises:
        WeightsError: there is no such model, or a shipped file is damaged.
    """
    if model.endswith(".safetensors"):
        return Path(model)
    return shipped_weights("small" if model == "auto" else model)


def precision_for(device: torch.device, model: Rmfd) -> torch.dtype:
    """What convolutions run in, on a CPU the fastest of what it can do; docs/decisions.md has what each costs and scores.

    Integers need a model whose ranges have been measured; bfloat16 a CPU with instructions for it, or it is a hundred times
    slower.
    """
    if device.type != "cpu":
        return torch.float32
    if model.ranges and is_supported():
        return torch.int8
    # torch says so in this one place only, and not in all versions.
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if native() else torch.float32


def choose_device(name: str) -> torch.device:
    """`auto` takes a CUDA GPU where there is one, else the CPU; other names are torch's own.

    Raises:
        MachineError: this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise MachineError(f"device {name!r} cannot be used here ({reason}); try --device cpu") from error
    return device


def devices_like(device: torch.device) -> tuple[torch.device, ...]:
    """All that a device stands for: `cuda` without a number means every GPU that there is."""
    if device.type != "cuda" or device.index is not None:
        return (device,)
    return tuple(torch.device("cuda", number) for number in range(torch.cuda.device_count()))
