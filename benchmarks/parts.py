"""What each part of the network is worth: PSNR with each one taken away in turn.

    python benchmarks/parts.py CLEAN_DIR [--weights FILE] [--frames 8]

The network is not trained anew: a part that others can stand in for shows small here, and one that others rely on shows larger
than its worth to a network that never had it. RGB PSNR in dB on rain of another generator, means over clips.
"""

import argparse
import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import other_rain
import torch
from media import read_clip
from torch import Tensor

from rmfd_cli.metrics import psnr
from rmfd_cli.model.checkpoint import load_model, shipped_weights
from rmfd_cli.model.flow import enlarge_flow, flows_of_scene, luma_for_flow
from rmfd_cli.model.image import Image, from_rgb, to_rgb
from rmfd_cli.model.network import Rmfd, block
from rmfd_cli.model.passes import MAPS
from rmfd_cli.model.values import Registered, Restored, State, Window
from rmfd_cli.training.clips import Clip


@dataclass(frozen=True)
class Without:
    """What is changed of a run."""

    window: Callable[[Window], Window] = lambda window: window
    state: Callable[[State, Registered], State | None] = lambda state, registered: state
    result: Callable[[Restored], Image] = lambda restored: restored.image
    forbidden: tuple[int, ...] = ()
    """Sources that covered pixels may not be filled from: 0 the following frame, 1 the last estimate."""


def unaligned(window: Window) -> Window:
    """Neighbours as they are."""
    return window._replace(to_previous=0 * window.to_previous, to_following=0 * window.to_following)


def no_following(window: Window) -> Window:
    """The current frame in the place of the next one."""
    return window._replace(following=window.current, to_following=0 * window.to_following)


def no_previous(window: Window) -> Window:
    """The current frame in the place of the one before."""
    return window._replace(previous=window.current)


NOTHING = Without()
PARTS = {
    "nothing": NOTHING,
    "alignment": replace(NOTHING, window=unaligned),
    "following frame": replace(NOTHING, window=no_following),
    "previous frame": replace(NOTHING, window=no_previous),
    "both (state alone)": replace(NOTHING, window=lambda window: no_previous(no_following(window))),
    "hidden state": replace(NOTHING, state=lambda state, registered: state._replace(hidden=0 * state.hidden)),
    "all of the state": replace(NOTHING, state=lambda state, registered: None),
    "stage 2": replace(NOTHING, result=lambda restored: restored.coarse),
    "stage 2 and the veil's inversion": replace(NOTHING, result=lambda restored: restored.hazy),
    "following frame as a source": replace(NOTHING, forbidden=(0,)),
    "last estimate as a source": replace(NOTHING, forbidden=(1,)),
    "both sources": replace(NOTHING, forbidden=(0, 1)),
}


def main() -> None:
    """Prints one row per part that is taken away."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--weights", type=Path, help="a safetensors file; the shipped small model if left out")
    parser.add_argument("--frames", type=int, default=8, help="frames per clip")
    arguments = parser.parse_args()
    whole = load_model(arguments.weights or shipped_weights("small"))
    clips = [read_clip(path, arguments.frames) for path in sorted(arguments.clean_dir.glob("*.mp4"))]
    totals = {name: np.zeros(len(other_rain.STYLES)) for name in PARTS}
    for seed, clean in enumerate(clips):
        for column, style in enumerate(other_rain.STYLES.values()):
            rainy = np.round(other_rain.add_rain(clean, style, seed) * 255).astype(np.uint8)
            windows = windows_of(rainy)
            truth = torch.from_numpy(clean).permute(0, 3, 1, 2)
            for name, part in PARTS.items():
                restored = run(forbid(whole, part.forbidden), windows, part)
                totals[name][column] += float(psnr(restored, truth).mean()) / len(clips)
    print(f"{'without':34s}" + "".join(f"{name:>8s}" for name in (*other_rain.STYLES, "mean")))
    for name, total in totals.items():
        print(f"{name:34s}" + "".join(f"{value:8.2f}" for value in (*total, total.mean())))


def windows_of(rainy: Clip) -> list[Window]:
    """Every frame `[H, W, 3]` of a clip with its neighbours and flows."""
    images = [from_rgb(torch.from_numpy(frame.astype(np.float32) / 255).permute(2, 0, 1)[None]) for frame in rainy]
    lumas = [luma_for_flow(image.luma[0, 0].numpy()) for image in images]
    size = (rainy.shape[1], rainy.shape[2])
    enlarged = [
        tuple(torch.from_numpy(enlarge_flow(flow, size))[None] for flow in flows)
        for flows in zip(*flows_of_scene(lumas), strict=True)
    ]
    last = len(images) - 1
    return [
        Window(images[max(t - 1, 0)], images[t], images[min(t + 1, last)], to_previous, to_following)
        for t, (to_previous, to_following) in enumerate(enlarged)
    ]


def forbid(model: Rmfd, sources: tuple[int, ...]) -> Rmfd:
    """The model without some of the sources that covered pixels are filled from."""
    if not sources:
        return model
    model = copy.deepcopy(model)
    bias = model.recovery.rain.bias
    assert bias is not None
    # With none left, no pixel is taken for covered.
    name, value = ("covered", -50) if len(sources) == 2 else ("preference", 50 if sources == (1,) else -50)
    bias.data[block(MAPS, name)] = value
    return model


@torch.inference_mode()
def run(model: Rmfd, windows: list[Window], part: Without) -> Tensor:
    """Restored frames `[T, 3, H, W]` in [0, 1]."""
    state, results = model.initial_state(), []
    for window in windows:
        registered = model.register(part.window(window))
        recovered, state = model.recover(registered, None if state is None else part.state(state, registered))
        results.append(to_rgb(part.result(model.refine(recovered, registered.size)))[0].clamp(0, 1))
    return torch.stack(results)


if __name__ == "__main__":
    main()
