"""Lines to pixels: where, how wide, how opaque, and behind what."""

import math

import pytest
import torch

from rmfd_cli.rain import raster
from rmfd_cli.rain.raster import Segments, draw


def segments(x0, y0, x1, y1, *, sigma=0.0, thickness=0.5, z=0.0, dx=0.0, dy=0.0) -> Segments:
    """One streak from plain numbers."""
    values = (x0, y0, x1, y1, sigma, thickness, 0.0, 0.0, 0.0, 0.0, z, dx, dy)
    return Segments(*(torch.tensor([float(v)]) for v in values))


def many(count: int, seed: int = 0) -> Segments:
    u = torch.rand(7, count, generator=torch.Generator().manual_seed(seed))
    x, y, zero = u[0] * 120 - 10, u[1] * 100 - 10, torch.zeros(count)
    return Segments(
        x, y, x + 8 * u[2], y + 30 * u[3], 6 * u[4] ** 2, 0.5 * u[5] + 0.01, u[6], zero + 0.2, u[0], zero + 2, zero, zero, zero
    )


@pytest.mark.parametrize("sigma", [0.0, 0.4, 0.8, 1.3, 2.2, 3.5, 6.0, 9.0])
def test_a_line_keeps_its_integral_its_place_and_its_opacity_at_any_width(sigma):
    image = draw(segments(100, 60, 100, 140, sigma=sigma, thickness=0.3), 201, 203).thickness[0]
    expected = 0.3 * 80 * math.sqrt(1 + 2 * math.pi * sigma**2)
    assert image.sum().item() == pytest.approx(expected, rel=0.03)
    rows, columns = torch.arange(201.0), torch.arange(203.0)
    assert ((image.sum(0) * columns).sum() / image.sum()).item() == pytest.approx(100, abs=0.1)
    assert ((image.sum(1) * rows).sum() / image.sum()).item() == pytest.approx(100, abs=0.3)
    assert image[100, 100].item() == pytest.approx(0.3, rel=0.35)


def test_no_place_on_the_pixel_grid_is_brighter_than_another():
    sums = [draw(segments(20 + shift, 20, 20 + shift, 60), 80, 80).thickness.sum() for shift in torch.rand(9).tolist()]
    torch.testing.assert_close(torch.stack(sums), torch.full((9,), 0.5 * 40))


@pytest.mark.parametrize(("height", "width"), [(37, 51), (16, 17), (64, 48)])
def test_streaks_that_begin_and_end_outside_are_cut_not_lost(height, width):
    inside = draw(segments(8, -500, 8, 500), height, width).thickness
    torch.testing.assert_close(inside[0, :, 8], torch.full((height,), 0.5), rtol=0.15, atol=0)
    assert inside[0, :, 8].mean().item() == pytest.approx(0.5, rel=0.03)
    assert torch.isfinite(inside).all()
    assert draw(segments(-500, -500, -500, 500), height, width).thickness.sum() == 0


def test_wide_streaks_reach_into_the_frame_from_outside():
    image = draw(segments(-4, 5, -4, 60, sigma=6.0), 70, 70).thickness[0]
    assert image[30, 0] > 0.1
    assert image[30, 0] > image[30, 10]


def test_what_is_nearer_hides_a_streak_and_what_is_farther_does_not():
    line = segments(20, 5, 20, 55, z=5.0)
    depth = torch.full((60, 40), 10.0)
    depth[30:] = 2.0
    image = draw(line, 60, 40, depth).thickness[0]
    assert image[10:28, 20].min() > 0.45
    assert image[32:].max() == 0
    torch.testing.assert_close(draw(line, 60, 40, torch.full((60, 40), 6.0)), draw(line, 60, 40))


def test_the_way_of_streaks_is_told_where_they_are():
    drawn = draw(segments(20, 5, 20, 55, sigma=1.0, dx=-3, dy=21), 60, 40, with_motion=True)
    torch.testing.assert_close(drawn.motion[:, 30, 20], torch.tensor([-3.0, 21.0]))
    assert drawn.motion[:, :, 39].abs().max() < 1e-3


def test_drawing_is_deterministic_and_the_same_in_slices(monkeypatch):
    whole = draw(many(3000), 83, 97, with_motion=True)
    torch.testing.assert_close(draw(many(3000), 83, 97, with_motion=True), whole, rtol=0, atol=0)
    monkeypatch.setattr(raster, "SLICE", 500)
    torch.testing.assert_close(draw(many(3000), 83, 97, with_motion=True), whole, rtol=1e-4, atol=1e-4)


def test_nothing_to_draw_is_nothing():
    none = Segments(*(torch.zeros(0) for _ in Segments._fields))
    drawn = draw(none, 9, 11, with_motion=True)
    assert drawn.thickness.shape == (1, 9, 11)
    assert drawn.motion.shape == (2, 9, 11)
    assert drawn.thickness.sum() == 0
