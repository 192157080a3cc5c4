"""Rain in frames so small, or streaks so long, that the margins decide."""

import pytest
import torch

from rmfd_cli.rain.drops import scatter_drops, streaks_at
from rmfd_cli.rain.elements import Particles, View
from rmfd_cli.rain.streaks import painted_at, scatter_streaks
from rmfd_cli.rain.weather import StreakLayer


@pytest.mark.parametrize(
    ("particles", "view"),
    [
        (Particles(rain_rate_mm_h=500.0, exposure_s=0.1, wind_right_m_s=60.0), View()),  # too many drops, most of them outside
        (Particles(rain_rate_mm_h=50.0, exposure_s=0.01), View(field_of_view_degrees=150.0)),  # none is wide enough
    ],
)
def test_where_no_drop_can_be_shown_there_is_none(particles, view):
    drops = scatter_drops(particles, view, 16, 16, torch.Generator().manual_seed(0))
    assert drops.start_m.shape == drops.box_m.shape == (3, 0)
    assert len(streaks_at(drops, 0.5, 1 / 30).x0) == 0


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.6, 2.0])
def test_streaks_come_in_from_outside_the_frame_however_long_they_are(spread):
    layer = StreakLayer("falling", 0.02, 30.0, spread, 0.0, 0.0, 0.0, 1.5, 0.5, 0.0, 0.0, 0.0, additive=False)
    scattered = scatter_streaks(layer, 3, 40, 50, 0.0, torch.Generator().manual_seed(0))
    _, _, margin = scattered.box
    assert margin >= scattered.length_px.max()
    for frame in range(3):
        streaks = painted_at(scattered, frame, 7, 0)
        # What has just come in above has its other end above the frame, too.
        assert streaks.y1[streaks.y0 < -margin + 1].max() <= 1.0
