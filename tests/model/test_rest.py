"""What rests is settled while it rains, and nothing else is touched."""

import numpy as np
import pytest
import torch

from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.image import Image
from rmfd_cli.model.placing import find_weights
from rmfd_cli.model.rest import MEMORY_SHARE, calm_of, difference_of, kept_of, resting_cells, settled, settling
from rmfd_cli.model.streaming import restore
from rmfd_cli.video.ycc import ycc_of_rgb
from tests.model.rainy import rained_on, texture

REST = torch.ones(1, 1, 4, 6)
JUST_NOW, LONG = 0 * REST, REST


def calm(rain: float = 1 / 255, rest: float = 1.0, change: float = 0.0) -> torch.Tensor:
    return torch.tensor([rain, rest, change]).view(1, 3, 1, 1)


def settle(estimate, memory, following, resting, rested, weather):
    how, rested = settling(difference_of(memory.luma, following.luma), resting, rested, weather)
    return estimate if how is None else settled(estimate, memory, following, how), rested


def departures(luma: float, chroma: float = 0.0) -> Image:
    """Of 32×48 pixels."""
    return Image(torch.full((1, 1, 32, 48), luma), torch.full((1, 2, 16, 24), chroma))


def test_a_streak_that_was_missed_in_front_of_a_resting_camera_gives_way_to_memory_and_following_frame():
    estimate, memory, following = departures(0.0), departures(-0.2, 0.02), departures(-0.2, 0.02)
    result, _ = settle(estimate, memory, following, REST, JUST_NOW, calm())
    torch.testing.assert_close(result.luma, memory.luma)
    torch.testing.assert_close(result.chroma, memory.chroma)


def test_rain_in_the_following_frame_alone_is_not_taken_over():
    result, _ = settle(departures(0.0), departures(0.0), departures(0.02), REST, LONG, calm())
    assert not result.luma.any()


def test_an_estimate_between_memory_and_following_frame_nears_the_memory():
    weight = torch.exp(torch.tensor(-((0.02 / 0.05) ** 2)))
    for rested, share in zip((JUST_NOW, LONG), MEMORY_SHARE, strict=True):
        result, _ = settle(departures(0.0), departures(0.01), departures(-0.01), REST, rested, calm())
        torch.testing.assert_close(result.luma, departures(0).luma + 0.01 * share * weight)


def test_a_following_frame_that_is_brighter_than_the_memory_says_less_of_motion_than_a_darker_one():
    darker, _ = settle(departures(0.0), departures(0.03), departures(-0.03), REST, JUST_NOW, calm())
    brighter, _ = settle(departures(0.0), departures(-0.03), departures(0.03), REST, JUST_NOW, calm())
    assert (darker.luma > 0).all()
    assert (-brighter.luma > 2 * darker.luma).all()


@pytest.mark.parametrize(
    ("resting", "weather"),
    [
        (REST, calm(rain=0.1 / 255)),
        (REST, calm(rest=0.05)),
        (REST, calm(change=0.5 / 255)),
        (REST, calm(change=-0.5 / 255)),
        (0 * REST, calm()),
    ],
    ids=["dry weather", "a camera that moves", "light that waxes", "light that wanes", "what moves"],
)
def test_it_stays_as_it_is_in(resting, weather):
    estimate = departures(0.0)
    result, rested = settle(estimate, departures(-0.2), departures(-0.2), resting, LONG, weather)
    assert result is estimate
    assert not rested.any()


def test_where_memory_and_following_frame_differ_something_moves_and_it_stays_as_it_is():
    result, rested = settle(departures(0.0), departures(-0.1), departures(-0.3), REST, LONG, calm())
    assert result.luma.abs().max() < 1e-6
    assert rested.max() < 1e-6


def test_what_moves_in_one_cell_is_expected_in_the_next():
    memory, following = departures(-0.1), departures(-0.1)
    following.luma[..., :8] = -0.3
    result, rested = settle(departures(0.0), memory, following, REST, LONG, calm())
    assert result.luma[..., :12].abs().max() < 1e-6
    assert rested[..., :2].max() < 1e-6
    torch.testing.assert_close(result.luma[..., 20:], memory.luma[..., 20:])


def test_a_cell_rests_longer_and_longer_until_it_moves():
    alike, rested, lengths = departures(0.0), JUST_NOW, []
    for _ in range(60):
        _, rested = settle(alike, alike, alike, REST, rested, calm())
        lengths.append(float(rested.mean()))
    assert lengths == sorted(lengths)
    assert lengths[5] < 0.3 < lengths[7]
    assert lengths[35] < 0.85 < lengths[40]
    _, rested = settle(alike, departures(0.0), departures(-0.2), REST, rested, calm())
    assert rested.max() < 1e-6


def test_long_rest_takes_the_noise_out():
    rng = torch.Generator().manual_seed(1)
    memory, rested, errors = departures(0.0), JUST_NOW, []
    for _ in range(80):
        noisy, following = (Image(0.01 * torch.randn(1, 1, 32, 48, generator=rng), torch.zeros(1, 2, 16, 24)) for _ in range(2))
        memory, rested = settle(noisy, memory, following, REST, rested, calm())
        errors.append(float(memory.luma.std()))
    assert errors[4] < 0.5 * 0.01
    assert errors[-1] < 0.6 * errors[4]


def test_one_cell_can_rest_while_another_moves():
    moved = torch.zeros(1, 4, 6, 2)
    moved[:, :, 3:] = 0.5
    result, _ = settle(departures(0.0), departures(-0.2), departures(-0.2), resting_cells(moved), JUST_NOW, calm())
    torch.testing.assert_close(result.luma[..., :16], departures(-0.2).luma[..., :16])
    assert not result.luma[..., 32:].any()


def test_cells_rest_that_move_by_less_than_a_tenth_of_a_pixel():
    moved = torch.zeros(1, 1, 3, 2)
    moved[..., 0] = torch.tensor([0.05, 0.3, 0.6]) / 8
    torch.testing.assert_close(resting_cells(moved).flatten(), torch.tensor([1.0, 0.5, 0.0]))


def test_a_hidden_state_fades_but_where_the_picture_has_rested_long():
    assert (kept_of(JUST_NOW) < 0.95).all()
    assert (kept_of(LONG) == 1).all()


def test_calm_is_the_light_taken_off_and_what_rests_on_average_over_frames_and_how_light_changes():
    change = torch.full((1, 1, 1, 1), 0.01)
    first = calm_of(0.02 * REST, REST, change, None, 0 * change)
    torch.testing.assert_close(first, calm(0.02, 1.0, 0.01), atol=1e-6, rtol=0)
    later = calm_of(0 * REST, 0 * REST, -change, first, torch.full_like(change, 9))
    torch.testing.assert_close(later, calm(0.016, 0.8, -0.01), atol=1e-6, rtol=0)


def test_the_first_frame_of_a_scene_does_not_say_how_hard_it_rains_once_there_are_others():
    none = torch.zeros(1, 1, 1, 1)
    last = None
    for age, light in enumerate((0.09, 0.01, 0.03)):
        last = calm_of(light * REST, REST, none, last, none + age)
    torch.testing.assert_close(last, calm(0.02, 1.0, 0.0), atol=1e-6, rtol=0)


def test_what_rests_does_not_lag_behind_light_that_waxes():
    model = load_model(find_weights("small")).requires_grad_(False)

    def too_dark(change: float) -> float:
        """By how many code values, while every frame is brighter than the one before by `change` of them."""
        dry = [0.5 * texture(96, 128) + change / 255 * max(t - 10, 0) for t in range(35)]
        rainy = [np.round(255 * rained_on(scene, t)).astype(np.uint8)[..., None].repeat(3, 2) for t, scene in enumerate(dry)]
        changes = restore(map(ycc_of_rgb, rainy), model, torch.device("cpu"))
        lags = [255 * (scene - change.luma) - frame[..., 0] for scene, frame, change in zip(dry, rainy, changes, strict=True)]
        return float(np.median(lags[25:]))

    assert too_dark(2.0) == pytest.approx(too_dark(0.0), abs=0.3)
