"""What the network is built of."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Rectified(nn.Conv2d):
    """A convolution of which what is below zero is cut off."""

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]` to `[B, C', h', w']`."""
        found: Tensor = super().forward(x)
        return F.relu(found, inplace=True)


class Residual(nn.Module):
    """One 3×3 convolution around which its input is carried: `passes.through` adds the two up."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = Rectified(width, width, 3, padding=dilation, dilation=dilation)


def residuals(row: nn.ModuleList) -> list[Residual]:
    """The blocks of a row that has no others."""
    return [block for block in row if isinstance(block, Residual)]


class ConvGru(nn.Module):
    """A gated recurrent unit whose products are 3×3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.gates = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.candidate = nn.Conv2d(2 * width, width, 3, padding=1)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Input and last hidden state `[B, C, h, w]` to the new hidden state, bounded by ±1, in the state's precision."""
        reset, update = torch.sigmoid(self.gates(torch.cat([x, hidden.to(x.dtype)], 1))).to(hidden.dtype).chunk(2, 1)
        candidate = torch.tanh(self.candidate(torch.cat([x, (reset * hidden).to(x.dtype)], 1)))
        return torch.lerp(hidden, candidate.to(hidden.dtype), update)
