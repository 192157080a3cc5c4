"""The main job with the shipped weights: rain goes, the rest stays."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from rmfd_cli.derain import derain
from rmfd_cli.metrics import psnr
from rmfd_cli.model.streaming import restorer
from rmfd_cli.options import DerainOptions, Encoding
from rmfd_cli.rain.render import render
from rmfd_cli.rain.weather import CLEAR, PERFECT_CAMERA, sample_weather
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.stand_ins import restored_rgb

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "rain.mp4"
VALIDATION = ROOT.parent / "shared" / "data" / "clean" / "val"

needs_clips = pytest.mark.skipif(not VALIDATION.is_dir(), reason=f"no clean clips at {VALIDATION}")


@pytest.fixture(scope="module")
def restore():
    return restorer("small", "cpu")


def read(path: Path, frames: int) -> list[np.ndarray]:
    with VideoReader(str(path)) as reader:
        return [frame.rgb for frame, _ in zip(reader, range(frames), strict=False)]


def score(frames: np.ndarray, reference: np.ndarray) -> float:
    x, y = (torch.from_numpy(np.ascontiguousarray(clip)).permute(0, 3, 1, 2).float() for clip in (frames, reference))
    return float(psnr(x.clamp(0, 1), y).mean())


def test_the_example_loses_its_streaks_and_keeps_its_frames(restore, tmp_path):
    target = tmp_path / "out.mkv"
    report = derain(EXAMPLE, target, restore, DerainOptions(end_seconds=0.6, encoding=Encoding("ffv1")))
    before, after = (np.stack(read(path, 15)).astype(np.float32) / 255 for path in (EXAMPLE, target))
    assert report.frames == len(after) == 15
    removed = before - after
    # Streaks are brighter than what they cover: nearly all that is taken off strongly is light, in thin transient lines.
    strong = removed[np.abs(removed) > 0.08]
    assert strong.size > 0.001 * removed.size
    assert (strong > 0).mean() > 0.8
    assert np.abs(removed).mean() < 0.1


def test_a_frame_number_survives(restore, clip, tmp_path):
    derain(clip(media.cfr, ".mp4", frames=8), tmp_path / "out.mkv", restore, DerainOptions(encoding=Encoding("ffv1")))
    assert [media.frame_number(frame) for frame in read(tmp_path / "out.mkv", 9)] == list(range(8))


def test_pictures_that_are_shown_twice_lose_as_much_rain(restore, tmp_path):
    lossless = DerainOptions(encoding=Encoding("ffv1"))
    taken = {}
    for rate in (25, 50):
        source, target = tmp_path / f"{rate}.mp4", tmp_path / f"{rate}.mkv"
        media.ffmpeg(
            "-t", "0.4", "-i", media.url(EXAMPLE), "-vf", f"fps={rate}", "-c:v", "libx264", "-crf", "18", media.url(source)
        )
        assert derain(source, target, restore, lossless).frames == rate * 0.4
        before, after = (np.stack(read(path, 20)).astype(np.float32) for path in (source, target))
        taken[rate] = np.abs(after - before)
    assert taken[25].mean() > 0.5
    assert taken[50].mean() > 0.9 * taken[25].mean()
    # Both times the same, but for the rounding of colours.
    assert np.abs(taken[50][2::2] - taken[50][3::2]).mean() < 0.1


@needs_clips
@pytest.mark.parametrize("name", ["davis-cows", "drive-seattlestreet2-600"])
def test_streaks_never_seen_in_training_cost_at_least_three_decibels_less(restore, name):
    frames = np.stack([frame[:240, :320] for frame in read(VALIDATION / f"{name}.mp4", 6)])
    clean = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    gains = []
    for seed in range(90_000, 90_060):
        weather = dataclasses.replace(sample_weather(np.random.default_rng(seed)), veil=CLEAR, camera=PERFECT_CAMERA)
        rainy, _, _ = render(clean, weather, torch.Generator().manual_seed(seed))
        rainy8 = (rainy * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
        before = score(rainy8 / np.float32(255), frames / np.float32(255))
        if not 18 < before < 30:
            continue
        gains.append(score(restored_rgb(restore, rainy8), frames / np.float32(255)) - before)
        if len(gains) == 4:
            break
    assert len(gains) == 4
    assert np.mean(gains) > 3


@needs_clips
def test_clean_video_stays_clean(restore):
    frames = np.stack(read(VALIDATION / "vid4-city.mp4", 6))
    assert score(restored_rgb(restore, frames), frames / np.float32(255)) > 45
