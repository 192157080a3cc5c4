"""Rain over a clip: all layers as ground truth, and the rainy picture that a camera takes of them.

What is random is drawn once (`draw_scene`); every frame is then a function of the scene, its absolute number and the clean
frame, so that a clip can be rendered in chunks of any length (`render_frames`) and comes out the same bit for bit on a CPU.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rmfd_cli import physics
from rmfd_cli.physics import RainLayers
from rmfd_cli.rain import seeds
from rmfd_cli.rain.camera import photograph
from rmfd_cli.rain.depth import DepthPrior, draw_depth_prior, metric_depth_m
from rmfd_cli.rain.drops import Drops, scatter_drops, streaks_at
from rmfd_cli.rain.lens import LensDrops, draw_lens, look_through
from rmfd_cli.rain.light import drop_light, lamp_light, to_display, to_light
from rmfd_cli.rain.noise import Noise, noise_at, scatter_noise
from rmfd_cli.rain.raster import Drawn, Segments, draw
from rmfd_cli.rain.splashes import splashes_at
from rmfd_cli.rain.streaks import Streaks, painted_at, scatter_streaks
from rmfd_cli.rain.veil import VeilFields, draw_veil, veil_at
from rmfd_cli.rain.weather import PERFECT_CAMERA, Weather

MAX_OCCLUSION = 0.98
"""Drops keep a little of the background visible, so that the layers can always be inverted."""


@dataclass(frozen=True)
class Scene:
    """Everything random of one clip; made by `draw_scene`, the same for every frame."""

    weather: Weather
    height: int
    width: int
    frame_rate: float
    seed: int
    """Of what is new in every frame: scattered streaks, splashes, grain."""
    prior: DepthPrior
    veil: VeilFields
    streaks: tuple[Streaks, ...]
    noise: tuple[Noise, ...]
    drops: Drops | None
    lens: LensDrops | None
    device: torch.device


class Rendering(NamedTuple):
    """Consecutive frames of a rendered clip."""

    rainy: Tensor
    """`[T, 3, H, W]` in [0, 1], as the camera takes it."""
    clean: Tensor
    """`[T, 3, H, W]` in [0, 1], through the same camera."""
    layers: RainLayers
    """Before lens drops and camera, `[T, C, H, W]` (airlight `[1, 3, 1, 1]`), in the light that `weather.light` names."""
    motion: Tensor
    """`[T, 2, H, W]`: way of the streaks (right, down) to the next frame, in pixels; 0 where there are none."""


def draw_scene(
    weather: Weather, frames: int, height: int, width: int, generator: torch.Generator, frame_rate: float = 30.0
) -> Scene:
    """Draws what is random about a clip.

    Args:
        weather: what falls.
        frames: length of the clip, over which gusts and the veil's sheets unfold; 1 or more.
        height: H in pixels.
        width: W in pixels.
        generator: source of randomness, and the device to work on; the same seed gives the same rain.
        frame_rate: frames per second, for what is given in metres per second.
    """
    return Scene(
        weather,
        height,
        width,
        frame_rate,
        seed=int(torch.randint(2**62, (1,), generator=generator, device=generator.device)),
        prior=draw_depth_prior(weather.view, generator),
        veil=draw_veil(frames, frame_rate, generator),
        streaks=tuple(
            scatter_streaks(layer, frames, height, width, weather.gust_degrees, generator) for layer in weather.layers
        ),
        noise=tuple(scatter_noise(layer, height, width, generator) for layer in weather.noise),
        drops=scatter_drops(weather.particles, weather.view, height, width, generator) if weather.particles else None,
        lens=draw_lens(weather.lens, height, width, generator) if weather.lens else None,
        device=generator.device,
    )


def render_frames(
    clean_chunk: Tensor, scene: Scene, first: int, depth: Tensor | None = None, *, with_motion: bool = True
) -> Rendering:
    """Renders consecutive frames of a clip.

    Args:
        clean_chunk: background `[T, 3, H, W]` float32 in [0, 1], on the scene's device.
        scene: the clip's rain.
        first: absolute number of the chunk's first frame.
        depth: `[T, 1, H, W]` in metres, or None for a prior from the clean frames.
        with_motion: whether `Rendering.motion` is wanted; 0 everywhere if not.
    """
    count, _, height, width = clean_chunk.shape

    def empty(channels: int) -> Tensor:
        return torch.empty(count, channels, height, width, device=clean_chunk.device)

    layers = RainLayers(empty(1), _airlight(scene), empty(1), empty(3), empty(1), empty(3))
    whole = Rendering(empty(3), empty(3), layers, empty(2) if with_motion else torch.zeros(1, 2, 1, 1, device=scene.device))
    for k, clean in enumerate(clean_chunk):
        shot = _render_frame(clean, scene, first + k, None if depth is None else depth[k], layers.airlight[0], with_motion)
        whole.rainy[k], whole.clean[k] = shot.rainy, shot.clean
        for target, layer in zip(layers, shot.layers, strict=True):
            if target is not layers.airlight:
                target[k] = layer
        if with_motion:
            whole.motion[k] = shot.motion
    return whole._replace(motion=whole.motion.expand(count, 2, height, width))


def render(
    clean: Tensor, weather: Weather, generator: torch.Generator, *, frame_rate: float = 30.0, depth: Tensor | None = None
) -> tuple[Tensor, Tensor, RainLayers]:
    """A rainy clip as a camera sees it, the clean clip through the same camera, and the layers between.

    Args:
        clean: background `[T, 3, H, W]` float32 in [0, 1].
        weather: what falls and what the camera does.
        generator: source of randomness, on the clip's device.
        frame_rate: frames per second.
        depth: `[T, 1, H, W]` in metres, or None for a prior.

    Returns:
        rainy `[T, 3, H, W]`, clean `[T, 3, H, W]`, both in [0, 1], and the layers (before lens drops and camera, in the light
        that `weather.light` names).
    """
    frames, _, height, width = clean.shape
    scene = draw_scene(weather, frames, height, width, generator, frame_rate)
    rainy, target, layers, _ = render_frames(clean, scene, 0, depth, with_motion=False)
    return rainy, target, layers


def _render_frame(
    clean: Tensor, scene: Scene, frame: int, depth_m: Tensor | None, airlight: Tensor, with_motion: bool
) -> Rendering:
    """One frame; shapes as in `Rendering`, without T."""
    weather = scene.weather
    light = to_light(clean, weather.light)
    # The prior is good enough for a veil and for where the ground is; hiding streaks takes a depth map.
    scenery = depth_m
    if depth_m is None and (weather.splashes or weather.veil.extinction_per_m > 0):
        scenery = metric_depth_m(scene.prior, clean)
    transmission, flow = veil_at(weather.veil, scene.veil, scene.prior, clean, scenery, frame)
    glow = torch.tensor(weather.drop_glow, device=clean.device).view(3, 1, 1)
    covering = _thickness(scene, frame, depth_m, scenery, additive=False, with_motion=with_motion)
    added = _thickness(scene, frame, depth_m, scenery, additive=True, with_motion=with_motion)
    drop = drop_light(light, weather.sky_bias, weather.drop_gain, glow)
    if weather.lamp_gain > 0:
        drop = drop + weather.lamp_gain * lamp_light(light)
    layers = RainLayers(
        transmission=transmission,
        airlight=airlight,
        flow=flow * airlight.mean(),
        streaks=(1 - torch.exp(-added.thickness)) * glow,
        occlusion=(1 - torch.exp(-covering.thickness)).clamp(max=MAX_OCCLUSION),
        occluder=drop.clamp(0, 1),
    )
    rainy = to_display(physics.compose(light, layers), weather.light)
    if scene.lens is not None:
        rainy = look_through(scene.lens, rainy.clamp(0, 1), frame)
    if weather.camera == PERFECT_CAMERA:
        rainy, target = rainy.clamp(0, 1), clean.clamp(0, 1)
    else:
        grain = seeds.frame_generator(scene.seed, seeds.GRAIN, frame, clean.device)
        rainy, target = photograph(weather.camera, rainy, clean, grain)
    return Rendering(rainy, target, layers, _motion(covering, added, clean))


def _thickness(
    scene: Scene, frame: int, depth_m: Tensor | None, scenery_m: Tensor | None, *, additive: bool, with_motion: bool
) -> Drawn:
    """Optical thickness of everything in the air that adds light, or of everything that covers."""
    device, weather = scene.device, scene.weather
    parts = [
        painted_at(streaks, frame, scene.seed, seeds.STREAKS + seeds.STRIDE * k)
        for k, streaks in enumerate(scene.streaks)
        if streaks.layer.additive == additive
    ]
    if scene.drops is not None and not additive:
        frame_s = 1 / scene.frame_rate
        parts.append(streaks_at(scene.drops, frame * frame_s, frame_s))
        if weather.splashes is not None and scenery_m is not None:
            size = (scene.height, scene.width)
            particles = scene.drops.particles
            parts.append(splashes_at(weather.splashes, particles, weather.view, size, frame, frame_s, scenery_m[0], scene.seed))
    if parts:
        together = Segments(*(torch.cat(column) for column in zip(*parts, strict=True))) if len(parts) > 1 else parts[0]
        drawn = draw(together, scene.height, scene.width, None if depth_m is None else depth_m[0], with_motion=with_motion)
    else:
        drawn = Drawn(torch.zeros(1, scene.height, scene.width, device=device), None)
    thickness = drawn.thickness
    for k, noise in enumerate(scene.noise):
        if noise.layer.additive == additive:
            thickness = thickness + noise_at(noise, frame, scene.seed, seeds.NOISE + seeds.STRIDE * k, device)
    return Drawn(thickness, drawn.motion)


def _airlight(scene: Scene) -> Tensor:
    """`[1, 3, 1, 1]`, in the light that layers are composed in."""
    airlight = torch.tensor(scene.weather.veil.airlight, device=scene.device)
    return to_light(airlight, scene.weather.light).view(1, 3, 1, 1)


def _motion(covering: Drawn, added: Drawn, clean: Tensor) -> Tensor:
    """Mean way of what covers and what adds, `[2, H, W]`."""
    moving = [drawn for drawn in (covering, added) if drawn.motion is not None]
    if not moving:
        return torch.zeros_like(clean[:2])
    total = sum((drawn.thickness for drawn in moving), torch.zeros_like(clean[:1]))
    way = torch.zeros_like(clean[:2])
    for drawn in moving:
        if drawn.motion is not None:
            way = way + drawn.motion * drawn.thickness
    return way / total.clamp(min=1e-6)
