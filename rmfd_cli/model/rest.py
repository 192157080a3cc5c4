"""What rests is seen again and again: while it rains, the picture behind the rain is what most frames agree on.

A streak that the network has missed, and the fine rain that flickers everywhere, is in one frame and not in the next. Where the
camera rests, and nothing moves, memory and following frame show the same pixel, without having been interpolated. What the
estimate does not share with either is not the scene. In front of a camera that moves, the same would blur (docs/decisions.md).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.model.image import CELL_PX, Image, enlarge

MEMORY_SHARE = (0.4, 0.9)
"""How far a resting pixel follows its memory, beyond the median: when it has just come to rest, and when it has rested long."""

_RAIN = (0.2 / 255, 0.5 / 255)
"""Mean light that is taken off a frame: below the first it does not rain, beyond the second it surely does. Dry clips of all
kinds are below 0.2 code values, spray of white water at 0.3, light rain above 0.5."""
_RESTING = (0.1, 0.3)
"""Share of a frame that rests, below and beyond which the camera moves and rests."""
_STEADY = (0.2 / 255, 0.4 / 255)
"""How fast the light of a scene changes, per frame, by its running mean: beyond the second a memory lags behind it by more than
it averages away. A cloud before the sun, a camera that exposes anew, a fade. Passers-by mostly stay below the first."""
_RATE = 0.2
"""Running means of how hard it rains and how much rests, over about five frames; until there are so many, the mean of all but
the first, whose own rain was among its witnesses."""
_MOVED_PX = (0.1, 0.5)
"""A cell that moves by less than the first rests, beyond the second it does not."""
_DIFFERENCE = 0.05
"""Mean difference of memory and following frame in a cell or one beside it, of 1, at which they hardly show the same."""
BRIGHTER = 0.25
"""How much it counts in that where the following frame is the brighter one: that is what rain in it does, too."""
_RESTED_RATE, _RESTED = 0.05, (0.3, 0.85)
"""A cell that has rested for seven frames begins to count as one that has rested long; after forty it does."""
HIDDEN_DECAY = 0.9
"""What is left of a hidden state after a step where the picture moves. Training sees states of thirty frames at most; without
decay they grow for a hundred and more, and the features drift away from all that was learnt (docs/decisions.md)."""


def resting_cells(moved: Tensor) -> Tensor:
    """1 where a cell rests, 0 where it moves, `[B, 1, H/8, W/8]`.

    Args:
        moved: how far cells have moved since the frame before, in cells, `[B, H/8, W/8, 2]`.
    """
    return 1 - rising(moved.norm(dim=-1).unsqueeze(1) * CELL_PX, *_MOVED_PX)


def calm_of(taken: Tensor, resting: Tensor, change: Tensor, last: Tensor | None, age: Tensor) -> Tensor:
    """How hard it rains and how much of the picture rests, means over a frame and the few before it, and how its light changes.

    Args:
        taken: the light that was found to be rain, one pixel of each cell, `[B, 1, H/8, W/8]`.
        resting: from `resting_cells`.
        change: by how much the running mean of the light has changed since the frame before, `[B, 1, 1, 1]`.
        last: what it was before this frame.
        age: how many frames of the scene came before it, `[B, 1, 1, 1]`.

    Returns:
        `[B, 3, 1, 1]`.
    """
    calm = torch.cat([taken, resting], 1).mean((2, 3), keepdim=True)
    return torch.cat([calm if last is None else torch.lerp(last[:, :2], calm, (1 / age).clamp(min=_RATE)), change], 1)


def difference_of(memory: Tensor, following: Tensor) -> Tensor:
    """How much memory and following frame differ in every cell, `[B, 1, H/8, W/8]`; less where the latter is the brighter one.

    Args:
        memory: luma of the last H, `[B, 1, H, W]`, like the next a departure from the frame that is restored.
        following: of the next frame.
    """
    # Every other row says as much.
    difference = F.leaky_relu(memory[..., ::2, :] - following[..., ::2, :], -BRIGHTER)
    return F.avg_pool2d(difference, (CELL_PX // 2, CELL_PX))


def settling(difference: Tensor, resting: Tensor, rested: Tensor, calm: Tensor) -> tuple[Tensor | None, Tensor]:
    """How the estimate of H is to be settled, where the picture rests and it rains.

    Args:
        difference: from `difference_of`.
        resting: from `resting_cells`.
        rested: for how long cells have rested, as this left it for the frame before; zeros at first.
        calm: from `calm_of`, before this frame.

    Returns:
        For `settled`, `[B, 2, H/8, W/8]`, or None where no cell rests, while the camera moves, or in dry weather; and for how
        long cells have rested and shown the same: from 0 to 1, a running mean that motion ends at once, `[B, 1, H/8, W/8]`.
    """
    rain, rest, change = calm.chunk(3, 1)
    weight = resting * rising(rain, *_RAIN) * rising(rest, *_RESTING) * (1 - rising(change.abs(), *_STEADY))
    if is_surely_zero(weight):
        return None, torch.zeros_like(rested)
    # What moves in one cell is about to come into the next.
    same = torch.exp(-((F.max_pool2d(difference, 3, 1, 1) / _DIFFERENCE) ** 2))
    rested = weight.any() * torch.minimum(torch.lerp(rested, same * resting, _RESTED_RATE), same * resting)
    least, most = MEMORY_SHARE
    share = least + (most - least) * rising(rested, *_RESTED)
    return torch.cat([weight * same, share], 1), rested


def kept_of(rested: Tensor) -> Tensor:
    """What is left of a hidden state after a step, `[B, 1, H/8, W/8]`: all of it where the picture has rested long.

    Args:
        rested: from `settling`.
    """
    return HIDDEN_DECAY + (1 - HIDDEN_DECAY) * rising(rested, *_RESTED)


def settled(estimate: Image, memory: Image, following: Image, how: Tensor) -> Image:
    """The estimate of H, nearer to what memory and following frame agree on.

    Args:
        estimate: H by the network, of one frame, like the next two as a departure from the frame that is restored.
        memory: the last H.
        following: the next frame.
        how: from `settling`.
    """
    return Image(
        _towards(estimate.luma, memory.luma, following.luma, enlarge(how, CELL_PX)),
        _towards(estimate.chroma, memory.chroma, following.chroma, enlarge(how, CELL_PX // 2)),
    )


def _towards(estimate: Tensor, memory: Tensor, following: Tensor, how: Tensor) -> Tensor:
    weight, share = how.chunk(2, 1)
    median = torch.clamp(estimate, torch.minimum(memory, following), torch.maximum(memory, following))
    return torch.lerp(estimate, torch.lerp(median, memory, share), weight)


def is_surely_zero(weight: Tensor) -> bool:
    """Whether nothing has weight, where that is known at once: a GPU would have to be waited for, and a graph serves all."""
    return weight.device.type == "cpu" and not torch.compiler.is_compiling() and not weight.any()


def rising(x: Tensor, start: float, end: float) -> Tensor:
    """0 up to `start`, 1 from `end` on."""
    return ((x - start) / (end - start)).clamp(0, 1)
