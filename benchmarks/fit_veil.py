"""Fits the estimate of the veil alone, on large pieces of clips, and leaves the rest of the network as it is.

    python benchmarks/fit_veil.py CLEAN_DIR --init WEIGHTS --out VEIL.safetensors [--clips 1900] [--updates 7000] \
        [--margin 0.12] [--gain 1.5]
    python benchmarks/fit_veil.py CLEAN_DIR --init WEIGHTS --go-on --out VEIL.safetensors [--clips 2000] [--updates 1500] \
        [--margin 0.14] [--gain 1.45] [--clips-seed 41]
    python benchmarks/fit_veil.py CLEAN_DIR --init WEIGHTS --like BEFORE --out VEIL.safetensors [--clips 350] [--updates 2500]

A veil is judged by the frame as a whole, and the small pieces that `rmfd train` learns streaks on do not show it. Since nothing
else changes, the network runs once over each clip, and what the estimate sees of four of its frames is kept: thousands of its
updates cost no more than a hundred of the whole network's.

The loss is the error of the unveiled picture in decibels, which all clips count alike in, and that of T, A and U themselves. In
the end, veils thinner than `margin` are left alone, and what is beyond it is multiplied by `gain`: both were chosen on the
validation clips (docs/decisions.md).

With `--go-on`, the estimate is not begun anew, but learns on from where it is, at a third of the rate: fifty scenes are soon
learnt by heart. With `--forget N`, it does so without what it had made of the first N features.

With `--like`, the estimate is that of other weights, made to say the same of the features that it reads now: stage 2 moves
them.

`--device cuda --workers 16 --clips-at-once 8` is the same on a GPU, with processes that draw.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from rmfd_cli import physics
from rmfd_cli.model.checkpoint import export_weights, load_model
from rmfd_cli.model.image import CELL_PX, from_rgb, to_rgb
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.process import keep_freed_memory
from rmfd_cli.model.values import Window
from rmfd_cli.model.veil import LIGHT, VeilEstimate
from rmfd_cli.training.clips import Clip, load_clips
from rmfd_cli.training.data import draw_clip, rain_on
from rmfd_cli.training.losses import decibels
from rmfd_cli.training.packed import Packed, full_size, stack, to_numbers

PIECE_PX = 320
FRAMES = 12
KEPT_FRAMES = (0, 3, 6, 10)
"""With a last H and without one; no hidden state is seen, so that it need not grow old."""
BATCH = 20
LEARNING_RATE = 3e-3


class Seen(NamedTuple):
    """Frames as the estimate sees them, `[N, ...]`, and the truth, one pixel of each cell."""

    features: Tensor
    cells: Tensor
    light: Tensor
    hazy: Tensor
    clean: Tensor
    transmission: Tensor
    airlight: Tensor
    flow: Tensor


def main() -> None:
    """Collects, fits, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("--init", type=Path, required=True, help="weights of the whole network")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--like", type=Path, help="weights whose estimate of the veil to keep")
    parser.add_argument("--go-on", action="store_true", help="begin with the estimate of --init")
    parser.add_argument("--clips", type=int, default=1900)
    parser.add_argument("--updates", type=int, default=7000)
    parser.add_argument("--margin", type=float, default=0.12)
    parser.add_argument("--gain", type=float, default=1.5)
    parser.add_argument("--forget", type=int, default=0, help="features that mean something else now")
    parser.add_argument("--seed", type=int, default=1, help="of a new estimate, and of the updates")
    parser.add_argument("--clips-seed", type=int, default=1, help="of the clips and their rain")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw clips")
    parser.add_argument("--clips-at-once", type=int, default=1, help="that the network sees")
    arguments = parser.parse_args()
    keep_freed_memory()
    rainy = Rainy(load_clips(arguments.clean_dir), arguments.clips_seed, arguments.clips)
    # Processes are forked from one that has computed nothing yet.
    batches = draw(rainy, arguments.clips_at_once, arguments.workers)
    device = torch.device(arguments.device)
    torch.manual_seed(arguments.seed)
    model = load_model(arguments.init).to(device)
    teacher = load_model(arguments.like).to(device) if arguments.like else None
    frames = [frame for batch in batches for frame in look(model, batch.to(device), teacher)]
    seen = Seen(*(torch.cat(column) for column in zip(*frames, strict=True)))
    estimate = VeilEstimate(model.config.deep_width).to(device)
    if teacher:
        estimate.load_state_dict(teacher.recovery.veil.state_dict())
        fit(estimate, seen, arguments.updates, LEARNING_RATE / 6, unlike)
    else:
        if arguments.go_on:
            estimate.load_state_dict(model.recovery.veil.state_dict())
            forget(estimate, arguments.forget)
        # The updates are the same whatever was drawn for a new beginning.
        torch.manual_seed(arguments.seed)
        fit(estimate, seen, arguments.updates, LEARNING_RATE / 3 if arguments.go_on else LEARNING_RATE, loss)
        thicken(estimate, arguments.margin, arguments.gain)
    model.recovery.veil.load_state_dict(estimate.state_dict())
    export_weights(model, arguments.out)


def forget(estimate: VeilEstimate, features: int) -> None:
    """Leaves the first features out of what an estimate says, of a cell and of the frame, until it learns to use them."""
    scene = estimate.scene[0]
    assert isinstance(scene, nn.Linear)
    with torch.no_grad():
        estimate.local.weight[:, :features] = 0
        scene.weight[:, LIGHT : LIGHT + features] = 0


def thicken(estimate: VeilEstimate, margin: float, gain: float) -> None:
    """Leaves veils thinner than `margin` alone and multiplies what is beyond it."""
    with torch.no_grad():
        weight, bias = estimate.maps.weight, estimate.maps.bias
        assert bias is not None
        bias[0] = (bias[0] - margin) * gain
        weight[0] *= gain


class Rainy(Dataset[Packed]):
    """Large pieces of clean clips, rained on, by number.

    Args:
        clips: to draw from.
        seed: of pieces and rain.
        count: how many there are.
    """

    def __init__(self, clips: list[Clip], seed: int, count: int) -> None:
        self.clips, self.seed, self.count = clips, seed, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Packed:
        """One clip, without the first dimension of a batch."""
        if number >= self.count:
            raise IndexError(number)
        rng = np.random.default_rng([self.seed, number])
        return rain_on(draw_clip(self.clips, rng, FRAMES, PIECE_PX), rng)


def draw(rainy: Rainy, at_once: int, workers: int) -> Iterator[Packed]:
    """All of them, so many at once, drawn ahead by so many processes."""
    loader = DataLoader(
        rainy,
        batch_size=at_once,
        collate_fn=stack,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
        worker_init_fn=_draw_on_one_core,
    )
    return iter(loader)


@torch.inference_mode()
def look(model: Rmfd, batch: Packed, teacher: Rmfd | None = None) -> list[Seen]:
    """Four frames of each clip, as the estimate of the veil sees them, half precision.

    Args:
        model: whose estimate it is.
        batch: rainy clips of `FRAMES` frames, on the model's device.
        teacher: whose T, A and U are the truth; None for those of the simulator.
    """
    given: list[Tensor] = []
    hook = model.recovery.veil.register_forward_pre_hook(lambda module, inputs: given.extend(x.clone() for x in inputs))
    frames, state, teachers_state = [], None, None
    for t in range(FRAMES - 1):
        images = (from_rgb(to_numbers(batch.rainy[:, k])) for k in (max(0, t - 1), t, t + 1))
        flows = (full_size(x[:, t], (PIECE_PX, PIECE_PX)) for x in (batch.to_previous, batch.to_following))
        registered = model.register(Window(*images, *flows))
        given.clear()
        recovered, state = model.recover(registered, state)
        if teacher:
            taught, teachers_state = teacher.recover(registered, teachers_state)
        if t in KEPT_FRAMES:
            features, cells, light = (x.half() for x in given)
            pixels = (_one_of_each_cell(x) for x in (to_rgb(recovered.hazy), to_numbers(batch.clean[:, t])))
            if teacher:
                veil, airlight = taught.veil.half(), taught.airlight.half()
                frames.append(Seen(features, cells, light, *pixels, veil[:, :1], airlight, veil[:, 1:]))
                continue
            transmission = F.avg_pool2d(batch.transmission[:, t].float(), CELL_PX).half()
            flow = _one_of_each_cell(batch.flow[:, t])
            frames.append(Seen(features, cells, light, *pixels, transmission, batch.airlight[:, 0].half(), flow))
    hook.remove()
    return frames


def _draw_on_one_core(_: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def fit(
    estimate: VeilEstimate, seen: Seen, updates: int, peak_rate: float, loss: Callable[[VeilEstimate, Seen], Tensor]
) -> None:
    """Trains an estimate on what was seen; it ends as the moving average of its parameters."""
    optimizer = torch.optim.AdamW(estimate.parameters(), betas=(0.9, 0.99), weight_decay=1e-2)
    average = [p.detach().clone() for p in estimate.parameters()]
    for update in range(updates):
        share = update / updates
        rate = min(1, (update + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = peak_rate * rate
        chosen = torch.randint(len(seen.cells), (BATCH,))
        total = loss(estimate, Seen(*(x[chosen].float() for x in seen)))
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(estimate.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for kept, new in zip(average, estimate.parameters(), strict=True):
                kept.lerp_(new, 1 - min(0.998, (1 + update) / (10 + update)))
    with torch.no_grad():
        for kept, new in zip(average, estimate.parameters(), strict=True):
            new.copy_(kept)


def loss(estimate: VeilEstimate, seen: Seen) -> Tensor:
    """What is minimised; the light is shaken by a twentieth, so that few scenes cannot be learnt by heart."""
    light = seen.light * (1 + 0.05 * torch.randn_like(seen.light))
    veil, airlight = estimate(seen.features, seen.cells, light)
    transmission, flow = veil[:, :1], veil[:, 1:]
    unveiled = physics.remove_veil(seen.hazy, transmission, airlight, flow, 0.1).clamp(-0.2, 1.2)
    error = (unveiled - seen.clean)[:, None]
    thickness = (1 - seen.transmission).mean((1, 2, 3), keepdim=True)
    return torch.stack(
        [
            0.05 * decibels(error, torch.ones_like(error[:, :, :1])),
            0.5 * (transmission - seen.transmission).square().mean(),
            0.3 * ((airlight - seen.airlight).abs() * thickness).mean(),
            (flow - seen.flow).abs().mean(),
        ]
    ).sum()


def unlike(estimate: VeilEstimate, seen: Seen) -> Tensor:
    """How far an estimate is from what it is to say; a difference of T counts more where the veil is thick."""
    veil, airlight = estimate(seen.features, seen.cells, seen.light)
    transmission = (veil[:, :1] - seen.transmission) / seen.transmission.clamp(min=0.1)
    thickness = (1 - seen.transmission).mean((1, 2, 3), keepdim=True)
    colour = ((airlight - seen.airlight).abs() * thickness).mean()
    return transmission.abs().mean() + colour + (veil[:, 1:] - seen.flow).abs().mean()


def _one_of_each_cell(image: Tensor) -> Tensor:
    return image[..., CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX].half()


if __name__ == "__main__":
    main()
