"""Opening a video: what keeps a file or a server from being read, in words that help, and whether it can be read twice."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import av
from av.container import Flags, InputContainer
from av.error import ExitError, FFmpegError, InvalidDataError, ProtocolNotFoundError
from av.stream import Disposition
from av.video.stream import VideoStream

from rmfd_cli.errors import InputError
from rmfd_cli.video.location import NETWORK_SECONDS, is_live, is_url, location, shown_name
from rmfd_cli.video.mp4 import begins_as_mp4, boxes

_HTTP = {"reconnect": "1", "reconnect_delay_max": "2"}
_RTSP = {"rtsp_flags": "prefer_tcp"}
_UDP = {"overrun_nonfatal": "1", "fifo_size": "65536"}
_OPTIONS = {"http": _HTTP, "https": _HTTP, "rtsp": _RTSP, "rtsps": _RTSP, "udp": _UDP}
"""Of protocols: come back after a broken connection, lose no packets, and if we are slow, lose some but go on."""


def check_file(path: Path) -> None:
    """Raise InputError, in words that help, unless `path` is something that can be read.

    Args:
        path: Any path.

    Raises:
        InputError: It is missing, a directory, empty, or must not be read.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a directory, not a video file; name the files in it")
        if path.is_fifo():
            # Whoever writes into it is to find one reader, who stays.
            return
        with path.open("rb") as file:
            if path.is_file() and not file.read(1):
                raise InputError(f"{path}: is empty (0 bytes); copy or download it again")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the name") from None
    except PermissionError:
        raise InputError(f"{path}: permission denied; make the file readable for this user") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the name and the disk") from None


def open_input(name: str | os.PathLike[str]) -> InputContainer:
    """Open a file or URL; a server that says nothing for `NETWORK_SECONDS` is given up, now and later.

    Raises:
        av.FFmpegError: As of PyAV.
    """
    # Metadata in a legacy encoding is no reason to refuse a video.
    if not is_url(name):
        return av.open(location(name), metadata_errors="replace")
    scheme = os.fspath(name).partition(":")[0].lower()
    return av.open(location(name), metadata_errors="replace", options=_OPTIONS.get(scheme, {}), timeout=NETWORK_SECONDS)


def open_stream(path: str | os.PathLike[str]) -> tuple[InputContainer, VideoStream]:
    """Open a file or URL and choose its main video stream, never cover art.

    Raises:
        InputError: It is not a video, has no picture, has lost its index, needs a decoder that is not there, or no server
            answers.
    """
    name, began = shown_name(path), monotonic()
    try:
        container = open_input(path)
        # PyAV asks for made-up times, which go backwards in an AVI with B-frames.
        container.flags &= ~int(Flags.gen_pts.value)  # type: ignore[call-overload]
    except UnicodeEncodeError:
        raise InputError(f"{os.fsencode(path)!r}: the name is not valid text; rename the file") from None
    except (FFmpegError, IndexError, ValueError) as error:
        why = why_unreachable(error, monotonic() - began) if is_url(path) else why_unreadable(Path(path))
        raise InputError(f"{name}: {why}") from error
    try:
        # ffmpeg renders any text file as a video of a terminal.
        if container.format.name == "tty":
            raise InputError(f"{name}: is a text file, not a video")
        stream = choose_stream(name, container)
        stream.thread_type = "AUTO"
    except BaseException:
        container.close()
        raise
    return container, stream


def choose_stream(name: str, container: InputContainer) -> VideoStream:
    """The video stream that ffmpeg deems best among those that are moving pictures."""
    stills = Disposition.attached_pic | Disposition.timed_thumbnails
    moving = [stream for stream in container.streams.video if not stream.disposition & stills]
    if not moving:
        what = "only sound" if container.streams.audio else "no moving picture"
        raise InputError(f"{name}: contains {what}; give a file with video")
    best = container.streams.best("video")
    stream = next((stream for stream in moving if best is not None and stream.index == best.index), None)
    if stream is None:
        stream = max(moving, key=lambda candidate: candidate.width * candidate.height)
    if stream.codec_context is None:
        raise InputError(f"{name}: there is no decoder for its video; convert it with another tool first")
    return stream


def why_unreadable(path: Path) -> str:
    """What is wrong with a file that ffmpeg cannot open."""
    with suppress(OSError), path.open("rb") as file:
        if begins_as_mp4(file.read(8)) and b"moov" not in [kind for kind, *_ in boxes(file, 0, path.stat().st_size)]:
            return "its index (moov) is missing, the recording or copy was cut off; get the whole file or repair it"
    return "is not a video that can be read; check that it plays elsewhere"


def why_unreachable(error: Exception, seconds: float) -> str:
    """What is wrong with a URL that libav cannot open.

    Args:
        error: Of PyAV.
        seconds: How long it took.
    """
    if isinstance(error, ProtocolNotFoundError):
        return "this PyAV cannot read such a URL; let ffmpeg: ffmpeg -i URL -c copy -f nut - | rmfd derain - -o out.mkv"
    # Some protocols call a time that is up by other names.
    if isinstance(error, ExitError | TimeoutError) or seconds >= NETWORK_SECONDS:
        return f"does not answer within {NETWORK_SECONDS:g} s; check the address, and that nothing bars the way"
    if isinstance(error, InvalidDataError):
        return "what comes is not a video that can be read; check that it plays elsewhere, or download it first"
    reason = getattr(error, "strerror", None) or str(error)
    return f"cannot be opened ({reason}); check the address, and that it plays elsewhere"


def place_to_reopen(name: str | os.PathLike[str], container: InputContainer) -> str | None:
    """Where the same video can be read once more from its beginning; None where it comes once only.

    Args:
        name: The file or URL.
        container: What it opened as.
    """
    text = os.fspath(name)
    if is_url(text):
        ends = container.duration is not None and container.duration > 0
        return text if ends and not is_live(text) else None
    if identity(text) is None:
        return None
    # What is our own stdin is another one in the process that is to read it.
    return os.path.realpath(text) if text.startswith(("/dev/", "/proc/")) else text


class FileState(NamedTuple):
    """What differs once a file has been replaced or written to."""

    device: int
    inode: int
    bytes: int
    """Its size."""
    changed_ns: int
    """When it was last written to, since 1970."""


def identity(name: str | os.PathLike[str]) -> FileState | None:
    """The state of a file; None for what is no regular one."""
    if is_url(name):
        return None
    with suppress(OSError, ValueError):
        state = os.stat(name)
        if stat.S_ISREG(state.st_mode):
            return FileState(state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
    return None
