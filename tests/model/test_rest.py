"""What rests is settled while it rains, and nothing else is touched."""

import pytest
import torch

from rmfd_cli.model.image import Image
from rmfd_cli.model.rest import MEMORY_SHARE, calm_of, resting_cells, settle
from rmfd_cli.model.veil import cells_of_frame

REST = torch.ones(1, 1, 4, 6)


def calm(rain: float = 1 / 255, rest: float = 1.0) -> torch.Tensor:
    return torch.tensor([rain, rest]).view(1, 2, 1, 1)


def departures(luma: float, chroma: float = 0.0) -> Image:
    """Of 32×48 pixels."""
    return Image(torch.full((1, 1, 32, 48), luma), torch.full((1, 2, 16, 24), chroma))


def test_a_streak_that_was_missed_in_front_of_a_resting_camera_gives_way_to_memory_and_following_frame():
    estimate, memory, following = departures(0.0), departures(-0.2, 0.02), departures(-0.2, 0.02)
    settled = settle(estimate, memory, following, REST, calm())
    torch.testing.assert_close(settled.luma, memory.luma)
    torch.testing.assert_close(settled.chroma, memory.chroma)


def test_rain_in_the_following_frame_alone_is_not_taken_over():
    settled = settle(departures(0.0), departures(0.0), departures(0.02), REST, calm())
    assert not settled.luma.any()


def test_an_estimate_between_memory_and_following_frame_nears_the_memory():
    settled = settle(departures(0.0), departures(0.01), departures(-0.01), REST, calm())
    weight = torch.exp(torch.tensor(-((0.02 / 0.035) ** 2)))
    torch.testing.assert_close(settled.luma, departures(0).luma + 0.01 * MEMORY_SHARE * weight)


def test_a_following_frame_that_is_brighter_than_the_memory_says_less_of_motion_than_a_darker_one():
    darker = settle(departures(0.0), departures(0.02), departures(-0.02), REST, calm())
    brighter = settle(departures(0.0), departures(-0.02), departures(0.02), REST, calm())
    assert (darker.luma > 0).all()
    assert (-brighter.luma > 2 * darker.luma).all()


@pytest.mark.parametrize(
    ("resting", "weather"),
    [(REST, calm(rain=0.1 / 255)), (REST, calm(rest=0.05)), (0 * REST, calm())],
    ids=["dry weather", "a camera that moves", "what moves"],
)
def test_it_stays_as_it_is_in(resting, weather):
    estimate = departures(0.0)
    assert settle(estimate, departures(-0.2), departures(-0.2), resting, weather) is estimate


def test_where_memory_and_following_frame_differ_something_moves_and_it_stays_as_it_is():
    settled = settle(departures(0.0), departures(-0.1), departures(-0.3), REST, calm())
    assert settled.luma.abs().max() < 1e-6


def test_one_cell_can_rest_while_another_moves():
    moved = torch.zeros(1, 4, 6, 2)
    moved[:, :, 3:] = 0.5
    settled = settle(departures(0.0), departures(-0.2), departures(-0.2), resting_cells(moved), calm())
    torch.testing.assert_close(settled.luma[..., :16], departures(-0.2).luma[..., :16])
    assert not settled.luma[..., 32:].any()


def test_cells_rest_that_move_by_less_than_a_tenth_of_a_pixel():
    moved = torch.zeros(1, 1, 3, 2)
    moved[..., 0] = torch.tensor([0.05, 0.3, 0.6]) / 8
    torch.testing.assert_close(resting_cells(moved).flatten(), torch.tensor([1.0, 0.5, 0.0]))


def test_calm_is_the_light_taken_off_and_what_rests_on_average_over_frames():
    frame = Image(torch.full((1, 1, 32, 48), 0.6), torch.zeros(1, 2, 16, 24))
    hazy, cells = Image(frame.luma - 0.02, frame.chroma), cells_of_frame(frame)
    first = calm_of(hazy, cells, REST, None)
    torch.testing.assert_close(first, calm(0.02, 1.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(calm_of(frame, cells, 0 * REST, first), calm(0.016, 0.8), atol=1e-6, rtol=0)
