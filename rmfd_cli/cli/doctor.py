"""`rmfd doctor`."""

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer

from rmfd_cli import __version__
from rmfd_cli.cli.outcome import errors_as_lines
from rmfd_cli.cores import usable_cores
from rmfd_cli.errors import MachineError, RmfdError
from rmfd_cli.options import USUAL_CODEC
from rmfd_cli.video import hardware

EPILOG = """\b
Examples:
  rmfd doctor
  rmfd doctor --json | jq .ready
  rmfd doctor --ffmpeg /opt/ffmpeg/bin/ffmpeg

\b
Exit codes:
  0    rmfd derain can run here
  4    it cannot; the lines that begin with '!' say why"""

PACKAGES = ("torch", "av", "numpy", "opencv-python-headless", "ffmpeg-python", "imageio-ffmpeg", "safetensors", "typer", "rich")
ENCODERS = (
    *(USUAL_CODEC, "libx265", "libsvtav1", "libvpx-vp9", "ffv1", "prores_ks"),
    *hardware.ENCODERS,
)
"""Those worth knowing about; any other that ffmpeg has can be named, too."""


@dataclass(frozen=True)
class Finding:
    """One thing about this machine."""

    kind: str
    """`version`, `device`, `ffmpeg`, `encoder` or `weights`."""
    name: str
    ok: bool
    detail: str
    """What it is, or what is wrong with it."""
    needed: bool = False
    """Whether `rmfd derain` cannot run without it."""


def doctor(
    ffmpeg: Annotated[
        str | None, typer.Option(help="Which ffmpeg to examine. [default: $RMFD_FFMPEG, PATH, imageio-ffmpeg]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say what this machine can do: versions, devices, ffmpeg, encoders that really work, weights.

    Every encoder is tried on a few frames, as it is for --hw.
    """
    with errors_as_lines("nothing was changed"):
        findings = []
        for finding in examine(ffmpeg):
            findings.append(finding)
            if not as_json:
                typer.echo(_line(finding))
        ready = all(finding.ok for finding in findings if finding.needed)
        if as_json:
            typer.echo(json.dumps({"ready": ready, "findings": [asdict(finding) for finding in findings]}, indent=1))
        else:
            typer.echo("rmfd derain can run here" if ready else "! rmfd derain cannot run here")
        if not ready:
            raise typer.Exit(MachineError.exit_code)


def examine(ffmpeg: str | None = None) -> Iterator[Finding]:
    """Look at one thing after the other.

    Args:
        ffmpeg: Which ffmpeg, as for `rmfd derain --ffmpeg`.
    """
    yield from _versions()
    yield from _devices()
    yield from _encoding(ffmpeg)
    yield from _weights()


def _versions() -> Iterator[Finding]:
    yield Finding("version", "rmfd", True, __version__)
    yield Finding("version", "python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in PACKAGES:
        try:
            yield Finding("version", package, True, version_of(package), needed=True)
        except PackageNotFoundError:
            # OpenCV comes under several names, and another ffmpeg can take the place of the packaged one.
            needed = package not in ("opencv-python-headless", "imageio-ffmpeg")
            yield Finding("version", package, False, f"is not installed: pip install {package}", needed)


def _devices() -> Iterator[Finding]:
    try:
        from rmfd_cli.model.placing import choose_device

        chosen = str(choose_device("auto"))
    except (ImportError, OSError) as error:
        yield Finding("device", "cpu", False, f"torch cannot be loaded: {error}; install it again", needed=True)
        return
    yield Finding("device", "cpu", True, f"{usable_cores()} logical cores" + _taken(chosen, "cpu"), needed=True)
    yield _compiled()
    try:
        yield Finding("device", "cuda", True, "there" + _taken(chosen, str(choose_device("cuda"))))
    except MachineError as error:
        idle = Path("/proc/driver/nvidia/version").exists() and "+cpu" in version_of("torch")
        hint = "; there is an NVIDIA driver, but this torch is for CPUs only: see pytorch.org for the other" if idle else ""
        yield Finding("device", "cuda", False, f"{error}{hint}")


def _compiled() -> Finding:
    from rmfd_cli import compiled

    missing = "are missing, and rmfd takes a quarter longer; install it again where there is a C compiler, such as gcc"
    there = compiled.is_there()
    return Finding("device", "compiled loops", there, "there" if there else missing)


def _taken(chosen: str, name: str) -> str:
    return ", what --device auto takes" if chosen == name else ""


def _encoding(wish: str | None) -> Iterator[Finding]:
    try:
        from rmfd_cli.video.ffmpeg import find_ffmpeg, origin, version
        from rmfd_cli.video.trial import try_encoder
    except (ImportError, OSError) as error:
        yield Finding("ffmpeg", "ffmpeg", False, f"a package cannot be loaded: {error}; install rmfd again", needed=True)
        return
    try:
        binary = find_ffmpeg(wish)
        yield Finding("ffmpeg", binary, True, f"{version(binary)}, from {origin(binary, wish)}", needed=True)
    except MachineError as error:
        yield Finding("ffmpeg", wish or "ffmpeg", False, str(error), needed=True)
        return
    for name in ENCODERS:
        problem = try_encoder(binary, name)
        works = "works" + (", the default" if name == USUAL_CODEC else "")
        yield Finding("encoder", name, problem is None, problem or works, needed=name == USUAL_CODEC)


def _weights() -> Iterator[Finding]:
    try:
        from rmfd_cli.model.checkpoint import load_model, manifest, sha256, shipped_weights

        names = sorted(manifest()["models"])
    except (ImportError, OSError, RmfdError) as error:
        yield Finding("weights", "weights", False, str(error), needed=True)
        return
    for name in names:
        try:
            path = shipped_weights(name)
            load_model(path)
            yield Finding("weights", name, True, f"{path}, sha256 {sha256(path)[:16]} verified", needed=True)
        except RmfdError as error:
            yield Finding("weights", name, False, str(error), needed=True)


def _line(finding: Finding) -> str:
    mark = " " if finding.ok else "!" if finding.needed else "-"
    return f"{mark} {finding.kind:<8} {finding.name}: {' '.join(finding.detail.split())}"
