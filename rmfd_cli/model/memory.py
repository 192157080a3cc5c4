"""What a model knows after a frame as bytes, so that another process can go on with the next one."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save

from rmfd_cli.errors import WeightsError
from rmfd_cli.model.checkpoint import load_model, sha256
from rmfd_cli.model.placing import choose_device, find_weights, precision_for
from rmfd_cli.model.repeats import Shown
from rmfd_cli.model.sights import Past, View
from rmfd_cli.model.spread import spread
from rmfd_cli.model.streaming import Memory, Place, load_as_wished, restore_from
from rmfd_cli.model.values import State
from rmfd_cli.stages import Spent
from rmfd_cli.types import RestoreFrom, Ycc

_EARLIER = "earlier_"


def restorer_from(
    model: str,
    device: str,
    memory_bytes: int | None = None,
    warn: Callable[[str], None] = lambda text: None,
    spent: Spent | None = None,
    videos: int = 1,
) -> RestoreFrom:
    """Loads a model and gives the function that takes rain out of a stream of frames from any of them on.

    Args:
        model: as of `streaming.restorer`.
        device: likewise.
        memory_bytes: likewise.
        warn: likewise.
        spent: likewise.
        videos: likewise.

    Raises:
        WeightsError: there is no such model or it is damaged.
        MachineError: there is no such device.
    """
    places, wish = load_as_wished(model, device, memory_bytes, videos)

    def restore(at: Place, frames: Iterable[Ycc], memory: bytes | None) -> Iterator[tuple[Ycc, Callable[[], bytes]]]:
        before = None if memory is None else from_bytes(memory, at.device)
        for change, after in restore_from(before, frames, at.model, at.device, wish, warn, spent):
            yield change, partial(to_bytes, after)

    return spread([partial(restore, at) for at in places])


def identity(model: str, device: str, memory_bytes: int | None = None, videos: int = 1) -> dict[str, str]:
    """What decides a model's results: the hash of its weights, where it runs, in which precision and tiles, what it remembers.

    Raises:
        WeightsError: there is no such model or it is damaged.
        MachineError: there is no such device.
    """
    where, weights = choose_device(device), find_weights(model)
    if not weights.is_file():
        raise WeightsError(f"there are no weights at {weights}")
    device_and_precision = f"{where.type} ({precision_for(where, load_model(weights))})"
    memory = "as needed" if memory_bytes is None else f"{memory_bytes} for {videos}"
    remembered = " ".join((*View._fields, *State._fields, *Past._fields, *Memory._fields))
    return {"weights": sha256(weights), "device": device_and_precision, "memory": memory, "remembered": remembered}


def to_bytes(memory: Memory) -> bytes:
    """A memory as a safetensors file."""
    past = memory.past
    planes = {
        **_named("", memory.view),
        **({} if past.earlier is None else _named(_EARLIER, past.earlier)),
        **{f"change_{name}": plane for name, plane in memory.change._asdict().items()},
        "onwards": past.onwards,
        "shown": np.array(memory.shown),
    }
    tensors = {name: torch.from_numpy(plane) for name, plane in planes.items()}
    return save({name: tensor.cpu().contiguous() for name, tensor in (tensors | memory.state._asdict()).items()})


def from_bytes(content: bytes, device: torch.device) -> Memory:
    """The memory that `to_bytes` stored, on `device`.

    Raises:
        safetensors.SafetensorError, KeyError: the content is something else.
    """
    tensors = load(content)
    planes = {name: tensor.numpy() for name, tensor in tensors.items()}
    earlier = _view(planes, _EARLIER) if f"{_EARLIER}small" in planes else None
    state = State(*(tensors[name].to(device) for name in State._fields))
    change = Ycc(*(planes[f"change_{name}"] for name in Ycc._fields))
    times, difference = planes["shown"].tolist()
    past = Past(planes["onwards"], earlier, awaited=False)
    return Memory(_view(planes, ""), state, past, change, Shown(int(times), difference))


def _named(prefix: str, view: View) -> dict[str, NDArray[Any]]:
    return {f"{prefix}{name}": plane for name, plane in (*view.image._asdict().items(), ("small", view.luma))}


def _view(planes: dict[str, NDArray[Any]], prefix: str) -> View:
    return View(Ycc(*(planes[f"{prefix}{name}"] for name in Ycc._fields)), planes[f"{prefix}small"])
