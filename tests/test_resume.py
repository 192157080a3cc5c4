"""A run that was killed goes on: the result is the one that it would have been, frame by frame and tick by tick."""

import os
from pathlib import Path

import numpy as np
import pytest

from rmfd_cli.derain import derain, derain_in_segments
from rmfd_cli.errors import InputError, OutputError, OutputExistsError, UsageError
from rmfd_cli.options import DerainOptions, Encoding
from rmfd_cli.video.pictures import PictureFolder
from rmfd_cli.video.pipe import Pipe
from rmfd_cli.video.reader import VideoReader
from tests import media

FFV1 = Encoding("ffv1")
MODEL = {"weights": "0123"}
LENGTH = 7
"""Frames in a segment."""


class KilledError(Exception):
    """What stands for a kill: raised in the middle of the work."""


def fading(pictures, memory=None):
    """A model that remembers: its change is the mean of all pictures so far, the newer the more; and it looks one ahead."""
    past = None if memory is None else np.frombuffer(memory, np.float32)[0]
    held = []

    def change():
        nonlocal past
        picture = held.pop(0)
        now = picture.mean(dtype=np.float32) / np.iinfo(picture.dtype).max
        past = now if past is None else np.float32(0.9) * past + np.float32(0.1) * now
        return np.full(picture.shape, past - 0.4, np.float32), np.float32(past).tobytes

    for picture in pictures:
        held.append(picture)
        if len(held) > 1:
            yield change()
    while held:
        yield change()


def killed_after(frames: int):
    def restore(pictures, memory):
        for number, item in enumerate(fading(pictures, memory)):
            if number == frames:
                raise KilledError
            yield item

    return restore


def forget(pictures):
    return (residual for residual, _ in fading(pictures))


def go(source: Path, target: Path, options: DerainOptions, restore=fading, **arguments):
    return derain_in_segments(source, target, restore, MODEL, options, segment_frames=LENGTH, **arguments)


def killed(source: Path, target: Path, options: DerainOptions, frames: int) -> None:
    with pytest.raises(KilledError):
        go(source, target, options, killed_after(frames))
    assert not target.exists()


def frames_of(path: Path) -> list:
    with VideoReader(path) as video:
        return list(video)


def assert_same_frames(one: Path, other: Path) -> None:
    for a, b in zip(frames_of(one), frames_of(other), strict=True):
        assert a.pts == b.pts
        assert all(np.array_equal(x, y) for x, y in zip(a.planes, b.planes, strict=True))


SOURCES = {
    "plain": (media.cfr, ".mp4", {}, {}),
    "vfr": (media.vfr, ".mp4", {}, {}),
    "vfr mkv": (media.vfr, ".mkv", {}, {}),
    "b-frames": (media.b_frames, ".mp4", {}, {}),
    "start": (media.vfr, ".mp4", {}, {"start_seconds": 0.3, "end_seconds": 1.9}),
    "deinterlace": (media.interlaced, ".mp4", {}, {"deinterlace": True}),
    "compare": (media.cfr, ".mp4", {}, {"compare": "side"}),
    "rotated": (media.rotated, ".mp4", {"degrees": 90}, {}),
    "ten bit": (media.ten_bit, ".mp4", {}, {}),
    "late audio": (media.late_audio, ".mp4", {}, {}),
    "trimmed": (media.trimmed, ".mp4", {}, {}),
    "transport stream": (media.cfr, ".ts", {}, {}),
}


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("name", SOURCES)
def test_a_lossless_result_is_that_of_an_ordinary_run(clip, tmp_path, name, suffix):
    kind, source_suffix, made, asked = SOURCES[name]
    source, options = clip(kind, source_suffix, **made), DerainOptions(encoding=FFV1, **asked)
    whole, target = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    derain(source, whole, forget, options)
    killed(source, target, options, 9)
    report = go(source, target, options)
    assert report.frames_before == LENGTH
    assert_same_frames(whole, target)
    assert os.listdir(tmp_path) in ([whole.name, target.name], [target.name, whole.name])
