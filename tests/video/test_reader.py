"""The reader against ffmpeg itself: every frame, its number, its time, its bytes; and every way a file can be wrong."""

import hashlib
import os
import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from rmfd_cli.errors import InputError
from rmfd_cli.types import Frame, VideoInfo
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.conftest import Clip


def read(path: Path, **cut: float) -> tuple[VideoInfo, list[Frame], str | None]:
    with VideoReader(path, **cut) as reader:
        frames = list(reader)
        return reader.info, frames, reader.damage


def numbers(frames: list[Frame]) -> list[int]:
    return [media.frame_number(frame.planes[0]) for frame in frames]


def as_decoded(frames: list[Frame]) -> list[media.DecodedFrame]:
    return [
        media.DecodedFrame(frame.pts, hashlib.md5(b"".join(plane.tobytes() for plane in frame.planes)).hexdigest())
        for frame in frames
    ]


WHOLE = [
    (media.cfr, ".mp4", {}),
    (media.cfr, ".ts", {}),
    (media.no_audio, ".avi", {}),
    (media.vfr, ".mp4", {}),
    (media.vfr, ".mkv", {}),
    (media.late_audio, ".mp4", {}),
    (media.rich, ".mkv", {}),
    (media.b_frames, ".mp4", {}),
    (media.b_frames, ".mkv", {}),
    (media.b_frames, ".ts", {}),
    (media.fragmented, ".mp4", {}),
    (media.rotated, ".mp4", {"degrees": 90}),
    (media.ten_bit, ".mp4", {}),
    (media.ten_bit, ".mp4", {"pix_fmt": "yuv422p10le"}),
    (media.tagged, ".mp4", {"matrix": "bt709"}),
    (media.tagged, ".mp4", {"matrix": "bt601", "full_range": True}),
    (media.hlg, ".mp4", {}),
    (media.odd_size, ".mkv", {}),
    (media.interlaced, ".mp4", {}),
    (media.anamorphic, ".mp4", {}),
    *((media.grey, ".mkv", {"pix_fmt": name}) for name in ("gray", "gray10le", "gray12le", "gray16le")),
    *(
        (media.pixel_format, ".mkv", {"pix_fmt": name, "size": (321, 181)})
        for name in ("yuv444p", "yuv422p", "yuv440p", "yuv411p", "yuv410p", "yuv420p9le", "yuv422p12le", "yuv444p16le")
    ),
]


@pytest.mark.parametrize(("kind", "suffix", "arguments"), WHOLE)
def test_frames_times_and_planes_are_those_of_ffmpeg(clip: Clip, kind, suffix, arguments) -> None:
    path = clip(kind, suffix, **arguments)
    info, frames, damage = read(path)
    assert numbers(frames) == list(range(len(frames)))
    assert as_decoded(frames) == media.decoded_frames(path, info.format.name)
    assert [media.frame_number(frame.rgb) for frame in frames] == numbers(frames)
    assert damage is None
    assert all(plane.flags.c_contiguous and plane.flags.owndata for frame in frames for plane in frame.planes)
    deep = np.uint16 if info.format.bits > 8 else np.uint8
    assert frames[0].rgb.shape == (info.height_px, info.width_px, 3)
    assert {array.dtype for frame in frames for array in (*frame.planes, frame.rgb)} == {np.dtype(deep)}


def test_frames_that_the_decoder_holds_back_come_out(clip: Clip) -> None:
    _, frames, _ = read(clip(media.b_frames, frames=48))
    assert len(frames) == 48


def test_variable_frame_rate_keeps_every_time(clip: Clip) -> None:
    for suffix in (".mp4", ".mkv"):
        info, frames, _ = read(clip(media.vfr, suffix))
        assert [round(frame.pts * info.time_base * 1000) for frame in frames] == media.vfr_pts_ms()


@pytest.mark.parametrize("name", ["-dash.mp4", "a:b.mp4", "100%d %s.mp4", "føroyar 雨.mp4", "new\nline.mp4", "[x]*.mp4"])
def test_any_file_name_opens(clip: Clip, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(clip(media.cfr), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    info, frames, _ = read(Path(name))
    assert len(frames) == media.FRAMES
    assert info.path == name


def test_header_facts(clip: Clip) -> None:
    with VideoReader(clip(media.cfr)) as reader:
        info = reader.info
    assert (info.width_px, info.height_px, info.frame_rate) == (media.WIDTH, media.HEIGHT, Fraction(media.RATE))
    assert info.frame_count_estimate == media.FRAMES
    assert info.duration_seconds == pytest.approx(media.FRAMES / media.RATE)
    assert (info.sample_aspect_ratio, info.rotation_degrees, info.stream_index) == (1, 0, 0)
    assert info.colour.tag_matrix == info.colour.tag_primaries == info.colour.tag_transfer == 2


def test_header_without_a_frame_count_gives_an_estimate(clip: Clip) -> None:
    with VideoReader(clip(media.no_audio, ".mkv")) as reader:
        assert reader.info.frame_count_estimate == media.FRAMES


def test_sample_aspect_ratio(clip: Clip) -> None:
    with VideoReader(clip(media.anamorphic)) as reader:
        assert reader.info.sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_leaves_the_stored_frame_alone(clip: Clip, degrees: int) -> None:
    info, frames, _ = read(clip(media.rotated, degrees=degrees))
    assert info.rotation_degrees == degrees
    assert frames[0].planes[0].shape == (media.HEIGHT, media.WIDTH)


def test_hdr_tags_pass(clip: Clip) -> None:
    info, _, _ = read(clip(media.hlg))
    colour = info.colour
    assert (colour.matrix, colour.tag_matrix, colour.tag_primaries, colour.tag_transfer) == ("bt2020", 9, 9, 18)


def test_cover_art_is_never_the_video(clip: Clip) -> None:
    for suffix in (".mp4", ".mkv"):
        info, frames, _ = read(clip(media.cover_art, suffix))
        assert (info.width_px, len(frames)) == (media.WIDTH, media.FRAMES)


@pytest.mark.parametrize(
    ("pix_fmt", "native", "depth_loss"),
    [
        ("nv12", "yuv420p", 0),
        ("yuyv422", "yuv422p", 0),
        ("yuv420p10be", "yuv420p10le", 0),
        ("yuva420p", "yuv420p", 0),
        ("yuva444p10le", "yuv444p10le", 0),
        ("ya8", "gray", 0),
        ("rgb24", "yuv444p", 2),
        ("bgra", "yuv444p", 2),
        ("gbrp", "yuv444p", 2),
        ("gbrp10le", "yuv444p10le", 2),
        ("rgb48le", "yuv444p16le", 200),
        ("rgb555le", "yuv444p", 6),
    ],
)
def test_other_pixel_formats_become_the_nearest_planar_yuv(clip: Clip, pix_fmt: str, native: str, depth_loss: int) -> None:
    path = clip(media.pixel_format, ".nut", pix_fmt=pix_fmt)
    info, frames, _ = read(path)
    assert info.format.name == native
    assert numbers(frames) == list(range(8))
    if depth_loss:
        assert info.colour.tag_matrix == 6
        want = media.picture(3).astype(float) / 65535
        got = frames[3].rgb / (65535 if info.format.bits > 8 else 255)
        assert np.abs(got - want).max() < (0.06 if pix_fmt == "rgb555le" else 0.012)
    else:
        assert as_decoded(frames) == media.decoded_frames(path, native)


def test_palette_becomes_444(clip: Clip) -> None:
    path = clip(media.cfr).with_name("palette.gif")
    media.ffmpeg("-i", media.url(clip(media.cfr)), media.url(path))
    info, frames, _ = read(path)
    assert info.format.name == "yuv444p"
    assert numbers(frames)[:3] == [0, 1, 2]


def test_jpeg_yuv_counts_as_full_range(clip: Clip, tmp_path: Path) -> None:
    path = media.encode(tmp_path / "camera.avi", pix_fmt="yuvj420p", codec=("-c:v", "mjpeg", "-q:v", "2"))
    info, frames, _ = read(path)
    assert (info.format.name, info.colour.full_range, info.colour.tag_range) == ("yuv420p", True, 2)
    assert numbers(frames) == list(range(media.FRAMES))


def test_frames_without_a_time_follow_their_predecessor(clip: Clip, tmp_path: Path) -> None:
    raw = tmp_path / "raw.h264"
    media.ffmpeg("-i", media.url(clip(media.b_frames)), "-c", "copy", "-bsf:v", "h264_mp4toannexb", media.url(raw))
    info, frames, _ = read(raw)
    assert numbers(frames) == list(range(48))
    gaps = {(later.pts - earlier.pts) * info.time_base for earlier, later in pairwise(frames)}
    assert gaps == {Fraction(1, 25)}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_start_and_end_are_exact_to_the_frame(clip: Clip, suffix: str) -> None:
    path = clip(media.b_frames, suffix)
    _, whole, _ = read(path)
    for first in range(0, 48, 5):
        last = min(first + 4, 48)
        _, part, damage = read(path, start_seconds=first / 25, end_seconds=last / 25)
        assert numbers(part) == list(range(first, last))
        assert as_decoded(part) == as_decoded(whole[first:last])
        assert damage is None


def test_start_and_end_on_irregular_times(clip: Clip) -> None:
    times = media.vfr_pts_ms()
    for path in (clip(media.vfr, ".mp4"), clip(media.vfr, ".mkv")):
        assert numbers(read(path, start_seconds=times[12] / 1000)[1])[0] == 12
        assert numbers(read(path, start_seconds=times[12] / 1000 + 0.001)[1])[0] == 13
        assert numbers(read(path, end_seconds=times[12] / 1000)[1])[-1] == 11
        assert numbers(read(path, end_seconds=times[12] / 1000 + 0.001)[1])[-1] == 12


def test_avi_with_b_frames_gets_times_that_rise(clip: Clip) -> None:
    info, frames, _ = read(clip(media.b_frames, ".avi"))
    assert numbers(frames) == list(range(48))
    assert [frame.pts * info.time_base * 25 for frame in frames] == list(range(48))
    assert numbers(read(clip(media.b_frames, ".avi"), start_seconds=1.0)[1]) == list(range(25, 48))


@pytest.mark.parametrize("b_frames", [1, 2])
def test_avi_that_times_its_b_frames_alone(tmp_path: Path, b_frames: int) -> None:
    codec = ("-c:v", "mpeg4", "-q:v", "2", "-bf", str(b_frames))
    path = media.encode(tmp_path / "old.avi", codec=codec)
    info, frames, damage = read(path)
    assert numbers(frames) == list(range(media.FRAMES))
    assert [frame.pts * info.time_base * 25 for frame in frames] == numbers(frames)
    assert numbers(read(path, start_seconds=0.4, end_seconds=0.8)[1]) == list(range(10, 20))
    assert damage is None


def test_avi_with_dropped_frames_keeps_the_gap(tmp_path: Path) -> None:
    path = media.encode(
        tmp_path / "gap.avi",
        filters="select='not(between(n,10,14))'",
        codec=("-c:v", "mjpeg", "-q:v", "2"),
        extra=("-fps_mode", "passthrough"),
    )
    info, frames, _ = read(path)
    assert numbers(frames) == [*range(10), *range(15, media.FRAMES)]
    assert [frame.pts * info.time_base * 25 for frame in frames] == numbers(frames)


def test_start_in_a_stream_that_cannot_seek(clip: Clip, tmp_path: Path) -> None:
    raw = tmp_path / "raw.h264"
    media.ffmpeg("-i", media.url(clip(media.b_frames)), "-c", "copy", "-bsf:v", "h264_mp4toannexb", media.url(raw))
    assert numbers(read(raw, start_seconds=1.0)[1]) == list(range(25, 48))


def test_start_behind_the_end_yields_nothing(clip: Clip) -> None:
    assert read(clip(media.cfr), start_seconds=99.0)[1] == []


def test_start_counts_from_the_first_video_frame_not_from_zero(clip: Clip, tmp_path: Path) -> None:
    path = media.encode(tmp_path / "late.mkv", frames=20, filters="setpts=PTS+5/TB")
    assert numbers(read(path, start_seconds=0.4, end_seconds=0.48)[1]) == [10, 11]


def test_losslessly_trimmed_mp4_is_not_called_damaged(clip: Clip) -> None:
    path = clip(media.trimmed)
    info, frames, damage = read(path)
    assert as_decoded(frames) == media.decoded_frames(path, info.format.name)
    assert damage is None


def test_notes_behind_the_last_mp4_box_are_not_damage(clip: Clip, tmp_path: Path) -> None:
    path = tmp_path / "camera.mp4"
    path.write_bytes(clip(media.cfr).read_bytes() + b"\x10\x20NOTES of the camera maker")
    assert read(path)[2] is None


def test_cut_off_mp4_with_its_index_in_front(clip: Clip, tmp_path: Path) -> None:
    front = media.front_index(tmp_path / "front.mp4", clip(media.b_frames))
    _, frames, damage = read(media.truncated(tmp_path / "cut.mp4", front))
    assert 10 < len(frames) < 48
    assert damage is not None
    assert "cut off" in damage


def test_cut_off_matroska_and_transport_stream(clip: Clip, tmp_path: Path) -> None:
    for suffix in (".mkv", ".ts"):
        _, frames, damage = read(media.truncated(tmp_path / f"cut{suffix}", clip(media.b_frames, suffix), keep=0.61))
        assert 10 < len(frames) < 48
        assert damage is not None
        assert "cut off" in damage


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_damage_inside_loses_only_what_it_hits(clip: Clip, tmp_path: Path, suffix: str) -> None:
    source = clip(media.b_frames, suffix, frames=120)
    if suffix == ".mp4":
        source = media.front_index(tmp_path / "front.mp4", source)
    _, frames, damage = read(media.corrupted(tmp_path / f"bad{suffix}", source))
    assert 90 < len(frames) < 120
    assert numbers(frames)[-1] == 119
    assert damage is not None
    assert "damaged" in damage or "not decodable" in damage


def assert_refused(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_changing_picture_size_is_refused(clip: Clip) -> None:
    assert_refused(clip(media.changing_size, ".ts"), "160x120 to 192x144 at frame 10", "split")


def test_missing_file(tmp_path: Path) -> None:
    assert_refused(tmp_path / "none.mp4", "no such file")


def test_directory(tmp_path: Path) -> None:
    assert_refused(tmp_path, "directory")


def test_zero_bytes(tmp_path: Path) -> None:
    path = tmp_path / "zero.mp4"
    path.touch()
    assert_refused(path, "empty (0 bytes)")


def test_noise_and_text_are_not_videos(tmp_path: Path) -> None:
    noise, text = tmp_path / "noise.mp4", tmp_path / "notes.txt"
    noise.write_bytes(np.random.default_rng(3).bytes(5000))
    text.write_text("rain, rain, go away\n" * 50)
    assert_refused(noise, "not a video")
    assert_refused(text, "not a video")


def test_audio_only_with_and_without_a_cover(clip: Clip) -> None:
    assert_refused(clip(media.audio_only, ".m4a"), "only sound")
    assert_refused(clip(media.cover_art, ".m4a", with_video=False), "only sound")


def test_subtitles_only(tmp_path: Path) -> None:
    path = tmp_path / "words.srt"
    path.write_text("1\n00:00:00,100 --> 00:00:00,900\nhello\n")
    assert_refused(path, "no moving picture")


def test_mp4_cut_off_before_its_index(clip: Clip, tmp_path: Path) -> None:
    assert_refused(media.truncated(tmp_path / "cut.mp4", clip(media.cfr)), "index (moov) is missing", "whole file")


def test_permission_denied(clip: Clip, tmp_path: Path) -> None:
    path = Path(shutil.copy(clip(media.cfr), tmp_path / "secret.mp4"))
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        # Root may read everything.
        os.seteuid(65534)
    try:
        assert_refused(path, "permission denied")
    finally:
        os.seteuid(user)


def test_planes_outlive_the_reader(clip: Clip) -> None:
    with VideoReader(clip(media.cfr)) as reader:
        frame = next(iter(reader))
    assert media.frame_number(frame.planes[0]) == 0
