"""What decides the design: the network with one thing changed, each trained from nothing alike, on rain of another generator.

    python benchmarks/ablations.py CLEAN_TRAIN CLEAN_VAL [--steps 150] [--only NAME] [--out runs/ablations]

All variants see the same clips, rain and initial seed, and are trained far too shortly to be good: differences of a few tenths
of a decibel are noise. RGB PSNR in dB, means over clips; cost is of the convolutions for one 640×480 frame.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import other_rain
import torch
from media import read_clip
from parts import NOTHING, no_following, run, unaligned, windows_of
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from rmfd_cli import physics
from rmfd_cli.metrics import psnr
from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.config import SIZES, ModelConfig
from rmfd_cli.model.network import Cleared, Recovered, Registered, Rmfd, State, Window
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.loop import train


@dataclass(frozen=True)
class Variant:
    """A network that differs from the small one."""

    config: ModelConfig = SIZES["small"]
    changed: Callable[[], AbstractContextManager[object]] = nullcontext
    """While it is entered, networks are of this kind."""


def seeing(change: Callable[[Window], Window]) -> Callable[[], AbstractContextManager[object]]:
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
        last = torch.zeros_like(registered.frame)
        features, deep, hidden = model.recovery.features(registered, last, None if state is None else state.hidden)
        hazy = model.recovery.remove_rain(features, registered.frame, registered.following, last)
        return Cleared(hazy, hidden, deep, features, registered.cells)

    return mock.patch.object(Rmfd, "clear", clear)


@contextmanager
def without_inversion() -> Iterator[None]:
    """Networks that add a residual to H instead of inverting the veil."""

    def keep(hazy: Tensor, transmission: Tensor, airlight: Tensor, flow: Tensor | float = 0.0) -> Tensor:
        return hazy

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(physics, "remove_veil", keep))
        yield


VARIANTS = {
    "as it is": Variant(),
    "no look-ahead": Variant(changed=seeing(no_following)),
    "no alignment": Variant(changed=seeing(unaligned)),
    "no state": Variant(changed=without_state),
    "last estimate not fed back": Variant(changed=without_feedback),
    "plain residual, no inversion": Variant(changed=without_inversion),
    "half as wide": Variant(ModelConfig(width=16, deep_width=24, hidden=12)),
    "half as wide again": Variant(ModelConfig(width=48, deep_width=72, hidden=36)),
}


def main() -> None:
    """Trains and scores each variant, and prints its row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train_dir", type=Path)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--frames", type=int, default=8, help="frames per clip to score on")
    parser.add_argument("--only", default="", help="variants with this in their name")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    arguments = parser.parse_args()
    clips = [read_clip(path, arguments.frames) for path in sorted(arguments.clean_dir.glob("*.mp4"))]
    print("| variant | GMAC | " + " | ".join((*other_rain.STYLES, "mean")) + " |", flush=True)
    for name, variant in VARIANTS.items():
        if arguments.only not in name:
            continue
        options = TrainOptions(
            data=str(arguments.train_dir),
            validation=str(arguments.clean_dir),
            out=str(arguments.out / name.replace(" ", "-")),
            steps=arguments.steps,
            warmup_steps=arguments.steps // 10,
            validate_every=arguments.steps + 1,
            save_every=arguments.steps,
            validation_clips=1,
            mixed_precision=True,
        )
        with variant.changed():
            weights = train(options, variant.config).weights
            scores = score(load_model(weights), clips)
        cells = " | ".join(f"{value:.2f}" for value in (*scores, scores.mean()))
        print(f"| {name} | {gmac(Rmfd(variant.config)):.2f} | {cells} |", flush=True)


def score(model: Rmfd, clips: list[np.ndarray]) -> np.ndarray:
    """Mean PSNR in dB of each style of rain."""
    totals = np.zeros(len(other_rain.STYLES))
    for seed, clean in enumerate(clips):
        truth = torch.from_numpy(clean).permute(0, 3, 1, 2)
        for column, style in enumerate(other_rain.STYLES.values()):
            rainy = np.round(other_rain.add_rain(clean, style, seed) * 255).astype(np.uint8)
            totals[column] += float(psnr(run(model, windows_of(rainy), NOTHING), truth).mean()) / len(clips)
    return totals


def gmac(model: Rmfd) -> float:
    """Billions of multiply-accumulates of the convolutions for one 640×480 frame."""
    frame, still = torch.rand(1, 3, 480, 640), torch.zeros(1, 480, 640, 2)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.step(Window(frame, frame, frame, still, still), model.initial_state())
    return counter.get_total_flops() / 2e9


if __name__ == "__main__":
    main()
