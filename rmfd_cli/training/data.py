"""What a training step sees: random pieces of clean clips, rained on as they are drawn."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from rmfd_cli import physics
from rmfd_cli.model.flow import enlarge_flow, estimate_flow, luma_for_flow, reverse_flow
from rmfd_cli.model.image import split
from rmfd_cli.rain.camera import photograph
from rmfd_cli.rain.elements import CLEAR, PERFECT_CAMERA, Coder
from rmfd_cli.rain.render import render
from rmfd_cli.rain.styles import sample_camera
from rmfd_cli.rain.weather import sample_weather
from rmfd_cli.training.clips import Clip
from rmfd_cli.video.codec import recompress

FREEZES = 0.04
"""Share of the clips where the camera has dropped a frame and shows the one before it twice."""


class Batch(NamedTuple):
    """Rainy clips with their ground truth, `[B, T, C, H, W]` float32 in [0, 1]."""

    rainy: Tensor
    clean: Tensor
    """B as the same camera takes it without rain."""
    hazy: Tensor
    """H: what is left of `rainy` once streaks and drops are gone."""
    transmission: Tensor
    airlight: Tensor
    """A, `[B, 1, 3, 1, 1]`."""
    flow: Tensor
    """U, one channel."""
    to_previous: Tensor
    to_following: Tensor
    """`[B, T, H, W, 2]`, estimated on the rainy frames as at inference; zero at the ends of the clip."""
    clean_known: Tensor = torch.ones(1, 1, 1, 1)
    """`[B, 1, 1, 1, 1]`: 1 where `clean` is ground truth, 0 where mere filling."""
    veil_known: Tensor = torch.ones(1, 1, 1, 1)
    """The same of `transmission`, `airlight` and `flow`."""
    hazy_known: Tensor = torch.ones(1, 1, 1, 1)
    """The same of `hazy`, `[B, T or 1, 1, H or 1, W or 1]`."""

    def part(self, frames: range) -> "Batch":
        """Some frames of the same clips; what is one for the whole clip stays."""
        return Batch(*(x[:, frames.start : frames.stop] if x.shape[1] > 1 else x for x in self))

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(*(x.to(device, non_blocking=True) for x in self))


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
    clean = torch.from_numpy(np.ascontiguousarray(piece)).permute(0, 3, 1, 2).float() / 255
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


def draw_batch(clips: Sequence[Clip], seed: int, number: int, *, size: int, frames: int, crop_px: int) -> Batch:
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
        `[size, frames, 3, crop, crop]` float32 in [0, 1].
    """
    drawn = []
    for rng in (np.random.default_rng([seed, number, k, 4]) for k in range(size)):
        clean, camera = draw_clip(clips, rng, frames, crop_px), sample_camera(rng)
        generator = torch.Generator(clean.device).manual_seed(int(rng.integers(2**62)))
        grainy = torch.stack([photograph(camera, frame, frame, generator)[1] for frame in clean])
        drawn.append(grainy[_shown(frames, rng)])
    return torch.stack(drawn)


def rain_on(clean: Tensor, rng: np.random.Generator) -> Batch:
    """Random weather over one clean clip `[T, 3, H, W]`, as a batch without its first dimension."""
    weather = sample_weather(rng)
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
    hazy = physics.add_veil(target, transmission, layers.airlight, flow)
    to_previous, to_following = clip_flows(rainy)
    return Batch(rainy, target, hazy, transmission, layers.airlight, flow, to_previous, to_following)


def _shown(frames: int, rng: np.random.Generator) -> Tensor:
    """Which frames a clip shows, `[T]`: each once, or now and then one twice and the next not at all."""
    shown = torch.arange(frames)
    if rng.random() < FREEZES:
        shown[frames // 2] = shown[frames // 2 - 1]
    return shown


def _coded(rainy: Tensor, coder: Coder) -> Tensor:
    """A clip `[T, 3, H, W]` as it comes out of the camera's coder."""
    pictures = (rainy * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    coded = np.stack(list(recompress(iter(pictures), coder.codec, coder.crf, frame_rate=30)))
    return (torch.from_numpy(coded).permute(0, 3, 1, 2).float() / 255).contiguous().to(rainy.device)


def clip_flows(rainy: Tensor) -> tuple[Tensor, Tensor]:
    """Flows of every frame of `[T, 3, H, W]` to the frame before and after it; zero where there is none."""
    lumas = [luma_for_flow(luma) for luma in split(rainy)[0][:, 0].cpu().numpy()]
    onwards = [estimate_flow(before, after) for before, after in itertools.pairwise(lumas)]
    still = np.zeros((*lumas[0].shape, 2), np.float32)
    size = (rainy.shape[-2], rainy.shape[-1])
    to_previous, to_following = (
        torch.from_numpy(np.stack([enlarge_flow(flow, size) for flow in flows])).to(rainy.device)
        for flows in ([still, *map(reverse_flow, onwards)], [*onwards, still])
    )
    return to_previous, to_following


def stack(clips: list[Batch]) -> Batch:
    """Several clips, as batches without their first dimension, to one batch."""
    return Batch(*(torch.stack(column) for column in zip(*clips, strict=True)))


def concatenate(batches: list[Batch]) -> Batch:
    """Several batches to one; what one has but once for all frames or pixels is repeated where another has it for each."""
    columns = []
    for column in zip(*batches, strict=True):
        sizes = [max(lengths) for lengths in zip(*(x.shape[1:] for x in column), strict=True)]
        columns.append(torch.cat([x.expand(-1, *sizes) for x in column]))
    return Batch(*columns)
