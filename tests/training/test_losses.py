"""How much each clip counts in what training minimises."""

import pytest
import torch

from rmfd_cli.training.losses import balance, charbonnier
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
