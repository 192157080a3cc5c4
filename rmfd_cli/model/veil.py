"""The veil of a frame: its transmission T, airlight A and flow U, seen in the frame as a whole.

One cell of a picture does not tell mist from a grey wall. What tells is how dark the darkest parts of the frame are, and
whether it rains: haze on a dry day belongs to the scene.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rmfd_cli import physics
from rmfd_cli.model import native
from rmfd_cli.model.calls import suits
from rmfd_cli.model.image import CELL_PX, Image, darkest, darkest_of, join, split

LIGHT = 9
"""Numbers that describe the light of a whole frame: mean and spread of its cells' darkest value and colour, darkest of all."""

_HIDDEN = 64
_SCENE = 96


class VeilEstimate(nn.Module):
    """T, U and A from the features of each cell, its darkest value and colour, and numbers about the whole frame.

    Args:
        width: channels of the features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.local = nn.Conv2d(width + 4, _HIDDEN, 1)
        self.scene = nn.Sequential(nn.Linear(LIGHT + width, _SCENE), nn.ReLU(), nn.Linear(_SCENE, _HIDDEN))
        self.maps = nn.Conv2d(_HIDDEN, 3, 1)
        self.tint = nn.Conv2d(_HIDDEN, 3, 1)
        # Begin near the identity: clear air.
        for head in (self.maps, self.tint):
            nn.init.normal_(head.weight, std=0.01)
        self.maps.bias = nn.Parameter(torch.tensor([0.05, 0.0, 0.0]))
        self.tint.bias = nn.Parameter(torch.zeros(3))

    def forward(self, features: Tensor, cells: Tensor, light: Tensor) -> tuple[Tensor, Tensor]:
        """The veil.

        Args:
            features: `[B, width, h, w]`, one per cell.
            cells: `[B, 4, h, w]`, from `cells_of_frame`.
            light: `[B, LIGHT + width, 1, 1]`: the light of the frame and the mean features.

        Returns:
            T in [T_MIN, 1] and U, `[B, 2, h, w]`; A, `[B, 3, 1, 1]`: the frame's own colour where the network looks for
            airlight, corrected.
        """
        height, width = cells.shape[-2:]
        # Cell by cell, channels last: products of matrices, which on a CPU take half the time of 1×1 convolutions.
        colours = _by_cell(cells)
        known = torch.cat([_by_cell(features), colours.to(features.dtype)], 2)
        assert self.local.bias is not None
        scene = (self.scene(light.flatten(1).to(features.dtype)) + self.local.bias)[:, None]
        kernel = self.local.weight.flatten(1).t().expand(len(known), -1, -1)
        seen = F.relu(torch.baddbmm(scene, known, kernel), inplace=True)
        maps = F.linear(seen, self.maps.weight.flatten(1), self.maps.bias).to(cells.dtype)
        transmission, flow = _within_unit(1 - maps[..., :1]), 0.1 * torch.tanh(maps[..., 1:2])
        veil = torch.cat([transmission, flow], 2).view(-1, height, width, 2).permute(0, 3, 1, 2)
        attention = torch.softmax(maps[..., 2:], 1)
        attended = torch.bmm(attention.transpose(1, 2).to(seen.dtype), seen)[:, 0]
        correction = F.linear(attended, self.tint.weight.flatten(1), self.tint.bias).to(cells.dtype)
        airlight = (attention * colours[..., 1:]).sum(1) + 0.3 * torch.tanh(correction)
        return veil, airlight[..., None, None]


def _by_cell(x: Tensor) -> Tensor:
    """`[B, C, h, w]` to `[B, h·w, C]`."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def cells_of_frame(frame: Image) -> Tensor:
    """Darkest value and colour of every cell, in RGB: sides multiples of `CELL_PX`, to `[B, 4, H/8, W/8]`."""
    if suits(*frame):
        return native.cells(frame)
    dark = darkest_of(darkest(frame), CELL_PX // 2)
    luma = frame.luma[..., CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX]
    chroma = frame.chroma[..., CELL_PX // 4 :: CELL_PX // 2, CELL_PX // 4 :: CELL_PX // 2]
    return torch.cat([dark, join(luma, chroma)], 1)


def light_of_cells(cells: Tensor) -> Tensor:
    """What the cells are like in the frame as a whole: `[B, 4, h, w]`, all of a frame, to `[B, LIGHT, 1, 1]`."""
    spread, mean = torch.var_mean(cells, (2, 3), correction=0, keepdim=True)
    # A soft minimum, which one dead pixel does not decide.
    darkest = -torch.log(torch.exp(-30 * cells[:, :1]).mean((2, 3), keepdim=True)) / 30
    return torch.cat([mean, (spread + 1e-4).sqrt(), darkest], 1)


def brightness_of(light: Tensor) -> Tensor:
    """The mean of a frame's colours, `[B, 1, 1, 1]`, from numbers that begin with those of `light_of_cells`."""
    return light[:, 1:4].mean(1, keepdim=True)


def lift_of(veil: Tensor, airlight: Tensor) -> Tensor:
    """`physics.remove_veil` as a factor, and what is added to luma, Cb and Cr: `[B, 4, H/8, W/8]`.

    Args:
        veil: T and U, `[B, 2, H/8, W/8]`.
        airlight: A, `[B, 3, 1, 1]`, RGB.
    """
    transmission, flow = veil.chunk(2, 1)
    # At once: of a picture of 1 in no light, and of pictures of 0 in the luma, Cb and Cr of the veil.
    picture = F.pad(transmission.new_ones(1, 1, 1, 1), (0, 0, 0, 0, 0, 3))
    colour, flicker = F.pad(torch.cat(split(airlight), 1), (0, 0, 0, 0, 1, 0)), F.pad(flow, (0, 0, 0, 0, 1, 2))
    return physics.remove_veil(picture, transmission, colour, flicker)


def _within_unit(x: Tensor) -> Tensor:
    """Clipped to [T_MIN, 1], the gradient of the identity: clear air is exactly 1, and none is ever stuck there."""
    return x + (x.clamp(physics.T_MIN, 1.0) - x).detach()
