"""What is done to every pixel of a frame around the convolutions, and what goes into these.

On a CPU most of a step's time went into passes over maps that do little each. So all that is done to a pixel between two
convolutions is one function here; torch's operations for every device and with gradients, or one pass in C (`native`).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rmfd_cli.model import native, native_convolve, rest, witness
from rmfd_cli.model.align import displacement, warp
from rmfd_cli.model.calls import Steps, suits
from rmfd_cli.model.image import CELL_PX, SHOWN, Image, enlarge, halve, is_traced, to_blocks, to_pixels
from rmfd_cli.model.int8 import Int8Conv, numbers_seen_by, seen_by, zero_seen_by
from rmfd_cli.model.layers import ConvGru, Residual
from rmfd_cli.model.native_convolve import Kernel, Maps, Seen

LUMA, CHROMA = 4 * 4, 2 * (2 * 2)
"""Channels of a picture at a quarter of its resolution, a block of pixels in each place: 4×4 of luma, 2×2 each of Cb and Cr."""

EVIDENCE = ("frame", "median", "previous", "following")
"""Whose luma stage 1 compares: the frame itself, and how the others depart from it."""

MAPS = ("preference", "covered", "glow")
"""What stage 1 says of each pixel: which of two sources fills it if it is covered, following frame or last hazy estimate
(docs/decisions.md), whether it is covered, and the light of translucent rain."""

WITNESSES = ("median", "previous", "following", "memory", "brightest", "darkest")
"""What can tell that a single pixel is covered, by how it departs from it: the frames beside it in register, their median with
it, the last hazy estimate, and the brightest and the darkest of those three. Convolutions see sixteen pixels in one place, and
say through 32 channels what `MAPS` have 48 numbers for (docs/decisions.md)."""

WITNESS_GAIN, TRUST_GAIN = 256.0, 64.0
"""Of what a witness says of every pixel, by its departure, and of how far it is trusted besides in a block of pixels: what is
learnt is small by as much, since optimisers take steps of one size everywhere."""

FOUND = LUMA * len(MAPS) + CHROMA + len(WITNESSES)
"""Channels of what stage 1 finds: `MAPS` in blocks of pixels, the chroma of the translucent light, and for each block how far
each of `WITNESSES` is trusted that says that a pixel is covered."""

MEMORY_MARGIN = 0.05
"""How far the last hazy estimate may leave the range of the window's three frames; a memory that no frame bears out would
otherwise confirm itself from step to step."""


def register(
    frame: Image, previous: Tensor, following: Image, to_previous: Tensor, to_following: Tensor, squeeze: nn.Module
) -> tuple[Tensor, Image, Tensor, Tensor]:
    """Brings the neighbours of a frame into register.

    Args:
        frame: sides multiples of `CELL_PX`, as of all pictures here.
        previous: luma of the previous frame.
        following: the next frame.
        to_previous: `[B, H, W, 2]` displacement (x, y) in pixels.
        to_following: likewise.
        squeeze: the convolution that takes the evidence.

    Returns:
        How the previous luma and the following frame depart from the frame; the evidence, `[B, C, H/4, W/4]`: the luma of
        `EVIDENCE` and the frame's chroma, in blocks of pixels; and from `witness.difference_of`. Departures, so that a reduced
        precision is relative to the evidence and not to the brightness.
    """
    if suits(*frame, previous, *following) and (steps := _steps(squeeze)):
        return native.register(frame, previous, following, (to_previous, to_following), steps, witness.MOST_DIFFERENCE)
    previous = warp(previous, to_previous).sub_(frame.luma)
    following = Image(
        warp(following.luma, to_following).sub_(frame.luma),
        warp(following.chroma, displacement(to_following, 2)).sub_(frame.chroma),
    )
    return (
        previous,
        following,
        evidence(frame, previous, following.luma, squeeze),
        witness.difference_of(previous, following.luma),
    )


def evidence(frame: Image, previous: Tensor, following: Tensor, squeeze: nn.Module) -> Tensor:
    """As `register` returns it, from how the luma of previous and following frame departs."""
    luma, previous, following, chroma = (seen_by(squeeze, x) for x in (frame.luma, previous, following, frame.chroma))
    # Of the frame itself, which departs by nothing, and its neighbours. Rounding first changes no median.
    middle = torch.maximum(previous, following).clamp_(max=zero_seen_by(squeeze))
    median = torch.maximum(torch.minimum(previous, following), middle)
    return to_blocks([(luma, 4), (median, 4), (previous, 4), (following, 4), (chroma, 2)])


def recall(
    hazy: Image, backwards: Tensor, frame: Image, previous: Tensor, following: Image, remember: nn.Module
) -> tuple[Image, Tensor, Tensor]:
    """Brings the last estimate of H into register, within `MEMORY_MARGIN` of what the window shows.

    Args:
        hazy: the last estimate.
        backwards: `[B, H, W, 2]`: how far the pixels of the frame have moved in the previous one.
        frame: the frame that is restored.
        previous: how the previous luma departs from it.
        following: how the following frame does.
        remember: the convolution that takes the memory.

    Returns:
        How the memory departs from the frame; its luma in blocks, `[B, 16, H/4, W/4]`; and from `rest.difference_of`.
    """
    if suits(*hazy, *frame, previous, *following) and (steps := _steps(remember)):
        return native.recall(hazy, backwards, frame, previous, following, steps, MEMORY_MARGIN, rest.BRIGHTER)
    low = torch.minimum(previous, following.luma).clamp_(max=0).sub_(MEMORY_MARGIN)
    high = torch.maximum(previous, following.luma).clamp_(min=0).add_(MEMORY_MARGIN)
    least, most = following.chroma.clamp(max=0).sub_(MEMORY_MARGIN), following.chroma.clamp(min=0).add_(MEMORY_MARGIN)
    last = Image(
        torch.clamp(warp(hazy.luma, backwards) - frame.luma, low, high),
        torch.clamp(warp(hazy.chroma, displacement(backwards, 2)) - frame.chroma, least, most),
    )
    return last, memory_blocks(last.luma, remember), rest.difference_of(last.luma, following.luma)


def memory_blocks(last: Tensor, remember: nn.Module) -> Tensor:
    """As `recall` returns it, from how the luma of the memory departs."""
    return to_blocks([(seen_by(remember, last), 4)])


def take_off(
    rain: nn.Module,
    witnesses: Tensor,
    seen: Tensor,
    previous: Tensor,
    last: Image,
    following: Image,
    frame: Image,
    settling: Tensor | None,
    sparing: Tensor,
) -> tuple[Image, Tensor]:
    """H: covered pixels are filled from the two candidates, and translucent light is taken off.

    Args:
        rain: the convolution that finds `FOUND`, `[B, C, H/4, W/4]`.
        witnesses: what each of `WITNESSES` says of preference and covered, by `WITNESS_GAIN`, `[2, 6]`.
        seen: what goes into the convolution.
        previous: how the luma of the previous frame departs from the frame.
        last: how the memory departs from the frame.
        following: how the following frame does.
        frame: the frame itself.
        settling: from `rest.settling`.
        sparing: from `witness.sparing`.

    Returns:
        H, and the light that was found to be rain, one pixel of each cell, `[B, 1, H/8, W/8]`, whether or not it was spared.
    """
    found = maps_of(rain, seen)
    said = WITNESS_GAIN * witnesses.float()
    if suits(found.all, previous, *last, *following, *frame, settling, sparing):
        return native.take_off(found, said, TRUST_GAIN, previous, last, following, frame, settling, sparing)
    maps = (found.all if found.all is not None else rain(seen)).to(last.luma.dtype)
    pixels, light, trust = maps.split([LUMA * len(MAPS), CHROMA, len(WITNESSES)], 1)
    light = to_pixels(light, 2)
    preference, covered, glow = to_pixels(pixels, 4).chunk(len(MAPS), 1)
    trust = F.interpolate(TRUST_GAIN * trust, scale_factor=4.0, mode="nearest")
    for k, shown in enumerate(witnesses_of(previous, following.luma, last.luma)):
        preference = preference + said[0, k] * shown
        covered = covered + (said[1, k] + trust[:, k : k + 1]) * shown
    covered = torch.sigmoid(covered)
    # The softmax of two.
    share = covered * torch.sigmoid(preference)
    rest_of_it = covered - share
    # α·(O − L) of the model, with the hidden background in place of the unknown colour of the drop.
    luma = torch.addcmul(torch.addcmul(-glow, share, following.luma), rest_of_it, last.luma)
    share, rest_of_it = halve(share), halve(rest_of_it)
    departure = Image(luma, torch.addcmul(torch.addcmul(-light, share, following.chroma), rest_of_it, last.chroma))
    if settling is not None:
        departure = rest.settled(departure, last, following, settling)
    taken = -departure.luma[..., CELL_PX // 2 :: CELL_PX, CELL_PX // 2 :: CELL_PX]
    return _added(frame, sparing, departure), taken


def witnesses_of(previous: Tensor, following: Tensor, last: Tensor) -> tuple[Tensor, ...]:
    """`WITNESSES`, from how the luma of the neighbours and of the memory departs from the frame; all are `[B, 1, H, W]`."""
    darker, brighter = torch.minimum(previous, following), torch.maximum(previous, following)
    median = torch.maximum(darker, brighter.clamp(max=0))
    return median, previous, following, last, torch.maximum(brighter, last), torch.minimum(darker, last)


def lift(hazy: Image, veil: Tensor, squeeze: nn.Module) -> tuple[Image, Tensor]:
    """Takes the veil off.

    Args:
        hazy: H.
        veil: from `veil.lift_of`; what is interpolated between cells.
        squeeze: the convolution that takes the result.

    Returns:
        The estimate of B, and the same in blocks, `[B, 24, H/4, W/4]`.
    """
    if suits(*hazy, veil) and (steps := _steps(squeeze)):
        return native.lift(hazy, veil, steps)
    full, half = enlarge(veil[:, :2], CELL_PX), enlarge(veil[:, [0, 2, 3]], CELL_PX // 2)
    coarse = Image(torch.addcmul(full[:, 1:], hazy.luma, full[:, :1]), torch.addcmul(half[:, 1:], hazy.chroma, half[:, :1]))
    return coarse, to_blocks([(seen_by(squeeze, x), factor) for x, factor in ((coarse.luma, 4), (coarse.chroma, 2))])


def correct(coarse: Image, out: nn.Module, seen: Tensor, sparing: Tensor) -> Image:
    """Adds to a picture what a convolution finds, `[B, 24, H/4, W/4]` in blocks of pixels, as far as it is not spared.

    Args:
        coarse: the picture.
        out: the convolution.
        seen: what goes into it.
        sparing: from `witness.sparing`, `[B, 1, H/8, W/8]`.
    """
    found = maps_of(out, seen)
    if suits(*coarse, found.all, sparing):
        return native.correct(coarse, found, sparing)
    maps = (found.all if found.all is not None else out(seen)).to(coarse.luma.dtype)
    return _added(coarse, sparing, Image(to_pixels(maps[:, :LUMA], 4), to_pixels(maps[:, LUMA:], 2)))


def _added(picture: Image, share: Tensor, change: Image) -> Image:
    """A picture and a share of a change, `[B, 1, H/8, W/8]`."""
    return Image(
        torch.addcmul(picture.luma, enlarge(share, CELL_PX), change.luma),
        torch.addcmul(picture.chroma, enlarge(share, CELL_PX // 2), change.chroma),
    )


def leave_change(after: Image, before: Image, target: Image) -> None:
    """Leaves in a target how one picture departs from another, once it is clipped to what can be shown.

    Args:
        after: the one; it may be written to.
        before: the other, of its size.
        target: likewise, on the CPU.
    """
    if suits(*after, *before, *target) and all(x.stride(3) == 1 for x in target):
        native.leave_change(after, before, target)
        return
    for now, then, change, (low, high) in zip(after, before, target, SHOWN, strict=True):
        change.copy_(now.clamp_(low, high).sub_(then))


def convolve(
    conv: nn.Module,
    seen: Tensor,
    takers: Sequence[nn.Module] = (),
    *,
    beside: tuple[nn.Module, Tensor] | None = None,
    more: tuple[nn.Module, Tensor] | None = None,
    enlarged: bool = False,
    rectified: bool = False,
    keep: bool = False,
) -> tuple[Tensor | None, tuple[Tensor, ...]]:
    """A convolution, what is added to what comes out, and what other convolutions see of the sum.

    Args:
        conv: the convolution.
        seen: what goes in, `[B, C, h, w]`, as from `int8.seen_by`.
        takers: the others.
        beside: another convolution and what goes into that; what comes out is added.
        more: a convolution and what that sees, `[B, C', h', w']`, which is added, too: as nearly as it sees it.
        enlarged: whether each number is taken twice in both directions, before `more` is added.
        rectified: whether what is below zero is cut off in the end.
        keep: whether the sum itself is wanted.

    Returns:
        The sum, if it is kept; and as each of `takers` sees it.
    """
    kernel, steps = kernel_of(conv, seen), [_steps(taker) for taker in takers]
    added = Seen(more[1], one) if more and (one := _steps(more[0])) else None
    is_known = all(steps) and len(steps) <= 2 and (added is None) == (more is None)
    if kernel and is_known and not (beside and kernel.rectified):
        also = maps_of(*beside) if beside else Maps()
        return native_convolve.convolve(kernel, seen, also, added, [one for one in steps if one], enlarged, rectified, keep)
    found: Tensor = conv(seen)
    if beside:
        found = found + beside[0](beside[1])
    if enlarged:
        found = F.interpolate(found, scale_factor=2, mode="nearest")
    if more:
        found = numbers_seen_by(*more) + found
    if rectified:
        found = F.relu(found)
    return found if keep else None, tuple(seen_by(taker, found) for taker in takers)


def kernel_of(conv: nn.Module, seen: Tensor) -> Kernel | None:
    """A convolution in C, if it can be done there to what it sees."""
    # Numbers that are not rounded yet are left to the layer itself.
    is_one = len(seen) == 1 and seen.dtype == torch.uint8 and not is_traced(seen)
    return conv.compiled if isinstance(conv, Int8Conv) and is_one and suits() else None


def convolved(conv: nn.Module, seen: Tensor) -> Tensor:
    """What comes out of a convolution, `[B, C', h', w']`."""
    found, _ = convolve(conv, seen, keep=True)
    assert found is not None
    return found


def maps_of(conv: nn.Module, seen: Tensor) -> Maps:
    """What a convolution finds: in C not yet, but while it is needed."""
    kernel = kernel_of(conv, seen)
    return Maps(None, kernel, seen) if kernel and kernel.is_pointwise else Maps(conv(seen))


def through(
    blocks: Sequence[Residual], seen: Tensor, takers: Sequence[nn.Module] = (), *, keep: bool = False
) -> tuple[Tensor | None, tuple[Tensor, ...]]:
    """What comes out of one block after the other, and what convolutions see of it, as from `convolve`.

    Args:
        blocks: one at least.
        seen: what goes in, `[B, C, h, w]`, as the first block sees it.
        takers: the convolutions.
        keep: as of `convolve`.
    """
    for block, following in pairwise(blocks):
        _, (seen,) = convolve(block.conv, seen, [following.conv], more=(block.conv, seen))
    last = blocks[-1].conv
    return convolve(last, seen, takers, more=(last, seen), keep=keep)


def recur(
    gru: ConvGru, deep: Tensor, hidden: Tensor | None, kept: Tensor, backwards: Tensor, taker: nn.Module
) -> tuple[Tensor, Tensor]:
    """The hidden state, brought into register and renewed.

    Args:
        gru: the recurrent unit.
        deep: `[B, C, h, w]`; the first of its channels go into the unit.
        hidden: the last state, `[B, hidden, h', w']`; None at the start of a scene.
        kept: what is left of it, `[B, 1, h, w]`, from `rest.kept_of`.
        backwards: `[B, h, w, 2]`, how far places have moved in the previous frame.
        taker: the convolution that takes the input, with the new state in the place of its first channels.

    Returns:
        The new state, in the precision of the last one, and what `taker` sees.
    """
    width = gru.width
    steps = [_steps(conv) for conv in (gru.gates, gru.candidate, taker)]
    if suits(deep, hidden, kept) and all(steps):
        for_gates, for_candidate, for_taker = (one for one in steps if one)
        remembered, seen = native.recall_hidden(deep, hidden, kept, backwards, width, for_gates)
        gates, seen = native.reset(remembered, convolved(gru.gates, seen), for_candidate)
        return native.renew(remembered, gates, convolved(gru.candidate, seen), for_taker)
    start = deep[:, :width]
    if hidden is None:
        last = torch.zeros_like(start, dtype=backwards.dtype)
    else:
        # In memory like what it meets.
        last = warp(hidden, backwards).contiguous(memory_format=torch.channels_last) * kept
    renewed: Tensor = gru(start, last)
    return renewed, seen_by(taker, torch.cat([renewed.to(deep.dtype), deep[:, width:]], 1))


def _steps(layer: nn.Module) -> Steps | None:
    """How a convolution rounds what it sees; None if it does not run in integers."""
    return Steps(1 / layer.step, layer.zero, layer.channels) if isinstance(layer, Int8Conv) else None
