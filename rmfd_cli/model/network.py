"""RMFD, the recurrent network: stage 1 inverts the rain model, stage 2 refines what it recovered.

One step sees a window of three frames and the state that the last step left; every frame of the window is brought into
register with the middle one before anything is compared. All convolutions run at a quarter of the resolution or less: a
pixel-unshuffled frame loses nothing, and rain is one to three pixels wide. Rain is next to colourless, so that the network
compares luma and only mixes colours.

Convolutions run in the precision of their weights, float32 or bfloat16; pixels, states and everything that is added to pixels
stay in the precision of the window.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rmfd_cli import physics
from rmfd_cli.model.align import sampling_grid, warp
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.veil import CELL_PX, VeilEstimate, cells_of_frame, light_of_cells

UNIT = CELL_PX
"""Frames are padded to a multiple of this inside a step: the coarsest grid is an eighth, that of the veil."""

CANDIDATES = 2
"""Sources that a covered pixel can be filled from: following frame, last hazy estimate. The latter holds what the previous
frame would give (docs/decisions.md)."""

FILTER_GAIN = 20.0
"""How surely a network that has learnt nothing yet takes what is brighter than both neighbours in register for covered."""

MEMORY_MARGIN = 0.05
"""How far the last hazy estimate may leave the range of the window's three frames; a memory that no frame bears out would
otherwise confirm itself from step to step."""


class Window(NamedTuple):
    """Three frames in time order and the flows that bring the outer two into register with the middle one."""

    previous: Tensor
    current: Tensor
    following: Tensor
    """`[B, 3, H, W]` float, RGB in [0, 1]; at the edges of a scene the current frame stands in for a missing one."""
    to_previous: Tensor
    to_following: Tensor
    """`[B, H, W, 2]` displacement (x, y) in pixels, from `align.enlarge_flow`."""
    previous_corner: tuple[int, int] = (0, 0)
    following_corner: tuple[int, int] = (0, 0)
    """(top, left) of the outer frames in the middle one, in pixels, where all are pieces; then their sizes may differ."""


class Registered(NamedTuple):
    """A window whose outer frames lie in register with the middle one; sides padded to multiples of `UNIT`."""

    frame: Tensor
    """`[B, 3, H, W]`."""
    following: Tensor
    """`[B, 3, H, W]`: how the following frame differs from the middle one."""
    low: Tensor
    high: Tensor
    """`[B, 3, H, W]`: how far a memory of the middle frame may differ from it, by what the window shows."""
    evidence: Tensor
    """`[B, 6, H, W]`: the middle frame, and how the luma of median, previous and following frame differs from its own."""
    cells: Tensor
    """From `veil.cells_of_frame`."""
    backwards: Tensor
    """`[B, H, W, 2]` sampling grid from the middle frame to the previous one."""
    backwards_coarse: Tensor
    """The same at an eighth of the resolution."""
    size: tuple[int, int]
    """(H, W) without padding."""


class State(NamedTuple):
    """What a step hands to the next; a value, opaque to callers. All of it is stage 1's."""

    hidden: Tensor
    """`[B, hidden, H/8, W/8]`."""
    hazy: Tensor
    """`[B, 3, H, W]`: the last estimate of H."""
    airlight: Tensor
    """`[B, 3, 1, 1]`: running mean of A."""
    light: Tensor
    """`[B, LIGHT + deep_width, 1, 1]`: running mean of the light of the frame and of its features."""


class Cleared(NamedTuple):
    """What stage 1 finds around each pixel, before it judges the frame as a whole; padded."""

    hazy: Tensor
    hidden: Tensor
    """As in `State`."""
    deep: Tensor
    """`[B, deep_width, H/8, W/8]`."""
    features: Tensor
    """`[B, width, H/4, W/4]`."""
    cells: Tensor
    """As in `Registered`."""


class Recovered(NamedTuple):
    """What stage 1 hands to stage 2; padded."""

    hazy: Tensor
    airlight: Tensor
    """As in `Restored`."""
    veil: Tensor
    """`[B, 2, H/8, W/8]`: T and U."""
    features: Tensor
    """`[B, width, H/4, W/4]`."""


class Restored(NamedTuple):
    """Every estimate of one step, for the middle frame of its window; shapes `[B, C, H, W]`."""

    image: Tensor
    """B after refinement: the result, not clipped."""
    coarse: Tensor
    """B after the explicit inversion of stage 1."""
    hazy: Tensor
    """H: the frame without streaks and drops."""
    transmission: Tensor
    """T in [T_MIN, 1], one channel."""
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
        """Input and last hidden state `[B, C, h, w]` to the new hidden state, bounded by ±1, in the state's precision."""
        reset, update = torch.sigmoid(self.gates(torch.cat([x, hidden.to(x.dtype)], 1))).to(hidden.dtype).chunk(2, 1)
        candidate = torch.tanh(self.candidate(torch.cat([x, (reset * hidden).to(x.dtype)], 1)))
        return hidden + update * (candidate.to(hidden.dtype) - hidden)


class InverseRecovery(nn.Module):
    """Stage 1: streaks, drops and veil of the current frame, estimated under the rain model of `physics`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, deep, hidden = config.width, config.deep_width, config.hidden
        # Space to depth and a 1×1 convolution in one, over colours and the luma of median, neighbours and memory.
        self.squeeze = nn.Conv2d(3 + 4, deep, 4, stride=4)
        self.enter = _conv(deep, width)
        self.down = nn.Conv2d(width, deep, 2, stride=2)
        self.deep = nn.Sequential(*(Residual(deep, 2 if k == 1 else 1) for k in range(config.deep_blocks)))
        self.recur = ConvGru(hidden)
        self.up = nn.Conv2d(deep, width, 1)
        self.decode = Residual(width)
        self.rain = nn.Conv2d(width, 16 * (CANDIDATES + 1 + 3), 1)
        self.veil = VeilEstimate(deep)
        # Begin with little covered.
        nn.init.normal_(self.rain.weight, std=0.01)
        covered = 16 * CANDIDATES
        self.rain.bias = nn.Parameter(
            torch.zeros(16 * (CANDIDATES + 4)).index_fill_(0, torch.arange(covered, covered + 16), -2.0)
        )
        self.hidden = hidden
        if min(width, deep) >= 16:
            self._begin_as_filter()

    @torch.no_grad()
    def _begin_as_filter(self) -> None:
        """Sixteen channels say for each pixel of a block how far the median lies below it; what is brighter is covered.

        From the random beginning, a thousand updates taught less than this filter knows (docs/decisions.md).
        """
        pixels = torch.arange(16)
        for layer in (self.squeeze, self.enter, self.up, self.decode.conv):
            assert layer.bias is not None
            layer.weight[pixels] = 0
            layer.bias[pixels] = 0
        self.squeeze.weight[pixels, 3, pixels // 4, pixels % 4] = -4
        self.enter.weight[pixels, pixels, 1, 1] = 1
        self.rain.weight[:, pixels] = 0
        self.rain.weight[16 * CANDIDATES + pixels, pixels] = FILTER_GAIN

    def gather(self, frame: Tensor, previous: Tensor, following: Tensor) -> Tensor:
        """The evidence of a window, from its frame and the departures of its neighbours' luma; in the weights' precision."""
        median = torch.clamp(torch.maximum(previous, following), max=0) + torch.clamp(torch.minimum(previous, following), min=0)
        return torch.cat([x.to(self.squeeze.weight.dtype) for x in (frame, median, previous, following)], 1)

    def features(self, registered: Registered, last: Tensor, hidden: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Features at a quarter and an eighth, and the new hidden state; `last` is how the last estimate of H departs."""
        evidence = registered.evidence
        pixels = torch.cat([evidence, _luma(last).to(evidence.dtype)], 1)
        skip = F.relu(self.enter(F.relu(self.squeeze(pixels))))
        deep = self.deep(F.relu(self.down(skip)))
        start = deep[:, : self.hidden]
        last_hidden = torch.zeros_like(start, dtype=last.dtype) if hidden is None else warp(hidden, registered.backwards_coarse)
        hidden = self.recur(start, last_hidden)
        deep = torch.cat([hidden.to(deep.dtype), deep[:, self.hidden :]], 1)
        up = F.interpolate(self.up(deep), scale_factor=2, mode="nearest")
        return self.decode(skip + up), deep, hidden

    def remove_rain(self, features: Tensor, frame: Tensor, following: Tensor, last: Tensor) -> Tensor:
        """H: covered pixels are filled from the two candidates, given as departures, and translucent light is taken off."""
        maps = _to_pixels(self.rain(features)).to(frame.dtype)
        occlusion = torch.sigmoid(maps[:, 2:3])
        # The softmax of two.
        share = occlusion * torch.sigmoid(maps[:, :1] - maps[:, 1:2])
        # α·(O − L) of the model, with the hidden background in place of the unknown colour of the drop.
        hazy = torch.addcmul(frame - maps[:, 3:], share, following)
        return torch.addcmul(hazy, occlusion - share, last)

    def estimate_veil(self, deep: Tensor, cells: Tensor, last: State | None) -> tuple[Tensor, Tensor, Tensor]:
        """T and U as in `Recovered`, A, and the light that they were judged by."""
        light = torch.cat([light_of_cells(cells), deep.mean((2, 3), keepdim=True, dtype=cells.dtype)], 1)
        if last is not None:
            # The light of a scene hardly moves: running means over about five frames.
            light = last.light + 0.2 * (light - last.light)
        veil, airlight = self.veil(deep, cells, light)
        if last is not None:
            airlight = last.airlight + 0.2 * (airlight - last.airlight)
        return veil, airlight, light


class Refinement(nn.Module):
    """Stage 2: detail, colour and illumination that the inversion lost, from its estimate, its features and the past."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(3, config.width, 4, stride=4)
        self.join = nn.Conv2d(config.width, config.width, 1, bias=False)
        self.body = nn.Sequential(*(Residual(config.width) for _ in range(config.refine_blocks)))
        self.out = nn.Conv2d(config.width, 48, 1)
        self.out.weight = nn.Parameter(torch.zeros_like(self.out.weight))
        self.out.bias = nn.Parameter(torch.zeros(48))

    def forward(self, coarse: Tensor, features: Tensor) -> Tensor:
        """Correction `[B, 3, H, W]` to the coarse estimate, from it and the features of stage 1."""
        x = F.relu(self.squeeze(coarse.to(self.squeeze.weight.dtype)) + self.join(features))
        return _to_pixels(self.out(self.body(x))).to(coarse.dtype)


class Rmfd(nn.Module):
    """The whole network. It keeps parameters only: one model can serve any number of videos at once.

    Example:
        >>> model = Rmfd(ModelConfig())
        >>> frame = torch.rand(1, 3, 33, 47)
        >>> still = torch.zeros(1, 33, 47, 2)
        >>> restored, state = model.step(Window(frame, frame, frame, still, still), model.initial_state())
        >>> restored.image.shape
        torch.Size([1, 3, 33, 47])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.recovery = InverseRecovery(config)
        self.refinement = Refinement(config)

    def initial_state(self) -> State | None:
        """The state before the first frame of a scene: nothing has been seen yet."""
        return None

    def step(self, window: Window, state: State | None) -> tuple[Restored, State]:
        """Restores the middle frame of a window: `register`, `recover` and `refine` in a row.

        Args:
            window: frames t−1, t, t+1, any size from 16×16 up, and their flows.
            state: of the step that restored t−1, or `initial_state()` at the start of a scene.

        Returns:
            The estimates for frame t, of the window's size, and the state for t+1.
        """
        registered = self.register(window)
        recovered, state = self.recover(registered, state)
        return self.refine(recovered, registered.size), state

    def register(self, window: Window) -> Registered:
        """Brings the neighbours of a window into register; needs no state, so it can run ahead."""
        height, width = window.current.shape[-2:]
        frame, previous, following = (_pad(x, UNIT) for x in (window.current, window.previous, window.following))
        to_previous, to_following = (
            _pad(x.permute(0, 3, 1, 2), UNIT).permute(0, 2, 3, 1) for x in (window.to_previous, window.to_following)
        )
        last = (window.previous_corner, (previous.shape[-2], previous.shape[-1]))
        backwards = sampling_grid(to_previous, 1, *last)
        onwards = sampling_grid(to_following, 1, window.following_corner, (following.shape[-2], following.shape[-1]))
        following = warp(following, onwards) - frame
        # Departures, so that a reduced precision is relative to the evidence and not to the brightness.
        previous_luma = warp(_luma(previous), backwards) - _luma(frame)
        # Everything that needs no state is done here, since `recover` is the slowest part of a step.
        return Registered(
            frame,
            following,
            torch.minimum(previous_luma, following).clamp(max=0) - MEMORY_MARGIN,
            torch.maximum(previous_luma, following).clamp(min=0) + MEMORY_MARGIN,
            self.recovery.gather(frame, previous_luma, _luma(following)),
            cells_of_frame(frame),
            backwards,
            sampling_grid(to_previous, UNIT, *last),
            (height, width),
        )

    def recover(self, registered: Registered, state: State | None) -> tuple[Recovered, State]:
        """Stage 1 as far as the next frame needs it: `clear`, then `judge`."""
        return self.judge(self.clear(registered, state), state)

    def clear(self, registered: Registered, state: State | None) -> Cleared:
        """Takes off streaks and drops; what it finds for a pixel depends on what is near it.

        Args:
            registered: a frame, or a piece of one.
            state: whose maps lie where the previous frame of the window lay.
        """
        frame = registered.frame
        if state is None:
            last, last_hidden = torch.zeros_like(frame), None
        else:
            last = torch.clamp(warp(state.hazy, registered.backwards) - frame, registered.low, registered.high)
            last_hidden = state.hidden
        features, deep, hidden = self.recovery.features(registered, last, last_hidden)
        hazy = self.recovery.remove_rain(features, frame, registered.following, last)
        return Cleared(hazy, hidden, deep, features, registered.cells)

    def judge(self, cleared: Cleared, state: State | None) -> tuple[Recovered, State]:
        """Estimates the veil, for which it takes the whole frame."""
        veil, airlight, light = self.recovery.estimate_veil(cleared.deep, cleared.cells, state)
        recovered = Recovered(cleared.hazy, airlight, veil, cleared.features)
        return recovered, State(cleared.hidden, cleared.hazy, airlight, light)

    def refine(self, recovered: Recovered, size: tuple[int, int]) -> Restored:
        """The inversion of the veil, which ends stage 1, and stage 2, which corrects its estimate.

        Args:
            recovered: of a frame, or of a piece of one.
            size: (H, W) without padding.
        """
        hazy, (height, width) = recovered.hazy, size
        veil = F.interpolate(recovered.veil, size=hazy.shape[-2:], mode="bilinear", align_corners=False)
        transmission, flow = veil[:, :1], veil[:, 1:]
        coarse = physics.remove_veil(hazy, transmission, recovered.airlight, flow)
        image = coarse + self.refinement(coarse, recovered.features)

        def crop(x: Tensor) -> Tensor:
            return x[..., :height, :width]

        return Restored(
            crop(image),
            crop(coarse),
            crop(hazy),
            crop(transmission),
            recovered.airlight,
            crop(flow),
        )


def _pad(x: Tensor, unit: int) -> Tensor:
    """Repeats the right and bottom edge until both sides are multiples of `unit`."""
    height, width = x.shape[-2:]
    if height % unit == 0 and width % unit == 0:
        return x
    return F.pad(x, (0, -width % unit, 0, -height % unit), mode="replicate")


def _to_pixels(x: Tensor) -> Tensor:
    """What `F.pixel_shuffle(x, 4)` does, in half its time on a CPU."""
    batch, channels, height, width = x.shape
    blocks = x.reshape(batch, channels // 16, 4, 4, height, width).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(batch, channels // 16, 4 * height, 4 * width)


def _luma(rgb: Tensor) -> Tensor:
    """`[B, 3, H, W]` to `[B, 1, H, W]`, BT.601 weights."""
    red, green, blue = (rgb[:, k : k + 1] for k in range(3))
    return torch.add(torch.add(0.299 * red, green, alpha=0.587), blue, alpha=0.114)
