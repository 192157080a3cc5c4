"""Options that go to the encoder, and hardware that takes its place if it works."""

from pathlib import Path

import av
import pytest

from rmfd_cli.errors import MachineError, UsageError
from rmfd_cli.options import Encoding
from rmfd_cli.types import PlaneFormat
from rmfd_cli.video import hardware
from rmfd_cli.video.containers import coded_for
from rmfd_cli.video.encoding import encoder_settings
from rmfd_cli.video.ffmpeg import Encoder
from rmfd_cli.video.trial import choose_encoder
from tests import media

YUV = PlaneFormat("yuv420p", 8, (1, 1))
DEEP = PlaneFormat("yuv420p10le", 10, (1, 1))


def choose(encoding: Encoding, binary: str = media.FFMPEG):
    return choose_encoder(binary, coded_for(Path("out.mp4"), encoding), YUV, (160, 120))


def key_frames(path) -> int:
    with av.open(str(path)) as container:
        return sum(packet.is_keyframe for packet in container.demux(video=0) if packet.size)


def test_options_reach_the_encoder(rmfd, clip, tmp_path):
    source = clip(media.no_audio)
    for name, options in (("a.mp4", ()), ("b.mp4", ("--encoder-opt", "g=3", "--encoder-opt", "-aq-mode=0"))):
        assert rmfd("derain", source, "-o", tmp_path / name, *options).exit_code == 0
    assert (key_frames(tmp_path / "a.mp4"), key_frames(tmp_path / "b.mp4")) == (1, 10)


def test_a_rate_that_is_given_leaves_no_quality_beside_it():
    assert choose(Encoding()).options["crf:v:0"] == "18"
    settings = choose(Encoding(extra=(("b", "200k"),)))
    assert "crf:v:0" not in settings.options
    assert settings.options["b:v:0"] == "200k"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("nope=1", "has no such option"),
        ("i=other.mp4", "has no such option"),
        ("tune=blah", "invalid tune"),
        ("g=many", "many"),
        ("x264-params=nonsense=3", "nonsense"),
        ("crf=3", "--crf"),
        ("preset=slow", "--preset"),
        ("colorspace=1", "set by rmfd"),
        *((option, "option of ffmpeg") for option in ("c:v=libx265", "map=0", "f=avi", "y=1", "pix_fmt=gray")),
    ],
)
def test_what_the_encoder_refuses_is_known_before_any_work(option, words):
    with pytest.raises(UsageError, match=words):
        choose(Encoding(extra=(tuple(option.split("=", 1)),)))


def test_the_command_line_says_so_in_one_line(rmfd, clip, tmp_path):
    for option in ("nope=1", "nothing", "tune=blah"):
        done = rmfd("derain", clip(media.no_audio), "-o", tmp_path / "o.mp4", "--encoder-opt", option)
        assert done.exit_code == 2
        assert len(done.stderr.splitlines()) == 1
        assert not list(tmp_path.iterdir())


def test_interlaced_bottom_first_and_own_parameters_go_together(rmfd, clip, tmp_path):
    source = clip(media.field_coded, order="bff")
    done = rmfd("derain", source, "-o", tmp_path / "o.mkv", "--encoder-opt", "x264-params=keyint=2")
    assert done.exit_code == 0, done.stderr
    assert key_frames(tmp_path / "o.mkv") == 6


@pytest.fixture
def no_hardware(tmp_path) -> str:
    """An ffmpeg whose hardware never works, whatever this machine has."""
    path = tmp_path / "ffmpeg"
    path.write_text(
        '#!/bin/sh\ncase "$*" in *testsrc2*_nvenc*|*testsrc2*_qsv*|*testsrc2*_vaapi*|*testsrc2*_videotoolbox*) '
        f'echo "no such chip" >&2; exit 1;; esac\nexec {media.FFMPEG} "$@"\n'
    )
    path.chmod(0o755)
    return str(path)


def test_without_hardware_auto_warns_once_and_writes_what_it_would_have(rmfd, clip, tmp_path, no_hardware):
    source, written = clip(media.cfr), []
    for name, options in (("a.mp4", ()), ("b.mp4", ("--hw", "auto"))):
        done = rmfd("derain", source, "-o", tmp_path / name, "--ffmpeg", no_hardware, *options)
        assert done.exit_code == 0, done.stderr
        assert done.stderr.count("warning: --hw auto") == len(options) // 2
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_hardware_that_was_named_and_does_not_work_is_an_error(rmfd, clip, tmp_path, no_hardware):
    done = rmfd("derain", clip(media.cfr), "-o", tmp_path / "o.mp4", "--ffmpeg", no_hardware, "--hw", "nvenc")
    assert done.exit_code == 4
    assert "h264_nvenc does not work here: no such chip" in done.stderr
    assert not (tmp_path / "o.mp4").exists()
    with pytest.raises(MachineError):
        choose(Encoding(hardware="videotoolbox"), no_hardware)


@pytest.fixture
def pretended(tmp_path) -> str:
    """An ffmpeg that says of every trial that it works."""
    path = tmp_path / "ffmpeg"
    path.write_text(f'#!/bin/sh\ncase "$*" in *testsrc2*) exit 0;; esac\nexec {media.FFMPEG} "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("codec", "kind", "options"),
    [
        ("libx264", "nvenc", {"c:v:0": "h264_nvenc", "rc:v:0": "vbr", "cq:v:0": "21", "b:v:0": "0", "pix_fmt:v:0": "yuv420p"}),
        ("libx265", "qsv", {"c:v:0": "hevc_qsv", "global_quality:v:0": "21", "pix_fmt:v:0": "nv12"}),
        ("libx264", "vaapi", {"c:v:0": "h264_vaapi", "rc_mode:v:0": "CQP", "qp:v:0": "21"}),
    ],
)
def test_hardware_that_works_is_told_the_quality_in_its_own_words(pretended, codec, kind, options):
    settings = choose(Encoding(codec, crf=21, hardware=kind), pretended)
    assert settings.options == options
    assert settings.warnings == ()
    assert bool(settings.filters) == bool(settings.first_options) == (kind == "vaapi")


def test_auto_passes_over_hardware_that_lacks_an_option(pretended):
    assert choose(Encoding(hardware="auto"), pretended).codec == "h264_nvenc"
    assert choose(Encoding(hardware="auto", extra=(("async_depth", "2"),)), pretended).codec == "h264_qsv"
    assert choose(Encoding(hardware="auto", extra=(("psy-rd", "1"),)), pretended).codec == "libx264"


def test_ten_bits_go_to_hardware_as_ten_bits():
    encoder = Encoder("hevc_nvenc", ("yuv420p", "nv12", "p010le", "yuv444p"), frozenset({"preset"}))
    settings = encoder_settings(Encoding("hevc_nvenc"), encoder, DEEP, (160, 120))
    assert (settings.options["pix_fmt:v:0"], settings.options["cq:v:0"], settings.warnings) == ("p010le", "20", ())
    assert hardware.upload("hevc_vaapi", 10)[1] == ("format=p010", "hwupload")
    assert hardware.quality_options("h264_videotoolbox", 18) == {"q": "64"}


@pytest.mark.parametrize("codec", ["ffv1", "h264_nvenc"])
def test_hardware_for_a_codec_that_has_none_is_refused(codec):
    for kind in ("auto", "nvenc"):
        with pytest.raises(UsageError, match="--hw"):
            choose(Encoding(codec, hardware=kind))
