"""Makes the pictures of docs/rain-model.md: one frame under every preset of one kind of weather, and the layers of one of them.

python examples/make_rain_pictures.py CLEAN_CLIP docs/images
"""

import argparse
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli import physics
from rmfd_cli.rain.light import to_display, to_light
from rmfd_cli.rain.presets import PRESETS, preset
from rmfd_cli.rain.render import Rendering, draw_scene, render_frames
from rmfd_cli.video.reader import VideoReader

SIZE_PX = (360, 640)
FRAME = 12
SEED = 4
AMPLIFIED, FLOW_AMPLIFIED = 4, 10


def main() -> None:
    """Renders, labels, writes two JPEG files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("target", type=Path, help="folder for presets.jpg and layers.jpg")
    arguments = parser.parse_args()
    with VideoReader(str(arguments.clip)) as reader:
        picture = next(islice(iter(reader), FRAME, None)).rgb
    clean = F.interpolate(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255, SIZE_PX, mode="area")
    # Those two are many kinds of weather each.
    names = [name for name in PRESETS if name not in ("random", "edited")]
    shown = [("clean", clean)] + [(name, rain_on(clean, name)[1].rainy) for name in names]
    write(arguments.target / "presets.jpg", shown)
    light, rendering = rain_on(clean, "violent")
    layers = rendering.layers
    linear = to_light(clean, light)
    hazy = to_display(physics.add_veil(linear, layers.transmission, layers.airlight, layers.flow), light)
    panels = [
        ("B, clean background", clean),
        ("T, transmission", layers.transmission),
        (f"U, accumulation flow, x{FLOW_AMPLIFIED}", 0.5 + FLOW_AMPLIFIED * layers.flow),
        ("H, hazy", hazy),
        (f"alpha, occlusion, x{AMPLIFIED}", AMPLIFIED * layers.occlusion),
        ("L, colour of the drops", to_display(layers.occluder, light)),
        ("O, as the camera sees it", rendering.rainy),
        ("way of the streaks", way(rendering)),
    ]
    write(arguments.target / "layers.jpg", panels)


def rain_on(clean: Tensor, name: str) -> tuple[str, Rendering]:
    """The light that a preset composes in, and one frame of it."""
    weather = preset(name, np.random.default_rng(SEED))
    scene = draw_scene(weather, 30, *SIZE_PX, torch.Generator().manual_seed(SEED))
    return weather.light, render_frames(clean, scene, FRAME)


def way(rendering: Rendering) -> Tensor:
    """Motion as colour: red to the right, green down, both around middle grey at 80 pixels per frame."""
    flow = rendering.motion / 160
    return torch.cat([0.5 + flow, torch.full_like(flow[:, :1], 0.5)], 1) * (rendering.layers.occlusion > 0.002)


def write(path: Path, panels: list[tuple[str, Tensor]]) -> None:
    """Two columns of labelled pictures."""
    tiles = [tile(label, panel) for label, panel in panels]
    rows = [np.concatenate(tiles[k : k + 2], axis=1) for k in range(0, len(tiles), 2)]
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(path), sheet, [cv2.IMWRITE_JPEG_QUALITY, 80])


def tile(label: str, panel: Tensor) -> NDArray[np.uint8]:
    """A panel `[1, C, H, W]` with its label on a black bar."""
    values = panel.expand(1, 3, *SIZE_PX)[0].permute(1, 2, 0).clamp(0, 1).numpy()
    picture = np.zeros((SIZE_PX[0] + 24, SIZE_PX[1], 3), np.uint8)
    picture[24:] = np.round(values * 255)
    cv2.putText(picture, label, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return picture


if __name__ == "__main__":
    main()
