"""Splashes: droplets that rise from the ground and fall back, where there is ground."""

import pytest
import torch

from rmfd_cli.rain.depth import ground_depth_m
from rmfd_cli.rain.drops import focal_px
from rmfd_cli.rain.raster import Segments
from rmfd_cli.rain.splashes import splashes_at
from rmfd_cli.rain.weather import Particles, Splashes, View

HEIGHT, WIDTH = 120, 160
VIEW = View(horizon=0.4)
GROUND = ground_depth_m(VIEW, HEIGHT, WIDTH, torch.device("cpu"))[0]
FRAME_S = 1 / 100


def splashed(depth_m: torch.Tensor = GROUND, frame: int = 20, exposure_s: float = 1 / 1000) -> Segments:
    rain = Particles(rain_rate_mm_h=100.0, exposure_s=exposure_s)
    return splashes_at(Splashes(share=1.0, opacity=0.9), rain, VIEW, (HEIGHT, WIDTH), frame, FRAME_S, depth_m, seed=3)


def over_ground_m(row: torch.Tensor, droplets: Segments) -> torch.Tensor:
    """How high over the ground a row of the picture is where the droplets are."""
    distance = droplets.z_m / 0.7
    return VIEW.height_m - (row + 0.5 - VIEW.horizon * HEIGHT) * distance / focal_px(VIEW, WIDTH)


def test_droplets_rise_no_higher_than_their_speed_carries_them():
    droplets = splashed()
    height = over_ground_m(droplets.y0, droplets)
    # At most 0.75 m/s up: v²/2g.
    assert height.max() < 0.75**2 / (2 * 9.81) + 1e-4
    assert height.max() > 0.02
    assert height.min() > -1e-4


def test_they_fall_back_to_the_ground_within_their_life():
    falling = splashed()
    later = over_ground_m(falling.y0 + falling.dy, falling) < over_ground_m(falling.y0, falling) - 1e-4
    alive = falling.thickness > 0
    assert 0.2 < later[alive].float().mean() < 0.9


def test_they_burst_only_where_the_scene_is_as_far_as_the_ground():
    depth = GROUND.clone()
    depth[:, :60], depth[:, 100:] = 0.6 * depth[:, :60], 1.5 * depth[:, 100:]
    droplets, everywhere = splashed(depth), splashed()
    column = droplets.x0.round()
    seen = (column >= 0) & (column < WIDTH) & (droplets.y0.round() < HEIGHT)
    before, between, behind = (seen & where for where in (column < 60, (column >= 60) & (column < 100), column >= 100))
    assert all((everywhere.thickness[where] > 0).sum() > 100 for where in (before, between, behind))
    assert not droplets.thickness[before].any()
    assert not droplets.thickness[behind].any()
    torch.testing.assert_close(droplets.thickness[between], everywhere.thickness[between], atol=0, rtol=0)


@pytest.mark.parametrize("exposure_s", [1 / 1000, FRAME_S])
def test_a_droplet_s_streak_is_its_way_while_the_shutter_is_open(exposure_s):
    short, whole = splashed(exposure_s=exposure_s), splashed(exposure_s=FRAME_S)
    torch.testing.assert_close(whole.x1 - whole.x0, whole.dx)
    torch.testing.assert_close(whole.y1 - whole.y0, whole.dy)
    torch.testing.assert_close(short.x1 - short.x0, short.dx * exposure_s / FRAME_S, atol=2e-4, rtol=1e-3)
