"""What both neighbours deny is rain, and what they cannot agree on may be anything: in little rain, it is left alone.

Spray, foam and glitter come and go as rain does, and the harder a thing moves, the less its neighbours in register resemble it.
Where previous and following frame show the same behind a bright spot, it is a drop; where they show something else each, they
are no witnesses. While it rains hard, rain itself is what they differ by, and all is taken off that the network finds.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.model.image import Image, enlarge
from rmfd_cli.model.rest import is_surely_zero, rising
from rmfd_cli.model.veil import CELL_PX

_AGREEMENT = 0.03
_MOST = 60 / 255
"""Mean difference of the neighbours in and around a cell, of 1, at which little is believed them; what counts of it at most."""
_LITTLE_RAIN = (0.25 / 255, 0.4 / 255)
"""Mean light that is taken off a frame: up to the first all of a doubt counts, from the second on none of it. Spray takes 0.22
code values where it is worst, other dry clips 0.1 and less, light rain 0.5 and more."""


def agreement_of(previous: Tensor, following: Tensor) -> Tensor:
    """1 where both neighbours show the same, towards 0 where they do not, `[B, 1, H/8, W/8]`.

    Args:
        previous: luma in register, `[B, 1, H, W]`, sides multiples of `CELL_PX`.
        following: likewise.
    """
    # Every other row says as much.
    difference = (previous[..., ::2, :] - following[..., ::2, :]).abs_().clamp_(max=_MOST)
    difference = F.avg_pool2d(difference, (CELL_PX // 2, CELL_PX))
    around = F.avg_pool2d(difference, 3, 1, 1, count_include_pad=False)
    return torch.exp(-((around / _AGREEMENT) ** 2))


def spare(departure: Image, agreement: Tensor, rain: Tensor) -> Image:
    """What is taken off a frame, less of it where the neighbours disagree, as long as it rains little.

    Args:
        departure: what is left of the frame less the frame.
        agreement: from `agreement_of`.
        rain: how much light was taken off frames before this one, `[B, 1, 1, 1]`, the first half of `rest.calm_of`.
    """
    doubt = 1 - rising(rain, *_LITTLE_RAIN)
    if is_surely_zero(doubt):
        return departure
    weight = 1 - doubt * (1 - agreement)
    return Image(departure.luma * enlarge(weight, CELL_PX), departure.chroma * enlarge(weight, CELL_PX // 2))
