"""A larger network that begins as a smaller one: what was learnt is kept, and the room that is new learns the rest.

After Net2Net (Chen, Goodfellow and Shlens, ICLR 2016), but with new channels that nothing listens to at first in place of
copies, so that no two channels are ever alike.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.layers import Residual
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.passes import CHROMA, LUMA

NEW_BLOCK_GAIN = 0.002
"""How far a block that the smaller network lacks departs from the identity: at none at all, ReLU would let it learn nothing."""


class _Places(NamedTuple):
    """Where the smaller network's channels lie in the larger one's."""

    width: list[int]
    deep: list[int]
    hidden: list[int]


def fits_into(smaller: ModelConfig, larger: ModelConfig) -> bool:
    """Whether one network has room for all of another."""
    return (
        smaller.width <= larger.width
        and smaller.hidden <= larger.hidden
        and smaller.deep_width - smaller.hidden <= larger.deep_width - larger.hidden
        and smaller.deep_blocks <= larger.deep_blocks
        and smaller.refine_blocks <= larger.refine_blocks
    )


@torch.no_grad()
def widen(model: Rmfd, config: ModelConfig) -> Rmfd:
    """A network of another size that restores as `model` does: exactly if it has no more blocks, else to within a code value.

    What is new begins at random, by torch's generator.

    Raises:
        ValueError: `config` has no room for the model.
    """
    before = model.config
    if not fits_into(before, config):
        raise ValueError(f"a network of {before} does not fit into one of {config}")
    wide = Rmfd(config)
    # Recurrent channels come first at an eighth, so that the others move up.
    rest = range(config.hidden, config.hidden + before.deep_width - before.hidden)
    places = _Places(list(range(before.width)), [*range(before.hidden), *rest], list(range(before.hidden)))
    for name, inputs, outputs in _layers(model, config, places):
        _embed(wide.get_submodule(name), model.get_submodule(name), inputs, outputs)
    wide.recovery.witnesses.copy_(model.recovery.witnesses)
    wide.recovery.veil.maps.load_state_dict(model.recovery.veil.maps.state_dict())
    wide.recovery.veil.tint.load_state_dict(model.recovery.veil.tint.state_dict())
    wide.recovery.veil.scene[2].load_state_dict(model.recovery.veil.scene[2].state_dict())
    for blocks, known, channels in (
        (wide.recovery.deep, before.deep_blocks, places.deep),
        (wide.refinement.body, before.refine_blocks, places.width),
    ):
        for block in list(blocks)[known:]:
            assert isinstance(block, Residual)
            assert block.conv.bias is not None
            block.conv.weight[channels] *= NEW_BLOCK_GAIN
            block.conv.bias[channels] *= NEW_BLOCK_GAIN
    return wide


def _layers(model: Rmfd, config: ModelConfig, places: _Places) -> Iterator[tuple[str, list[int], list[int]]]:
    """Every layer that both have, and where the smaller one's inputs and outputs lie in the larger one's."""
    width, deep, hidden = places
    before = model.config
    both = hidden + [config.hidden + k for k in hidden]
    pixels, evidence = range(LUMA + CHROMA), range(model.recovery.squeeze.in_channels)
    yield "recovery.squeeze", list(evidence), deep
    yield "recovery.remember", list(range(LUMA)), deep
    yield "recovery.enter", deep, width
    yield "recovery.down", width, deep
    for k in range(before.deep_blocks):
        yield f"recovery.deep.{k}.conv", deep, deep
    yield "recovery.recur.gates", both, both
    yield "recovery.recur.candidate", both, hidden
    yield "recovery.up", deep, width
    yield "recovery.decode.conv", width, width
    yield "recovery.rain", width, list(range(model.recovery.rain.out_channels))
    veil = model.recovery.veil
    cells = veil.local.in_channels - before.deep_width
    seen = [*deep, *range(config.deep_width, config.deep_width + cells)]
    yield "recovery.veil.local", seen, list(range(veil.local.out_channels))
    scene = veil.scene[0]
    assert isinstance(scene, nn.Linear)
    light = scene.in_features - before.deep_width
    yield "recovery.veil.scene.0", [*range(light), *(light + k for k in deep)], list(range(scene.out_features))
    yield "refinement.squeeze", list(pixels), width
    yield "refinement.join", width, width
    for k in range(before.refine_blocks):
        yield f"refinement.body.{k}.conv", width, width
    yield "refinement.out", width, list(pixels)


def _embed(wide: nn.Module, narrow: nn.Module, inputs: list[int], outputs: list[int]) -> None:
    """Puts a layer into a larger one; what it makes does not hear the inputs that it did not have."""
    rows, columns = torch.tensor(outputs), torch.tensor(inputs)
    weight, kept = wide.weight, narrow.weight
    assert isinstance(weight, Tensor)
    assert isinstance(kept, Tensor)
    weight[rows] = 0
    weight[rows[:, None], columns] = kept
    if isinstance(wide.bias, Tensor) and isinstance(narrow.bias, Tensor):
        wide.bias[rows] = narrow.bias
