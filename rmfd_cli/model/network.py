"""RMFD, the recurrent network: stage 1 inverts the rain model, stage 2 refines what it recovered.

One step sees a window of three frames and the state that the last step left; every frame of the window is brought into
register with the middle one before anything is compared. All convolutions run at a quarter of the resolution or less: a
pixel-unshuffled frame loses nothing, and rain is one to three pixels wide.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rmfd_cli import physics
from rmfd_cli.model.align import SHRINK, sampling_grid, warp

UNIT = 8
"""Frames are padded to a multiple of this inside a step: the coarsest grid is an eighth."""

CANDIDATES = 4
"""Sources that a covered pixel can be filled from: median, previous frame, following frame, last hazy estimate."""


@dataclass(frozen=True)
class ModelConfig:
    """Hyper-parameters; they travel in the checkpoint."""

    width: int = 32
    """Channels at a quarter of the resolution."""
    deep_width: int = 48
    """Channels at an eighth."""
    hidden: int = 24
    """Channels of the recurrent hidden state, at an eighth."""
    deep_blocks: int = 3
    """Convolutions at an eighth."""
    refine_blocks: int = 2
    """Convolutions of stage 2, at a quarter."""
    look_back: int = 1
    look_ahead: int = 1
    """Frames of the window before and after the current one."""


class Window(NamedTuple):
    """Three frames in time order and the flows that bring the outer two into register with the middle one."""

    previous: Tensor
    current: Tensor
    following: Tensor
    """`[B, 3, H, W]` float, RGB in [0, 1]; at the edges of a scene the current frame stands in for a missing one."""
    to_previous: Tensor
    to_following: Tensor
    """`[B, 2, ⌈H/2⌉, ⌈W/2⌉]` displacement (x, y) in full-size pixels, from `align.estimate_flow`."""


class State(NamedTuple):
    """What a step hands to the next; a value, opaque to callers. None of it where nothing has been seen yet."""

    hidden: Tensor | None
    """`[B, hidden, H/8, W/8]`."""
    hazy: Tensor | None
    """`[B, 3, H, W]` (padded): the last step's estimate of H."""
    luma: Tensor | None
    """`[B, 1, H, W]` (padded): luma of the last restored frame."""
    airlight: Tensor | None
    """`[B, 3, 1, 1]`: running mean of A."""

    def detach(self) -> "State":
        """The same state, cut off from the graph that made it."""
        return State(*(None if value is None else value.detach() for value in self))


class Restored(NamedTuple):
    """Every estimate of one step, for the middle frame of its window; shapes `[B, C, H, W]`."""

    image: Tensor
    """B after refinement: the result, not clipped."""
    coarse: Tensor
    """B after the explicit inversion of stage 1."""
    hazy: Tensor
    """H: the frame without streaks and drops."""
    transmission: Tensor
    """T in (0, 1], one channel."""
    airlight: Tensor
    """A, `[B, 3, 1, 1]`."""
    flow: Tensor
    """U, one channel."""


def _conv(inputs: int, outputs: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation)


class Residual(nn.Module):
    """One 3×3 convolution around which its input is carried."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.conv = _conv(width, width, dilation)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]` to the same shape."""
        return x + F.relu(self.conv(x))


class ConvGru(nn.Module):
    """A gated recurrent unit whose products are 3×3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gates = _conv(2 * width, 2 * width)
        self.candidate = _conv(2 * width, width)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Input and last hidden state `[B, C, h, w]` to the new hidden state, bounded by ±1."""
        reset, update = torch.sigmoid(self.gates(torch.cat([x, hidden], 1))).chunk(2, 1)
        candidate = torch.tanh(self.candidate(torch.cat([x, reset * hidden], 1)))
        return hidden + update * (candidate - hidden)


class InverseRecovery(nn.Module):
    """Stage 1: streaks, drops and veil of the current frame, estimated under the rain model of `physics`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, deep, hidden = config.width, config.deep_width, config.hidden
        # Space to depth and a 1×1 convolution in one.
        self.squeeze = nn.Conv2d(3 * (1 + CANDIDATES), deep, 4, stride=4)
        self.enter = _conv(deep, width)
        self.encode = Residual(width)
        self.down = nn.Conv2d(width, deep, 2, stride=2)
        self.deep = nn.Sequential(*(Residual(deep, 2 if k == 1 else 1) for k in range(config.deep_blocks)))
        self.recur = ConvGru(hidden)
        self.up = nn.Conv2d(deep, width, 1)
        self.decode = Residual(width)
        self.rain = nn.Conv2d(width, 16 * (CANDIDATES + 1 + 3), 1)
        self.veil = nn.Conv2d(deep, 3, 1)
        self.tint = nn.Conv2d(deep, 3, 1)
        # Begin near the identity: little covered, clear air.
        for head in (self.rain, self.veil, self.tint):
            nn.init.normal_(head.weight, std=0.01)
        covered = 16 * CANDIDATES
        self.rain.bias = nn.Parameter(
            torch.zeros(16 * (CANDIDATES + 4)).index_fill_(0, torch.arange(covered, covered + 16), -2.0)
        )
        self.veil.bias = nn.Parameter(torch.tensor([4.0, 0.0, 0.0]))
        self.tint.bias = nn.Parameter(torch.zeros(3))
        self.hidden = hidden

    def features(
        self, frame: Tensor, candidates: list[Tensor], hidden: Tensor | None, to_previous: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Features at a quarter and an eighth, and the new hidden state."""
        skip = self.encode(F.relu(self.enter(F.relu(self.squeeze(torch.cat([frame, *candidates], 1))))))
        deep = self.deep(F.relu(self.down(skip)))
        height, width = deep.shape[-2:]
        if hidden is None:
            hidden = deep.new_zeros(deep.shape[0], self.hidden, height, width)
        else:
            hidden = warp(hidden, sampling_grid(to_previous, (UNIT * height, UNIT * width), (height, width)))
        hidden = self.recur(deep[:, : self.hidden], hidden)
        deep = torch.cat([hidden, deep[:, self.hidden :]], 1)
        up = F.interpolate(self.up(deep), scale_factor=2, mode="nearest")
        return self.decode(skip + up), deep, hidden

    def remove_rain(self, features: Tensor, frame: Tensor, candidates: list[Tensor]) -> Tensor:
        """H: covered pixels are filled from the aligned candidates, and translucent light is taken off."""
        maps = F.pixel_shuffle(self.rain(features), 4)
        occlusion = torch.sigmoid(maps[:, CANDIDATES : CANDIDATES + 1])
        fill = torch.softmax(maps[:, :CANDIDATES], 1) * occlusion
        # α·(O − L) of the model, with the hidden background in place of the unknown colour of the drop.
        hazy = torch.addcmul(-maps[:, CANDIDATES + 1 :], frame, 1 - occlusion)
        for k, candidate in enumerate(candidates):
            hazy = torch.addcmul(hazy, fill[:, k : k + 1], candidate)
        return hazy

    def estimate_veil(self, deep: Tensor, frame: Tensor, last: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """T and U at full resolution, and A: where the network looks for airlight, the frame's own colour, corrected."""
        maps = self.veil(deep)
        coarse = torch.cat([torch.sigmoid(maps[:, :1]), 0.1 * torch.tanh(maps[:, 1:2])], 1)
        smooth = F.interpolate(coarse, size=frame.shape[-2:], mode="bilinear", align_corners=False)
        transmission, flow = smooth[:, :1], smooth[:, 1:]
        attention = torch.softmax(maps[:, 2:].flatten(2), -1)
        colour = F.avg_pool2d(frame, UNIT).flatten(2)
        seen = (attention * colour).sum(-1, keepdim=True)
        correction = (attention * self.tint(deep).flatten(2)).sum(-1, keepdim=True)
        airlight = (seen + 0.3 * torch.tanh(correction)).unsqueeze(-1)
        if last is not None:
            # The airlight of a scene hardly moves: a running mean over about five frames.
            airlight = last + 0.2 * (airlight - last)
        return transmission, airlight, flow


class Refinement(nn.Module):
    """Stage 2: detail, colour and illumination that the inversion lost, from its estimate, the features and the past."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(4, config.width, 4, stride=4)
        self.join = nn.Conv2d(config.width, config.width, 1, bias=False)
        self.body = nn.Sequential(*(Residual(config.width) for _ in range(config.refine_blocks)))
        self.out = nn.Conv2d(config.width, 48, 1)
        self.out.weight = nn.Parameter(torch.zeros_like(self.out.weight))
        self.out.bias = nn.Parameter(torch.zeros(48))

    def forward(self, coarse: Tensor, last_luma: Tensor, features: Tensor) -> Tensor:
        """Correction `[B, 3, H, W]` to the coarse estimate; `last_luma` is that of the last restored frame, in register."""
        x = F.relu(self.squeeze(torch.cat([coarse, last_luma], 1)) + self.join(features))
        return F.pixel_shuffle(self.out(self.body(x)), 4)


class Rmfd(nn.Module):
    """The whole network. It keeps parameters only: one model can serve any number of videos at once.

    Example:
        >>> model = Rmfd(ModelConfig())
        >>> frame = torch.rand(1, 3, 33, 47)
        >>> still = torch.zeros(1, 2, 17, 24)
        >>> restored, state = model.step(Window(frame, frame, frame, still, still), model.initial_state())
        >>> restored.image.shape
        torch.Size([1, 3, 33, 47])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.recovery = InverseRecovery(config)
        self.refinement = Refinement(config)

    def initial_state(self) -> State:
        """The state before the first frame of a scene."""
        return State(None, None, None, None)

    def step(self, window: Window, state: State) -> tuple[Restored, State]:
        """Restores the middle frame of a window.

        Args:
            window: frames t−1, t, t+1, any size from 16×16 up, and their flows.
            state: of the step that restored t−1, or `initial_state()` at the start of a scene.

        Returns:
            The estimates for frame t, of the window's size, and the state for t+1.
        """
        height, width = window.current.shape[-2:]
        frame, previous, following = (_pad(x, UNIT) for x in (window.current, window.previous, window.following))
        to_previous, to_following = (_pad(x, UNIT // SHRINK) for x in (window.to_previous, window.to_following))
        size = (frame.shape[-2], frame.shape[-1])

        following = warp(following, sampling_grid(to_following, size, size))
        backwards = sampling_grid(to_previous, size, size)
        if state.hazy is None or state.luma is None:
            previous = warp(previous, backwards)
            last_hazy = median = _median(frame, previous, following)
            last_luma = None
        else:
            aligned = warp(torch.cat([previous, state.hazy, state.luma], 1), backwards)
            previous, last_hazy, last_luma = aligned[:, :3], aligned[:, 3:6], aligned[:, 6:]
            median = _median(frame, previous, following)
        candidates = [median, previous, following, last_hazy]

        features, deep, hidden = self.recovery.features(frame, candidates, state.hidden, to_previous)
        hazy = self.recovery.remove_rain(features, frame, candidates)
        transmission, airlight, flow = self.recovery.estimate_veil(deep, frame, state.airlight)
        coarse = physics.remove_veil(hazy, transmission, airlight, flow)
        image = coarse + self.refinement(coarse, _luma(coarse) if last_luma is None else last_luma, features)

        def crop(x: Tensor) -> Tensor:
            return x[..., :height, :width]

        restored = Restored(crop(image), crop(coarse), crop(hazy), crop(transmission), airlight, crop(flow))
        return restored, State(hidden, hazy, _luma(image), airlight)


def _pad(x: Tensor, unit: int) -> Tensor:
    """Repeats the right and bottom edge until both sides are multiples of `unit`."""
    height, width = x.shape[-2:]
    if height % unit == 0 and width % unit == 0:
        return x
    return F.pad(x, (0, -width % unit, 0, -height % unit), mode="replicate")


def _median(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    return torch.maximum(torch.minimum(a, b), torch.minimum(torch.maximum(a, b), c))


def _luma(rgb: Tensor) -> Tensor:
    """`[B, 3, H, W]` to `[B, 1, H, W]`, BT.601 weights."""
    return F.conv2d(rgb, rgb.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1))
