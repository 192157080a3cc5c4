"""Weathers with names, what they promise, and what is refused."""

import dataclasses
import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from rmfd_cli.errors import UsageError
from rmfd_cli.rain import microphysics
from rmfd_cli.rain.presets import PRESETS, preset
from rmfd_cli.rain.styles import sample_graded_layers
from rmfd_cli.rain.weather import CLEAR, PERFECT_CAMERA, lit_by, sample_weather


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", range(5))
def test_every_weather_is_plain_numbers_and_the_seeds_own(name, seed):
    weather = preset(name, np.random.default_rng(seed))
    assert json.loads(json.dumps(dataclasses.asdict(weather)))["light"] in ("display", "linear")
    assert weather == preset(name, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("name", "low", "high"), [("light", 0, 2.5), ("moderate", 2.6, 7.6), ("heavy", 7.6, 50), ("violent", 50, 500)]
)
def test_classes_of_rain_keep_to_their_rates(name, low, high):
    for seed in range(20):
        particles = preset(name, np.random.default_rng(seed)).particles
        assert particles is not None
        assert low <= particles.rain_rate_mm_h <= high


@pytest.mark.parametrize("name", sorted(PRESETS.keys() - {"edited"}))
@pytest.mark.parametrize("seed", range(5))
def test_overrides_are_taken(name, seed):
    rng = np.random.default_rng(seed)
    weather = preset(name, rng, rain_rate_mm_h=12.0, visibility_m=300.0, wind_m_s=-4.0, exposure_s=0.01)
    assert weather.particles is not None
    assert weather.particles.rain_rate_mm_h == 12.0
    assert weather.particles.wind_right_m_s == -4.0
    assert weather.particles.exposure_s == 0.01
    assert microphysics.visibility_m(weather.veil.extinction_per_m) == pytest.approx(300.0)
    assert weather.veil.optical_depth == 0


def test_the_veil_follows_the_rain_rate_unless_visibility_is_given():
    thin, thick = (preset("heavy", np.random.default_rng(0), rain_rate_mm_h=rate).veil for rate in (5.0, 100.0))
    assert thin.extinction_per_m == pytest.approx(microphysics.extinction_per_m(5.0))
    assert thick.extinction_per_m > 5 * thin.extinction_per_m
    misty, wetter = (preset("drizzle-veil", np.random.default_rng(0), rain_rate_mm_h=rate).veil for rate in (None, 0.5))
    assert misty == wetter


@pytest.mark.parametrize(
    "wrong",
    [
        {"rain_rate_mm_h": -1},
        {"rain_rate_mm_h": float("nan")},
        {"visibility_m": 0},
        {"visibility_m": float("inf")},
        {"wind_m_s": 99},
        {"exposure_s": 0},
    ],
)
def test_numbers_out_of_range_are_refused_in_one_line(wrong):
    with pytest.raises(UsageError) as caught:
        preset("light", np.random.default_rng(0), **wrong)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["rain_rate_mm_h", "wind_m_s", "exposure_s"])
def test_painted_rain_has_no_metres_and_seconds_to_change(what):
    with pytest.raises(UsageError, match=r"edited.*painted"):
        preset("edited", np.random.default_rng(0), **{what: 0.01})


def test_edited_rain_falls_in_clear_air_and_no_camera_sees_it_afterwards():
    for seed in range(30):
        weather = preset("edited", np.random.default_rng(seed))
        assert weather.rains
        assert weather.particles is None
        assert weather.veil == CLEAR
        assert weather.camera == PERFECT_CAMERA
    assert preset("edited", np.random.default_rng(0), visibility_m=200.0).veil.extinction_per_m > 0


def test_near_streaks_of_one_rain_are_longer_wider_and_rarer():
    for seed in range(30):
        layers = sample_graded_layers(np.random.default_rng(seed))
        assert len({(layer.opacity, layer.angle_degrees, layer.additive) for layer in layers}) == 1
        for far, near in pairwise(layers):
            assert near.length_px > far.length_px or near.length_px == 120
            assert near.width_px >= far.width_px
            assert near.density < far.density


def test_an_unknown_name_is_refused_and_the_known_ones_told():
    with pytest.raises(UsageError, match="drizzle-veil"):
        preset("hurricane", np.random.default_rng(0))


def test_training_sees_the_mixture_that_was_decided():
    kinds: Counter[str] = Counter()
    clips = 3000
    for seed in range(clips):
        weather = sample_weather(np.random.default_rng(seed))
        exaggerated = weather.particles is not None and weather.particles.opacity_gain > 1
        kinds["exaggerated"] += exaggerated
        kinds["particles" if weather.particles else "painted" if weather.layers or weather.noise else "dry"] += 1
        if weather.light == "linear":
            # The network inverts the veil in display light.
            assert weather.veil.optical_depth == 0
            assert weather.veil.extinction_per_m == 0
    assert kinds["particles"] / clips == pytest.approx(0.36, abs=0.04)
    assert kinds["painted"] / clips == pytest.approx(0.52, abs=0.04)
    assert kinds["dry"] / clips == pytest.approx(0.12, abs=0.02)
    assert kinds["exaggerated"] / kinds["particles"] == pytest.approx(0.6, abs=0.04)


def test_a_veil_by_daylight_does_not_shine_at_night():
    by_day = preset("drizzle-veil", np.random.default_rng(4))
    at_night = lit_by(by_day, 0.2)
    assert max(by_day.veil.airlight) > 0.7
    assert max(at_night.veil.airlight) == pytest.approx(0.2)
    assert at_night.veil.airlight[0] / at_night.veil.airlight[2] == pytest.approx(
        by_day.veil.airlight[0] / by_day.veil.airlight[2]
    )
    assert max(at_night.drop_glow) == pytest.approx(0.0331, abs=1e-4)  # 0.2, sRGB-decoded
    assert lit_by(by_day, 1.0) == by_day
