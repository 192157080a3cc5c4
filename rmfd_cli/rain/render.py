"""Rain over a clip: all layers as ground truth, and the rainy picture that a camera takes of them."""

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli import physics
from rmfd_cli.physics import RainLayers
from rmfd_cli.rain.camera import photograph
from rmfd_cli.rain.streaks import draw_streaks
from rmfd_cli.rain.veil import draw_veil
from rmfd_cli.rain.weather import Weather

MAX_OCCLUSION = 0.98
"""Drops keep a little of the background visible, so that the layers can always be inverted."""


def render_layers(clean: Tensor, weather: Weather, generator: torch.Generator) -> RainLayers:
    """The independent layers of rain over a clip; `physics.compose(clean, layers)` is the rainy clip.

    Args:
        clean: background `[T, 3, H, W]` float32 in [0, 1].
        weather: what falls.
        generator: source of randomness, on the clip's device; the same seed gives the same rain.

    Returns:
        Layers of shape `[T, 1 or 3, H, W]` (airlight `[1, 3, 1, 1]`).
    """
    frames, _, height, width = clean.shape
    transmission, airlight, flow = draw_veil(weather.veil, clean, generator)
    added = torch.zeros(frames, 1, height, width, device=clean.device)
    covering = torch.zeros_like(added)
    for layer in weather.layers:
        thickness = draw_streaks(layer, frames, height, width, gust_degrees=weather.gust_degrees, generator=generator)
        if layer.additive:
            added = added + thickness
        else:
            covering = covering + thickness
    glow = torch.tensor(weather.drop_glow, device=clean.device).view(1, 3, 1, 1)
    surroundings = F.interpolate(F.adaptive_avg_pool2d(clean, 6), size=(height, width), mode="bilinear")
    drop = (glow + weather.drop_gain * surroundings).clamp(0, 1)
    return RainLayers(
        transmission=transmission,
        airlight=airlight,
        flow=flow,
        streaks=(1 - torch.exp(-added)) * glow,
        occlusion=(1 - torch.exp(-covering)).clamp(max=MAX_OCCLUSION),
        occluder=drop,
    )


def render(clean: Tensor, weather: Weather, generator: torch.Generator) -> tuple[Tensor, Tensor, RainLayers]:
    """A rainy clip as a camera sees it, the clean clip through the same camera, and the layers between.

    Args:
        clean: background `[T, 3, H, W]` float32 in [0, 1].
        weather: what falls and what the camera does.
        generator: source of randomness, on the clip's device.

    Returns:
        rainy `[T, 3, H, W]`, clean `[T, 3, H, W]`, both in [0, 1], and the layers (before the camera).
    """
    layers = render_layers(clean, weather, generator)
    rainy, target = photograph(weather.camera, physics.compose(clean, layers), clean, generator)
    return rainy, target, layers
