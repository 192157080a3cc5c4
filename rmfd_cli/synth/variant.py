"""One variant of one clip, rendered into a folder of its own: pictures, layers, and what was sampled."""

import dataclasses
import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rmfd_cli import __version__
from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.rain.elements import Coder
from rmfd_cli.rain.presets import preset
from rmfd_cli.rain.render import Rendering, Scene, draw_scene, render_frames
from rmfd_cli.rain.weather import Weather, lit_by
from rmfd_cli.synth.depth import depth_maps
from rmfd_cli.synth.frames import Survey, read_pictures, survey
from rmfd_cli.synth.identity import file_sha256, identify
from rmfd_cli.synth.layers import SCALES, by_stream, streams_of, to_codes
from rmfd_cli.synth.layouts import place, stream_path
from rmfd_cli.synth.plan import Job
from rmfd_cli.synth.request import SynthRequest, recorded
from rmfd_cli.synth.storage import Write, stream_writer
from rmfd_cli.video.codec import recompress

SCHEMA = 1
"""Of `metadata.json`; a reader refuses what it does not know."""
_CHUNK_FRAMES = 2
"""Frames that are rendered together: more take memory and save no time."""


class Sampled(NamedTuple):
    """What a job's seed becomes."""

    weather: Weather
    scene: Scene


def draw_weather(asked: SynthRequest, rng: np.random.Generator) -> Weather:
    """The weather that a request asks for.

    Raises:
        UsageError: There is no such preset, or a number is out of its range.
    """
    return preset(
        asked.preset,
        rng,
        rain_rate_mm_h=asked.rain_rate_mm_h,
        visibility_m=asked.visibility_m,
        wind_m_s=asked.wind_m_s,
        exposure_s=asked.exposure_s,
    )


def sample(job: Job, known: Survey) -> Sampled:
    """The weather of a job, and everything random in it."""
    rng = np.random.default_rng(job.seed)
    weather = lit_by(draw_weather(job.request, rng), known.brightest)
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    width, height = known.size_px
    return Sampled(weather, draw_scene(weather, known.frames, height, width, generator, float(known.frame_rate)))


def stored_streams(job: Job) -> tuple[str, ...]:
    """What is stored of a variant: always `rainy` and `clean`, then what belongs to its layers."""
    return ("rainy", "clean", *streams_of(job.request.stored_layers))


def make_variant(job: Job, folder: Path, on_frames: Callable[[int], None]) -> None:
    """Render a variant below a folder, at the same relative places as in the data set, the metadata last.

    Args:
        job: What to make.
        folder: An empty folder.
        on_frames: Called with the number of frames that have become ready.

    Raises:
        InputError: The clip or its depth maps cannot be used.
        OutputError: The disk is full or the place cannot be written to.
    """
    known = survey(job.clip, job.request.frames, job.request.size_px)
    sampled = sample(job, known)
    streams, layout = stored_streams(job), job.request.format
    clipped: Counter[str] = Counter()
    with ExitStack() as open_streams:
        writers = {
            stream: open_streams.enter_context(
                stream_writer(folder / stream_path(job, stream, layout), stream, layout, known.size_px, known.frame_rate)
            )
            for stream in streams
        }
        coded = through_coder(sampled.weather.camera.coder, known.frame_rate)
        for pictures, rendering in render_clip(job, known, sampled.scene):
            _store(writers, pictures, coded(to_pictures(rendering.rainy)), rendering, clipped)
            on_frames(len(pictures))
    metadata = _metadata(job, known, sampled, folder, clipped)
    path = folder / place(job, streams, layout).metadata
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(metadata, indent=1) + "\n", "ascii")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def render_clip(job: Job, known: Survey, scene: Scene) -> Iterator[tuple[list[NDArray[np.uint8]], Rendering]]:
    """A few frames at a time: the pictures, and rain over them.

    Raises:
        InputError: The clip or its depth maps cannot be used.
    """
    pictures = islice(read_pictures(job.clip, job.request.size_px), known.frames)
    with_motion = "motion" in job.request.stored_layers
    maps = None
    if job.request.depth_dir is not None:
        maps = depth_maps(Path(job.request.depth_dir), job.clip.name, known.size_px)
    first = 0
    while chunk := list(islice(pictures, _CHUNK_FRAMES)):
        depth = None if maps is None else torch.from_numpy(np.stack([next(maps) for _ in chunk])[:, None])
        with torch.inference_mode():
            yield chunk, render_frames(to_tensor(chunk), scene, first, depth, with_motion=with_motion)
        first += len(chunk)
    if first != known.frames:
        raise InputError(f"{job.clip.path}: had {known.frames} frames and now has {first}; leave it alone while it is in use")


def to_tensor(pictures: list[NDArray[np.uint8]]) -> Tensor:
    """8-bit pictures to `[T, 3, H, W]` float32 in [0, 1]."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def to_pictures(clip: Tensor) -> NDArray[np.uint8]:
    """`[T, 3, H, W]` in [0, 1] to 8-bit pictures `[T, H, W, 3]`."""
    return (clip.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()


def through_coder(
    coder: Coder | None, frame_rate: Fraction
) -> Callable[[Iterable[NDArray[np.uint8]]], list[NDArray[np.uint8]]]:
    """A function that gives pictures as they come out of the camera's coder, which goes on from one call to the next.

    Args:
        coder: The camera's; without one pictures stay as they are.
        frame_rate: Pictures per second.
    """
    if coder is None:
        return list
    waiting: deque[NDArray[np.uint8]] = deque()

    def taken() -> Iterator[NDArray[np.uint8]]:
        while True:
            yield waiting.popleft()

    # Each picture comes out before the next one is taken.
    out = recompress(taken(), coder.codec, coder.crf, frame_rate=frame_rate)

    def code(pictures: Iterable[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
        waiting.extend(pictures)
        return [next(out) for _ in range(len(waiting))]

    return code


def _store(
    writers: dict[str, Write],
    pictures: list[NDArray[np.uint8]],
    rainy: list[NDArray[np.uint8]],
    rendering: Rendering,
    clipped: Counter[str],
) -> None:
    ready: dict[str, Any] = {
        "rainy": rainy,
        "clean": to_pictures(rendering.clean),
        "background": pictures,
    }
    values = by_stream(rendering.layers, rendering.motion)
    for stream in writers.keys() & values.keys():
        ready[stream], outside = to_codes(values[stream], SCALES[stream])
        clipped[stream] += outside
    for stream, write in writers.items():
        for picture in ready[stream]:
            write(picture)


def _metadata(job: Job, known: Survey, sampled: Sampled, folder: Path, clipped: Counter[str]) -> dict[str, Any]:
    """All that `metadata.json` says; nothing in it depends on when, where or by how many workers it was made."""
    streams, layout = stored_streams(job), job.request.format
    weather, scene = sampled
    identity = job.identity or identify(job.clip, job.request.depth_dir)
    return {
        "schema": SCHEMA,
        "rmfd": __version__,
        "name": place(job, streams, layout).name,
        "variant": job.variant,
        "seed": job.seed,
        "source": {"path": job.source, "clip": job.clip.name, "bytes": identity.bytes, "sha256": identity.sha256},
        "depth_sha256": identity.depth_sha256,
        "frames": known.frames,
        "width_px": known.size_px[0],
        "height_px": known.size_px[1],
        "frame_rate": str(known.frame_rate),
        "request": recorded(job.request),
        "light": weather.light,
        "weather": dataclasses.asdict(weather),
        "scene": {
            "seed": scene.seed,
            "depth_mix": scene.prior.mix,
            "backdrop_m": scene.prior.backdrop_m,
            "gusts": scene.drops.gusts if scene.drops else [],
        },
        "streams": {stream: _described(job, stream, clipped[stream]) for stream in streams},
        "files": {
            path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()
        },
    }


def _described(job: Job, stream: str, clipped: int) -> dict[str, Any]:
    path = stream_path(job, stream, job.request.format).as_posix()
    if stream not in SCALES:
        return {"path": path, "bits": 8}
    scale = SCALES[stream]
    return {"path": path, "bits": 16, "offset": scale.offset, "scale": scale.scale, "clipped_values": clipped}
