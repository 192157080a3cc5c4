"""Ways into `rmfd derain` and out of it other than a file's name: pipes, redirections, URLs, rows of pictures."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from typer.testing import CliRunner

from rmfd_cli.cli import app
from tests import media


class Ended(NamedTuple):
    """How a run of the command ended."""

    status: int
    said: str
    """On stderr."""


Way: TypeAlias = Callable[[Path, Path, Sequence[str]], Ended]
"""Runs `rmfd derain` from the first path to the second, with these options."""


def by_name(source: Path, target: Path, options: Sequence[str]) -> Ended:
    """Both named on the command line."""
    result = CliRunner().invoke(app, ["derain", str(source), "-o", str(target), *options])
    return Ended(result.exit_code, result.stderr)


def through_pipes(source: Path, target: Path, options: Sequence[str]) -> Ended:
    """`cat source | rmfd derain - -o - | cat > target`."""
    shape = ("--pipe-format", "nut") if target.suffix == ".nut" else ()
    command = _command("-", "-", *shape, *options)
    with target.open("wb") as out, subprocess.Popen(["cat", str(source)], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(
            ["sh", "-c", '"$@" | cat', "sh", *command], stdin=cat.stdout, stdout=out, stderr=subprocess.PIPE, check=False
        )
    return Ended(done.returncode, done.stderr.decode())


def from_pipe(source: Path, target: Path, options: Sequence[str]) -> Ended:
    """`cat source | rmfd derain - -o target`."""
    with subprocess.Popen(["cat", str(source)], stdout=subprocess.PIPE) as cat:
        done = subprocess.run(_command("-", str(target), *options), stdin=cat.stdout, capture_output=True, check=False)
    return Ended(done.returncode, done.stderr.decode())


def redirected(source: Path, target: Path, options: Sequence[str]) -> Ended:
    """`rmfd derain - -o target < source`."""
    with source.open("rb") as file:
        done = subprocess.run(_command("-", str(target), *options), stdin=file, capture_output=True, check=False)
    return Ended(done.returncode, done.stderr.decode())


def from_the_web(source: Path, target: Path, options: Sequence[str]) -> Ended:
    """By the URL of a web server."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(source.parent))) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            address = f"http://127.0.0.1:{server.server_address[1]}/{source.name}"
            done = subprocess.run(_command(address, str(target), *options), capture_output=True, check=False)
        finally:
            server.shutdown()
    return Ended(done.returncode, done.stderr.decode())


def a_folder_mirrored(source: Path, target: Path, options: Sequence[str]) -> Ended:
    """In a folder below a folder, into another one."""
    below = source.parent / "all" / "below"
    below.mkdir(parents=True)
    os.link(source, below / target.name)
    ended = by_name(below.parent, target.parent / "results", options)
    (target.parent / "results" / "below" / target.name).rename(target)
    return ended


def _command(source: str, target: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "rmfd_cli", "derain", source, "-o", target, "--progress", "none", *options]


def pictures(path: Path, bits: int) -> Path:
    """A row of PNG files, in a folder."""
    path.mkdir()
    depth = "rgb24" if bits == 8 else "rgb48be"
    media.ffmpeg("-i", media.url(media.cfr(path.with_name("row.mkv"))), "-pix_fmt", depth, str(path / "shot %03d.png"))
    return path


def raw(path: Path, make: Callable[[Path], Path] = media.cfr) -> Path:
    """A clip without sound as pipes carry it: every picture as it is."""
    clip = make(path.with_name(f"plain-{path.stem}.mkv"))
    fixed = () if path.suffix == ".nut" else ("-fps_mode", "cfr")
    media.ffmpeg("-i", media.url(clip), "-an", *fixed, "-c:v", "wrapped_avframe" if fixed else "rawvideo", media.url(path))
    return path
