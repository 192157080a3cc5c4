"""Encoders that are chips: what ffmpeg calls them, how pictures get to them, and what they call quality."""

from typing import Final

from rmfd_cli.errors import UsageError
from rmfd_cli.options import HARDWARE

_SOFTWARE: Final = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "av1", "libaom-av1": "av1"}
_DEFAULT_QUALITY: Final = {"h264": 18.0, "hevc": 20.0, "av1": 24.0}
_NONE: Final = ("av1_videotoolbox",)

ENCODERS: Final = tuple(
    name for kind in HARDWARE for name in (f"{family}_{kind}" for family in _DEFAULT_QUALITY) if name not in _NONE
)
"""Every one that there may be."""


def hardware_encoder(codec: str, kind: str) -> str:
    """The encoder of one kind of hardware that writes what a software encoder writes.

    Args:
        codec: Name of the software encoder.
        kind: One of `HARDWARE`.

    Raises:
        UsageError: There is none for this codec.
    """
    if codec not in _SOFTWARE:
        raise UsageError(f"--hw goes with --codec {', '.join(_SOFTWARE)}, not {codec}; leave one of them out")
    return f"{_SOFTWARE[codec]}_{kind}"


def kind_of(name: str) -> str | None:
    """The kind of hardware behind an encoder's name; None for software."""
    kind = name.rpartition("_")[2]
    return kind if kind in HARDWARE and "_" in name else None


def default_quality(name: str) -> float | None:
    """The quality, on the scale of --crf, of a hardware encoder that is asked for none."""
    return _DEFAULT_QUALITY.get(name.partition("_")[0])


def quality_options(name: str, quality: float) -> dict[str, str]:
    """The options that ask a hardware encoder for constant quality.

    Args:
        name: Of the encoder.
        quality: On the scale of --crf: 0 (best) to 51, of AV1 to 63.
    """
    whole = str(max(1, round(quality)))
    if name == "av1_vaapi":
        return {"rc_mode": "CQP", "global_quality": str(max(1, round(quality * 255 / 63)))}
    return {
        "nvenc": {"rc": "vbr", "cq": f"{quality:g}", "b": "0"},
        "qsv": {"global_quality": whole},
        "vaapi": {"rc_mode": "CQP", "qp": whole},
        "videotoolbox": {"q": str(min(100, max(1, round(100 - 2 * quality))))},
    }[name.rpartition("_")[2]]


def upload(name: str, bits: int) -> tuple[dict[str, str], tuple[str, ...]]:
    """How pictures get into the memory of the hardware, where an encoder does not see to that itself.

    Args:
        name: Of the encoder.
        bits: Of a sample.

    Returns:
        Options that come before all others, and the filters at the end of the chain.
    """
    if kind_of(name) != "vaapi":
        return {}, ()
    return {"init_hw_device": "vaapi=gpu", "filter_hw_device": "gpu"}, (f"format={'nv12' if bits == 8 else 'p010'}", "hwupload")
