import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from rmfd_cli.derain import DerainReport, Progress, derain
from rmfd_cli.errors import InputError, OutputError, UsageError
from rmfd_cli.options import DerainOptions, Encoding
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.stand_ins import change, unchanged

FFV1 = Encoding(codec="ffv1")


def brighter(images):
    return (change(image, 0.1) for image in images)


def looking_ahead(pictures):
    """Holds two pictures back, as a model with a window does."""
    held = []
    for picture in pictures:
        held.append(picture)
        if len(held) > 2:
            yield change(held.pop(0))
    yield from unchanged(held)


def frames_of(path: Path) -> list:
    with VideoReader(path) as video:
        return list(video)


def threads() -> int:
    return threading.active_count()


@pytest.mark.parametrize("restore", [unchanged, looking_ahead])
@pytest.mark.parametrize(("kind", "suffix"), [(media.vfr, ".mp4"), (media.pixel_format, ".mkv")])
def test_frame_i_out_is_frame_i_in(clip, tmp_path, restore, kind, suffix):
    source = clip(kind, suffix, **({"pix_fmt": "yuv420p"} if kind is media.pixel_format else {}))
    report = derain(source, tmp_path / f"out{suffix}", restore)
    before, after = frames_of(source), frames_of(tmp_path / f"out{suffix}")
    assert [media.frame_number(frame.planes[0]) for frame in after] == list(range(len(before)))
    assert [frame.pts for frame in after] == [frame.pts for frame in before]
    assert report.frames == len(before)
    assert report.warnings == ()


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
def test_no_change_and_strength_zero_give_back_the_very_planes(clip, tmp_path, pix_fmt):
    source = clip(media.pixel_format, ".mkv", pix_fmt=pix_fmt)
    for restore, strength in ((unchanged, 1.0), (brighter, 0.0)):
        target = tmp_path / f"{strength}.mkv"
        derain(source, target, restore, DerainOptions(strength=strength, encoding=FFV1))
        for before, after in zip(frames_of(source), frames_of(target), strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))


def test_the_change_is_applied_in_proportion_to_strength(clip, tmp_path):
    source = clip(media.pixel_format, ".mkv", pix_fmt="yuv420p")
    before = frames_of(source)[0].planes[0].astype(float)
    for strength, codes in ((1.0, 0.1 * 219), (0.5, 0.05 * 219)):
        target = tmp_path / f"{strength}.mkv"
        derain(source, target, brighter, DerainOptions(strength=strength, encoding=FFV1))
        after = frames_of(target)[0].planes[0]
        assert abs((after - before)[before < 200].mean() - codes) < 0.6


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_the_model_sees_upright_pictures_and_its_change_lands_where_it_looked(clip, tmp_path, degrees):
    source, target = clip(media.rotated, degrees=degrees), tmp_path / "out.mkv"
    shapes = set()

    def top_left_brighter(pictures):
        for picture in pictures:
            shapes.add(picture.luma.shape)
            brighter = change(picture)
            brighter.luma[:40, :40] = 0.2
            yield brighter

    derain(source, target, top_left_brighter, DerainOptions(encoding=FFV1))
    turned = degrees in (90, 270)
    assert shapes == {(media.WIDTH, media.HEIGHT) if turned else (media.HEIGHT, media.WIDTH)}
    before, after = frames_of(source)[0].planes[0], frames_of(target)[0].planes[0]
    changed = np.rot90(after.astype(int) - before, degrees // 90)
    assert changed[:38, :38].mean() > 20
    assert np.abs(changed[42:]).max() == 0
    assert np.abs(changed[:, 42:]).max() == 0


@pytest.mark.parametrize("kind", [media.cfr, media.odd_size])
def test_side_by_side_shows_input_left_and_output_right(clip, tmp_path, kind):
    source, target = clip(kind, ".mkv"), tmp_path / "out.mkv"
    derain(source, target, brighter, DerainOptions(compare="side", encoding=FFV1))
    before, after = frames_of(source)[0].planes[0], frames_of(target)[0].planes[0]
    height, width = before.shape
    assert after.shape == (height, 2 * width)
    assert np.array_equal(after[:, :width], before)
    assert 15 < (after[:, width:].astype(int) - before).mean() < 23


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_compare_is_laid_out_for_the_upright_picture(clip, tmp_path, degrees):
    source = clip(media.rotated, degrees=degrees) if degrees else clip(media.cfr)
    before = np.rot90(frames_of(source)[0].planes[0], degrees // 90).astype(int)
    for mode in ("side", "split"):
        target = tmp_path / f"{mode}.mkv"
        derain(source, target, brighter, DerainOptions(compare=mode, encoding=FFV1))
        with VideoReader(target) as video:
            assert video.info.rotation_degrees == degrees
        after = np.rot90(frames_of(target)[0].planes[0], degrees // 90).astype(int)
        width = before.shape[1]
        if mode == "side":
            assert after.shape == (before.shape[0], 2 * width)
            assert np.array_equal(after[:, :width], before)
            assert (after[:, width:] - before).mean() > 15
        else:
            half = width // 2
            assert np.array_equal(after[:, :half], before[:, :half])
            assert (after[:, half : half + 2] == 235).all()
            assert (after[:, half + 2 :] - before[:, half + 2 :]).mean() > 15


def test_a_cut_is_exact_and_starts_at_zero(clip, tmp_path):
    report = derain(clip(media.cfr), tmp_path / "o.mp4", unchanged, DerainOptions(start_seconds=0.2, end_seconds=0.6))
    frames = frames_of(tmp_path / "o.mp4")
    assert report.frames == 10
    assert [media.frame_number(frame.planes[0]) for frame in frames] == list(range(5, 15))
    assert frames[0].pts == 0


def test_progress_counts_every_frame(clip, tmp_path):
    seen: list[Progress] = []
    report = derain(clip(media.cfr), tmp_path / "out.mp4", looking_ahead, on_progress=seen.append)
    assert isinstance(report, DerainReport)
    assert [now.frames for now in seen] == list(range(1, media.FRAMES + 1))
    assert seen[-1].frames_estimate == media.FRAMES
    assert seen[-1].seconds <= report.seconds


@pytest.mark.parametrize("kind", ["missing", "directory", "empty", "text", "audio"])
def test_a_source_that_is_no_video_is_refused(tmp_path, kind):
    source = tmp_path / "in.mp4"
    if kind == "directory":
        source.mkdir()
    elif kind == "audio":
        media.audio_only(source)
    elif kind != "missing":
        source.write_text("no video at all" if kind == "text" else "")
    (tmp_path / "target").mkdir()
    with pytest.raises(InputError, match=str(source)):
        derain(source, tmp_path / "target" / "out.mp4", unchanged)
    assert os.listdir(tmp_path / "target") == []


def test_a_cut_off_source_gives_nothing_unless_salvaged(clip, tmp_path):
    source = media.truncated(tmp_path / "in.mkv", clip(media.cfr, ".mkv", frames=60))
    target = tmp_path / "out.mkv"
    with pytest.raises(InputError, match="--salvage"):
        derain(source, target, unchanged)
    assert os.listdir(tmp_path) == ["in.mkv"]
    report = derain(source, target, unchanged, DerainOptions(salvage=True))
    assert any(str(source) in warning for warning in report.warnings)
    assert 10 < report.frames == len(frames_of(target)) < 60


def test_a_cut_behind_the_end_is_an_error(clip, tmp_path):
    with pytest.raises(InputError, match="shorter"):
        derain(clip(media.cfr), tmp_path / "out.mp4", unchanged, DerainOptions(start_seconds=50))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("options", [{"strength": 1.5}, {"strength": -1}, {"start_seconds": -1}, {"end_seconds": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(UsageError):
        DerainOptions(**options)


def failing(error: BaseException, after: int):
    def restore(pictures):
        for number, picture in enumerate(pictures):
            if number == after:
                raise error
            yield change(picture)

    return restore


@pytest.mark.parametrize("error", [ValueError("broken model"), KeyboardInterrupt()])
@pytest.mark.parametrize("after", [0, 9])
def test_a_model_that_fails_stops_everything_at_once(clip, tmp_path, error, after):
    before, began = threads(), time.monotonic()
    with pytest.raises(type(error)):
        derain(clip(media.cfr, frames=100), tmp_path / "out.mp4", failing(error, after))
    assert time.monotonic() - began < 5
    assert os.listdir(tmp_path) == []
    assert threads() == before


def test_an_interrupt_in_the_progress_display_stops_everything(clip, tmp_path):
    def interrupt(now: Progress) -> None:
        if now.frames == 5:
            raise KeyboardInterrupt

    before = threads()
    with pytest.raises(KeyboardInterrupt):
        derain(clip(media.cfr, frames=100), tmp_path / "out.mp4", unchanged, on_progress=interrupt)
    assert os.listdir(tmp_path) == []
    assert threads() == before


@pytest.mark.parametrize("kept", [0, 7])
def test_a_model_that_keeps_frames_back_is_a_fault(clip, tmp_path, kept):
    def lazy(pictures):
        for number, picture in enumerate(pictures):
            if number < kept:
                yield change(picture)

    with pytest.raises(RuntimeError, match="kept back"):
        derain(clip(media.cfr), tmp_path / "out.mp4", lazy)
    assert os.listdir(tmp_path) == []


def test_a_writer_that_fails_stops_everything(clip, tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise OutputError("the disk is full")

    monkeypatch.setattr("rmfd_cli.video.writer.VideoWriter.write", fail)
    before = threads()
    with pytest.raises(OutputError, match="the disk is full"):
        derain(clip(media.cfr, frames=100), tmp_path / "out.mp4", unchanged)
    assert os.listdir(tmp_path) == []
    assert threads() == before


def test_a_picture_that_changes_its_size_stops_everything(clip, tmp_path):
    with pytest.raises(InputError, match="changes"):
        derain(clip(media.changing_size, ".ts"), tmp_path / "out.mp4", unchanged)
    assert os.listdir(tmp_path) == []


def test_the_stages_overlap(clip, tmp_path, monkeypatch):
    from rmfd_cli.video.writer import VideoWriter

    write = VideoWriter.write

    def slow_write(writer, planes, pts):
        time.sleep(0.02)
        write(writer, planes, pts)

    def slow(pictures):
        for picture in pictures:
            time.sleep(0.02)
            yield change(picture)

    monkeypatch.setattr(VideoWriter, "write", slow_write)
    seen: list[Progress] = []
    derain(clip(media.cfr, frames=60), tmp_path / "out.mp4", slow, on_progress=seen.append)
    assert seen[-1].seconds - seen[0].seconds < 0.75 * 60 * 0.04


@pytest.mark.parametrize("degrees", [0, 90, 180])
@pytest.mark.parametrize("compare", ["side", "split"])
def test_a_mirrored_comparison_has_the_input_on_the_left_as_it_is_shown(clip, tmp_path, degrees, compare):
    source = clip(media.mirrored, degrees=degrees)
    derain(source, tmp_path / "out.mkv", brighter, DerainOptions(compare=compare, encoding=FFV1))
    shown = [
        np.frombuffer(
            media.ffmpeg("-i", media.url(path), "-frames:v", "1", "-vf", "extractplanes=y", "-f", "rawvideo", "pipe:1"),
            np.uint8,
        )
        for path in (source, tmp_path / "out.mkv")
    ]
    height = media.WIDTH if degrees == 90 else media.HEIGHT
    before, after = (one.reshape(height, -1).astype(int) for one in shown)
    width = before.shape[1]
    left = after[:, : width // 3] - before[:, : width // 3]
    assert np.abs(left).max() <= 1
    right = after[:, -(width // 3) :] - before[:, -(width // 3) :]
    assert right.mean() > 15
