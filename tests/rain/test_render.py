"""Rain that is reproducible, layered, moving, the same in any chunks, and absent when there is none."""

import dataclasses

import numpy as np
import pytest
import torch

from rmfd_cli import physics
from rmfd_cli.rain.camera import compress
from rmfd_cli.rain.light import to_display, to_light
from rmfd_cli.rain.presets import PRESETS, preset
from rmfd_cli.rain.render import Rendering, draw_scene, render, render_frames
from rmfd_cli.rain.weather import CLEAR, DRY, PERFECT_CAMERA, Particles, Veil, View, Weather, sample_weather


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def clean() -> torch.Tensor:
    return torch.rand(4, 3, 40, 56, generator=generator(9)) * 0.8


def drops(**changes) -> Weather:
    particles = Particles(rain_rate_mm_h=60.0, exposure_s=1 / 500, opacity_gain=8.0)
    weather = dataclasses.replace(DRY, particles=particles, drop_gain=0.0, drop_glow=(1.0, 1.0, 1.0))
    return dataclasses.replace(weather, view=View(field_of_view_degrees=30.0), **changes)


def test_dry_weather_is_the_identity(clean):
    rainy, target, layers = render(clean, DRY, generator())
    assert torch.equal(rainy, clean)
    assert torch.equal(target, clean)
    assert torch.equal(physics.compose(clean, layers), clean)


def test_rain_of_no_millimetres_is_the_identity(clean):
    weather = preset("heavy", np.random.default_rng(0), rain_rate_mm_h=0.0)
    weather = dataclasses.replace(weather, camera=PERFECT_CAMERA)
    rainy, _, _ = render(clean, weather, generator())
    torch.testing.assert_close(rainy, clean, atol=1e-5, rtol=0)


@pytest.mark.parametrize("seed", range(8))
def test_the_same_seed_gives_the_same_rain_and_another_seed_other_rain(clean, seed):
    weather = sample_weather(np.random.default_rng(seed))
    assert weather == sample_weather(np.random.default_rng(seed))
    assert weather != sample_weather(np.random.default_rng(seed + 1))
    first, second = (render(clean, weather, generator(3))[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("seed", range(2))
def test_any_weather_composes_to_the_rainy_clip_and_inverts_to_the_clean_one(clean, name, seed):
    weather = preset(name, np.random.default_rng(seed))
    weather = dataclasses.replace(weather, camera=PERFECT_CAMERA, lens=None)
    rainy, _, layers = render(clean, weather, generator(seed))
    composed = physics.compose(to_light(clean, weather.light), layers)
    torch.testing.assert_close(rainy, to_display(composed, weather.light).clamp(0, 1), atol=1e-5, rtol=0)
    restored = to_display(physics.invert(composed, layers), weather.light)
    torch.testing.assert_close(restored, clean, atol=2e-3, rtol=0)
    assert layers.transmission.min() >= physics.T_MIN * 0.999
    assert layers.transmission.max() <= 1
    assert layers.occlusion.min() >= 0
    assert layers.occlusion.max() < 1


def assert_same(left: Rendering, right: Rendering) -> None:
    for name in ("rainy", "clean", "motion"):
        assert torch.equal(getattr(left, name), getattr(right, name)), name
    for name, one, other in zip(left.layers._fields, left.layers, right.layers, strict=True):
        assert torch.equal(one, other), name


@pytest.mark.parametrize("name", [*PRESETS, "random 1", "random 2", "random 3", "random 4"])
def test_a_clip_in_chunks_is_the_clip_in_one_bit_for_bit(name):
    name, _, seed = name.partition(" ")
    weather = preset(name, np.random.default_rng(int(seed or 0)))
    clean = torch.rand(4, 3, 37, 51, generator=generator(2))
    scene = draw_scene(weather, 4, 37, 51, generator(1), 25.0)
    whole = render_frames(clean, scene, 0)
    again = draw_scene(weather, 4, 37, 51, generator(1), 25.0)
    for first, last in ((2, 4), (0, 1), (1, 2)):
        part = render_frames(clean[first:last], again, first)
        cut = Rendering(
            whole.rainy[first:last],
            whole.clean[first:last],
            physics.RainLayers(*(x if len(x) == 1 else x[first:last] for x in whole.layers)),
            whole.motion[first:last],
        )
        assert_same(part, cut)


@pytest.mark.parametrize(("height", "width"), [(16, 17), (61, 128)])
@pytest.mark.parametrize("name", PRESETS)
def test_odd_sizes_and_extreme_rain_give_finite_pictures(name, height, width):
    # Painted rain has no metres and seconds.
    most = {} if name == "edited" else {"rain_rate_mm_h": 400.0, "exposure_s": 0.1, "wind_m_s": -40.0}
    weather = preset(name, np.random.default_rng(5), visibility_m=20.0, **most)
    clean = torch.rand(1, 3, height, width, generator=generator(4)).round()
    shot = render_frames(clean, draw_scene(weather, 10, height, width, generator(), 10.0), 1_000_000)
    for image in (shot.rainy, shot.clean, shot.motion, *shot.layers):
        assert torch.isfinite(image).all()
    assert shot.rainy.shape == (1, 3, height, width)
    assert shot.motion.shape == (1, 2, height, width)
    assert shot.rainy.min() >= 0
    assert shot.rainy.max() <= 1


def test_a_depth_map_hides_the_rain_behind_near_things_only(clean):
    weather = drops()
    scene = draw_scene(weather, 4, 40, 56, generator())
    depth = torch.full((4, 1, 40, 56), 500.0)
    depth[..., 28:] = 0.3
    with_map = render_frames(clean, scene, 0, depth).layers.occlusion
    without = render_frames(clean, scene, 0).layers.occlusion
    assert torch.equal(with_map[..., :24], without[..., :24])
    assert with_map[..., 34:].mean() < 0.2 * without[..., 34:].mean()
    assert without[..., 34:].mean() > 0.01


@pytest.mark.parametrize("visibility", [100.0, 500.0, 3000.0])
def test_transmission_is_that_of_the_visibility_over_the_depth(clean, visibility):
    veil = dataclasses.replace(CLEAR, extinction_per_m=3.912 / visibility)
    depth = torch.full((4, 1, 40, 56), 60.0)
    depth[:, :, 20:] = 20.0
    logs = []
    for seed in range(12):
        scene = draw_scene(dataclasses.replace(DRY, veil=veil), 4, 40, 56, generator(seed))
        logs.append(-torch.log(render_frames(clean, scene, 0, depth).layers.transmission).mean((0, 1, 3)))
    mean = torch.stack(logs).mean(0)
    # Sheets of rain make it thicker here and thinner there by 15 %.
    assert mean[:20].mean().item() == pytest.approx(min(3.912 * 60 / visibility, 3), rel=0.12)
    assert mean[20:].mean().item() == pytest.approx(3.912 * 20 / visibility, rel=0.12)


def test_transmission_follows_the_optical_depth_and_the_flow_has_no_mean(clean):
    for depth in (0.1, 0.5, 1.2):
        veil = Veil(optical_depth=depth, relief=0.0, airlight=(0.8, 0.8, 0.8), flow=0.02)
        layers = render(clean, dataclasses.replace(DRY, veil=veil), generator())[2]
        assert -torch.log(layers.transmission).mean().item() == pytest.approx(depth, rel=0.35)
        assert abs(layers.flow.mean().item()) < 2e-3


def test_drops_keep_falling_from_one_frame_to_the_next():
    weather = drops()
    still = torch.full((2, 3, 96, 64), 0.2)
    scene = draw_scene(weather, 2, 96, 64, generator(), 500.0)
    shot = render_frames(still, scene, 0)
    before, after = shot.layers.occlusion[:, 0]
    # At 500 frames per second the next frame is this one, moved down by the length of a streak.
    scores = [torch.corrcoef(torch.stack([before[: 96 - k].flatten(), after[k:].flatten()]))[0, 1].item() for k in range(12)]
    assert int(np.argmax(scores)) >= 1
    assert shot.motion[:, 1][shot.layers.occlusion[:, 0] > 0.05].median() > 0.5


def test_linear_light_makes_bright_drops_stand_out_more(clean):
    display, linear = (
        render(clean * 0.5, drops(light=light), generator(3))[0].sub(clean * 0.5).mean() for light in ("display", "linear")
    )
    assert linear > 1.15 * display


def test_lamps_light_the_drops_near_them_at_night():
    scene = torch.full((1, 3, 64, 96), 0.02)
    scene[:, :, 10:16, 8:14] = 1.0
    weather = drops(light="linear", lamp_gain=4.0, drop_glow=(0.0, 0.0, 0.0))
    _, _, layers = render(scene, weather, generator())
    assert layers.occluder[0, 0, 12, 20] > 0.1
    assert layers.occluder[0, 0, 12, 20] > 5 * layers.occluder[0, 0, 50, 80]


def test_splashes_burst_on_the_ground_only():
    wet = preset("violent", np.random.default_rng(1))
    assert wet.splashes is not None
    wet = dataclasses.replace(wet, splashes=dataclasses.replace(wet.splashes, share=1.0, opacity=0.9))
    still = torch.full((2, 3, 120, 160), 0.3)
    with_splashes, without = (
        render(still, weather, generator())[2].occlusion for weather in (wet, dataclasses.replace(wet, splashes=None))
    )
    more = (with_splashes - without).mean((0, 1, 3))
    horizon = int(wet.view.horizon * 120)
    assert more[: horizon - 5].abs().max() < 1e-6
    assert more[horizon:].max() > 1e-3


def test_a_drop_on_the_lens_shows_the_scene_upside_down():
    weather = preset("windshield", np.random.default_rng(2))
    assert weather.lens is not None
    lens = dataclasses.replace(weather.lens, drops=1, radius_px=120.0, running_px=0.0, blur=0.2)
    weather = dataclasses.replace(DRY, lens=lens)
    sky = torch.zeros(1, 3, 160, 160)
    sky[:, :, :80] = 0.9
    for seed in range(6):
        scene = draw_scene(weather, 1, 160, 160, generator(seed))
        shot = render_frames(sky, scene, 0)
        inside = scene.lens.resting.mask > 0.95
        rows = inside.any(1).nonzero()[:, 0]
        upper, lower = int(rows[len(rows) // 8]), int(rows[-len(rows) // 8])
        if len(rows) < 12 or rows[0] == 0 or rows[-1] == 159:
            continue
        assert shot.rainy[0, 0, lower][inside[lower]].mean() > shot.rainy[0, 0, upper][inside[upper]].mean() + 0.3
        return
    pytest.fail("no drop lies wholly inside the frame")


def test_compression_hurts_more_at_lower_quality_and_keeps_odd_sizes(clean):
    odd = torch.nn.functional.avg_pool2d(clean, 5, stride=1, padding=2)[..., :37, :51]
    errors = [(compress(odd, quality) - odd).square().mean().item() for quality in (95, 70, 30)]
    assert compress(odd, 70).shape == odd.shape
    assert errors == sorted(errors)
    assert errors[0] < errors[2] / 1.5
