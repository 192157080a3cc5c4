"""Which encoder is used, and whether it really works on this machine: being listed says little of those that need hardware."""

import re
from dataclasses import replace
from functools import cache

from rmfd_cli.errors import MachineError, OutputError, UsageError
from rmfd_cli.options import HARDWARE, Encoding
from rmfd_cli.types import PlaneFormat
from rmfd_cli.video import ffmpeg, hardware
from rmfd_cli.video.encoding import Settings, encoder_settings

_FRAMES = 5
_SIZE_PX = (256, 256)
"""Hardware encoders take nothing much smaller."""
_SECONDS = 20.0

_RMFD_OPTIONS = {"crf": "--crf", "preset": "--preset"}
_PICTURE_OPTIONS = frozenset(
    (
        "aspect",
        "chroma_sample_location",
        "color_primaries",
        "color_range",
        "color_trc",
        "colorspace",
        "field_order",
        "flags",
        "sar",
    )
)
"""What rmfd says itself, out of the source."""
# Encoders that pass options on to a library say so only in a warning when it does not know them.
_SWALLOWED = ("Error parsing option", "Unknown option")


def choose_encoder(binary: str, encoding: Encoding, source: PlaneFormat, size_px: tuple[int, int]) -> Settings:
    """The settings for what is asked for, those of hardware only once they have been tried on pictures of this very kind.

    Args:
        binary: Path of ffmpeg.
        encoding: What is asked for.
        source: The format of the frames.
        size_px: (width, height) to encode.

    Raises:
        UsageError: The encoder has no such option or refuses its value, or there is no hardware for this codec.
        MachineError: There is no such encoder, or the hardware that was asked for does not work here.
    """
    if encoding.hardware == "none":
        settings = _settings(binary, encoding, source, size_px)
        if (asked := _asked(encoding)) and (problem := _try(binary, settings, source.name, size_px)):
            raise UsageError(f"{asked}: {encoding.codec} refuses: {problem}")
        return settings
    if encoding.hardware != "auto":
        return _on_hardware(binary, encoding, encoding.hardware, source, size_px)
    for kind in HARDWARE:
        try:
            return _on_hardware(binary, encoding, kind, source, size_px)
        except MachineError:
            continue
        except UsageError:
            # What this encoder has no option for, another one may have; that there is none for this codec stands.
            hardware.hardware_encoder(encoding.codec, kind)
    settings = choose_encoder(binary, replace(encoding, hardware="none"), source, size_px)
    missing = f"--hw auto: no hardware encoder takes this here, {encoding.codec} is used instead; rmfd doctor says more"
    return replace(settings, warnings=(missing, *settings.warnings))


def _asked(encoding: Encoding) -> str:
    """The options of the command line that the encoder may refuse."""
    words = [f"--{name} {value}" for name, value in (("crf", encoding.crf), ("preset", encoding.preset)) if value is not None]
    extra = " ".join(f"{name}={value}" for name, value in encoding.extra)
    return ", ".join([*words, f"--encoder-opt {extra}"] if extra else words)


def _on_hardware(binary: str, encoding: Encoding, kind: str, source: PlaneFormat, size_px: tuple[int, int]) -> Settings:
    name = hardware.hardware_encoder(encoding.codec, kind)
    settings = _settings(binary, replace(encoding, codec=name), source, size_px)
    if problem := _try(binary, settings, source.name, size_px):
        raise MachineError(f"--hw {kind}: {name} does not work here: {problem}; pass --hw auto, or leave it out")
    return settings


def _settings(binary: str, encoding: Encoding, source: PlaneFormat, size_px: tuple[int, int]) -> Settings:
    encoder = ffmpeg.encoder(binary, encoding.codec)
    for name, _ in encoding.extra:
        _check_option(binary, encoder, name)
    return encoder_settings(encoding, encoder, source, size_px)


def _check_option(binary: str, encoder: ffmpeg.Encoder, name: str) -> None:
    """Refuse an option that is none of the encoder's, or that rmfd sets.

    Raises:
        UsageError: It is such a one.
    """
    if name in _RMFD_OPTIONS:
        raise UsageError(f"--encoder-opt {name}: has an option of its own, {_RMFD_OPTIONS[name]}")
    if name in _PICTURE_OPTIONS:
        raise UsageError(f"--encoder-opt {name}: is set by rmfd, which takes it from the input; leave it out")
    if name in encoder.options or name in ffmpeg.general_options(binary):
        return
    if re.fullmatch(r"\w+", bare := name.partition(":")[0]) and ffmpeg.has_option(binary, bare):
        raise UsageError(f"--encoder-opt {name}: is an option of ffmpeg, not of the encoder {encoder.name}; rmfd sets those")
    raise UsageError(
        f"--encoder-opt {name}: the encoder {encoder.name} has no such option: see `ffmpeg -h encoder={encoder.name}`"
    )


def try_encoder(binary: str, name: str, seconds: float = _SECONDS) -> str | None:
    """Encode a few frames and throw them away.

    Args:
        binary: Path of ffmpeg.
        name: Of the encoder.
        seconds: How long it may take.

    Returns:
        None if it works, else why not, in one line.
    """
    try:
        ffmpeg.encoder(binary, name)
    except MachineError:
        return "is not in this ffmpeg"
    return _try(binary, Settings(name, {"c:v:0": name}, *hardware.upload(name, 8), ()), "yuv420p", _SIZE_PX, seconds)


def _try(binary: str, settings: Settings, pixel_format: str, size_px: tuple[int, int], seconds: float = _SECONDS) -> str | None:
    first = [word for name, value in settings.first_options.items() for word in (f"-{name}", value)]
    options = [word for name, value in settings.options.items() for word in (f"-{name}", value)]
    width, height = size_px
    pictures = ["-f", "lavfi", "-i", f"testsrc2=size={width}x{height}:rate=25", "-frames:v", str(_FRAMES)]
    chain = ["-vf", ",".join((f"format={pixel_format}", *settings.filters))]
    return _outcome(binary, (*first, *pictures, *chain, *options, "-f", "null", "-"), seconds)


@cache
def _outcome(binary: str, arguments: tuple[str, ...], seconds: float) -> str | None:
    """What is wrong with a run of ffmpeg; remembered, since a thousand videos ask for the same."""
    try:
        with ffmpeg.Process([binary, "-hide_banner", "-nostdin", "-loglevel", "error", *arguments]) as process:
            if status := process.wait(seconds):
                return process.complaint or f"ffmpeg ended with status {status}"
        if not any(word.startswith("-") and "params" in word for word in arguments):
            return None
        with ffmpeg.Process([binary, "-hide_banner", "-nostdin", "-loglevel", "warning", *arguments]) as process:
            process.wait(seconds)
            return next((line for line in process.said if any(word in line for word in _SWALLOWED)), None)
    except (MachineError, OutputError) as error:
        return str(error)
