"""Videos that are restored side by side are divided among the devices."""

from contextlib import closing

import numpy as np
import pytest
import torch

from rmfd_cli.model import streaming
from rmfd_cli.model.placing import devices_like
from rmfd_cli.model.spread import spread
from rmfd_cli.video.ycc import ycc_of_rgb


def counting(name):
    def count(until):
        for number in range(until):
            yield f"{name}{number}"

    return count


def test_each_gets_the_one_that_is_asked_by_the_fewest():
    ask = spread([counting("a"), counting("b")])
    first, second, third = ask(2), ask(1), ask(until=2)
    assert [next(first), next(second), next(third)] == ["a0", "b0", "a0"]
    assert list(second) == []
    assert next(ask(1)) == "b0"
    assert list(first) + list(third) == ["a1", "a1"]


def test_one_that_is_left_early_or_fails_is_free_again():
    def fails():
        yield "a"
        raise ValueError("on purpose")

    ask = spread([fails, lambda: iter("bcd")])
    with closing(ask()) as left:
        assert next(left) == "a"
    failing = ask()
    assert next(failing) == "a"
    with pytest.raises(ValueError, match="on purpose"):
        next(failing)
    assert next(ask()) == "a"


def test_a_gpu_without_a_number_stands_for_all(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert devices_like(torch.device("cuda")) == (torch.device("cuda:0"), torch.device("cuda:1"))
    assert devices_like(torch.device("cuda:1")) == (torch.device("cuda:1"),)
    assert devices_like(torch.device("cpu")) == (torch.device("cpu"),)


def test_videos_side_by_side_have_a_model_each(monkeypatch):
    monkeypatch.setattr(streaming, "devices_like", lambda device: (device,) * 3)
    places, _ = streaming.load_as_wished("small", "cpu", None, 2)
    assert len({id(place.model) for place in places}) == 2
    frame = ycc_of_rgb(np.random.default_rng(0).integers(0, 255, (16, 24, 3)).astype(np.uint8))
    (alone,) = streaming.restorer("small", "cpu")([frame])
    both = streaming.restorer("small", "cpu", videos=2)
    for changes in zip(both([frame]), both([frame]), strict=True):
        for change in changes:
            assert np.array_equal(change.luma, alone.luma)
