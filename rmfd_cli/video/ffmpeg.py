"""The ffmpeg binary: which one, what it can encode, its command line, and the life of its process.

Arguments are put together by ffmpeg-python; the process is ours, because that library leaves pipes unread, and hangs.
"""

import collections
import contextlib
import fcntl
import functools
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import ffmpeg

from rmfd_cli.errors import MachineError, OutputError, StalledError
from rmfd_cli.video.location import location

ENVIRONMENT_VARIABLE = "RMFD_FFMPEG"
ANSWER_SECONDS = 8.0
"""A binary that has not said its version within this time is not ffmpeg."""
_OLDEST_LIBAVUTIL = 58
"""That of ffmpeg 6.0: 4.2, for one, loses rotation, colour tags and the last frame on our way."""
PIPE_BYTES = 1 << 20
"""Room for what waits to be encoded: with the usual 64 KiB a frame takes many turns, each of which two processes wait for."""
_KEPT_BYTES = 8192
_HINT = f"name another with --ffmpeg or ${ENVIRONMENT_VARIABLE}, or install the package imageio-ffmpeg"


@dataclass(frozen=True)
class Encoder:
    """What one ffmpeg binary says of one of its video encoders."""

    name: str
    pixel_formats: tuple[str, ...]
    """As listed by ffmpeg; empty where the encoder lists none."""
    options: frozenset[str]
    """Names of the encoder's own options, e.g. `crf`, `preset`."""


def find_ffmpeg(explicit: str | None = None) -> str:
    """Return the path of an ffmpeg that runs and is new enough (6.0).

    Asked in this order: `explicit`, the environment variable `RMFD_FFMPEG`, `PATH` unless what is there is too old or
    broken, the binary of imageio-ffmpeg.

    Args:
        explicit: A path, or a name to look up on `PATH`; None or empty to search.

    Raises:
        MachineError: None is found, or the one that is named is too old or does not answer like ffmpeg.
    """
    named = explicit or os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        path = shutil.which(named)
        if path is None:
            raise MachineError(f"{named}: no such ffmpeg, or it may not be run; {_HINT}")
        if _libavutil_major(path) < _OLDEST_LIBAVUTIL:
            raise MachineError(f"{path} is older than ffmpeg 6.0; {_HINT}")
        return path
    for path in (shutil.which("ffmpeg"), _bundled()):
        with suppress(MachineError):
            if path and _libavutil_major(path) >= _OLDEST_LIBAVUTIL:
                return path
    raise MachineError(f"there is no ffmpeg from 6.0 up on this machine; {_HINT}")


def _bundled() -> str | None:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


@functools.cache
def _libavutil_major(binary: str) -> int:
    # Releases, distributions and git snapshots write their own version in many ways, but this number in one.
    answer = _ask(binary, "-version")
    version = re.search(r"^\s*libavutil\s+(\d+)\.", answer, re.MULTILINE)
    if version is None:
        raise MachineError(f"{binary} does not answer like ffmpeg; {_HINT}")
    return int(version[1])


def version(binary: str) -> str:
    """The version that `binary` gives itself, e.g. `n9.0.2-17-g2a571b6068`."""
    match = re.search(r"^ffmpeg version (\S+)", _ask(binary, "-version"), re.MULTILINE)
    return match[1] if match else "of unknown version"


def origin(binary: str, explicit: str | None = None) -> str:
    """Which of the places that `find_ffmpeg` asks gave `binary`, in words."""
    if explicit:
        return "--ffmpeg"
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return f"${ENVIRONMENT_VARIABLE}"
    return "PATH" if binary == shutil.which("ffmpeg") else "imageio-ffmpeg"


@functools.cache
def encoder(binary: str, name: str) -> Encoder:
    """Ask `binary` about its video encoder `name`.

    Raises:
        MachineError: It has no video encoder of that name.
    """
    if not re.search(rf"^ V\S+ +{re.escape(name)} ", _ask(binary, "-hide_banner", "-encoders"), re.MULTILINE):
        raise MachineError(f"the ffmpeg at {binary} has no video encoder '{name}': see `ffmpeg -encoders`")
    answer = _ask(binary, "-hide_banner", "-h", f"encoder={name}")
    listed = re.search(r"Supported pixel formats: (.*)", answer)
    options = re.findall(r"^  -([\w-]+) +<", answer, re.MULTILINE)
    return Encoder(name, tuple(listed[1].split()) if listed else (), frozenset(options))


@functools.cache
def general_options(binary: str) -> frozenset[str]:
    """Names of the options that `binary` has for video encoders of every kind, e.g. `g`, `b`."""
    section = re.search(r"^AVCodecContext AVOptions:\n((?: .*\n)*)", _ask(binary, "-hide_banner", "-h", "full"), re.MULTILINE)
    return frozenset(re.findall(r"^  -([\w-]+) +<\w+> +E..V", section[1] if section else "", re.MULTILINE))


@functools.cache
def has_option(binary: str, name: str) -> bool:
    """Whether `binary` has a command line option `-name` of its own, which depends on its version."""
    return bool(re.search(rf"^-{re.escape(name)}\b", _ask(binary, "-hide_banner", "-h", "long"), re.MULTILINE))


@functools.cache
def _ask(binary: str, *arguments: str) -> str:
    with Process([binary, *arguments], capture=True) as process:
        try:
            process.wait(ANSWER_SECONDS)
        except OutputError:
            raise MachineError(f"{binary} does not answer within {ANSWER_SECONDS:g} s; {_HINT}") from None
        return process.output


def command(
    binary: str,
    pipe_options: Mapping[str, Any],
    source: str | None,
    source_options: Mapping[str, Any],
    source_streams: Sequence[int],
    target: str,
    target_options: Mapping[str, Any],
    first_options: Mapping[str, str],
    joined: Path | None = None,
    pictures: Container[int] = (),
) -> list[str]:
    """The argument list that encodes NUT video from stdin and copies streams of a second file beside it.

    Args:
        binary: Path of ffmpeg.
        pipe_options: Input options for the video, by name without dash; None as value for a flag.
        source: File or URL of the streams to copy; None if there is none.
        source_options: Input options of that file.
        source_streams: Indices of its streams, in the order of the output, after the video.
        target: The file to write.
        target_options: Output options; a list as value repeats the option.
        first_options: Options that come before all inputs.
        joined: A file that the video comes from instead of stdin.
        pictures: Those of `source_streams` that are single pictures: they have no time, and no cut leaves them out.
    """
    # ffmpeg-python takes no names but of UTF-8: what it is given stands for them.
    named = {"/source": source and location(source), "/target": location(target), "/joined": joined and location(joined)}
    video = ffmpeg.input("/joined" if joined else "pipe:0", **({} if joined else {"format": "nut"}), **pipe_options)
    streams = [video["v:0"]]
    if source is not None:
        other, uncut = ffmpeg.input("/source", **source_options), ffmpeg.input("/source")
        # An input that no stream comes from would be left out, and its metadata with it: hence at least "audio, if any".
        timed = any(index not in pictures for index in source_streams)
        streams += [] if timed else [other["a?"]]
        streams += [(uncut if index in pictures else other)[str(index)] for index in source_streams]
    single = {name: value for name, value in target_options.items() if not isinstance(value, list)}
    output = ffmpeg.output(*streams, "/target", **single)
    front = [binary, "-hide_banner", "-nostdin", "-loglevel", "error", "-copyts", "-y"]
    front += [word for name, value in first_options.items() for word in (f"-{name}", value)]
    arguments: list[str] = [named.get(word) or word for word in ffmpeg.compile(output, cmd=front)]
    # ffmpeg-python cannot say one option twice.
    repeated = [(name, value) for name, values in target_options.items() if isinstance(values, list) for value in values]
    for name, value in repeated:
        arguments[-1:-1] = [f"-{name}", value]
    return arguments


def run(command: Sequence[str], stall_seconds: float, target: Path) -> None:
    """Run ffmpeg to its end.

    Args:
        command: As from `command`.
        stall_seconds: How long it may add nothing to the target.
        target: The file that it writes.

    Raises:
        OutputError: It has failed, or does not end; the message holds its own words.
    """
    with Process(command) as process:
        if status := process.wait(stall_seconds, target):
            raise process.failure(status)


def _state_of(path: Path) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        state = path.stat()
        return state.st_size, state.st_mtime_ns
    return None


class Process:
    """A child process, fed through its stdin, that can neither hang us nor outlive us.

    Its stderr is drained all along and the first and last of it kept; it has a session of its own, so Ctrl-C reaches
    only us. Leaving the `with` block kills it if it still runs.
    """

    def __init__(
        self, arguments: Sequence[str], *, feed: bool = False, capture: bool = False, stall_seconds: float = 120.0
    ) -> None:
        """Start it.

        Args:
            arguments: The program's path and its arguments; no shell is involved.
            feed: Whether `write` will be used; its stdin is empty otherwise.
            capture: Whether to keep its stdout, too.
            stall_seconds: How long `write` waits for it to take some data.

        Raises:
            MachineError: The program cannot be started.
        """
        self.name = arguments[0]
        self._stall_seconds = stall_seconds
        self._head = b""
        self._tail: collections.deque[bytes] = collections.deque(maxlen=4)
        try:
            self._popen = subprocess.Popen(
                list(arguments),
                stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
                stdout=subprocess.PIPE if capture else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise MachineError(f"{self.name} cannot be run: {error.strerror or error}; {_HINT}") from error
        self._stdout = bytearray()
        assert self._popen.stderr is not None
        self._drains = [threading.Thread(target=self._drain, args=(self._popen.stderr.fileno(), False), daemon=True)]
        if self._popen.stdout is not None:
            out = self._popen.stdout.fileno()
            self._drains.append(threading.Thread(target=self._drain, args=(out, True), daemon=True))
        for drain in self._drains:
            drain.start()
        if self._popen.stdin is not None:
            os.set_blocking(self._popen.stdin.fileno(), False)
            # Where the system does not allow it, frames go through in more pieces.
            with contextlib.suppress(OSError):
                fcntl.fcntl(self._popen.stdin.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def _drain(self, descriptor: int, is_stdout: bool) -> None:
        while block := os.read(descriptor, 4096):
            if is_stdout:
                self._stdout += block[: max(0, (1 << 20) - len(self._stdout))]
            elif len(self._head) < _KEPT_BYTES:
                self._head += block
            else:
                self._tail.append(block)

    def write(self, data: bytes | memoryview) -> int:
        """Give it `data` on stdin.

        Returns:
            The number of bytes, all of them.

        Raises:
            OutputError: It has closed its stdin.
            StalledError: It takes nothing for too long.
        """
        assert self._popen.stdin is not None
        descriptor = self._popen.stdin.fileno()
        left = memoryview(data)
        deadline = time.monotonic() + self._stall_seconds
        while left:
            try:
                left = left[os.write(descriptor, left) :]
                deadline = time.monotonic() + self._stall_seconds
            except BlockingIOError:
                select.select([], [descriptor], [], 0.2)
                if time.monotonic() > deadline:
                    raise StalledError(f"{self.name} has taken no data for {self._stall_seconds:g} s") from None
            except OSError as error:
                raise OutputError("ffmpeg closed its input") from error
        return len(data)

    def close_input(self) -> None:
        """Tell it that nothing more comes."""
        if self._popen.stdin is not None:
            with contextlib.suppress(OSError):
                self._popen.stdin.close()

    def wait(self, timeout_seconds: float, growing: Path | None = None) -> int:
        """Wait until it has ended, and return its exit status.

        Args:
            timeout_seconds: How long.
            growing: A file that it is at work on: every change of it starts the time anew.

        Raises:
            OutputError: It has not ended within `timeout_seconds`.
        """
        deadline = time.monotonic() + timeout_seconds
        seen = None
        # A long wait in C would not let Ctrl-C through until it ends.
        while True:
            try:
                status = self._popen.wait(0.2)
            except subprocess.TimeoutExpired:
                if growing is not None and (now := _state_of(growing)) != seen:
                    seen, deadline = now, time.monotonic() + timeout_seconds
                if time.monotonic() > deadline:
                    raise OutputError(f"{self.name} does not end after {timeout_seconds:g} s") from None
                continue
            for drain in self._drains:
                drain.join(1.0)
            return status

    def kill(self) -> None:
        """End it at once if it still runs, and free its pipes; harmless to repeat."""
        if self._popen.poll() is None:
            # It leads a group of its own: what it started goes with it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
            self._popen.wait()
        self.close_input()
        for drain in self._drains:
            drain.join(1.0)
        for pipe in (self._popen.stdout, self._popen.stderr):
            # A grandchild may hold the other end open; its drain then keeps the descriptor.
            if pipe is not None and not any(drain.is_alive() for drain in self._drains):
                pipe.close()

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.kill()

    def failure(self, status: int) -> OutputError:
        """The error that ffmpeg ended in, in its own words where it has some."""
        said = self.complaint
        return OutputError(f"ffmpeg failed: {said}" if said else f"ffmpeg ended with status {status} and said nothing")

    @property
    def output(self) -> str:
        """What it wrote to stdout, up to 1 MiB."""
        return self._stdout.decode(errors="replace")

    @property
    def said(self) -> list[str]:
        """The first and last lines of its stderr, without the names of who said it."""
        text = (self._head + b"".join(self._tail)).decode(errors="replace")
        lines = [re.sub(r"^(\[[^\]]*\]\s*)+", "", line).strip() for line in text.splitlines()]
        return [line for line in lines if line]

    @property
    def complaint(self) -> str:
        """The line of its stderr that tells most; empty if it said nothing."""
        lines = self.said
        root_causes = ("No space left on device", "Disk quota exceeded", "File too large", "Input/output error")
        for cause in root_causes:
            if any(cause in line for line in lines):
                return cause
        return lines[0][:300] if lines else ""
