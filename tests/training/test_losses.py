"""How much each clip counts in what training minimises."""

import pytest
import torch

from rmfd_cli.training.losses import HIGHEST_DB, balance, charbonnier, decibels
from rmfd_cli.training.packed import Batch


def batch(*damage: float, clean_known: float = 1.0, hazy_known: float = 1.0) -> Batch:
    """Clips of two frames that are grey where they are clean, and brighter by so much in the rain."""
    clean = torch.full((len(damage), 2, 3, 8, 8), 0.25)
    rainy = clean + torch.tensor(damage).view(-1, 1, 1, 1, 1)
    maps, known = torch.zeros(len(damage), 2, 1, 8, 8), torch.ones(len(damage), 1, 1, 1, 1)
    flows = torch.zeros(len(damage), 2, 4, 4, 2)
    airlight = torch.full((len(damage), 1, 3, 1, 1), 0.8)
    return Batch(rainy, clean, clean, maps + 1, airlight, maps, flows, clean_known * known, known, hazy_known * known)


def test_a_clip_counts_by_the_inverse_root_of_its_damage():
    factors = balance(batch(0.0, 0.025, 0.115))
    assert factors.shape == (3, 1, 1, 1, 1)
    torch.testing.assert_close(factors.flatten(), torch.tensor([6.0, 1.0, 0.25]).sqrt())


def test_damage_counts_where_either_truth_is_known():
    assert balance(batch(0.115, clean_known=0.0, hazy_known=1.0)).item() == pytest.approx(0.5, abs=1e-6)
    assert balance(batch(0.115, clean_known=0.0, hazy_known=0.0)).item() == pytest.approx(6**0.5, abs=1e-6)


def test_a_charbonnier_error_is_smooth_at_zero_and_absolute_far_from_it():
    assert charbonnier(torch.zeros(4)).item() == pytest.approx(1e-3)
    assert charbonnier(torch.tensor([-2.0, 4.0])).item() == pytest.approx(3.0, abs=1e-6)
    assert charbonnier(torch.tensor([3.0, -3.0]), epsilon=4.0).item() == pytest.approx(5.0)


def test_decibels_count_down_from_the_highest_alike_for_all_clips():
    error = torch.tensor([0.0, 10 ** (-HIGHEST_DB / 20), 0.1]).view(3, 1, 1, 1, 1).expand(3, 2, 3, 4, 4)
    one = torch.ones(1, 1, 1, 1, 1).expand(3, -1, -1, -1, -1)
    each = [decibels(error[k : k + 1], one[k : k + 1]).item() for k in range(3)]
    assert each == pytest.approx([0.0, 3.0103, HIGHEST_DB - 20], abs=5e-3)
    assert decibels(error, one).item() == pytest.approx(sum(each) / 3, abs=1e-5)


def test_decibels_are_of_what_is_certain():
    error, certain = torch.full((1, 2, 3, 4, 4), 0.1), torch.zeros(1, 2, 1, 4, 4)
    assert decibels(error, certain).item() == 0
    certain[..., :1] = 1
    error[..., 1:] = 0.7
    assert decibels(error, certain).item() == pytest.approx(HIGHEST_DB - 20, abs=5e-3)
