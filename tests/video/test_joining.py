"""Decoding times that any container takes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rmfd_cli.video.joining import decoding_times


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40), st.integers(-500, 500), st.randoms(use_true_random=False))
def test_decoding_times_rise_and_are_never_later_than_showing(gaps, first, draw):
    shown = first + np.cumsum(gaps)
    # Every third picture is decoded before some of those that are shown before it.
    order = sorted(range(len(shown)), key=lambda number: number - 2.5 * (draw.random() < 0.3))
    decoded = decoding_times(shown[order])
    assert (np.diff(decoded) > 0).all()
    assert (decoded <= shown[order]).all()


def test_pictures_in_order_are_decoded_when_they_are_shown():
    assert decoding_times(np.array([3, 5, 9])).tolist() == [3, 5, 9]


def test_pictures_out_of_order_are_decoded_as_early_as_need_be():
    assert decoding_times(np.array([0, 40, 20, 60, 50])).tolist() == [-20, 0, 20, 40, 50]
