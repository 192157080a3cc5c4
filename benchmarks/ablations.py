"""What decides the design: the network without one of its parts, each trained on from the same weights until it copes.

    python benchmarks/ablations.py CLEAN_TRAIN CLEAN_VAL [--init FILE] [--steps 150] [--only NAME] [--out runs/ablations]

All variants see the same clips and rain. Trained from nothing they would need hours each; going on from whole weights, a
network has learnt with the part and only makes up for its loss: what is lost here is more than a network made without it would
lack. RGB PSNR in dB on rain of another generator, means over clips.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TypeAlias
from unittest import mock

import numpy as np
import other_rain
import torch
from media import read_clip
from parts import NOTHING, no_following, run, unaligned, windows_of
from torch import Tensor

from rmfd_cli import physics
from rmfd_cli.metrics import psnr
from rmfd_cli.model.checkpoint import load_model, shipped_weights
from rmfd_cli.model.network import Cleared, Recovered, Registered, Rmfd, State, Window
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.loop import train

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


VARIANTS: dict[str, Change] = {
    "nothing": nullcontext,
    "look-ahead": seeing(no_following),
    "alignment": seeing(unaligned),
    "all of the state": without_state,
    "the last estimate fed back": without_feedback,
    "the inversion: a plain residual": without_inversion,
}


def main() -> None:
    """Trains and scores each variant, and prints its row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train_dir", type=Path)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--init", type=Path, help="a safetensors file; the shipped small model if left out")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--frames", type=int, default=8, help="frames per clip to score on")
    parser.add_argument("--only", default="", help="variants with this in their name")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    arguments = parser.parse_args()
    clips = [read_clip(path, arguments.frames) for path in sorted(arguments.clean_dir.glob("*.mp4"))]
    print("| without | " + " | ".join((*other_rain.STYLES, "mean")) + " |", flush=True)
    for name, changed in VARIANTS.items():
        if arguments.only not in name:
            continue
        options = TrainOptions(
            data=str(arguments.train_dir),
            validation=str(arguments.clean_dir),
            out=str(arguments.out / re.sub(r"\W+", "-", name)),
            steps=arguments.steps,
            learning_rate=LEARNING_RATE,
            warmup_steps=arguments.steps // 10,
            validate_every=arguments.steps + 1,
            save_every=arguments.steps,
            validation_clips=1,
            batch_size=4,
            clip_frames=6,
            crop_px=112,
            mixed_precision=True,
        )
        with changed():
            weights = train(options, init=arguments.init or shipped_weights("small")).weights
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
