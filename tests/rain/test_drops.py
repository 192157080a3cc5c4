"""Drops in the air: as many as the rain has, falling as drops fall, the same ones from frame to frame."""

import dataclasses
import math

import pytest
import torch

from rmfd_cli.rain import microphysics
from rmfd_cli.rain.drops import Drops, focal_px, scatter_drops, streaks_at, wind
from rmfd_cli.rain.elements import Particles, View

RAIN = Particles(rain_rate_mm_h=10.0, exposure_s=1 / 250, turbulence_m_s=0.0)
VIEW = View(focus_m=1e9, aperture_mm=0.0, horizon=0.5, height_m=100.0)


def scatter(seed: int = 0, view: View = VIEW, **changes) -> Drops:
    return scatter_drops(dataclasses.replace(RAIN, **changes), view, 240, 320, torch.Generator().manual_seed(seed))


def place(drops: Drops, seconds: float) -> torch.Tensor:
    """Metres, `[3, N]`, straight from the definition."""
    (right, towards), _ = wind(drops, seconds)
    fall = microphysics.terminal_velocity_m_s(drops.diameter_mm)
    speed = torch.stack([drops.sideways_m_s[0], fall, drops.sideways_m_s[1]]).double()
    shift = torch.tensor([[right], [0.0], [-towards]], dtype=torch.float64)
    return torch.remainder(drops.start_m + speed * seconds + shift, drops.box_m) + drops.corner_m


@pytest.mark.parametrize("rate", [2.5, 10.0, 25.0, 50.0, 100.0])
def test_the_drops_of_a_scene_recompute_the_asked_rain_rate_within_ten_per_cent(rate):
    rates = []
    for seed in range(2):
        drops = scatter_drops(
            dataclasses.replace(RAIN, rain_rate_mm_h=rate), VIEW, 480, 640, torch.Generator().manual_seed(seed)
        )
        rates.append(microphysics.rain_rate_mm_h(drops.diameter_mm, drops.volume_m3))
    assert sum(rates) / len(rates) == pytest.approx(rate, rel=0.1)


def test_water_that_crosses_a_plane_is_the_rain_rate_too():
    drops = scatter(rain_rate_mm_h=50.0)
    seconds = 2.0
    fall = microphysics.terminal_velocity_m_s(drops.diameter_mm).double()
    crossings = ((drops.start_m[1] + fall * seconds) / drops.box_m[1]).floor()
    area = drops.box_m[0] * drops.box_m[2]
    water_m = (crossings * math.pi / 6 * (drops.diameter_mm.double() * 1e-3) ** 3 / area).sum().item()
    assert water_m * 1000 / seconds * 3600 == pytest.approx(50.0, rel=0.15)


def test_there_is_no_rain_where_none_falls():
    assert len(scatter(rain_rate_mm_h=0.0).diameter_mm) == 0
    assert len(streaks_at(scatter(rain_rate_mm_h=0.0), 0.3, 1 / 30).x0) == 0


def test_streaks_are_as_long_as_exposure_speed_and_distance_say():
    for exposure in (1 / 1000, 1 / 250, 1 / 60):
        streaks = streaks_at(scatter(exposure_s=exposure), 0.0, 1 / 30)
        length = torch.hypot(streaks.x1 - streaks.x0, streaks.y1 - streaks.y0)
        fall = length * streaks.z_m / (focal_px(VIEW, 320) * exposure)
        # No streak is longer or shorter than the fall of the largest or the smallest drop.
        assert fall.max() < 9.7
        assert fall.min() > 0.19
        assert 2.5 < fall.median() < 6.5
        torch.testing.assert_close(streaks.dy * exposure * 30, streaks.y1 - streaks.y0, rtol=1e-3, atol=2e-3)


def test_a_streak_covers_the_area_of_its_drop_whatever_the_exposure_and_the_focus():
    sharp, blurred = VIEW, dataclasses.replace(VIEW, aperture_mm=2.0, focus_m=8.0)
    totals = []
    for exposure, view in ((1 / 500, sharp), (1 / 120, sharp), (1 / 120, blurred)):
        s = streaks_at(scatter(exposure_s=exposure, view=view), 0.0, 1 / 30)
        far = s.z_m > 1.0
        length = torch.hypot(s.x1 - s.x0, s.y1 - s.y0).clamp(min=1)
        opacity = 1 - torch.exp(-s.thickness)
        totals.append((opacity * length * torch.sqrt(1 + 2 * math.pi * s.sigma_px**2))[far].mean())
    torch.testing.assert_close(torch.stack(totals), totals[0].expand(3), rtol=0.1, atol=0)


def test_opacity_of_a_two_millimetre_drop_is_that_of_the_literature():
    # d/(v·T) for D = 2 mm is 0.31 at 1 ms and 0.076 at 4 ms, where the drop is wider than a pixel.
    for exposure, expected in ((1e-3, 0.31), (4e-3, 0.076)):
        one = scatter(exposure_s=exposure)
        drops = dataclasses.replace(
            one,
            width=64_000,
            diameter_mm=torch.tensor([2.0]),
            width_mm=torch.tensor([2.0]),
            shadow_mm2=torch.tensor([math.pi]),
            fall_m_s=torch.tensor([6.55]),
            start_m=torch.tensor([[1.0], [1.0], [1.0]], dtype=torch.float64),
            box_m=torch.tensor([[2.0], [2.0], [4.0]], dtype=torch.float64),
            corner_m=torch.tensor([[-1.0], [-1.0], [1.0]], dtype=torch.float64),
            sideways_m_s=torch.zeros(2, 1),
            phase=torch.zeros(1),
        )
        opacity = 1 - torch.exp(-streaks_at(drops, 0.0, 1 / 30).thickness)
        # A disc's profile, π/4 as thick as a square's, blurred to a Gaussian of the same spread: 1.25 times at its centre.
        assert opacity.item() == pytest.approx(expected, rel=0.3)


def test_a_drop_is_one_displacement_further_on_in_the_next_frame():
    drops = scatter(wind_right_m_s=2.0, wind_towards_m_s=1.0, gust_m_s=1.0)
    before, after = place(drops, 0.5), place(drops, 0.5 + 1 / 30)
    _, (right, towards) = wind(drops, 0.5 + 1 / 60)
    way = after - before
    stayed = (way.abs() < drops.box_m / 2).all(0)
    assert stayed.float().mean() > 0.7
    fall = microphysics.terminal_velocity_m_s(drops.diameter_mm).double()
    torch.testing.assert_close(way[1, stayed], fall[stayed] / 30, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(way[0, stayed], torch.full_like(way[0, stayed], right / 30), rtol=2e-3, atol=0)
    torch.testing.assert_close(way[2, stayed], torch.full_like(way[2, stayed], -towards / 30), rtol=2e-3, atol=0)


def test_the_picture_of_a_drop_moves_by_what_its_streak_says():
    drops = scatter(rain_rate_mm_h=3.0)
    now, then = streaks_at(drops, 0.2, 1 / 60), streaks_at(drops, 0.2 + 1 / 60, 1 / 60)
    middle = ((now.x0 - 160).abs() < 60) & ((now.y0 - 120).abs() < 40)
    expected = torch.stack([now.x0 + now.dx, now.y0 + now.dy], 1)[middle]
    distance = torch.cdist(expected, torch.stack([then.x0, then.y0], 1), compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    assert len(expected) > 30
    assert distance.max() < 0.02


def test_the_density_stays_the_same_all_the_time_and_everywhere():
    drops = scatter(rain_rate_mm_h=30.0, wind_right_m_s=5.0, wind_towards_m_s=8.0)
    counts = torch.tensor([float(len(streaks_at(drops, t, 1 / 30).x0)) for t in (0.0, 1.0, 7.0, 1000.0)])
    assert (counts.max() - counts.min()) / counts.mean() < 0.06
    relative = (place(drops, 11.0) - drops.corner_m) / drops.box_m
    assert relative.mean(1).sub(0.5).abs().max() < 0.02


def test_wind_is_the_derivative_of_its_way():
    drops = scatter(wind_right_m_s=3.0, gust_m_s=2.0)
    step = 1e-4
    for seconds in (0.0, 0.7, 13.0):
        (before, _), (speed, _) = wind(drops, seconds)
        (after, _), _ = wind(drops, seconds + step)
        assert (after - before) / step == pytest.approx(speed, abs=1e-2)


def test_near_drops_are_few_large_and_out_of_focus():
    streaks = streaks_at(
        scatter(rain_rate_mm_h=50.0, view=dataclasses.replace(VIEW, aperture_mm=2.0, focus_m=8.0)), 0.0, 1 / 30
    )
    near = streaks.z_m < 1.0
    assert 0 < near.sum() < (~near).sum()
    assert streaks.sigma_px[near].median() > 2 * streaks.sigma_px[~near].median()


def test_drops_are_never_more_than_the_picture_can_show():
    heavy = scatter(rain_rate_mm_h=500.0)
    assert len(heavy.diameter_mm) <= 0.36 * 240 * 320
    assert microphysics.rain_rate_mm_h(heavy.diameter_mm, heavy.volume_m3) == pytest.approx(500, rel=0.15)


@pytest.mark.parametrize("towards", [10.0, -10.0])
def test_a_drop_in_a_wind_towards_the_camera_comes_nearer(towards):
    frame_s = 1 / 30
    one = dataclasses.replace(
        scatter(wind_towards_m_s=towards),
        diameter_mm=torch.tensor([2.0]),
        width_mm=torch.tensor([2.0]),
        shadow_mm2=torch.tensor([math.pi]),
        fall_m_s=torch.tensor([6.0]),
        start_m=torch.tensor([[1.2], [0.8], [4.0]], dtype=torch.float64),
        box_m=torch.tensor([[2.0], [2.0], [8.0]], dtype=torch.float64),
        corner_m=torch.tensor([[-1.0], [-1.0], [1.0]], dtype=torch.float64),
        sideways_m_s=torch.zeros(2, 1),
        phase=torch.zeros(1),
    )
    now, then = (streaks_at(one, frame * frame_s, frame_s) for frame in (0, 1))
    assert now.z_m.item() == pytest.approx(5.0)
    assert then.z_m.item() == pytest.approx(5.0 - towards * frame_s, abs=1e-5)
    assert (now.x0 + now.dx).item() == pytest.approx(then.x0.item(), abs=1e-3)
    assert (now.y0 + now.dy).item() == pytest.approx(then.y0.item(), abs=1e-3)
