import gc
import re
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from rmfd_cli.derain import derain, derain_in_segments
from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.options import DerainOptions, Encoding
from rmfd_cli.video import keeping
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.traits import Hdr, Traits, read_traits
from rmfd_cli.video.writer import VideoWriter
from tests import media
from tests.stand_ins import unchanged, unchanged_from

RGB = "its pictures are RGB: they are worked on and stored as yuv444p, which rounds them"
HDR10 = Hdr(media.MASTERING_DISPLAY, media.CONTENT_LIGHT)


def copy(source: Path, target: Path, **options) -> list[str]:
    traits = read_traits(source, 0)
    with VideoReader(source) as video, VideoWriter(target, video.info, traits=traits, **options) as writer:
        for frame in video:
            writer.write(frame.planes, frame.pts)
    return [*writer.warnings, *video.left_behind, *video.rounding]


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("libx264", ".mp4"), ("libx265", ".mp4"), ("libx265", ".mkv"), ("ffv1", ".mkv"), ("libvpx-vp9", ".webm")],
)
def test_hdr10_keeps_its_metadata_and_tags(clip, tmp_path, codec, suffix):
    source, target = clip(media.hdr10), tmp_path / f"out{suffix}"
    assert copy(source, target, encoding=Encoding(codec)) == []
    with VideoReader(target) as video:
        colour, stored = video.info.colour, video.info.format
    assert read_traits(target, 0).hdr == read_traits(source, 0).hdr == HDR10
    assert (colour.tag_matrix, colour.tag_primaries, colour.tag_transfer) == (9, 9, 16)
    assert stored.name == "yuv420p10le"


def test_hlg_keeps_its_tags(clip, tmp_path):
    assert copy(clip(media.hlg), tmp_path / "out.mp4") == []
    with VideoReader(tmp_path / "out.mp4") as video:
        assert (video.info.colour.tag_primaries, video.info.colour.tag_transfer) == (9, 18)


def test_hdr10_that_would_be_lost_is_refused_before_the_first_frame(clip, tmp_path):
    # An ffmpeg of before 9.0, as far as its options go.
    old = tmp_path / "ffmpeg"
    old.write_text(f'#!/bin/sh\n[ "$*" = "-hide_banner -h long" ] && exit 0\nexec {media.FFMPEG} "$@"\n')
    old.chmod(0o755)
    (tmp_path / "out").mkdir()
    source = clip(media.hdr10)
    with VideoReader(source) as video:
        writer = VideoWriter(tmp_path / "out" / "out.mp4", video.info, traits=read_traits(source, 0), binary=str(old))
        with pytest.raises(OutputError, match=r"would lose the HDR metadata.*9\.0"):
            writer.__enter__()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("order", ["tff", "bff"])
@pytest.mark.parametrize(("codec", "suffix"), [("libx264", ".mp4"), ("ffv1", ".mkv")])
def test_interlaced_stays_interlaced_and_is_warned_of(clip, tmp_path, order, codec, suffix):
    source, target = clip(media.field_coded, order=order), tmp_path / f"out{suffix}"
    warnings = copy(source, target, encoding=Encoding(codec))
    assert [re.match("the video is interlaced", warning) is not None for warning in warnings] == [True]
    assert read_traits(source, 0).field_order == read_traits(target, 0).field_order == order


@pytest.mark.parametrize(
    ("codec", "size", "order"), [("dvvideo", (720, 576), "bff"), ("mpeg4", (160, 120), "bff"), ("mpeg4", (160, 120), "tff")]
)
def test_the_order_of_fields_is_that_of_the_pictures_where_the_header_says_nothing(tmp_path, codec, size, order):
    source = media.old_interlaced(tmp_path / "in.avi", codec, order, size)
    assert media.field_order(source) == order[0].upper()
    for name in ("out.mkv", "out.avi"):
        assert sum(warning.startswith("the video is interlaced") for warning in copy(source, tmp_path / name)) == 1
        assert media.field_order(tmp_path / name) == order[0].upper()


@pytest.mark.parametrize("suffix", [".mov", ".mkv"])
def test_a_profile_in_png_frames_is_named(tmp_path, suffix):
    source = media.pictures_in(tmp_path / f"in{suffix}", "png", media.icc_chunk())
    warnings = copy(source, tmp_path / "out.mp4")
    assert warnings == ["an ICC profile inside the pictures cannot be written again and is left out", RGB]


@pytest.mark.parametrize("suffix", [".mov", ".avi"])
def test_exif_in_jpeg_frames_does_no_harm(tmp_path, suffix):
    source = media.pictures_in(tmp_path / f"in{suffix}", "mjpeg", media.exif_segment())
    assert copy(source, tmp_path / "out.mp4") == []


def test_pictures_do_not_wait_for_the_garbage_collector(clip):
    # A second of 4K would be half a gigabyte.
    def pictures():
        # Objects of other packages warn when they are asked for their class.
        return sum(type(one) is av.VideoFrame for one in gc.get_objects())

    gc.collect()
    before = pictures()
    gc.disable()
    try:
        with VideoReader(clip(media.cfr)) as video:
            assert sum(1 for _ in video) == media.FRAMES
        assert pictures() - before < 3
    finally:
        gc.enable()


@pytest.mark.parametrize(("kind", "what"), [(media.frame_packed, "stereo pair"), (media.field_coded, "interlaced")])
def test_what_only_later_pictures_carry_is_named_at_the_end(clip, tmp_path, kind, what):
    source = media.later(tmp_path / "in.ts", clip(media.no_audio), clip(kind))
    report = derain(source, tmp_path / "out.mp4", unchanged)
    assert [what in warning for warning in report.warnings] == [True]
    assert derain(clip(kind), tmp_path / "whole.mp4", unchanged).warnings == report.warnings


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le"])
@pytest.mark.parametrize("resumed", [False, True])
def test_full_range_is_lossless_in_ffv1_too(tmp_path, pix_fmt, resumed):
    source = media.tagged(tmp_path / "in.mp4", full_range=True, pix_fmt=pix_fmt)
    options = DerainOptions(encoding=Encoding("ffv1"))
    if resumed:
        derain_in_segments(source, tmp_path / "out.mkv", unchanged_from, {}, options, segment_frames=3)
    else:
        assert derain(source, tmp_path / "out.mkv", unchanged, options).warnings == ()
    with VideoReader(source) as one, VideoReader(tmp_path / "out.mkv") as other:
        assert (other.info.colour.full_range, other.info.colour.tag_range) == (True, 2)
        for before, after in zip(one, other, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))


def test_ffv1_that_could_not_say_so_is_refused_before_the_first_frame(clip, tmp_path):
    (tmp_path / "out").mkdir()
    with VideoReader(clip(media.tagged, full_range=True)) as video:
        writer = VideoWriter(tmp_path / "out" / "out.mov", video.info, encoding=Encoding("ffv1"))
        with pytest.raises(OutputError, match=r"full range.*name a \.mkv"):
            writer.__enter__()
    assert list((tmp_path / "out").iterdir()) == []


def test_an_encoder_without_fields_is_named(clip, tmp_path):
    warnings = copy(clip(media.field_coded), tmp_path / "out.mp4", encoding=Encoding("libx265"))
    assert "libx265 in .mp4 does not keep the field order" in warnings


def test_deinterlaced_frames_are_whole_as_many_and_on_time(clip, tmp_path):
    source = clip(media.field_coded)
    with VideoReader(source) as video:
        combed = list(video)
    with (
        VideoReader(source, deinterlace=True) as video,
        VideoWriter(tmp_path / "o.mp4", video.info) as writer,
    ):
        whole = list(video)
        for frame in whole:
            writer.write(frame.planes, frame.pts)
    assert [frame.pts for frame in whole] == [frame.pts for frame in combed]
    assert combing(whole) < 0.5 * combing(combed)
    assert writer.warnings == []
    assert read_traits(tmp_path / "o.mp4", 0).field_order is None


def combing(frames) -> float:
    """How much neighbouring lines differ more than lines of the same field do."""
    luma = np.stack([frame.planes[0] for frame in frames]).astype(float)[:, 40:]
    return float(np.abs(2 * luma[:, 1:-1] - luma[:, :-2] - luma[:, 2:]).mean())


def test_deinterlacing_leaves_progressive_pictures_alone(clip):
    with VideoReader(clip(media.cfr)) as plain, VideoReader(clip(media.cfr), deinterlace=True) as filtered:
        for before, after in zip(plain, filtered, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(before.planes, after.planes, strict=True))
            assert before.pts == after.pts


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_mirrored_display_matrix_is_kept_and_the_picture_upright(clip, tmp_path, degrees):
    source, target = clip(media.mirrored, degrees=degrees), tmp_path / "out.mp4"
    assert copy(source, target) == []
    for path in (source, target):
        with VideoReader(path) as video:
            assert (video.info.rotation_degrees, video.info.is_mirrored) == (degrees, True)
    with VideoReader(clip(media.rotated, degrees=90)) as video:
        assert not video.info.is_mirrored


@pytest.mark.parametrize(
    ("suffix", "arguments"),
    [
        (".mkv", {}),
        (".mov", {"codec": ("-c:v", "prores_ks", "-profile:v", "4444"), "pix_fmt": "yuva444p10le"}),
        (".mov", {"codec": ("-c:v", "qtrle"), "pix_fmt": "argb"}),
        (".webm", {"codec": ("-c:v", "libvpx-vp9", "-cpu-used", "8")}),
    ],
)
def test_transparent_pixels_are_refused(clip, suffix, arguments):
    with pytest.raises(InputError, match=r"transparent pixels.*background"):
        VideoReader(clip(media.transparent, suffix, **arguments))


def test_an_alpha_plane_that_hides_nothing_is_no_hindrance(clip):
    with VideoReader(clip(media.transparent, ".mkv", alpha=1.0)) as video:
        assert len(list(video)) == 6


def test_pixels_that_become_transparent_later_are_refused_then(tmp_path):
    path = media.encode(
        tmp_path / "fade.mkv",
        frames=8,
        codec=media.LOSSLESS,
        pix_fmt="yuva420p",
        filters="format=yuva420p,fade=out:4:4:alpha=1",
    )
    with VideoReader(path) as video, pytest.raises(InputError, match="transparent"):
        list(video)


def test_what_is_inside_the_pictures_and_cannot_be_written_is_named(clip, tmp_path):
    warnings = copy(clip(media.frame_packed), tmp_path / "out.mp4")
    assert warnings == ["the layout of a stereo pair inside the pictures cannot be written again and is left out"]


def test_dolby_vision_without_a_base_is_refused():
    traits = Traits(field_order=None, hdr=None, inside=("Dolby Vision metadata",), needs_dolby_vision=True)
    with pytest.raises(InputError, match="HDR10 first"):
        keeping.lost_inside("in.mp4", traits)


def test_what_a_target_does_not_keep_is_found_by_reading_it(clip, tmp_path):
    # A trial that lost everything.
    trial = shutil.copy(clip(media.no_audio), tmp_path / "trial.mp4")
    with VideoReader(clip(media.tagged, matrix="bt709", full_range=True)) as video:
        source = video.info
    turned = source.__class__(**{**vars(source), "rotation_degrees": 90, "sample_aspect_ratio": Fraction(4, 3)})
    lost = keeping.lost_in_target(Path(trial), Path("out.mp4"), "libx264", turned, read_traits(source.path, 0))
    assert lost == [
        f"libx264 in .mp4 does not keep {name}"
        for name in ("the colour tags", "the range of code values", "the shape of pixels", "the rotation")
    ]
