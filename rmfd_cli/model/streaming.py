"""From a stream of frames to a stream of residuals: windows, alignment and the recurrent state around the network."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmfd_cli.errors import MachineError, MemoryExhaustedError
from rmfd_cli.model.align import Flow, enlarge_flow, estimate_flow, luma_for_flow, reverse_flow
from rmfd_cli.model.checkpoint import load_model, shipped_weights
from rmfd_cli.model.network import Recovered, Registered, Rmfd, State, Window
from rmfd_cli.model.scene import is_cut
from rmfd_cli.types import Restore, Rgb
from rmfd_cli.windows import Window as SceneWindow
from rmfd_cli.windows import sliding

LARGEST = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


class View(NamedTuple):
    """What is computed once per frame, however many windows it appears in."""

    image: Tensor
    """`[1, 3, H, W]` float32 in [0, 1], on the model's device."""
    luma: NDArray[np.uint8]
    """What the flow is estimated on."""


class Memory(NamedTuple):
    """What the frames after one need of it and of all before it; a value."""

    view: View
    state: State
    """What the step on that frame left."""


def restorer(model: str, device: str) -> Restore:
    """Loads a model and gives the function that takes rain out of a stream of frames.

    Args:
        model: a shipped model's name, `auto`, or the path of a safetensors file.
        device: `auto`, `cpu`, `cuda`, or another name that torch knows.

    Raises:
        WeightsError: there is no such model or it is damaged.
        MachineError: there is no such device.
    """
    where = choose_device(device)
    network = load_model(find_weights(model)).to(where, precision_for(where))
    return lambda frames: restore(frames, network, where)


def find_weights(model: str) -> Path:
    """The file that `auto`, a shipped model's name or a path stands for.

    Raises:
        WeightsError: there is no such model, or a shipped file is damaged.
    """
    if model.endswith(".safetensors"):
        return Path(model)
    return shipped_weights("small" if model == "auto" else model)


def precision_for(device: torch.device) -> torch.dtype:
    """What convolutions run in: bfloat16 on a CPU with instructions for it, else float32.

    Where a CPU only emulates bfloat16, it is a hundred times slower; where it has it, convolutions take a third of the time and
    results stay within 0.01 dB (docs/decisions.md).
    """
    # torch says so in this one place only, and not in all versions.
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if device.type == "cpu" and native() else torch.float32


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


def restore(frames: Iterable[Rgb], model: Rmfd, device: torch.device) -> Iterator[NDArray[np.float32]]:
    """One residual per frame; pulls a few frames more than it has yielded.

    Args:
        frames: upright RGB `[H, W, 3]`, uint8 or uint16, all of one size.
        model: on `device`.
        device: where the network runs.

    Yields:
        `[H, W, 3]` float32: restored minus input, where the restored frame is clipped to [0, 1].

    Raises:
        MemoryExhaustedError: the device cannot hold a frame of this size.
    """
    return (residual for residual, _ in restore_from(None, frames, model, device))


def restore_from(
    memory: Memory | None, frames: Iterable[Rgb], model: Rmfd, device: torch.device
) -> Iterator[tuple[NDArray[np.float32], Memory]]:
    """`restore` from the middle of a video on, with the same result to the bit; what each frame leaves goes with its residual.

    Three threads work on three frames: one fetches a frame and brings its window into register, one runs stage 1, and the
    caller's runs stage 2. It is `Rmfd.step` in its three parts. State and window begin anew at every scene cut.

    Args:
        memory: of the frame before the first of `frames`; None at the beginning.
        frames: as of `restore`.
        model: likewise.
        device: likewise.

    Yields:
        The residual of each frame, and the memory to go on with after it.

    Raises:
        MemoryExhaustedError: the device cannot hold a frame of this size.
    """
    views = (View(_to_tensor(rgb, device), luma_for_flow(rgb)) for rgb in frames)
    back, ahead = model.config.look_back, model.config.look_ahead
    seen = [memory.view] if memory else []
    windows = sliding(views, back, ahead, lambda before, after: is_cut(before.luma, after.luma), seen)
    registered_frames = _ahead(_register(windows, model, device))
    for registered, recovered, left in _ahead(_recover(registered_frames, model, memory.state if memory else None)):
        with _frame_work(device):
            restored = model.refine(registered, recovered)
            height, width = registered.size
            change = restored.image[0].clamp(0, 1) - registered.frame[0, :, :height, :width]
            residual = cv2.merge(list(change.cpu().numpy()))
        yield residual, left


def _register(windows: Iterable[SceneWindow], model: Rmfd, device: torch.device) -> Iterator[tuple[Registered, View, bool]]:
    onwards: Flow | None = None
    for (previous, current, following), begins in windows:
        with _frame_work(device):
            still = np.zeros((*current.luma.shape, 2), np.float32)
            if onwards is None and previous is not current:
                onwards = estimate_flow(previous.luma, current.luma)
            # The frame before had this one for its following frame.
            backwards = still if onwards is None or previous is current else reverse_flow(onwards)
            onwards = still if following is current else estimate_flow(current.luma, following.luma)
            size = (current.image.shape[-2], current.image.shape[-1])
            flows = (torch.from_numpy(enlarge_flow(flow, size))[None].to(device) for flow in (backwards, onwards))
            registered = model.register(Window(previous.image, current.image, following.image, *flows))
        yield registered, current, begins


def _recover(
    registered_frames: Iterable[tuple[Registered, View, bool]], model: Rmfd, state: State | None
) -> Iterator[tuple[Registered, Recovered, Memory]]:
    for registered, view, begins in registered_frames:
        with _frame_work(registered.frame.device):
            recovered, state = model.recover(registered, None if begins else state)
        yield registered, recovered, Memory(view, state)


@contextmanager
def _frame_work(device: torch.device) -> Iterator[None]:
    """Inference on one frame, in whatever thread; running out of memory gets a name.

    Raises:
        MemoryExhaustedError: the device cannot hold it.
    """
    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError as error:
        raise MemoryExhaustedError(f"{device} has too little memory for frames of this size; try --device cpu") from error


def _ahead(items: Iterator[Any]) -> Iterator[Any]:
    """The same items, each prepared in a thread while the one before it is being used."""
    with ThreadPoolExecutor(1) as preparer:
        pending: Future[Any] = preparer.submit(next, items, None)
        while (item := pending.result()) is not None:
            pending = preparer.submit(next, items, None)
            yield item


def _to_tensor(rgb: Rgb, device: torch.device) -> Tensor:
    """`[H, W, 3]` integers to `[1, 3, H, W]` float32 in [0, 1]."""
    planar = torch.from_numpy(np.stack(cv2.split(rgb)).astype(np.float32))
    return planar.mul_(1 / LARGEST[rgb.dtype])[None].to(device)
