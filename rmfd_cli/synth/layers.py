"""The layers of the rain model as 16-bit pictures, and back: value = offset + scale · code, with codes 0 to 65534.

The ranges are fixed, so that a clip can be stored while it is being rendered; 0 and the ends of every range are codes.
Recomposing rounded layers with `physics.compose` errs by at most `MAX_ERROR`: half a step of each layer, weighed by the
largest factor that it can have in the model (S by 1, A and U by 1, T by |B − A| ≤ 1, L by α ≤ 1, α by |L − H − S| ≤ 3.5).
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmfd_cli.physics import RainLayers
from rmfd_cli.synth.request import Layer

_STEPS = 65534
"""An even number, so that the middle of a symmetric range is a code: no motion is exactly none."""


class Scale(NamedTuple):
    """How 16-bit codes stand for values, `offset + scale · code`."""

    offset: float
    scale: float
    channels: int
    """1 for a grey picture, 3 for RGB."""


def _scale(low: float, high: float, channels: int) -> Scale:
    return Scale(low, (high - low) / _STEPS, channels)


SCALES: dict[str, Scale] = {
    "transmission": _scale(0, 1, 1),
    "airlight": _scale(0, 1, 3),
    "flow": _scale(-0.5, 0.5, 1),
    "streaks": _scale(0, 2, 3),
    "occlusion": _scale(0, 1, 1),
    "occluder": _scale(0, 1, 3),
    "motion": _scale(-4096, 4096, 3),
}
"""By stream. All in units where white is 1, but `motion` in pixels per frame: red to the right, green down, blue nothing;
in steps of an eighth, and clipped only where the drop has long left the frame."""

MAX_ERROR = 0.5 / _STEPS * (1 + 1 + 1 + 2 + 1 + 3.5)
"""7.3e-5, a fiftieth of an 8-bit step, in the light that the weather composes in."""


def streams_of(layers: tuple[Layer, ...]) -> tuple[str, ...]:
    """The streams to store for these layers: their own, the drops' colour with the occlusion, and what lies behind them all."""
    if not layers:
        return ()
    streams = [stream for stream in SCALES if stream in layers or (stream == "occluder" and "occlusion" in layers)]
    return ("background", *streams)


def by_stream(layers: RainLayers, motion: Tensor) -> dict[str, Tensor]:
    """All streams with a scale as `[T, C, H, W]`, C as in `SCALES`, from what the simulator gives.

    Args:
        layers: of T frames; what is one for all frames or pixels may be so.
        motion: of the streaks, `[T, 2, H, W]` in pixels per frame.
    """
    frames, _, height, width = motion.shape
    still = torch.zeros_like(motion[:, :1])
    values = layers._asdict() | {"motion": torch.cat([motion, still], 1)}
    return {name: value.expand(frames, SCALES[name].channels, height, width) for name, value in values.items()}


def to_codes(values: Tensor, scale: Scale) -> tuple[NDArray[np.uint16], int]:
    """Values to pictures.

    Args:
        values: `[T, C, H, W]`.
        scale: how to store them.

    Returns:
        uint16 `[T, H, W]`, or `[T, H, W, 3]` for three channels; and how many values lay outside the range and were clipped.
    """
    codes = ((values.double() - scale.offset) / scale.scale).round()
    inside = codes.clamp(0, _STEPS)
    picture = inside.to(torch.int32).permute(0, 2, 3, 1).cpu().numpy().astype(np.uint16)
    return picture[..., 0] if scale.channels == 1 else picture, int((codes != inside).sum())


def from_codes(picture: NDArray[np.uint16], scale: Scale) -> Tensor:
    """One picture `[H, W]` or `[H, W, 3]` to float32 values `[C, H, W]`."""
    channels_last = picture.reshape(*picture.shape[:2], scale.channels).astype(np.float64)
    return torch.from_numpy(channels_last * scale.scale + scale.offset).permute(2, 0, 1).float()
