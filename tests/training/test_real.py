"""What real rain teaches without ground truth."""

import numpy as np
import pytest
import torch

from rmfd_cli.training.data import draw_batch
from rmfd_cli.training.losses import ClipEstimates, LossWeights, losses
from rmfd_cli.training.packed import Batch, Packed, concatenate
from rmfd_cli.training.real import NOISE, RADIUS, covered_truth, draw_real

FRAMES, SIZE = 9, 64


def scene() -> torch.Tensor:
    """A still, soft texture `[3, H, W]`, as light as a cloudy day."""
    coarse = torch.rand(1, 3, 10, 10, generator=torch.Generator().manual_seed(3))
    return 0.2 + 0.4 * torch.nn.functional.interpolate(coarse, (SIZE, SIZE), mode="bicubic")[0].clamp(0, 1)


def rained_on(background: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A still clip with streaks that last for a frame."""
    clip = background.repeat(FRAMES, 1, 1, 1)
    for frame in clip:
        for _ in range(8):
            top, left = rng.integers(0, SIZE - 12), rng.integers(0, SIZE)
            frame[:, top : top + 12, left] += 0.25
    return clip.clamp(0, 1)


def test_streaks_over_a_still_scene_are_told_from_it():
    background = scene()
    rainy = rained_on(background, np.random.default_rng(1))
    truth, trust = covered_truth(rainy)
    inner = slice(RADIUS, FRAMES - RADIUS)
    error = ((truth - background).abs().amax(1, keepdim=True) * trust)[inner]
    covered = (rainy - background).amax(1, keepdim=True)[inner] > 0.1
    assert (rainy - background)[inner].abs().amax() > 0.2
    assert error.quantile(0.99) < NOISE
    assert error.mean() < 0.1 * (rainy - background)[inner].mean()
    assert trust[inner][covered].mean() > 0.7
    assert trust[inner].mean() > 0.8


def test_the_ends_of_a_clip_are_not_trusted():
    _, trust = covered_truth(rained_on(scene(), np.random.default_rng(1)))
    assert trust[:RADIUS].sum() == 0
    assert trust[-RADIUS:].sum() == 0


def test_what_comes_to_stay_is_no_rain():
    clip = scene().repeat(FRAMES, 1, 1, 1)
    clip[4:, :, 20:40, 30:33] += 0.3
    truth, trust = covered_truth(clip)
    kept = (truth - clip).abs().amax(1, keepdim=True)[4:7] * trust[4:7]
    assert kept[..., 20:40, 30:33].amax() < NOISE


def test_what_a_neighbour_does_not_show_is_not_trusted():
    """A scene that moves by five pixels a frame: what has just come in, two frames ago was outside."""
    wide = torch.nn.functional.interpolate(scene()[None], (SIZE, 2 * SIZE), mode="bicubic")[0].clamp(0, 1)
    clip = torch.stack([wide[:, :, 5 * t : 5 * t + SIZE] for t in range(FRAMES)])
    _, trust = covered_truth(clip)
    inner = slice(RADIUS, FRAMES - RADIUS)
    assert trust[inner, :, 8:-8, -8:].mean() < 0.15
    assert trust[inner, :, 8:-8, :8].mean() < 0.15
    assert trust[inner, :, 8:-8, 16:-16].mean() > 0.9


def test_darkness_that_passes_is_not_trusted():
    clip = scene().repeat(FRAMES, 1, 1, 1)
    clip[4, :, 20:40, 20:40] -= 0.15
    _, trust = covered_truth(clip)
    assert trust[4, :, 22:38, 22:38].mean() < 0.1


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    rainy = rained_on(scene(), np.random.default_rng(2))
    return (rainy * 255).round().byte().permute(0, 2, 3, 1).numpy()


def test_a_short_clip_teaches_nothing_where_it_stands_still(clip):
    batch = draw_real([clip], 1, 0, size=2, frames=FRAMES + 5, crop_px=32)
    assert batch.rainy.shape == (2, FRAMES + 5, 3, 32, 32)
    assert batch.hazy_known[:, RADIUS : FRAMES - RADIUS].float().mean() > 0.5
    assert batch.hazy_known[:, FRAMES - RADIUS :].sum() == 0


def test_a_draw_depends_on_seed_and_number_alone(clip):
    one, again, other = (draw_real([clip], 1, n, size=2, frames=6, crop_px=32) for n in (0, 0, 1))
    assert all(torch.equal(x, y) for x, y in zip(one, again, strict=True))
    assert not torch.equal(one.rainy, other.rainy)


def whole(batch: Packed) -> Batch:
    return batch.part(range(batch.rainy.shape[1]))


def estimates_of(image: torch.Tensor, transmission: float = 1.0) -> ClipEstimates:
    one = torch.ones_like(image[:, :, :1])
    return ClipEstimates(image, image, image, transmission * one, 0.8 * one[..., :1, :1].repeat(1, 1, 3, 1, 1), 0 * one)


def test_only_the_trusted_part_of_real_rain_teaches(clip):
    batch = whole(draw_real([clip], 1, 0, size=1, frames=FRAMES, crop_px=32))
    image = batch.rainy.clone().requires_grad_(True)
    terms = losses(estimates_of(image), batch, LossWeights())
    (gradient,) = torch.autograd.grad(terms["image"] + terms["hazy"] + terms["coarse"] + terms["structure"], image)
    untrusted = (batch.hazy_known == 0).expand_as(gradient)
    assert gradient[untrusted].abs().max() == 0
    covered = ((batch.rainy - batch.clean) * batch.hazy_known).expand_as(gradient) > 0.1
    assert covered.any()
    assert (gradient[covered] > 0).all()


def test_real_rain_says_nothing_of_the_veil(clip):
    batch = whole(draw_real([clip], 1, 0, size=1, frames=FRAMES, crop_px=32))
    clear, misty = (losses(estimates_of(batch.hazy, t), batch, LossWeights()) for t in (1.0, 0.5))
    assert clear["transmission"] == misty["transmission"]
    assert clear["airlight"] == misty["airlight"] == 0


def test_what_is_refined_is_the_trusted_truth_without_the_veil(clip):
    batch = whole(draw_real([clip], 1, 0, size=1, frames=FRAMES, crop_px=32))
    misty = estimates_of(batch.hazy, 0.5)
    unveiled = (batch.hazy - 0.5 * 0.8) / 0.5
    right, wrong = (losses(misty._replace(image=x), batch, LossWeights())["image"] for x in (unveiled, batch.hazy))
    assert right < 0.1 * wrong


def test_darkness_is_asked_of_real_rain_alone(clip):
    simulated = whole(draw_batch([clip], 1, 0, size=1, frames=FRAMES, crop_px=32))
    real = whole(draw_real([clip], 1, 0, size=1, frames=FRAMES, crop_px=32))
    for name in ("dark", "dark_change"):
        without, rainy, dry = (
            losses(estimates_of(image), batch, LossWeights())[name]
            for image, batch in ((simulated.rainy, simulated), (real.rainy, real), (real.hazy, real))
        )
        assert without == 0
        assert rainy > dry > 0


def test_simulated_and_real_clips_share_a_batch(clip):
    simulated = draw_batch([clip], 1, 0, size=2, frames=4, crop_px=32)
    real = draw_real([clip], 1, 0, size=1, frames=4, crop_px=32)
    both = concatenate([simulated, real])
    assert both.rainy.shape[0] == 3
    assert both.clean_known.flatten().tolist() == [1, 1, 0]
    assert torch.equal(both.hazy_known[:2], torch.ones_like(both.hazy_known[:2]))
    assert torch.equal(both.hazy_known[2:], real.hazy_known)


@pytest.mark.parametrize("frames", [2, 3, 4])
def test_clips_of_few_frames_are_told_what_their_neighbours_say(clip, frames):
    batch = draw_real([clip], 1, 0, size=2, frames=frames, crop_px=32)
    assert batch.rainy.shape == (2, frames, 3, 32, 32)
    assert batch.hazy_known.shape[1] == batch.to_previous.shape[1] == frames
    assert batch.hazy_known.float().mean((2, 3, 4)).amax(1).min() > 0.5
