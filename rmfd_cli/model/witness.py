"""What both neighbours deny is rain, and what they cannot agree on may be anything: in little rain, it is left alone.

Spray, foam and glitter come and go as rain does, and the harder a thing moves, the less its neighbours in register resemble it.
Where previous and following frame show the same behind a bright spot, it is a drop; where they show something else each, they
are no witnesses. While it rains hard, rain itself is what they differ by, and all is taken off that the network finds.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.model.image import CELL_PX
from rmfd_cli.model.rest import rising

MOST_DIFFERENCE = 60 / 255
"""What counts of a difference of the neighbours at most, of 1."""
_AGREEMENT = 0.03
"""Mean difference of the neighbours in and around a cell at which little is believed them."""
_LITTLE_RAIN = (0.25 / 255, 0.4 / 255)
"""Mean light that is taken off a frame: up to the first all of a doubt counts, from the second on none of it. Spray takes 0.3
code values where it is worst, other dry clips 0.2 and less, light rain 0.5 and more."""


def difference_of(previous: Tensor, following: Tensor) -> Tensor:
    """How much the neighbours differ in every cell: their luma in register, `[B, 1, H, W]`, to `[B, 1, H/8, W/8]`."""
    # Every other row says as much.
    difference = (previous[..., ::2, :] - following[..., ::2, :]).abs_().clamp_(max=MOST_DIFFERENCE)
    return F.avg_pool2d(difference, (CELL_PX // 2, CELL_PX))


def agreement_of(difference: Tensor) -> Tensor:
    """1 where both neighbours show the same, towards 0 where they do not, `[B, 1, H/8, W/8]`.

    Args:
        difference: from `difference_of`.
    """
    around = F.avg_pool2d(difference, 3, 1, 1, count_include_pad=False)
    return torch.exp(-((around / _AGREEMENT) ** 2))


def sparing(agreement: Tensor, rain: Tensor) -> Tensor:
    """How much of what is found is changed, `[B, 1, H/8, W/8]`: less where the neighbours disagree, as long as it rains little.

    Args:
        agreement: from `agreement_of`.
        rain: how much light was taken off frames before this one, `[B, 1, 1, 1]`, the first of `rest.calm_of`.
    """
    return 1 - (1 - rising(rain, *_LITTLE_RAIN)) * (1 - agreement)
