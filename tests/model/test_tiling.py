"""Tiles change nothing: not where they meet, not under rain and motion, not from frame to frame."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.image import from_rgb
from rmfd_cli.model.network import UNIT, Rmfd
from rmfd_cli.model.placing import find_weights
from rmfd_cli.model.room import AUTOMATIC, Wish, rooms
from rmfd_cli.model.streaming import restore
from rmfd_cli.model.tiling import frame_box, overlap, refine_overlap, tiles
from rmfd_cli.model.values import Window
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.ycc import ycc_of_rgb

CPU = torch.device("cpu")
SMALLEST = Wish(tile_px=1)
EXAMPLE = Path(__file__).parents[2] / "examples" / "rain.mp4"


@pytest.fixture(scope="module")
def model() -> Rmfd:
    torch.manual_seed(0)
    network = Rmfd(ModelConfig(deep_blocks=2)).eval().requires_grad_(False)
    for parameter in network.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    return network


def panned(frames: int, height: int, width: int, step: tuple[int, int]) -> list[np.ndarray]:
    """The example's rain, enlarged, seen by a camera that turns by `step` (down, right) pixels a frame."""
    with VideoReader(str(EXAMPLE)) as reader:
        pictures = [frame.rgb for frame, _ in zip(reader, range(frames), strict=False)]
    y, x = step
    return [np.tile(picture, (2, 2, 1))[y * k : y * k + height, x * k : x * k + width] for k, picture in enumerate(pictures)]


def changes(model: Rmfd, frames: list[np.ndarray], wish: Wish = AUTOMATIC) -> list[np.ndarray]:
    """Of luma and of chroma, frame after frame."""
    found = restore((ycc_of_rgb(frame) for frame in frames), model, CPU, wish)
    return [np.stack(planes) for planes in zip(*found, strict=True)]


@pytest.mark.parametrize(("height", "width"), [(16, 16), (257, 1000), (480, 640), (1080, 1920), (2160, 3840)])
@pytest.mark.parametrize("most_px", [1, 200_000, 1_000_000])
def test_tiles_cover_every_pixel_once(height, width, most_px):
    frame, margin = frame_box(height, width), 64
    count = np.zeros((frame.bottom, frame.right), int)
    for box, seen, whole in tiles(frame, most_px, margin):
        count[box.top : box.bottom, box.left : box.right] += 1
        assert whole == frame
        assert box.grown(margin, frame) == seen
        assert seen.pixels <= most_px or most_px == 1
        assert not any(side % 8 for side in box)
    assert (count == 1).all()


def test_no_frame_is_divided_that_is_small_enough():
    for height, width, divided in ((600, 800, False), (1080, 1920, True)):
        frame = frame_box(height, width)
        room = next(rooms(AUTOMATIC, CPU, frame.pixels))
        assert (len(tiles(frame, room.tile_px, 64)) > 1) == divided


@pytest.mark.parametrize("step", [(0, 0), (3, -5), (24, 40)])
def test_seams_cannot_be_seen(model, step):
    down, right = step
    frames = [f if right >= 0 else f[:, ::-1].copy() for f in panned(5, 330, 421, (down, abs(right)))]
    whole, divided = changes(model, frames), changes(model, frames, SMALLEST)
    assert np.abs(whole[0]).mean() > 0.01
    assert len(tiles(frame_box(330, 421), 192 * 192, overlap(model.config))) > 8
    assert max(np.abs(a - b).max() for a, b in zip(divided, whole, strict=True)) < 0.05 / 255


@pytest.mark.parametrize("step", [(0, 0), (0, 3)])
def test_tiles_know_when_the_camera_rests(step):
    model = load_model(find_weights("small")).requires_grad_(False)
    frames = panned(5, 240, 330, step)
    (whole, _), (divided, _) = changes(model, frames), changes(model, frames, SMALLEST)
    assert np.abs(whole).mean() > 0.001
    assert np.abs(divided - whole).max() < 0.05 / 255


@pytest.mark.parametrize("blocks", [2, 3])
def test_a_longer_refinement_sees_further(blocks):
    torch.manual_seed(1)
    config = ModelConfig(width=16, deep_width=24, hidden=8, deep_blocks=2, refine_blocks=blocks)
    model = Rmfd(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.05 * torch.randn_like(parameter))
    frames = panned(2, 240, 330, (0, 0))
    whole, divided = changes(model, frames), changes(model, frames, SMALLEST)
    assert len(tiles(frame_box(240, 330), 192 * 192, overlap(config))) > 1
    assert max(np.abs(a - b).max() for a, b in zip(divided, whole, strict=True)) < 0.05 / 255


def test_the_overlap_is_as_wide_as_it_has_to_be(model, monkeypatch):
    """With less of it, seams come: the test above could see them."""
    frames = panned(3, 330, 421, (0, 0))
    whole = changes(model, frames)
    monkeypatch.setattr("rmfd_cli.model.tiling.overlap", lambda config: 8)
    assert np.abs(changes(model, frames, SMALLEST)[0] - whole[0]).max() > 1 / 255


EDGE = 96
"""A row where a tile begins."""


def far_seeing(**sizes: int) -> tuple[Rmfd, Window]:
    """A model whose convolutions use all that they see, and noise for it."""
    torch.manual_seed(2)
    model = Rmfd(ModelConfig(width=16, deep_width=24, hidden=12, **sizes)).requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    still = torch.zeros(1, EDGE + 32, 48, 2)
    return model, Window(*map(from_rgb, torch.rand(3, 1, 3, EDGE + 32, 48)), still, still)


def farthest(found: torch.Tensor, made_of: torch.Tensor, edge: int) -> int:
    """How far beyond the edge something lies that the outermost row of a tile was made of."""
    (gradient,) = torch.autograd.grad(found[..., EDGE, :].square().sum(), made_of)
    return edge - int(gradient[0].abs().amax((0, 2)).nonzero()[0])


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_an_overlap_is_as_far_as_convolutions_see_in_whole_cells(blocks):
    model, window = far_seeing(deep_blocks=blocks)
    _, state = model.step(window, None)
    luma = window.current.luma.requires_grad_(True)
    cleared = model.clear(model.register(window._replace(current=window.current._replace(luma=luma))), state)
    assert 0 <= overlap(model.config) - farthest(cleared.hazy_luma, luma, EDGE) < UNIT


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_so_is_the_overlap_of_the_refinement_which_sees_the_veil_of_whole_cells(blocks):
    model, window = far_seeing(refine_blocks=blocks)
    recovered, _ = model.recover(model.register(window), None)
    veil = recovered.veil.requires_grad_(True)
    image = model.refine(recovered._replace(veil=veil), (EDGE + 32, 48)).image
    assert UNIT * farthest(image.luma, veil, EDGE // UNIT) == refine_overlap(model.config)
