"""What rests is settled while it rains, and nothing else is touched."""

import pytest
import torch

from rmfd_cli.model.image import Image
from rmfd_cli.model.rest import MEMORY_SHARE, rain_of, settle
from rmfd_cli.model.veil import cells_of_frame

STILL, WET, DRY = torch.zeros(1, 4, 6, 2), torch.full((1, 1, 1, 1), 1 / 255), torch.full((1, 1, 1, 1), 0.1 / 255)


def departures(luma: float, chroma: float = 0.0) -> Image:
    """Of 32×48 pixels."""
    return Image(torch.full((1, 1, 32, 48), luma), torch.full((1, 2, 16, 24), chroma))


def test_a_streak_that_was_missed_in_front_of_a_resting_camera_gives_way_to_memory_and_following_frame():
    estimate, memory, following = departures(0.0), departures(-0.2, 0.02), departures(-0.2, 0.02)
    settled = settle(estimate, memory, following, STILL, WET)
    torch.testing.assert_close(settled.luma, memory.luma)
    torch.testing.assert_close(settled.chroma, memory.chroma)


def test_rain_in_the_following_frame_alone_is_not_taken_over():
    settled = settle(departures(0.0), departures(0.0), departures(0.02), STILL, WET)
    assert not settled.luma.any()


def test_an_estimate_between_memory_and_following_frame_nears_the_memory():
    settled = settle(departures(0.0), departures(-0.01), departures(0.01), STILL, WET)
    weight = torch.exp(torch.tensor(-((0.02 / 0.05) ** 2)))
    torch.testing.assert_close(settled.luma, departures(0).luma - 0.01 * MEMORY_SHARE * weight)


@pytest.mark.parametrize(
    ("moved", "rain"), [(STILL, DRY), (STILL + 1 / 8, WET)], ids=["dry weather", "a camera that moves by a pixel"]
)
def test_it_stays_as_it_is_in(moved, rain):
    estimate = departures(0.0)
    assert settle(estimate, departures(-0.2), departures(-0.2), moved, rain) is estimate


def test_where_memory_and_following_frame_differ_something_moves_and_it_stays_as_it_is():
    settled = settle(departures(0.0), departures(-0.3), departures(-0.1), STILL, WET)
    assert settled.luma.abs().max() < 1e-6


def test_one_cell_can_rest_while_another_moves():
    moved = STILL.clone()
    moved[:, :, 3:] = 0.5
    settled = settle(departures(0.0), departures(-0.2), departures(-0.2), moved, WET)
    torch.testing.assert_close(settled.luma[..., :16], departures(-0.2).luma[..., :16])
    assert not settled.luma[..., 32:].any()


def test_rain_is_the_light_taken_off_on_average_over_frames():
    frame = Image(torch.full((1, 1, 32, 48), 0.6), torch.zeros(1, 2, 16, 24))
    hazy = Image(frame.luma - 0.02, frame.chroma)
    first = rain_of(hazy, cells_of_frame(frame), None)
    assert first.item() == pytest.approx(0.02, abs=1e-6)
    assert rain_of(frame, cells_of_frame(frame), first).item() == pytest.approx(0.016, abs=1e-6)
