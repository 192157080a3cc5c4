"""The discriminator that looks at three frames at once."""

import pytest
import torch

from rmfd_cli.training.adversary import deception, judge_better, make_adversary, triples
from rmfd_cli.training.parallel import Ranks

DEVICE = torch.device("cpu")


def clips(streaks: bool, seed: int) -> torch.Tensor:
    """Two clips of a smooth scene, `[2, 5, 3, 32, 32]`, with or without streaks that come and go."""
    generator = torch.Generator().manual_seed(seed)
    level = torch.rand(2, 1, 3, 1, 1, generator=generator).expand(2, 5, 3, 32, 32).clone()
    if streaks:
        columns = torch.rand(2, 5, 1, 1, 32, generator=generator) < 0.15
        level = level + 0.4 * columns
    return level.clamp(0, 1)


def test_frames_are_taken_in_threes_that_overlap_by_one():
    clip = torch.arange(5.0).view(1, 5, 1, 1, 1).expand(2, 5, 3, 8, 8)
    seen = triples(clip)
    assert seen.shape == (4, 9, 8, 8)
    assert seen[0, ::3, 0, 0].tolist() == [0, 1, 2]
    assert seen[2, ::3, 0, 0].tolist() == [2, 3, 4]


def test_no_frame_is_left_out_of_an_even_number():
    clip = torch.arange(6.0).view(1, 6, 1, 1, 1).expand(1, 6, 3, 8, 8)
    assert [three[::3, 0, 0].tolist() for three in triples(clip)] == [[0, 1, 2], [2, 3, 4], [3, 4, 5]]


def test_it_learns_to_tell_streaks_from_clean_video():
    torch.manual_seed(1)
    adversary = make_adversary(Ranks(), DEVICE)
    loss = [judge_better(adversary, clips(False, k), clips(True, k)) for k in range(80)]
    assert loss[0] > 1.5
    assert sum(loss[-10:]) < 1.0
    clean, rainy = (adversary.judge(triples(clips(streaks, 999))).mean() for streaks in (False, True))
    assert clean > rainy


def test_deceiving_it_moves_the_pictures_and_not_the_judge():
    torch.manual_seed(1)
    judge = make_adversary(Ranks(), DEVICE).judge
    restored = clips(True, 5).requires_grad_(True)
    torch.autograd.backward(deception(judge, restored))
    assert restored.grad is not None
    assert restored.grad.abs().max() > 0
    assert all(parameter.grad is None and parameter.requires_grad for parameter in judge.parameters())


def test_a_score_that_is_not_a_number_changes_nothing():
    adversary = make_adversary(Ranks(), DEVICE)
    before = [parameter.detach().clone() for parameter in adversary.judge.parameters()]
    with pytest.raises(FloatingPointError, match="discriminator"):
        judge_better(adversary, clips(False, 4), clips(True, 5) * float("nan"))
    assert all(torch.equal(x, y) for x, y in zip(before, adversary.judge.parameters(), strict=True))


def test_judging_better_leaves_the_network_alone():
    adversary = make_adversary(Ranks(), DEVICE)
    restored = clips(True, 5).requires_grad_(True)
    before = [parameter.detach().clone() for parameter in adversary.judge.parameters()]
    judge_better(adversary, clips(False, 4), restored)
    assert restored.grad is None
    assert any(not torch.equal(x, y) for x, y in zip(before, adversary.judge.parameters(), strict=True))
