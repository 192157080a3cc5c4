"""Light: the curve between a file's values and radiance, and what light a drop shows."""

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.rain.elements import Light
from rmfd_cli.rain.fields import enlarge

_CELLS = 6
"""The scene as a drop shows it has this many cells across: a drop takes in 165° of the world and shrinks it to a few pixels."""


def to_light(image: Tensor, light: Light) -> Tensor:
    """Display-referred values to the light that layers are composed in: themselves, or sRGB-decoded (IEC 61966-2-1)."""
    if light == "display":
        return image
    return torch.where(image <= 0.04045, image / 12.92, ((image.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def to_display(image: Tensor, light: Light) -> Tensor:
    """Undoes `to_light`; below black stays linear, above white goes on with the curve."""
    if light == "display":
        return image
    return torch.where(image <= 0.0031308, image * 12.92, 1.055 * image.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def drop_light(scene: Tensor, sky_bias: float, gain: float, glow: Tensor) -> Tensor:
    """The light that a drop shows: its view of the scene times a gain, plus a glow.

    A drop is a fisheye lens that turns 165° of the world upside down and hardly depends on what lies behind it (Garg and Nayar,
    "Photometric model of a rain drop", 2003; 94 % of its light comes from that view in Halder et al., ICCV 2019). The world
    beside the frame is not known; its upper rim stands for the sky over it.

    Args:
        scene: `[3, H, W]` in the light that layers are composed in.
        sky_bias: 0 is the blurred scene behind the drop, 1 the upside-down scene with the sky over it.
        gain: how much of the scene's light a drop shows.
        glow: `[3, 1, 1]`, light besides.

    Returns:
        `[3, H, W]`.
    """
    cells = F.adaptive_avg_pool2d(scene[None], _CELLS)
    if sky_bias > 0:
        sky = cells[:, :, :1].amax(dim=3, keepdim=True)
        world = 0.35 * cells.flip(2) + 0.15 * cells.mean(dim=(2, 3), keepdim=True) + 0.5 * sky
        cells = torch.lerp(cells, world, sky_bias)
    return enlarge(gain * cells[0] + glow, scene.shape[1], scene.shape[2], corners=False)


def lamp_light(scene: Tensor) -> Tensor:
    """Light of the lamps in view as it falls on drops near their line of sight: a wide blur of the frame's bright parts.

    At night a drop shows mainly what shines: headlights and street lamps behind or beside it, scattered forwards.

    Args:
        scene: `[3, H, W]`, linear.

    Returns:
        `[3, H, W]`; 0 where nothing bright is near.
    """
    *_, height, width = scene.shape
    bright = (scene - 0.25).clamp(min=0)
    cells = F.adaptive_avg_pool2d(bright[None], (max(2, height // 16), max(2, width // 16)))
    near = F.avg_pool2d(F.avg_pool2d(cells, 3, 1, 1, count_include_pad=False), 3, 1, 1, count_include_pad=False)
    far = F.interpolate(F.adaptive_avg_pool2d(cells, 4), size=cells.shape[2:], mode="bilinear")
    return F.interpolate(near + far, size=(height, width), mode="bilinear")[0]
