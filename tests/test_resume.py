"""A run that was killed goes on: the result is the one that it would have been, frame by frame and tick by tick."""

import contextlib
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from rmfd_cli import cli
from rmfd_cli.derain import derain, derain_in_segments
from rmfd_cli.errors import InputError, OutputError, OutputExistsError, UsageError
from rmfd_cli.options import DerainOptions, Encoding
from rmfd_cli.video.pictures import PictureFolder
from rmfd_cli.video.pipe import Pipe
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.trial import choose_encoder
from rmfd_cli.video.work import Work
from tests import media
from tests.stand_ins import change

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

    def result():
        nonlocal past
        picture = held.pop(0)
        now = picture.luma.mean(dtype=np.float32)
        past = now if past is None else np.float32(0.9) * past + np.float32(0.1) * now
        return change(picture, past - 0.4), np.float32(past).tobytes

    for picture in pictures:
        held.append(picture)
        if len(held) > 1:
            yield result()
    while held:
        yield result()


def killed_after(frames: int, folder: Path):
    def restore(pictures, memory):
        for number, item in enumerate(fading(pictures, memory)):
            if number == frames:
                # The writer is a few frames behind.
                deadline = time.monotonic() + 20
                while frames > LENGTH and not (folder / "plan.json").exists() and time.monotonic() < deadline:
                    time.sleep(0.01)
                raise KilledError
            yield item

    return restore


def forget(pictures):
    return (result for result, _ in fading(pictures))


def go(source: Path, target: Path, options: DerainOptions, restore=fading, **arguments):
    return derain_in_segments(source, target, restore, MODEL, options, segment_frames=LENGTH, **arguments)


def work_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.rmfd")


def killed(source: Path, target: Path, options: DerainOptions, frames: int = LENGTH + 2) -> None:
    with pytest.raises(KilledError):
        go(source, target, options, killed_after(frames, work_of(target)))
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


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("name", SOURCES)
def test_a_lossless_result_is_that_of_an_ordinary_run(clip, tmp_path, name, suffix):
    kind, source_suffix, made, asked = SOURCES[name]
    assert_ordinary(clip(kind, source_suffix, **made), tmp_path, suffix, asked)


def test_a_lossless_result_of_variable_rate_is_that_of_an_ordinary_run(clip, tmp_path):
    assert_ordinary(clip(media.vfr), tmp_path, ".mkv", {})


@pytest.mark.parametrize("suffix", [".mov", ".nut"])
def test_what_cannot_be_joined_is_told_with_the_first_segment(clip, tmp_path, suffix):
    seen = []
    with pytest.raises(UsageError, match=r"cannot be joined .*leave --resume out"):
        go(clip(media.cfr), tmp_path / f"out{suffix}", DerainOptions(encoding=FFV1), on_progress=seen.append)
    assert seen[-1].frames < media.FRAMES


@pytest.mark.parametrize("suffix", [".avi", ".mpg", ".wmv", ".mxf", ".ogv"])
def test_containers_of_one_rate_or_one_order_go_on_too(clip, tmp_path, suffix):
    source, target = clip(media.b_frames), tmp_path / f"out{suffix}"
    options = DerainOptions(strength=0)
    killed(source, target, options)
    assert go(source, target, options).frames_before == LENGTH
    before, after = frames_of(source), frames_of(target)
    assert [media.frame_number(frame.planes[0]) for frame in after] == list(range(len(before)))
    with VideoReader(source) as one, VideoReader(target) as other:
        ticks = one.info.time_base, other.info.time_base
    spans = [(frames[-1].pts - frames[0].pts) * tick for frames, tick in zip((before, after), ticks, strict=True)]
    assert abs(spans[0] - spans[1]) < 0.001


def assert_ordinary(source: Path, folder: Path, suffix: str, asked: dict) -> None:
    options = DerainOptions(encoding=FFV1, **asked)
    whole, target = folder / f"whole{suffix}", folder / f"out{suffix}"
    derain(source, whole, forget, options)
    killed(source, target, options)
    report = go(source, target, options)
    assert report.frames_before == LENGTH
    assert report.frames == len(frames_of(whole))
    assert_same_frames(whole, target)
    assert sorted(os.listdir(folder)) == sorted([whole.name, target.name])


def packets(path: Path, kind: str) -> list[tuple[int | None, bytes]]:
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        return [(packet.pts, bytes(packet)) for packet in container.demux(streams) if packet.size]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [
        ("libx264", ".mkv"),
        pytest.param("libx264", ".mp4", marks=pytest.mark.slow),
        pytest.param("libx264", ".ts", marks=pytest.mark.slow),
        pytest.param("libx264", ".flv", marks=pytest.mark.slow),
        pytest.param("libx265", ".mp4", marks=pytest.mark.slow),
        pytest.param("libx265", ".mkv", marks=pytest.mark.slow),
        pytest.param("libsvtav1", ".mp4", marks=pytest.mark.slow),
        pytest.param("libvpx-vp9", ".mkv", marks=pytest.mark.slow),
        pytest.param("prores_ks", ".mov", marks=pytest.mark.slow),
    ],
)
def test_a_lossy_result_is_that_of_an_uninterrupted_run(clip, tmp_path, codec, suffix):
    source, options = clip(media.vfr), DerainOptions(encoding=Encoding(codec))
    whole, target, ordinary = (tmp_path / f"{name}{suffix}" for name in ("whole", "out", "ordinary"))
    go(source, whole, options)
    killed(source, target, options)
    # The target's name is part of what a folder is for.
    assert go(source, target, options).frames_before == LENGTH
    assert packets(target, "video") == packets(whole, "video")
    derain(source, ordinary, forget, options)
    times = [np.array([frame.pts for frame in frames_of(path)]) for path in (target, ordinary)]
    # The clock of these starts where the first packet has to be decoded.
    moved = suffix in (".ts", ".flv")
    shift = times[0][0] - times[1][0] if moved else 0
    assert np.array_equal(times[0] - shift, times[1])
    assert [media.frame_number(frame.planes[0]) for frame in frames_of(target)] == list(range(media.FRAMES))
    if moved:
        return
    assert packets(target, "audio") == packets(ordinary, "audio") != []


def test_a_segment_begins_with_a_keyframe(clip, tmp_path):
    go(clip(media.no_audio), tmp_path / "out.mp4", DerainOptions(encoding=Encoding("libx264")))
    with av.open(str(tmp_path / "out.mp4")) as container:
        keys = [frame.key_frame for frame in container.decode(video=0)]
    assert [number for number, key in enumerate(keys) if key] == list(range(0, media.FRAMES, LENGTH))


def test_killed_again_and_again(clip, tmp_path):
    source, target, options = clip(media.no_audio), tmp_path / "out.mkv", DerainOptions(encoding=FFV1)
    for _ in range(3):
        killed(source, target, options)
    assert go(source, target, options).frames_before == 3 * LENGTH
    derain(source, tmp_path / "whole.mkv", forget, options)
    assert_same_frames(tmp_path / "whole.mkv", target)


def test_killed_between_joining_and_muxing(clip, tmp_path, monkeypatch):
    source, target, options = clip(media.cfr), tmp_path / "out.mp4", DerainOptions()

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("rmfd_cli.video.ffmpeg.run", die)
        with pytest.raises(KilledError):
            go(source, target, options)
    assert [name for name in os.listdir(work_of(target)) if name.endswith(".mp4")] == ["joined.mp4"]
    assert go(source, target, options).frames_before == media.FRAMES
    assert [media.frame_number(frame.planes[0]) for frame in frames_of(target)] == list(range(media.FRAMES))


@pytest.mark.parametrize("plan", [1, 2, 4])
def test_interrupted_just_after_a_plan_was_written(clip, tmp_path, monkeypatch, plan):
    source, target = clip(media.cfr, frames=3 * LENGTH), tmp_path / "out.mkv"
    written, replace_file = [], os.replace

    def interrupting(old, new):
        replace_file(old, new)
        if Path(new).name == "plan.json":
            written.append(new)
            if len(written) == plan:
                raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupting)
    with pytest.raises(KeyboardInterrupt):
        go(source, target, DerainOptions(encoding=FFV1))
    assert len(written) == plan
    assert not target.exists()
    assert go(source, target, DerainOptions(encoding=FFV1)).frames_before == min(plan, 3) * LENGTH
    assert len(frames_of(target)) == 3 * LENGTH


def test_before_the_first_segment_nothing_is_left(clip, tmp_path):
    killed(clip(media.no_audio), tmp_path / "out.mp4", DerainOptions(), 3)
    assert os.listdir(tmp_path) == []


def test_other_options_are_refused_until_a_new_start_is_asked_for(clip, tmp_path):
    source, target = clip(media.no_audio), tmp_path / "out.mkv"
    killed(source, target, DerainOptions(encoding=FFV1))
    half = DerainOptions(encoding=FFV1, strength=0.5)
    with pytest.raises(UsageError, match=r"strength was 1.0 and is 0.5.*--overwrite"):
        go(source, target, half)
    assert go(source, target, replace(half, overwrite=True)).frames_before == 0
    derain(source, tmp_path / "whole.mkv", forget, half)
    assert_same_frames(tmp_path / "whole.mkv", target)


def test_overwrite_goes_on_and_keeps_the_old_target_until_then(clip, tmp_path):
    source, target, options = clip(media.no_audio), tmp_path / "out.mp4", DerainOptions(overwrite=True)
    target.write_text("old")
    with pytest.raises(KilledError):
        go(source, target, options, killed_after(9, work_of(target)))
    assert target.read_text() == "old"
    assert go(source, target, options).frames_before == LENGTH
    assert len(frames_of(target)) == media.FRAMES


def test_another_source_is_refused(clip, tmp_path):
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.write_bytes(clip(media.no_audio).read_bytes())
    killed(source, target, DerainOptions())
    source.write_bytes(clip(media.no_audio, frames=29).read_bytes())
    with pytest.raises(UsageError, match="source's bytes was"):
        go(source, target, DerainOptions())


@pytest.mark.parametrize("what", ["000000000.mp4", "000000000.safetensors", "plan.json"])
def test_a_damaged_folder_is_named(clip, tmp_path, what):
    source, target = clip(media.no_audio), tmp_path / "out.mp4"
    killed(source, target, DerainOptions())
    (work_of(target) / what).write_bytes(b"x")
    with pytest.raises(OutputError, match="remove the folder"):
        go(source, target, DerainOptions())


def test_what_a_killed_process_left_half_done_is_cleared_up(clip, tmp_path):
    source, target = clip(media.no_audio), tmp_path / "out.mp4"
    killed(source, target, DerainOptions())
    (work_of(target) / "partial-0.mp4").write_bytes(b"half")
    (work_of(target) / "000000007.mp4").write_bytes(b"named, but not in the plan")
    assert go(source, target, DerainOptions()).frames_before == LENGTH
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_two_at_once_are_refused(clip, tmp_path):
    target = tmp_path / "out.mp4"
    with (
        Work(target, {}, overwrite=False),
        pytest.raises(OutputError, match="another rmfd"),
    ):
        go(clip(media.no_audio), target, DerainOptions())


def test_an_existing_target_is_refused_before_anything_is_made(clip, tmp_path):
    (tmp_path / "out.mp4").write_text("mine")
    with pytest.raises(OutputExistsError):
        go(clip(media.no_audio), tmp_path / "out.mp4", DerainOptions())
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_a_damaged_source_keeps_what_is_done_until_salvage_is_asked_for(clip, tmp_path):
    source = media.truncated(tmp_path / "in.mkv", clip(media.cfr, ".mkv", frames=60))
    target = tmp_path / "out.mkv"
    with pytest.raises(InputError, match="--salvage"):
        go(source, target, DerainOptions())
    report = go(source, target, DerainOptions(salvage=True))
    assert report.frames_before >= LENGTH
    assert report.frames == len(frames_of(target))
    assert any(str(source) in warning for warning in report.warnings)


@pytest.mark.parametrize("ends", [(Pipe(), "out.mp4"), ("in.mp4", Pipe()), ("in.mp4", PictureFolder(Path("x"), None, None))])
def test_only_video_files_can_be_gone_on_with(ends):
    with pytest.raises(UsageError, match="leave it out"):
        derain_in_segments(*ends, fading, MODEL)


def test_what_cannot_be_read_again_is_refused(tmp_path, clip):
    fifo = tmp_path / "in.mkv"
    os.mkfifo(fifo)
    content = clip(media.no_audio, ".mkv").read_bytes()
    writer = threading.Thread(target=fill, args=(fifo, content), daemon=True)
    writer.start()
    with pytest.raises(UsageError, match=r"in\.mkv: --resume is for files that can be read again"):
        go(fifo, tmp_path / "out.mp4", DerainOptions())
    writer.join(20)
    with pytest.raises(UsageError, match=r"^http://host/in\.mp4: --resume is for video files, not for URLs"):
        go("http://me:secret@host/in.mp4", tmp_path / "out.mp4", DerainOptions())
    assert os.listdir(tmp_path) == ["in.mkv"]


def fill(fifo: Path, content: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):
        fifo.write_bytes(content)


def test_segments_are_encoded_with_the_options_of_the_encoder(clip, tmp_path):
    source, target = clip(media.no_audio), tmp_path / "out.mp4"
    options = DerainOptions(encoding=Encoding(extra=(("g", "2"),)))
    killed(source, target, options)
    with pytest.raises(UsageError, match="extra was g=2 and is g=3"):
        go(source, target, DerainOptions(encoding=Encoding(extra=(("g", "3"),))))
    with pytest.raises(UsageError, match="hardware was none and is auto"):
        go(source, target, DerainOptions(encoding=Encoding(hardware="auto", extra=(("g", "2"),))))
    go(source, target, options)
    with av.open(str(target)) as container:
        keys = [frame.key_frame for frame in container.decode(video=0)]
    assert [number for number, key in enumerate(keys) if key] == [
        number for number in range(media.FRAMES) if number % LENGTH % 2 == 0
    ]


@pytest.mark.parametrize("more", [("--preview", "5s"), ("--dry-run",)])
def test_the_command_refuses_what_does_not_go_together(more):
    result = CliRunner().invoke(cli.app, ["derain", "in.mp4", "-o", "out.mp4", "--resume", *more])
    assert result.exit_code == 2
    assert "--resume" in result.stderr


def test_another_encoder_for_the_same_options_is_refused(clip, tmp_path, monkeypatch):
    source, target, options = clip(media.no_audio), tmp_path / "out.mp4", DerainOptions()
    killed(source, target, options)
    monkeypatch.setattr(
        "rmfd_cli.derain.choose_encoder", lambda *asked: replace(choose_encoder(*asked), codec="h264_of_tomorrow")
    )
    with pytest.raises(UsageError, match="encoder was libx264 and is h264_of_tomorrow"):
        go(source, target, options)
