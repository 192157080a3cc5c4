"""Validation: what its scores are, clip by clip."""

import dataclasses

import numpy as np
import pytest
import torch

from rmfd_cli.model.network import Rmfd
from rmfd_cli.rain.weather import CLEAR, DRY, Particles, sample_weather
from rmfd_cli.training.data import draw_batch
from rmfd_cli.training.packed import Packed, pack
from rmfd_cli.training.validation import (
    FRAMES,
    VALIDATION_SEED,
    Score,
    held_out_batches,
    held_out_names,
    in_words,
    validate,
)
from tests.training.runs import CPU, TINY, options


def grey(damage: float) -> Packed:
    """A clip of two frames that the rain brightens everywhere by so much."""
    clean = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)).mul(100).round().add(50) / 255
    clear = torch.ones(2, 1, 32, 32), torch.full((1, 3, 1, 1), 0.8), torch.zeros(2, 1, 32, 32)
    still = torch.zeros(2, 16, 16, 2)
    return Packed(*(x[None] for x in pack(clean + damage, clean, clear, (still, still))))


def test_a_clip_without_rain_does_not_decide_the_mean():
    torch.manual_seed(0)
    found = validate(Rmfd(TINY).eval(), [grey(0.0), grey(51 / 255)], CPU)
    dry, wet = (clip.input for clip in found.clips)
    assert dry == Score(50.0, pytest.approx(1.0))
    assert wet.psnr_db == pytest.approx(13.9794, abs=1e-3)
    assert found.mean.input.psnr_db == pytest.approx((50 + 13.9794) / 2, abs=1e-3)


def clips(count: int) -> list[tuple[str, np.ndarray]]:
    """Grey ones, each of another brightness."""
    return [(f"{k}.mp4", np.full((FRAMES, 48, 48, 3), 20 + 10 * k, np.uint8)) for k in range(count)]


@pytest.mark.parametrize(("count", "wanted", "rows"), [(3, 5, [0, 1, 2, 0, 1]), (5, 3, [0, 1, 2, 3, 4])])
def test_every_clip_is_scored_at_least_once(count, wanted, rows):
    settings = options("clean", "out", validation_clips=wanted)
    found = clips(count)
    batches, names = held_out_batches([clip for _, clip in found], settings), held_out_names(found, settings)
    assert [name.partition(", ")[0] for name in names] == [f"{k}.mp4" for k in rows]
    assert len(batches) == len(rows)
    for k, row in enumerate(rows):
        expected = draw_batch([found[row][1]], VALIDATION_SEED, k, size=1, frames=FRAMES, crop_px=48)
        assert torch.equal(batches[k].rainy, expected.rainy)


def test_the_weather_in_a_name_is_that_of_its_batch(monkeypatch):
    settings = options("clean", "out", validation_clips=6)
    ((name, clip),) = clips(1)
    drawn = []

    def watched(rng):
        drawn.append(sample_weather(rng))
        return drawn[-1]

    monkeypatch.setattr("rmfd_cli.training.data.sample_weather", watched)
    held_out_batches([clip], settings)
    assert held_out_names([(name, clip)], settings) == tuple(f"{name}, {in_words(weather)}" for weather in drawn)
    assert len(set(drawn)) == 6


def test_weather_is_named_by_its_kind():
    drops = dataclasses.replace(DRY, particles=Particles(rain_rate_mm_h=12.4, exposure_s=0.01))
    veil = dataclasses.replace(CLEAR, optical_depth=0.5)
    assert in_words(drops) == "drops at 12 mm/h"
    assert in_words(dataclasses.replace(drops, veil=veil)) == "drops at 12 mm/h, veil"
    assert in_words(DRY) == "no rain"
    assert in_words(dataclasses.replace(DRY, veil=veil)) == "no rain, haze"
