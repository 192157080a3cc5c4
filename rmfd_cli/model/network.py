"""RMFD, the recurrent network: stage 1 inverts the rain model, stage 2 refines what it recovered.

One step sees a window of three frames and the state that the last step left; every frame of the window is brought into
register with the middle one before anything is compared. All convolutions run at a quarter of the resolution or less: a
pixel-unshuffled frame loses nothing, and rain is one to three pixels wide. Rain is next to colourless, so that the network
compares luma and only mixes colours, at half the resolution.

Convolutions run in the precision of their weights, float32 or bfloat16, or in integers (`int8`); pixels, states and
everything that is added to pixels stay in the precision of the window.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rmfd_cli.model import passes
from rmfd_cli.model.align import displacement
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.image import CELL_PX, Image, pad_to
from rmfd_cli.model.int8 import Ranges
from rmfd_cli.model.layers import ConvGru, Rectified, Residual, residuals
from rmfd_cli.model.passes import CHROMA, EVIDENCE, FOUND, LUMA, MAPS, WITNESSES
from rmfd_cli.model.rest import calm_of, kept_of, resting_cells, settling
from rmfd_cli.model.values import Cleared, Recovered, Registered, Restored, State, Window
from rmfd_cli.model.veil import VeilEstimate, brightness_of, cells_of_frame, lift_of, light_of_cells
from rmfd_cli.model.witness import agreement_of, sparing

UNIT = CELL_PX
"""Frames are padded to a multiple of this inside a step: the coarsest grid is an eighth, that of the veil."""

FILTER_GAIN = 20.0
"""How surely a network that has learnt nothing yet takes what is brighter than both neighbours in register for covered."""

LIGHT_RATE, AIRLIGHT_RATE = 0.05, 0.2
"""The light of a scene hardly moves: running means over about twenty frames, and five of A, which follows from it. Until there
are so many, the mean of all frames, so that a veil is judged in the first second as ever after; and of A, of all but the first,
which is judged without a memory."""


def block(names: tuple[str, ...], name: str) -> slice:
    """The channels of one of several planes of luma, in blocks side by side."""
    start = LUMA * names.index(name)
    return slice(start, start + LUMA)


class InverseRecovery(nn.Module):
    """Stage 1: streaks, drops and veil of the current frame, estimated under the rain model of `physics`."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, deep, hidden = config.width, config.deep_width, config.hidden
        # Over blocks of pixels: the evidence with the frame's colour, and how the luma of the memory departs.
        self.squeeze = nn.Conv2d(LUMA * len(EVIDENCE) + CHROMA, deep, 1)
        self.remember = nn.Conv2d(LUMA, deep, 1, bias=False)
        self.enter = Rectified(deep, width, 3, padding=1)
        self.down = Rectified(width, deep, 2, stride=2)
        self.deep = nn.ModuleList(Residual(deep, 2 if k == 1 else 1) for k in range(config.deep_blocks))
        self.recur = ConvGru(hidden)
        self.up = nn.Conv2d(deep, width, 1)
        self.decode = Residual(width)
        self.rain = nn.Conv2d(width, FOUND, 1)
        self.witnesses = nn.Parameter(torch.zeros(2, len(WITNESSES)))
        self.veil = VeilEstimate(deep)
        # Begin with little covered.
        nn.init.normal_(self.rain.weight, std=0.01)
        bias = torch.zeros_like(self.rain.weight[:, 0, 0, 0])
        bias[block(MAPS, "covered")] = -2
        self.rain.bias = nn.Parameter(bias)
        if min(width, deep) >= LUMA:
            self._begin_as_filter()

    @torch.no_grad()
    def _begin_as_filter(self) -> None:
        """Sixteen channels say for each pixel of a block how far the median lies below it; what is brighter is covered.

        From the random beginning, a thousand updates taught less than this filter knows (docs/decisions.md).
        """
        pixels = torch.arange(LUMA)
        for layer in (self.squeeze, self.remember, self.enter, self.up, self.decode.conv):
            layer.weight[pixels] = 0
            if layer.bias is not None:
                layer.bias[pixels] = 0
        self.squeeze.weight[pixels, block(EVIDENCE, "median").start + pixels] = -4
        self.enter.weight[pixels, pixels, 1, 1] = 1
        self.rain.weight[:, pixels] = 0
        self.rain.weight[block(MAPS, "covered").start + pixels, pixels] = FILTER_GAIN
        # Rain has no colour, until it is learnt that it has.
        self.rain.weight[LUMA * len(MAPS) :] = 0

    def judging(self) -> tuple[nn.Module, ...]:
        """What estimates the veil, and all that makes the features that it is read from."""
        return self.squeeze, self.remember, self.enter, self.down, self.deep, self.veil

    def features(
        self, registered: Registered, memory: Tensor, hidden: Tensor | None, kept: Tensor, takers: Sequence[nn.Module]
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Features at a quarter, those at an eighth before the hidden state goes into them, and the new hidden state.

        Args:
            registered: a frame, or a piece of one.
            memory: from `passes.recall`.
            hidden: the last hidden state; None at the start of a scene.
            kept: what is left of it, from `rest.kept_of`.
            takers: convolutions; the features at a quarter are as each of them sees them.
        """
        blocks, beside = residuals(self.deep), (self.remember, memory)
        _, (seen,) = passes.convolve(self.squeeze, registered.evidence, [self.enter], beside=beside, rectified=True)
        _, (skip,) = passes.convolve(self.enter, seen, [self.down])
        _, (seen,) = passes.convolve(self.down, skip, [blocks[0].conv])
        deep, _ = passes.through(blocks, seen, keep=True)
        assert deep is not None
        hidden, seen = passes.recur(self.recur, deep, hidden, kept, registered.backwards_coarse, self.up)
        _, (seen,) = passes.convolve(self.up, seen, [self.decode.conv], more=(self.down, skip), enlarged=True)
        _, features = passes.through([self.decode], seen, takers)
        return features, deep, hidden

    def estimate_veil(self, deep: Tensor, cells: Tensor, last: State | None) -> tuple[Tensor, Tensor, Tensor]:
        """T and U as in `Recovered`, A, and the light that they were judged by."""
        light = torch.cat([light_of_cells(cells), deep.mean((2, 3), keepdim=True, dtype=cells.dtype)], 1)
        if last is not None:
            light = last.light + (1 / (last.age + 1)).clamp(min=LIGHT_RATE) * (light - last.light)
        veil, airlight = self.veil(deep, cells, light)
        if last is not None:
            airlight = last.airlight + (1 / last.age).clamp(min=AIRLIGHT_RATE) * (airlight - last.airlight)
        return veil, airlight, light


class Refinement(nn.Module):
    """Stage 2: detail, colour and illumination that the inversion lost, from its estimate, its features and the past."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(LUMA + CHROMA, config.width, 1)
        self.join = nn.Conv2d(config.width, config.width, 1, bias=False)
        self.body = nn.ModuleList(Residual(config.width) for _ in range(config.refine_blocks))
        self.out = nn.Conv2d(config.width, LUMA + CHROMA, 1)
        self.out.weight = nn.Parameter(torch.zeros_like(self.out.weight))
        self.out.bias = nn.Parameter(torch.zeros(LUMA + CHROMA))

    def forward(self, blocks: Tensor, features: Tensor) -> Tensor:
        """What `out` sees, to correct the coarse estimate by: from that in blocks and the features of stage 1."""
        body, beside = residuals(self.body), (self.join, features)
        _, (seen,) = passes.convolve(self.squeeze, blocks, [body[0].conv], beside=beside, rectified=True)
        _, (seen,) = passes.through(body, seen, [self.out])
        return seen


class Rmfd(nn.Module):
    """The whole network. It keeps parameters only: one model can serve any number of videos at once.

    Example:
        >>> model = Rmfd(ModelConfig())
        >>> frame = Image(torch.rand(1, 1, 33, 47), torch.zeros(1, 2, 17, 24))
        >>> still = torch.zeros(1, 33, 47, 2)
        >>> restored, state = model.step(Window(frame, frame, frame, still, still), model.initial_state())
        >>> restored.image.luma.shape
        torch.Size([1, 1, 33, 47])
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.recovery = InverseRecovery(config)
        self.refinement = Refinement(config)
        self.ranges: Ranges = {}
        """For convolutions in integers; empty if they were not measured. They are no parameters, but stored beside them."""

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
        height, width = window.current.luma.shape[-2:]
        frame, previous, following = (x.padded(UNIT) for x in (window.current, window.previous, window.following))
        to_previous, to_following = (
            pad_to(x.permute(0, 3, 1, 2), *frame.luma.shape[-2:]).permute(0, 2, 3, 1)
            for x in (window.to_previous, window.to_following)
        )
        previous_luma, following, evidence, difference = passes.register(
            frame, previous.luma, following, to_previous, to_following, self.recovery.squeeze
        )
        backwards_coarse, (top, left) = displacement(to_previous, UNIT), window.previous_corner
        return Registered(
            frame,
            previous_luma,
            following,
            evidence,
            cells_of_frame(frame),
            to_previous,
            backwards_coarse,
            resting_cells(backwards_coarse + backwards_coarse.new_tensor([left / UNIT, top / UNIT])),
            agreement_of(difference) if window.between else torch.zeros_like(difference),
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
        frame, following, remember = registered.frame, registered.following, self.recovery.remember
        settle, rested, spared = None, torch.zeros_like(registered.resting), torch.ones_like(registered.agreement)
        if state is None:
            last = Image(torch.zeros_like(frame.luma), torch.zeros_like(frame.chroma))
            memory = passes.memory_blocks(last.luma, remember)
        else:
            hazy = Image(state.hazy_luma, state.hazy_chroma)
            last, memory, difference = passes.recall(
                hazy, registered.backwards, frame, registered.previous, following, remember
            )
            settle, rested = settling(difference, registered.resting, state.rested, state.calm)
            # A network that learns has to see what it does wrong; and one that has learnt nothing yet takes nothing off.
            if not self.training:
                spared = sparing(registered.agreement, state.calm[:, :1])
        takers, last_hidden = (self.recovery.rain, self.refinement.join), None if state is None else state.hidden
        (seen, features), deep, hidden = self.recovery.features(registered, memory, last_hidden, kept_of(rested), takers)
        hazy, taken = passes.take_off(
            self.recovery.rain, self.recovery.witnesses, seen, registered.previous, last, following, frame, settle, spared
        )
        return Cleared(*hazy, hidden, deep, features, registered.cells, registered.resting, rested, taken, spared)

    def judge(self, cleared: Cleared, state: State | None) -> tuple[Recovered, State]:
        """Estimates the veil, for which it takes the whole frame."""
        veil, airlight, light = self.recovery.estimate_veil(cleared.deep, cleared.cells, state)
        hazy = Image(cleared.hazy_luma, cleared.hazy_chroma)
        age = torch.zeros_like(light[:, :1]) if state is None else state.age
        change = torch.zeros_like(age) if state is None else brightness_of(light) - brightness_of(state.light)
        calm = calm_of(cleared.taken, cleared.resting, change, None if state is None else state.calm, age)
        state = State(cleared.hidden, *hazy, airlight, light, age + 1, calm, cleared.rested)
        return Recovered(hazy, airlight, veil, cleared.features, cleared.sparing), state

    def refine(self, recovered: Recovered, size: tuple[int, int]) -> Restored:
        """The inversion of the veil, which ends stage 1, and stage 2, which corrects its estimate.

        Args:
            recovered: of a frame, or of a piece of one.
            size: (H, W) without padding.
        """
        coarse, blocks = passes.lift(recovered.hazy, lift_of(recovered.veil, recovered.airlight), self.refinement.squeeze)
        seen = self.refinement(blocks, recovered.features)
        image = passes.correct(coarse, self.refinement.out, seen, recovered.sparing)
        cells = recovered.veil[..., : -(-size[0] // UNIT), : -(-size[1] // UNIT)]
        return Restored(image.cropped(*size), coarse.cropped(*size), recovered.hazy.cropped(*size), recovered.airlight, cells)
