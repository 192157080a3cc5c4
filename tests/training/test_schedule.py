"""What changes over a run, by numbers that can be worked out by hand."""

import math

import pytest

from rmfd_cli.training.schedule import average_decay, learning_rate
from tests.training.runs import options

RUN = options("clean", "out", steps=110, learning_rate=2e-3, warmup_steps=10, ema_decay=0.9)


def test_the_learning_rate_rises_from_one_step_of_the_warm_up_to_all_of_it():
    rates = [learning_rate(RUN, step) for step in range(11)]
    assert rates == pytest.approx([2e-3 * (step + 1) / 10 for step in range(10)] + [2e-3])


@pytest.mark.parametrize(("step", "share"), [(35, (2 + math.sqrt(2)) / 4), (60, 0.5), (85, (2 - math.sqrt(2)) / 4), (110, 0.0)])
def test_it_falls_as_a_cosine_to_a_hundredth(step, share):
    assert learning_rate(RUN, step) == pytest.approx(2e-3 * (0.01 + 0.99 * share))


def test_without_a_warm_up_it_begins_at_its_highest():
    assert learning_rate(options("clean", "out", warmup_steps=0, learning_rate=2e-3), 0) == 2e-3


def test_the_average_forgets_the_beginning_and_then_leaves_what_was_asked_for():
    decays = [average_decay(RUN, step) for step in (0, 1, 8, 70, 80, 81, 10_000)]
    assert decays == pytest.approx([0.1, 2 / 11, 0.5, 71 / 80, 0.9, 0.9, 0.9])
