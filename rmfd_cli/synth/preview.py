"""A contact sheet: what a request would make of a few clips, to be looked at before a long run."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmfd_cli.errors import InputError, RmfdError
from rmfd_cli.files import write_output
from rmfd_cli.rain.render import Rendering, render_frames
from rmfd_cli.synth.depth import depth_maps
from rmfd_cli.synth.frames import Survey, brightest_of, frame_rate, read_pictures
from rmfd_cli.synth.plan import Job
from rmfd_cli.synth.variant import sample, through_coder, to_pictures, to_tensor
from rmfd_cli.video.reader import VideoReader

CLIPS = 3
AMPLIFIED = 4
"""Streaks and drops are shown this much stronger than they are, so that faint ones are seen."""
FLOW_AMPLIFIED = 10
"""The flow is faint; it is shown around middle grey."""
_MOTION_PX = 80
"""Way per frame at which the colour of the motion is full."""
_SHOWN_FRAME = 4
_TILE_PX = (640, 480)
"""Larger frames are cut to their middle and not scaled down: thin streaks would vanish."""
_LABEL_PX = 24


def write_preview(jobs: Sequence[Job], path: Path) -> list[str]:
    """Write one row of pictures for the first variant of each of the first clips that can be read.

    The rain is that of the data set itself where headers tell the true number of frames, and like it elsewhere; the rainy
    picture has gone through the camera's coder with those before it.

    Args:
        jobs: The plan.
        path: The PNG file to write; one that exists is replaced once the new one is complete.

    Returns:
        What could not be shown and why, one line each.

    Raises:
        InputError: None of the clips can be read.
        OutputError: The file cannot be written.
    """
    rows: list[NDArray[np.uint8]] = []
    failures: list[str] = []
    for job in (job for job in jobs if job.variant == 0):
        if len(rows) == CLIPS:
            break
        try:
            rows.append(_row(job))
        except RmfdError as error:
            failures.append(str(error))
    if not rows:
        raise InputError(f"none of the clips can be shown; {failures[0]}")
    write_output(path, _as_png(np.concatenate(rows)))
    return failures


def _as_png(picture: NDArray[np.uint8]) -> bytes:
    _, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    return data.tobytes()


def _row(job: Job) -> NDArray[np.uint8]:
    frames = _estimated_frames(job)
    pictures = list(islice(read_pictures(job.clip, job.request.size_px), min(frames, _SHOWN_FRAME + 1)))
    if not pictures:
        raise InputError(f"{job.clip.path}: holds no picture")
    height, width, _ = pictures[0].shape
    known = Survey(max(frames, len(pictures)), (width, height), frame_rate(job.clip), brightest_of(pictures[0]))
    weather, scene = sample(job, known)
    coder = weather.camera.coder
    code = through_coder(coder, known.frame_rate)
    maps = None
    if job.request.depth_dir is not None:
        maps = depth_maps(Path(job.request.depth_dir), job.clip.name, known.size_px)
    for index, picture in enumerate(pictures):
        depth = None if maps is None else torch.from_numpy(next(maps))[None, None]
        # What is shown of one frame depends on those before it only by the coder.
        if coder is None and index < len(pictures) - 1:
            continue
        with torch.inference_mode():
            rendering = render_frames(to_tensor([picture]), scene, index, depth, with_motion=True)
        (coded,) = code(to_pictures(rendering.rainy))
    rainy = ("rainy" if coder is None else f"rainy, {coder.codec} crf {coder.crf}", to_tensor([coded]))
    panels = [(f"{job.clip.name}, {job.request.preset}", to_tensor(pictures[-1:])), *_layer_panels(rendering), rainy]
    return np.concatenate([_tile(panel, label) for label, panel in panels], axis=1)


def _layer_panels(rendering: Rendering) -> list[tuple[str, Tensor]]:
    layers = rendering.layers
    return [
        (f"streaks x{AMPLIFIED}", AMPLIFIED * layers.streaks),
        (f"occlusion x{AMPLIFIED}", AMPLIFIED * layers.occlusion),
        ("colour of the drops", layers.occluder),
        ("airlight", layers.airlight.expand_as(layers.occluder)),
        ("transmission", layers.transmission),
        (f"flow x{FLOW_AMPLIFIED}", 0.5 + FLOW_AMPLIFIED * layers.flow),
        (f"motion, {_MOTION_PX} px full", 0.5 + torch.cat([rendering.motion, 0 * layers.flow], 1) / (2 * _MOTION_PX)),
    ]


def _tile(panel: Tensor, label: str) -> NDArray[np.uint8]:
    picture = to_pictures(panel.expand(1, 3, *panel.shape[-2:]))[0]
    height, width, _ = picture.shape
    left, top = max(0, (width - _TILE_PX[0]) // 2), max(0, (height - _TILE_PX[1]) // 2)
    middle = picture[top : top + _TILE_PX[1], left : left + _TILE_PX[0]]
    tile = np.zeros((_LABEL_PX + middle.shape[0], _TILE_PX[0], 3), np.uint8)
    tile[_LABEL_PX:, : middle.shape[1]] = middle
    # OpenCV's letters are those of ASCII.
    text = label.encode("ascii", "replace").decode()
    cv2.putText(tile, text, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


def _estimated_frames(job: Job) -> int:
    if job.clip.frames:
        frames = len(job.clip.frames)
    else:
        with VideoReader(job.clip.path) as video:
            frames = video.info.frame_count_estimate or _SHOWN_FRAME + 1
    return min(frames, job.request.frames or frames)
