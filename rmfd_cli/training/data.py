"""What a training step sees: random pieces of clean clips, rained on as they are drawn."""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from rmfd_cli.model.flow import flows_of_scene, luma_for_flow
from rmfd_cli.model.image import split
from rmfd_cli.rain.camera import photograph
from rmfd_cli.rain.elements import CLEAR, PERFECT_CAMERA, Coder
from rmfd_cli.rain.render import render
from rmfd_cli.rain.styles import sample_camera
from rmfd_cli.rain.weather import Weather, sample_weather
from rmfd_cli.training.clips import Clip
from rmfd_cli.training.packed import Packed, pack, stack, to_bytes, to_numbers
from rmfd_cli.video.codec import recompress

FREEZES = 0.04
"""Share of the clips where the camera has dropped a frame and shows the one before it twice."""


def draw_clip(clips: Sequence[Clip], rng: np.random.Generator, frames: int, crop_px: int) -> Tensor:
    """A random piece of a random clip: place, scale, pace, mirror image, brightness.

    Never flipped upside down, since rain falls, and never reversed, since drops do not rise.

    Returns:
        `[T, 3, crop, crop]` float32 in [0, 1].
    """
    clip = clips[int(rng.integers(len(clips)))]
    pace = 2 if rng.random() < 0.25 else 1
    start = int(rng.integers(max(1, len(clip) - (frames - 1) * pace)))
    index = np.minimum(start + pace * np.arange(frames), len(clip) - 1)
    height, width = clip.shape[1:3]
    source_px = int(min(crop_px * np.exp(rng.uniform(np.log(0.7), np.log(2.2))), height, width))
    top, left = int(rng.integers(height - source_px + 1)), int(rng.integers(width - source_px + 1))
    piece = clip[index, top : top + source_px, left : left + source_px]
    shrink = cv2.INTER_AREA if source_px > crop_px else cv2.INTER_CUBIC
    piece = np.stack([cv2.resize(frame, (crop_px, crop_px), interpolation=shrink) for frame in piece])
    if rng.random() < 0.35:
        piece = _put_up_posts(piece, rng)
    if rng.random() < 0.5:
        piece = piece[:, :, ::-1]
    clean = to_numbers(torch.from_numpy(np.ascontiguousarray(piece)).permute(0, 3, 1, 2))
    if rng.random() < 0.3:
        clean = clean.pow(float(rng.uniform(0.7, 1.6))) * float(rng.uniform(0.6, 1.0))
    return clean.contiguous()


def _put_up_posts(piece: Clip, rng: np.random.Generator) -> Clip:
    """Thin straight things that pass by in front of the scene: lamp posts, railings, wires.

    They look like streaks and may move unlike their surroundings, so that alignment misses them; unlike streaks they stay from
    frame to frame. Without them a network learns to erase every thin bright line.
    """
    frames, height, width, _ = piece.shape
    piece = piece.copy()
    fraction = 4  # bits of sub-pixel position that OpenCV takes
    for _ in range(int(rng.integers(1, 5))):
        upright = rng.random() < 0.75
        lean = rng.normal(0, 0.08)
        direction = np.array([lean, 1.0] if upright else [1.0, lean])
        centre = rng.uniform(0, 1, 2) * (width, height)
        reach = direction * np.exp(rng.uniform(np.log(12), np.log(2 * height)))
        speed = rng.normal(0, 1, 2) * np.exp(rng.uniform(np.log(0.02), np.log(10)))
        if upright:
            speed[1] *= 0.2
        colour = np.clip(rng.uniform(20, 250) + rng.normal(0, 15, 3), 0, 255).tolist()
        thickness = int(rng.integers(1, 5))
        for t in range(frames):
            start, end = (
                tuple(np.round((centre + speed * t + side * reach / 2) * 2**fraction).astype(int).tolist()) for side in (-1, 1)
            )
            cv2.line(piece[t], start, end, colour, thickness, cv2.LINE_AA, fraction)
    return piece


def draw_batch(clips: Sequence[Clip], seed: int, number: int, *, size: int, frames: int, crop_px: int) -> Packed:
    """A batch of training; it depends on nothing but its arguments, so that training resumes exactly.

    Args:
        clips: clean clips to draw from.
        seed: of the whole training run.
        number: of the batch.
        size: clips per batch.
        frames: frames per clip.
        crop_px: height and width of the pieces.
    """
    return stack(
        [
            rain_on(draw_clip(clips, rng, frames, crop_px), rng)
            for rng in (np.random.default_rng([seed, number, k]) for k in range(size))
        ]
    )


def draw_clean(clips: Sequence[Clip], seed: int, number: int, *, size: int, frames: int, crop_px: int) -> Tensor:
    """Pieces of clean clips through a camera, as the truth of a rainy clip is, but of other scenes; as `draw_batch` draws.

    Returns:
        `[size, frames, 3, crop, crop]` uint8.
    """
    drawn = []
    for rng in (np.random.default_rng([seed, number, k, 4]) for k in range(size)):
        clean, camera = draw_clip(clips, rng, frames, crop_px), sample_camera(rng)
        generator = torch.Generator(clean.device).manual_seed(int(rng.integers(2**62)))
        grainy = torch.stack([photograph(camera, frame, frame, generator)[1] for frame in clean])
        drawn.append(to_bytes(grainy[_shown(frames, rng)]))
    return torch.stack(drawn)


def rain_on(clean: Tensor, rng: np.random.Generator) -> Packed:
    """Random weather over one clean clip `[T, 3, H, W]`, as a batch without its first dimension."""
    return weather_on(clean, sample_weather(rng), rng)


def weather_on(clean: Tensor, weather: Weather, rng: np.random.Generator) -> Packed:
    """The same with the weather given, and what is random of it left."""
    generator = torch.Generator(clean.device).manual_seed(int(rng.integers(2**62)))
    if not weather.rains:
        # Haze without rain belongs to the scene: the network is asked to leave it.
        haze = dataclasses.replace(weather.veil, flow=0.0)
        clean, _, _ = render(clean, dataclasses.replace(weather, camera=PERFECT_CAMERA, veil=haze), generator)
        weather = dataclasses.replace(weather, veil=CLEAR)
    rainy, target, layers = render(clean, weather, generator)
    if weather.camera.coder is not None:
        rainy = _coded(rainy, weather.camera.coder)
    shown = _shown(len(clean), rng)
    rainy, target, transmission, flow = (x[shown] for x in (rainy, target, layers.transmission, layers.flow))
    return pack(rainy, target, (transmission, layers.airlight, flow), clip_flows(rainy))


def _shown(frames: int, rng: np.random.Generator) -> Tensor:
    """Which frames a clip shows, `[T]`: each once, or now and then one twice and the next not at all."""
    shown = torch.arange(frames)
    if rng.random() < FREEZES:
        shown[frames // 2] = shown[frames // 2 - 1]
    return shown


def _coded(rainy: Tensor, coder: Coder) -> Tensor:
    """A clip `[T, 3, H, W]` as it comes out of the camera's coder."""
    pictures = to_bytes(rainy).permute(0, 2, 3, 1).cpu().numpy()
    coded = np.stack(list(recompress(iter(pictures), coder.codec, coder.crf, frame_rate=30)))
    return to_numbers(torch.from_numpy(coded).permute(0, 3, 1, 2).contiguous()).to(rainy.device)


def clip_flows(rainy: Tensor) -> tuple[Tensor, Tensor]:
    """Flows of every frame of `[T, 3, H, W]` to the frame before and after it, as in `Packed`; zero where there is none."""
    lumas = [luma_for_flow(luma) for luma in split(rainy)[0][:, 0].cpu().numpy()]
    to_previous, to_following = (torch.from_numpy(np.stack(flows)).to(rainy.device) for flows in flows_of_scene(lumas))
    return to_previous, to_following
