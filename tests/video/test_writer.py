import os
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition

from rmfd_cli.derain import derain, derain_in_segments
from rmfd_cli.errors import MachineError, OutputError, OutputExistsError, UsageError
from rmfd_cli.options import DerainOptions, Encoding
from rmfd_cli.types import PlaneFormat
from rmfd_cli.video import encoding as encoding_module
from rmfd_cli.video import ffmpeg as ffmpeg_module
from rmfd_cli.video.encoding import choose_pixel_format
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.writer import VideoWriter
from tests import media
from tests.stand_ins import change, unchanged, unchanged_from

FFV1 = Encoding(codec="ffv1")


def copy(source: Path, target: Path, start: float | None = None, end: float | None = None, **options: object) -> list[str]:
    with (
        VideoReader(source, start, end) as video,
        VideoWriter(target, video.info, start_seconds=start, end_seconds=end, **options) as writer,
    ):
        for frame in video:
            writer.write(frame.planes, frame.pts)
    return writer.warnings


def frames_of(path: Path) -> list:
    with VideoReader(path) as video:
        return [(frame.pts * video.info.time_base, frame) for frame in video]


def times_of(path: Path, kind: str = "video", index: int = 0) -> list[Fraction]:
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[index]
        return sorted(p.pts * stream.time_base for p in container.demux(stream) if p.pts is not None)


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if ".rmfd-" in name]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("kind", [media.cfr, media.vfr, media.b_frames, media.late_audio, media.no_audio])
def test_every_frame_comes_out_at_its_own_time(clip, tmp_path, kind, suffix):
    source, target = clip(kind), tmp_path / f"out{suffix}"
    assert copy(source, target) == []
    before, after = frames_of(source), frames_of(target)
    assert [media.frame_number(frame.planes[0]) for _, frame in after] == list(range(len(before)))
    tick = Fraction(1, 1000) if suffix == ".mkv" else 0
    assert max(abs(a - b) for (a, _), (b, _) in zip(before, after, strict=True)) <= tick / 2
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_that_starts_late_stays_late(clip, tmp_path, suffix):
    source, target = clip(media.late_audio), tmp_path / f"out{suffix}"
    copy(source, target)
    assert abs(times_of(target, "audio")[0] - times_of(source, "audio")[0]) <= Fraction(1, 1000)
    assert len(times_of(target, "audio")) == len(times_of(source, "audio"))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_picture_that_starts_late_stays_late(clip, tmp_path, suffix):
    source = tmp_path / "late.mp4"
    tone = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1.5")
    media.encode(source, filters="setpts=PTS+0.52/TB", inputs=tone, extra=("-c:a", "aac"))
    target = tmp_path / f"out{suffix}"
    copy(source, target)
    assert times_of(source)[0] > Fraction(1, 2)
    assert abs(times_of(target)[0] - times_of(source)[0]) <= Fraction(1, 2000)


def test_streams_tags_chapters_and_attachments_travel_along(clip, tmp_path):
    source, target = clip(media.rich, ".mkv"), tmp_path / "out.mkv"
    assert copy(source, target) == []
    with av.open(str(source)) as before, av.open(str(target)) as after:
        assert [s.type for s in after.streams] == [s.type for s in before.streams]
        assert [s.metadata.get("language") for s in after.streams.audio] == ["eng", "nor"]
        assert after.streams.subtitles[0].metadata.get("language") == "ger"
        assert [c["metadata"]["title"] for c in after.chapters()] == ["first", "second"]
        tags = {key.lower(): value for key, value in after.metadata.items()}
        assert tags["title"] == "A wet street"
        assert tags["location"] == "+59.91+010.75/"
        assert tags.get("creation_time") == {k.lower(): v for k, v in before.metadata.items()}.get("creation_time")


def test_mp4_turns_text_subtitles_and_names_what_it_cannot_take(clip, tmp_path):
    source, target = clip(media.rich, ".mkv"), tmp_path / "out.mp4"
    warnings = copy(source, target)
    assert len(warnings) == 1
    assert "attachment" in warnings[0]
    with av.open(str(target)) as after:
        assert after.streams.subtitles[0].codec_context.name == "mov_text"
        assert len(after.streams.audio) == 2
        assert len(after.chapters()) == 2
    again = tmp_path / "again.mp4"
    assert copy(target, again) == []
    with av.open(str(again)) as after:
        assert after.metadata["title"] == "A wet street"


def test_creation_time_and_video_language_are_kept(clip, tmp_path):
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    stamp = "2024-05-06T07:08:09.000000Z"
    media.encode(source, extra=("-metadata", f"creation_time={stamp}", "-metadata:s:v:0", "language=nor"))
    copy(source, target)
    with av.open(str(target)) as after:
        assert after.metadata["creation_time"] == stamp
        assert after.streams.video[0].metadata["language"] == "nor"


def test_ten_bits_stay_ten_bits(clip, tmp_path):
    source, target = clip(media.ten_bit), tmp_path / "out.mp4"
    copy(source, target, encoding=Encoding(crf=1))
    with VideoReader(source) as before, VideoReader(target) as after:
        assert after.info.format == before.info.format
        first, second = next(iter(before)).planes[0], next(iter(after)).planes[0]
    assert len(np.unique(second)) > 256
    assert np.abs(first.astype(int) - second).mean() < 2


@pytest.mark.parametrize(("matrix", "full_range"), [("bt601", False), ("bt709", True), ("bt2020", False)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_colour_tags_travel_and_pixels_are_not_converted(clip, tmp_path, matrix, full_range, suffix):
    source = clip(media.tagged, matrix=matrix, full_range=full_range)
    target = tmp_path / f"out{suffix}"
    copy(source, target, encoding=Encoding(crf=1))
    with VideoReader(source) as before, VideoReader(target) as after:
        assert after.info.colour == before.info.colour
        for a, b in zip(next(iter(before)).planes, next(iter(after)).planes, strict=True):
            assert abs(float(a.mean()) - float(b.mean())) < 0.3


def test_untagged_stays_untagged(clip, tmp_path):
    target = tmp_path / "out.mp4"
    copy(clip(media.no_audio), target)
    with VideoReader(target) as after:
        colour = after.info.colour
    assert (colour.tag_matrix, colour.tag_primaries, colour.tag_transfer) == (2, 2, 2)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_pixel_shape_is_kept(clip, tmp_path, suffix):
    target = tmp_path / f"out{suffix}"
    copy(clip(media.anamorphic), target)
    with VideoReader(target) as after:
        assert after.info.sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_rotation_is_kept_as_a_note(clip, tmp_path, degrees, suffix):
    source, target = clip(media.rotated, degrees=degrees), tmp_path / f"out{suffix}"
    copy(source, target)
    with VideoReader(source) as before, VideoReader(target) as after:
        assert after.info.rotation_degrees == before.info.rotation_degrees == degrees
        assert (after.info.width_px, after.info.height_px) == (media.WIDTH, media.HEIGHT)
        assert media.frame_number(next(iter(after)).planes[0]) == 0


@pytest.mark.parametrize("codec", ["libx264", "libx265", "ffv1"])
def test_odd_sizes_are_kept(clip, tmp_path, codec):
    target = tmp_path / "out.mkv"
    warnings = copy(clip(media.odd_size, ".mkv"), target, encoding=Encoding(codec))
    with VideoReader(target) as after:
        assert (after.info.width_px, after.info.height_px) == (321, 181)
        assert after.info.format.name == ("yuv420p" if codec == "ffv1" else "yuv444p")
    assert bool(warnings) == (codec != "ffv1")


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "yuv444p12le", "gray", "yuv410p"])
def test_ffv1_gives_back_the_very_planes(clip, tmp_path, pix_fmt):
    source, target = clip(media.pixel_format, ".mkv", pix_fmt=pix_fmt), tmp_path / "out.mkv"
    copy(source, target, encoding=FFV1)
    for (_, before), (_, after) in zip(frames_of(source), frames_of(target), strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("kind", "container"), [(media.cover_art, ".mp4"), (media.attached_cover, ".mkv")])
def test_a_cover_picture_is_kept(clip, tmp_path, kind, container, suffix):
    source, target = clip(kind, container), tmp_path / f"out{suffix}"
    assert copy(source, target) == []
    with av.open(str(target)) as after, av.open(str(source)) as before:
        assert [s.disposition.value & 1024 for s in after.streams.video] == [0, 1024]
        assert cover_of(after) == cover_of(before)


def cover_of(container) -> bytes:
    cover = next(stream for stream in container.streams.video if stream.disposition.value & 1024)
    return bytes(next(container.demux(cover)))


def test_a_cover_picture_that_quicktime_has_no_place_for_is_named(clip, tmp_path):
    assert "(png) does not fit the target" in copy(clip(media.cover_art), tmp_path / "out.mov")[0]


def test_telemetry_is_kept_where_there_is_a_place_and_named_elsewhere(clip, tmp_path):
    source = clip(media.telemetry)
    assert copy(source, tmp_path / "out.mp4") == []
    with av.open(str(tmp_path / "out.mp4")) as after, av.open(str(source)) as before:
        notes = [bytes(packet) for packet in after.demux(after.streams.data[0]) if packet.size]
        assert notes == [bytes(packet) for packet in before.demux(before.streams.data[0]) if packet.size][: len(notes)]
        assert len(notes) >= media.FRAMES - 2
    assert copy(source, tmp_path / "out.mkv") == ["data stream 1 (bin_data) does not fit the target and is left out"]


def test_a_phones_own_tags_are_kept_in_mp4(clip, tmp_path):
    target = tmp_path / "out.mp4"
    copy(clip(media.phone, ".mov"), target)
    with av.open(str(target)) as after:
        assert after.metadata["com.apple.quicktime.location.ISO6709"] == "+59.9100+010.7500+012/"
        assert after.metadata["creation_time"].startswith("2024-05-06T07:08:09")
        assert after.metadata["major_brand"] == "isom"


def test_titles_and_dispositions_of_tracks_survive_two_containers(clip, tmp_path):
    copy(clip(media.many_tracks, ".mkv"), tmp_path / "one.mp4")
    copy(tmp_path / "one.mp4", tmp_path / "two.mkv")
    with av.open(str(tmp_path / "two.mkv")) as after:
        tracks = [stream for stream in after.streams if stream.type in ("audio", "subtitle")]
        assert [track.metadata["title"] for track in tracks] == ["Main", "Commentary", "Full", "Signs"]
        assert [track.metadata["language"] for track in tracks] == ["eng", "nor", "ger", "eng"]
        assert tracks[1].disposition & Disposition.comment
        assert tracks[3].disposition & Disposition.forced


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_cut_takes_the_sound_along(clip, tmp_path, suffix):
    source, target = clip(media.cfr), tmp_path / f"out{suffix}"
    copy(source, target, start=0.4, end=0.8)
    frames = frames_of(target)
    assert [media.frame_number(frame.planes[0]) for _, frame in frames] == list(range(10, 20))
    assert frames[0][0] == 0
    sound = times_of(target, "audio")
    assert 0 <= sound[0] < Fraction(1, 20)
    assert Fraction(7, 20) < sound[-1] < Fraction(2, 5)
    shifted = {round(time - Fraction(2, 5), 3) for time in times_of(source, "audio")}
    assert min(abs(sound[0] - time) for time in shifted) <= Fraction(1, 500)


def test_a_sound_that_is_not_in_the_cut_is_named(clip, tmp_path):
    source = clip(media.late_audio)
    warnings = copy(source, tmp_path / "out.mp4", end=0.4)
    assert len(frames_of(tmp_path / "out.mp4")) == 10
    assert warnings == ["0 of 1 audio tracks are in the file; the others are silent between --start and --end"]


def test_the_clock_of_a_transport_stream_is_set_to_zero(clip, tmp_path):
    source, target = tmp_path / "in.ts", tmp_path / "out.mp4"
    media.ffmpeg("-i", media.url(clip(media.cfr)), "-c", "copy", media.url(source))
    copy(source, target)
    before, after = times_of(source), times_of(target)
    assert before[0] > 1
    assert 0 <= after[0] < Fraction(1, 20)
    assert {a - b for a, b in zip(before, after, strict=True)} == {before[0] - after[0]}
    lead = times_of(source, "audio")[0] - before[0]
    assert abs(times_of(target, "audio")[0] - after[0] - lead) < Fraction(1, 1000)


@pytest.mark.parametrize("suffix", [".ts", ".m2ts", ".nut", ".flv"])
@pytest.mark.parametrize("kind", [media.cfr, media.vfr, media.b_frames, media.late_audio])
def test_where_nothing_may_be_before_zero_all_times_are_shifted_alike(clip, tmp_path, kind, suffix):
    source, target = clip(kind), tmp_path / f"out{suffix}"
    assert copy(source, target) == []
    before, after = frames_of(source), frames_of(target)
    assert [media.frame_number(frame.planes[0]) for _, frame in after] == list(range(len(before)))
    shifts = [b - a for (a, _), (b, _) in zip(before, after, strict=True)]
    tick = Fraction(1, 1000) if suffix == ".flv" else Fraction(1, 90000)
    assert max(shifts) - min(shifts) <= tick
    assert 0 <= shifts[0] < Fraction(1, 5)
    if kind is not media.b_frames:  # which has no sound
        assert abs(times_of(target, "audio")[0] - times_of(source, "audio")[0] - shifts[0]) <= Fraction(1, 1000)


def test_a_phones_container_keeps_times_and_sound(clip, tmp_path):
    source, target = clip(media.late_audio), tmp_path / "out.3gp"
    assert copy(source, target) == []
    assert times_of(target) == times_of(source)
    assert abs(times_of(target, "audio")[0] - times_of(source, "audio")[0]) <= Fraction(1, 1000)


def test_strange_names_are_only_names(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-dash.mp4", "a:colon.mp4", "50%d.mp4", "ein Bär\n.mp4", "x" * 251 + ".mp4"):
        copy(clip(media.no_audio), Path(name))
        assert Path(name).stat().st_size
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("target", "options", "error", "words"),
    [
        ("missing/out.mp4", {}, OutputError, "no such directory"),
        ("out.xyz", {}, UsageError, "no container"),
        ("out", {}, UsageError, "no suffix"),
        ("folder.mp4", {}, OutputError, "is a directory"),
        ("there.mp4", {}, OutputExistsError, "exists"),
        ("out.mp4", {"encoding": Encoding("nope")}, MachineError, "nope"),
        ("out.mkv", {"encoding": Encoding("ffv1", crf=3)}, UsageError, "no --crf"),
        ("out.mp4", {"encoding": Encoding(preset="warp")}, UsageError, "preset"),
        ("out.webm", {}, OutputError, r"WebM.*\.mkv takes"),
        ("out.ts", {"encoding": FFV1}, OutputError, r"codec of its video.*\.mkv takes"),
        ("out.mpg", {"encoding": Encoding("libx264")}, UsageError, "loses frames of libx264.*mpeg2video"),
        ("out.mpg", {}, OutputError, r"audio codec.*\.mkv takes"),
        ("out.mp4", {"binary": "/nonexistent/ffmpeg"}, MachineError, "no such ffmpeg"),
    ],
)
def test_refusals_come_before_the_first_frame_and_leave_nothing(clip, tmp_path, target, options, error, words):
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "there.mp4").write_text("mine")
    with VideoReader(clip(media.cfr)) as video:
        writer = VideoWriter(tmp_path / target, video.info, **options)
        with pytest.raises(error, match=words):
            writer.__enter__()
    assert (tmp_path / "there.mp4").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["folder.mp4", "there.mp4"]


def test_the_source_is_never_overwritten(clip, tmp_path):
    source = tmp_path / "in.mp4"
    source.write_bytes(clip(media.no_audio).read_bytes())
    (tmp_path / "link.mp4").symlink_to(source)
    with pytest.raises(OutputExistsError, match="source itself"):
        copy(source, tmp_path / "link.mp4", overwrite=True)


def test_an_exception_leaves_the_old_file_and_no_trace(clip, tmp_path):
    target = tmp_path / "out.mp4"
    target.write_text("old")
    with VideoReader(clip(media.cfr)) as video:
        frame = next(iter(video))
        writer = VideoWriter(target, video.info, overwrite=True).__enter__()
        writer.write(frame.planes, frame.pts)
        assert len(leftovers(tmp_path)) == 1
        writer.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_the_new_file_has_the_usual_permissions(clip, tmp_path):
    copy(clip(media.no_audio), tmp_path / "out.mp4")
    (tmp_path / "plain").touch()
    assert (tmp_path / "out.mp4").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_full_disk_is_called_a_full_disk(tmp_path):
    source = media.encode(tmp_path / "in.mkv", frames=40, codec=media.LOSSLESS, size=(320, 240))
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("needs the right to mount a tiny disk")
    try:
        with pytest.raises(OutputError, match="No space left on device"):
            copy(source, disk / "out.mkv", encoding=FFV1)
        assert os.listdir(disk) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def fake_ffmpeg(path: Path, body: str) -> str:
    real = media.FFMPEG
    path.write_text(f'#!/bin/sh\ncase "$*" in *-version*|*-encoders*|*encoder=*) exec {real} "$@";; esac\n{body}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo 'the dog ate it' >&2; exit 1", "the dog ate it"),
        ("exit 0", "without a file|said nothing"),
        ("cat > /dev/null", "without a file"),
        ("exec sleep 60", "taken no data"),
        ("while :; do echo noise; done >&2", "taken no data"),
        ("kill -9 $$", "status -9"),
    ],
)
def test_an_ffmpeg_that_misbehaves_is_told_and_never_waited_for(clip, tmp_path, monkeypatch, body, words):
    monkeypatch.setattr("rmfd_cli.video.writer._PROBE_STALL_SECONDS", 1.0)
    binary = fake_ffmpeg(tmp_path / "fake", body)
    with pytest.raises(OutputError, match=words):
        copy(clip(media.cfr), tmp_path / "out.mp4", binary=binary)
    assert os.listdir(tmp_path) == ["fake"]


def test_an_ffmpeg_that_dies_or_sticks_in_the_middle_is_told(clip, tmp_path):
    # The first run is the probe; the second one reads a little and then stops.
    for body, words in (
        ("head -c 100000 > /dev/null; echo gone >&2; exit 1", "gone"),
        ("exec sleep 60", "taken no data"),
    ):
        mark = tmp_path / "mark"
        mark.unlink(missing_ok=True)
        real = f'[ -e {mark} ] || {{ touch {mark}; exec {media.FFMPEG} "$@"; }}'
        binary = fake_ffmpeg(tmp_path / f"fake-{words[:4]}", f"{real}\n{body}")
        with pytest.raises(OutputError, match=words):
            copy(clip(media.cfr, frames=100), tmp_path / "out.mp4", binary=binary, stall_seconds=1.0)
        assert leftovers(tmp_path) == []
        assert not (tmp_path / "out.mp4").exists()


def test_a_file_with_fewer_frames_than_written_is_not_published(clip, tmp_path, monkeypatch):
    whole = encoding_module.Run.write
    monkeypatch.setattr(encoding_module.Run, "write", lambda run, planes, pts: pts == 512 or whole(run, planes, pts))
    with pytest.raises(OutputError, match="30 frames were written, 29"):
        copy(clip(media.cfr), tmp_path / "out.mp4")
    assert os.listdir(tmp_path) == []


def test_a_file_that_appears_meanwhile_is_left_as_it_is(clip, tmp_path):
    target = tmp_path / "out.mp4"

    def appearing(images):
        for image in images:
            target.write_bytes(b"mine")
            yield change(image)

    with pytest.raises(OutputExistsError, match="appeared"):
        derain(clip(media.no_audio), target, appearing)
    assert target.read_bytes() == b"mine"
    assert leftovers(tmp_path) == []


def test_a_sound_that_is_lost_on_the_way_is_an_error(clip, tmp_path):
    # It passes the trial, which takes a second of sound.
    forgetful = tmp_path / "ffmpeg"
    forgetful.write_text(
        f'#!/bin/bash\n[[ "$*" == *"-map 1:1"* && "$*" != *" -t "* ]] && exec {media.FFMPEG} "${{@/#1:1/0:v:0}}"\n'
        f'exec {media.FFMPEG} "$@"\n'
    )
    forgetful.chmod(0o755)
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputError, match="0 of 1 audio tracks are in the file"):
        copy(clip(media.cfr), tmp_path / "out" / "out.mkv", binary=str(forgetful))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_sound_track_with_nothing_in_it_is_no_hindrance(clip, tmp_path, suffix):
    source = clip(media.empty_sound, ".mkv")
    warnings = copy(source, tmp_path / f"out{suffix}")
    assert warnings == ([] if suffix == ".mkv" else ["1 of 2 audio tracks are in the file; the others are empty"])


def run(source: Path, target: Path, resumed: bool, options: DerainOptions = DerainOptions()) -> tuple[str, ...]:  # noqa: B008
    if not resumed:
        return derain(source, target, unchanged, options).warnings
    return derain_in_segments(source, target, unchanged_from, {}, options, segment_frames=2).warnings


@pytest.mark.parametrize("source", ["in.mkv", "in.mp4"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv", "out.webm"])
@pytest.mark.parametrize("resumed", [False, True])
def test_the_last_picture_is_shown_as_long_as_in_the_source(tmp_path, source, target, resumed):
    assert run(media.slides(tmp_path / source), tmp_path / target, resumed) == ()
    assert media.shown_until(tmp_path / target) == pytest.approx(7.0, abs=0.002)
    assert times_of(tmp_path / target) == [0, 1, 2]
    assert run(tmp_path / source, tmp_path / f"cut-{target}", resumed, DerainOptions(end_seconds=6)) == ()
    assert media.shown_until(tmp_path / f"cut-{target}") == pytest.approx(6.0, abs=0.002)
    assert leftovers(tmp_path) == []


def test_so_it_is_where_the_file_has_to_be_put_right_as_well(tmp_path):
    source = tmp_path / "full.mkv"
    media.ffmpeg("-i", media.slides(tmp_path / "in.mkv"), "-vf", "scale=out_range=pc", "-fps_mode", "passthrough", source)
    assert run(source, tmp_path / "out.mkv", False, DerainOptions(encoding=FFV1)) == ()
    with VideoReader(tmp_path / "out.mkv") as video:
        assert video.info.colour.tag_range == 2


def test_what_is_complete_is_kept_if_its_end_cannot_be_put_right(tmp_path):
    failing = tmp_path / "ffmpeg"
    failing.write_text(f'#!/bin/bash\n[[ "$*" == *setts* ]] && exit 1\nexec {media.FFMPEG} "$@"\n')
    failing.chmod(0o755)
    source = media.slides(tmp_path / "in.mkv")
    (warning,) = derain(source, tmp_path / "out.mp4", unchanged, DerainOptions(ffmpeg=str(failing))).warnings
    assert warning.startswith("the last frame is shown for 5.00 s in the source, and for less in the target: ")
    assert times_of(tmp_path / "out.mp4") == [0, 1, 2]
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("b_frames", [0, 3])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mkv", "out.webm", "out.ts"])
def test_a_pause_in_the_middle_is_none_at_the_end(tmp_path, monkeypatch, b_frames, source, target):
    passes = []
    whole = ffmpeg_module.run
    monkeypatch.setattr(ffmpeg_module, "run", lambda *arguments: passes.append(arguments) or whole(*arguments))
    times = "setpts='(N+gte(N\\,16)*75)/25/TB'"
    codec = ("-c:v", "libx264", "-bf", str(b_frames))
    media.encode(tmp_path / source, frames=20, codec=codec, filters=times, extra=("-fps_mode", "passthrough"))
    assert times_of(tmp_path / source)[-1] > 3.7
    report = derain(tmp_path / source, tmp_path / target, unchanged)
    assert report.warnings == ()
    assert passes == []


def test_a_container_that_does_not_say_how_long_says_so(tmp_path):
    (warning,) = derain(media.slides(tmp_path / "in.mkv"), tmp_path / "out.ts", unchanged).warnings
    assert warning == "the last frame is shown for 5.00 s in the source, and for less in the target"


@pytest.mark.parametrize("rate", [5, 12, 15])
@pytest.mark.parametrize("suffix", [".avi", ".ts", ".flv", ".mkv", ".mp4", ".mpg"])
def test_a_low_frame_rate_is_no_hindrance(tmp_path, rate, suffix):
    source = media.encode(tmp_path / "in.mp4", frames=6, rate=rate, size=(640, 480))
    assert [line for line in copy(source, tmp_path / f"out{suffix}") if "frame" in line] == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_cover_picture_survives_a_cut(clip, tmp_path, suffix):
    with_cover = tmp_path / "in.mp4"
    picture = tmp_path / "cover.png"
    media.ffmpeg("-f", "lavfi", "-i", "color=c=red:s=64x48", "-frames:v", "1", picture)
    disposed = ("-map", "0", "-map", "1", "-c", "copy", "-disposition:v:1", "attached_pic")
    media.ffmpeg("-i", clip(media.cfr), "-i", picture, *disposed, with_cover)
    assert copy(with_cover, tmp_path / f"out{suffix}", start=0.4, end=0.8) == []
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        assert [stream.disposition for stream in container.streams.video][1:] == [Disposition.attached_pic]


@pytest.mark.parametrize(("start", "code"), [(None, "01:00:00:00"), (0.12, "01:00:00:03"), (0.1, "01:00:00:03")])
def test_a_time_code_goes_on_where_the_cut_begins(clip, tmp_path, start, code):
    source = clip(media.with_timecode, ".mov")
    copy(source, tmp_path / "out.mov", start=start)
    with av.open(str(tmp_path / "out.mov")) as container:
        assert container.streams.video[0].metadata["timecode"] == code


@pytest.mark.parametrize("suffix", [".mov", ".mxf", ".mkv"])
def test_so_does_one_of_the_file_as_a_whole(clip, tmp_path, suffix):
    media.ffmpeg("-i", clip(media.with_timecode, ".mov"), "-c:v", "mpeg2video", tmp_path / "in.mxf")
    copy(tmp_path / "in.mxf", tmp_path / f"out{suffix}", start=0.12)
    with av.open(str(tmp_path / f"out{suffix}")) as container:
        tags = [one.metadata for one in (container, container.streams.video[0])]
    codes = {value for one in tags for key, value in one.items() if key.lower() == "timecode"}
    assert codes == {"01:00:00:03"}


@pytest.mark.parametrize("suffix", [".ts", ".avi", ".3gp"])
def test_a_time_code_without_a_place_is_named(clip, tmp_path, suffix):
    warnings = copy(clip(media.with_timecode, ".mov"), tmp_path / f"out{suffix}")
    assert "the target has no place for time code: left out" in warnings


@pytest.mark.parametrize("frames", [1, 2, 5])
@pytest.mark.parametrize("suffix", [".ts", ".mts", ".m2ts"])
def test_a_small_silent_transport_stream_is_written_and_checked(tmp_path, frames, suffix):
    source = media.encode(tmp_path / "in.mp4", frames=frames, size=(320, 180))
    assert copy(source, tmp_path / f"out{suffix}") == []
    assert (tmp_path / f"out{suffix}").stat().st_size


def test_roles_of_tracks_without_a_place_are_named(clip, tmp_path):
    assert any("roles of tracks" in warning for warning in copy(clip(media.many_tracks, ".mkv"), tmp_path / "out.ts"))


def test_times_that_do_not_grow_are_moved_by_a_tick(clip, tmp_path):
    with VideoReader(clip(media.no_audio)) as video, VideoWriter(tmp_path / "out.mp4", video.info) as writer:
        for frame in video:
            writer.write(frame.planes, min(frame.pts, 1024))
    ticks = [int(time / video.info.time_base) for time in times_of(tmp_path / "out.mp4")]
    assert ticks == [0, 512, *range(1024, 1024 + len(ticks) - 2)]


EIGHT, TEN = ("yuv420p", "yuv422p", "yuv444p"), ("yuv420p10le", "yuv422p10le", "yuv444p10le")


@pytest.mark.parametrize(
    ("name", "bits", "shift", "size", "offered", "chosen"),
    [
        ("yuv420p", 8, (1, 1), (640, 480), EIGHT, "yuv420p"),
        ("yuv420p", 8, (1, 1), (641, 480), EIGHT, "yuv444p"),
        ("yuv420p", 8, (1, 1), (640, 481), EIGHT, "yuv422p"),
        ("yuv410p", 8, (2, 2), (640, 480), EIGHT + TEN, "yuv420p"),
        ("yuv420p12le", 12, (1, 1), (640, 480), EIGHT + TEN, "yuv420p10le"),
        ("yuv422p10le", 10, (1, 0), (640, 480), EIGHT, "yuv422p"),
        ("yuv444p", 8, (0, 0), (640, 480), ("yuv420p", "nv12"), "yuv420p"),
        ("gray10le", 10, (0, 0), (640, 480), EIGHT + TEN, "yuv420p10le"),
        ("yuv420p", 8, (1, 1), (640, 480), ("gray", "yuv420p10le"), "yuv420p10le"),
        ("yuv420p", 8, (1, 1), (640, 480), (), "yuv420p"),
    ],
)
def test_the_pixel_format_loses_as_little_as_possible(name, bits, shift, size, offered, chosen):
    assert choose_pixel_format(PlaneFormat(name, bits, shift), size, offered, even_only=True)[0] == chosen
