"""How field order and HDR metadata get into the target, and what of the source a target turns out not to keep."""

from collections.abc import Iterable
from pathlib import Path

from rmfd_cli.errors import InputError, OutputError
from rmfd_cli.options import LOSSLESS_CODEC
from rmfd_cli.types import VideoInfo
from rmfd_cli.video import ffmpeg
from rmfd_cli.video.colour import TAG_UNSPECIFIED
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.traits import Hdr, Traits, read_traits

_FIELD_ENCODERS = ("libx264", "ffv1", "prores", "prores_ks", "prores_aw", "mpeg2video", "mpeg4", "dnxhd")
"""Those that code interlaced pictures, or at least say that they are."""


def field_options(codec: str, field_order: str | None, height_px: int) -> dict[str, str]:
    """The output options that have interlaced pictures coded as such.

    Args:
        codec: Name of the encoder.
        field_order: `tff`, `bff`, or None for progressive pictures.
        height_px: As stored; a field of 4:2:0 has half of it, and its chroma half of that.
    """
    if field_order is None or codec not in _FIELD_ENCODERS or height_px % 4:
        return {}
    options = {"flags:v:0": "+ildct+ilme"}
    # x264 writes its header before it sees the first picture.
    return options | {"x264-params:v:0": "bff=1"} if (codec, field_order) == ("libx264", "bff") else options


def hdr_options(binary: str, hdr: Hdr) -> dict[str, str]:
    """The options of the piped input that give it HDR metadata; empty if this ffmpeg has none (before 9.0)."""
    options = {"mastering_display:v:0": hdr.mastering_display, "content_light:v:0": hdr.content_light}
    return {
        name: value for name, value in options.items() if value is not None and ffmpeg.has_option(binary, name.split(":")[0])
    }


def denies_full_range(codec: str, source: VideoInfo) -> bool:
    """Whether ffmpeg would squeeze the code values of a source for a lossless encoder, which can hold them as they are.

    From 7.1 up, ffmpeg takes FFV1 for limited range alone. Told that they have it, the values stay, and what is said of them
    has to be put right in the file.
    """
    return codec == LOSSLESS_CODEC and source.colour.full_range and source.format.name.startswith("yuv")


def lost_inside(path: str, traits: Traits) -> list[str]:
    """A line for each thing inside the pictures that is lost or hurt, whatever the target is.

    Raises:
        InputError: Without Dolby Vision data, which no encoder writes, the colours would be wrong.
    """
    if traits.needs_dolby_vision:
        raise InputError(f"{path}: is Dolby Vision without an HDR10 or HLG base; convert it to HDR10 first")
    return left_out(traits.inside, traits.field_order is not None)


def left_out(inside: Iterable[str], is_interlaced: bool) -> list[str]:
    """A line for each thing that pictures had and no encoder writes, and one for two moments in one picture.

    Args:
        inside: As in `Traits`.
        is_interlaced: Whether one of them shows two moments.
    """
    lost = [f"{name} inside the pictures cannot be written again and is left out" for name in inside]
    if is_interlaced:
        lost.append(
            "the video is interlaced: every picture shows two moments, which looks like rain; pass --deinterlace to make "
            "whole pictures"
        )
    return lost


def lost_in_target(written: Path, target: Path, codec: str, source: VideoInfo, traits: Traits) -> list[str]:
    """A line for each property of the source's pictures that a moment of video, written for a trial, does not have.

    Args:
        written: The trial.
        target: The name to call it by.
        codec: Name of the encoder.
        source: What the pictures are.
        traits: What they carry.

    Raises:
        OutputError: HDR metadata would be lost, and with it the right brightness on every display; or a lossless file would say
            the wrong thing of its values.
    """
    where = f"{codec} in {target.suffix}"
    try:
        with VideoReader(written) as video:
            made = video.info
    except InputError:
        return [f"{where} cannot be decoded here, so colours, rotation and fields are not checked"]
    found = read_traits(written, made.stream_index)
    if traits.hdr is not None and found.hdr != traits.hdr:
        raise OutputError(
            f"{target}: {where} would lose the HDR metadata (mastering display, content light level); use libx265, and "
            "an ffmpeg from 9.0 up such as that of imageio-ffmpeg"
        )
    if denies_full_range(codec, source) and not made.colour.full_range:
        raise OutputError(
            f"{target}: {where} cannot say that code values have full range, as those of the source do; name a .mkv"
        )
    tags = ("tag_matrix", "tag_primaries", "tag_transfer")
    meant = [getattr(source.colour, tag) for tag in tags]
    there = [getattr(made.colour, tag) for tag in tags]
    differences = {
        "the colour tags": any(tag not in (TAG_UNSPECIFIED, other) for tag, other in zip(meant, there, strict=True)),
        "the range of code values": source.colour.full_range != made.colour.full_range,
        "the shape of pixels": source.sample_aspect_ratio != made.sample_aspect_ratio,
        "the rotation": (source.rotation_degrees, source.is_mirrored) != (made.rotation_degrees, made.is_mirrored),
        "the field order": traits.field_order != found.field_order,
    }
    return [f"{where} does not keep {name}" for name, is_lost in differences.items() if is_lost]
