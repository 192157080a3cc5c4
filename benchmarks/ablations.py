"""What decides the design: the network with one thing changed, each trained alike.

    python benchmarks/ablations.py CLEAN_TRAIN CLEAN_VAL [--init FILE] [--steps 150] [--only NAME] [--out runs/ablations]
    python benchmarks/ablations.py CLEAN_TRAIN CLEAN_VAL --from-nothing [--steps 500]

All variants see the same clips and rain. In the first form each goes on from whole weights without one of its parts: it has
learnt with the part and only makes up for its loss, so what is lost here is more than a network made without it would lack. In
the second each begins as a classical filter and is far from trained. RGB PSNR in dB on rain of another generator, means over
clips.
"""

import argparse
import re
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple, TypeAlias
from unittest import mock

import numpy as np
import other_rain
import torch
from media import read_clip
from parts import NOTHING, Without, no_following, run, unaligned, windows_of
from torch import Tensor

from rmfd_cli.metrics import psnr
from rmfd_cli.model import passes
from rmfd_cli.model.align import warp
from rmfd_cli.model.checkpoint import load_model, shipped_weights
from rmfd_cli.model.config import SIZES, ModelConfig
from rmfd_cli.model.image import Image, from_rgb
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.rest import kept_of
from rmfd_cli.model.values import Cleared, Recovered, Registered, State, Window
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.loop import train
from rmfd_cli.training.losses import ClipEstimates
from rmfd_cli.training.packed import Packed, full_size, to_numbers
from rmfd_cli.training.unroll import Steps, run_clip

LEARNING_RATE = 2e-4

Change: TypeAlias = Callable[[], AbstractContextManager[object]]
"""While what it gives is entered, networks are of another kind."""


def seeing(change: Callable[[Window], Window]) -> Change:
    """Networks whose windows are changed first."""
    register = Rmfd.register
    return lambda: mock.patch.object(Rmfd, "register", lambda model, window: register(model, change(window)))


def without_state() -> AbstractContextManager[object]:
    """Networks that forget everything after each frame."""
    recover = Rmfd.recover

    def forgetting(model: Rmfd, registered: Registered, state: State | None) -> tuple[Recovered, State]:
        return recover(model, registered, None)

    return mock.patch.object(Rmfd, "recover", forgetting)


def without_feedback() -> AbstractContextManager[object]:
    """Networks with a hidden state that do not see their last estimate."""

    def clear(model: Rmfd, registered: Registered, state: State | None) -> Cleared:
        last = Image(*(torch.zeros_like(plane) for plane in registered.frame))
        memory = passes.memory_blocks(last.luma, model.recovery.remember)
        last_hidden, takers = None if state is None else state.hidden, (model.recovery.rain, model.refinement.join)
        none, all_of_it = torch.zeros_like(registered.resting), torch.ones_like(registered.agreement)
        (seen, features), deep, hidden = model.recovery.features(registered, memory, last_hidden, kept_of(none), takers)
        rain, witnesses = model.recovery.rain, model.recovery.witnesses
        pictures = registered.previous, last, registered.following, registered.frame
        hazy, _ = passes.take_off(rain, witnesses, seen, *pictures, None, all_of_it)
        return Cleared(*hazy, hidden, deep, features, registered.cells, registered.resting, none, none, all_of_it)

    return mock.patch.object(Rmfd, "clear", clear)


def without_inversion() -> AbstractContextManager[object]:
    """Networks that add a residual to H instead of inverting the veil."""

    def nothing(veil: Tensor, airlight: Tensor) -> Tensor:
        return torch.cat([torch.ones_like(veil[:, :1]), torch.zeros_like(veil[:, :1]).expand(-1, 3, -1, -1)], 1)

    return mock.patch("rmfd_cli.model.network.lift_of", nothing)


class Second(NamedTuple):
    """The frame after the next one."""

    image: Image
    flow: Tensor
    """`[B, H, W, 2]` from the current frame to it."""


@contextmanager
def seeing_two_ahead() -> Iterator[None]:
    """Networks that compare the frame with the next two instead of with both neighbours; the past is in their state."""
    register, run_alone, coming = Rmfd.register, run, deque[Second]()

    def registered_with_second(model: Rmfd, window: Window) -> Registered:
        second = coming.popleft()
        found = register(model, window._replace(previous=second.image, to_previous=second.flow))
        # The memory is still looked up where the previous frame lay.
        back = register(model, window)
        return found._replace(backwards=back.backwards, backwards_coarse=back.backwards_coarse)

    def stepped(network: Steps, batch: Packed, frames: range, state: State | None) -> tuple[ClipEstimates, State | None]:
        images = [from_rgb(to_numbers(frame)) for frame in batch.rainy.unbind(1)]
        pixels = (batch.rainy.shape[-2], batch.rainy.shape[-1])
        onwards = [full_size(flow, pixels) for flow in batch.to_following.unbind(1)]
        seconds = [second_of(images, onwards, t) for t in frames]
        pictures = zip(*(second.image for second in seconds), strict=True)
        coming.append(Second(Image(*map(torch.cat, map(list, pictures))), torch.cat([second.flow for second in seconds])))
        return run_clip(network, batch, frames, state)

    def run_with_second(model: Rmfd, windows: list[Window], part: Without) -> Tensor:
        images, flows = [window.current for window in windows], [window.to_following for window in windows]
        coming.extend(second_of(images, flows, t) for t in range(len(images)))
        return run_alone(model, windows, part)

    with (
        mock.patch.object(Rmfd, "register", registered_with_second),
        mock.patch("rmfd_cli.training.unroll.run_clip", stepped),
        mock.patch(f"{__name__}.run", run_with_second),
        mock.patch("rmfd_cli.training.validation.run_clip", stepped),
    ):
        yield


def second_of(images: list[Image], flows: list[Tensor], t: int) -> Second:
    """The frame two after `t`, or the last one, by the flows from frame to frame."""
    last = len(images) - 1
    if t + 2 > last:
        return Second(images[min(t + 1, last)], flows[t])
    onwards = warp(flows[t + 1].permute(0, 3, 1, 2), flows[t]).permute(0, 2, 3, 1)
    return Second(images[t + 2], flows[t] + onwards)


VARIANTS: dict[str, Change] = {
    "nothing": nullcontext,
    "look-ahead": seeing(no_following),
    "alignment": seeing(unaligned),
    "all of the state": without_state,
    "the last estimate fed back": without_feedback,
    "the inversion: a plain residual": without_inversion,
}


SMALL = SIZES["small"]
FROM_NOTHING: dict[str, tuple[ModelConfig, Change]] = {
    "as it is": (SMALL, nullcontext),
    "no look-ahead": (SMALL, seeing(no_following)),
    "two frames of look-ahead": (SMALL, seeing_two_ahead),
    "half as wide": (ModelConfig(width=16, deep_width=24, hidden=12), nullcontext),
    "half as wide again": (ModelConfig(width=48, deep_width=72, hidden=36), nullcontext),
}


def main() -> None:
    """Trains and scores each variant, and prints its row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train_dir", type=Path)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--init", type=Path, help="a safetensors file; the shipped small model if left out")
    parser.add_argument("--from-nothing", action="store_true", help="train each from its beginning")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--frames", type=int, default=8, help="frames per clip to score on")
    parser.add_argument("--only", default="", help="variants with this in their name")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    arguments = parser.parse_args()
    clips = [read_clip(path, arguments.frames) for path in sorted(arguments.clean_dir.glob("*.mp4"))]
    variants = FROM_NOTHING if arguments.from_nothing else {name: (None, change) for name, change in VARIANTS.items()}
    init = None if arguments.from_nothing else arguments.init or shipped_weights("small")
    print(
        f"| {'variant' if arguments.from_nothing else 'without'} | " + " | ".join((*other_rain.STYLES, "mean")) + " |",
        flush=True,
    )
    for name, (config, changed) in variants.items():
        if arguments.only not in name:
            continue
        options = TrainOptions(
            data=str(arguments.train_dir),
            validation=str(arguments.clean_dir),
            out=str(arguments.out / re.sub(r"\W+", "-", name)),
            steps=arguments.steps,
            learning_rate=LEARNING_RATE if init else TrainOptions.learning_rate,
            warmup_steps=arguments.steps // 10,
            validate_every=arguments.steps + 1,
            save_every=arguments.steps,
            validation_clips=1,
            batch_size=4,
            clip_frames=6 if init else 3,
            crop_px=112,
            mixed_precision=True,
        )
        with changed():
            weights = train(options, config, init=init).weights
            scores = score(load_model(weights), clips)
        cells = " | ".join(f"{value:.2f}" for value in (*scores, scores.mean()))
        print(f"| {name} | {cells} |", flush=True)


def score(model: Rmfd, clips: list[np.ndarray]) -> np.ndarray:
    """Mean PSNR in dB of each style of rain."""
    totals = np.zeros(len(other_rain.STYLES))
    for seed, clean in enumerate(clips):
        truth = torch.from_numpy(clean).permute(0, 3, 1, 2)
        for column, style in enumerate(other_rain.STYLES.values()):
            rainy = np.round(other_rain.add_rain(clean, style, seed) * 255).astype(np.uint8)
            totals[column] += float(psnr(run(model, windows_of(rainy), NOTHING), truth).mean()) / len(clips)
    return totals


if __name__ == "__main__":
    main()
