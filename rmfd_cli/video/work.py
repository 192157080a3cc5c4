"""Work that outlives its process: a hidden folder beside the target with the segments that are done and what to go on with."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout

from rmfd_cli.errors import InputError, OutputError, RmfdError, UsageError
from rmfd_cli.files import replace_whole
from rmfd_cli.video.checking import Span
from rmfd_cli.video.opening import identity
from rmfd_cli.video.place import hidden_stem

_PLAN, _LOCK = "plan.json", "lock"
_HASHED_BYTES = 1 << 20


@dataclass(frozen=True)
class Segment:
    """A file of frames that is whole."""

    name: str
    bytes: int
    """Its size."""
    span: Span


@dataclass(frozen=True)
class _Plan:
    """What `plan.json` says; it is replaced whole, so that whatever it names is on the disk."""

    identity: Mapping[str, str]
    segments: tuple[Segment, ...] = ()
    memory: str | None = None
    """Name of the file that holds the model's memory after the last segment."""
    memory_sha256: str = ""


class Work:
    """The folder of one target; a context manager that holds it for this process alone.

    When the `with` block ends well the folder is removed. After an exception it stays if a segment is whole in it.
    """

    def __init__(self, target: Path, identity: Mapping[str, str], overwrite: bool) -> None:
        """Say what work it is; nothing happens before the `with` block is entered.

        Args:
            target: The file that it is for.
            identity: What decides the frames, by name; work of another identity is no beginning of this.
            overwrite: Whether other work in the folder is thrown away.
        """
        target = Path(os.path.realpath(target))
        self.path = target.with_name(f"{hidden_stem(target)}{target.suffix}.rmfd")
        self._target, self._overwrite = target, overwrite
        self._plan = _Plan(dict(identity))
        self._lock = FileLock(self.path / _LOCK, timeout=0)

    def __enter__(self) -> "Work":
        """Take the folder, and read what is done.

        Raises:
            OutputError: It cannot be written to, another process has it, or what is in it is damaged.
            UsageError: It holds other work.
        """
        try:
            self.path.mkdir(exist_ok=True)
            self._lock.acquire()
        except Timeout:
            raise OutputError(f"{self._target}: another rmfd is at work on it in {self.path}; wait for it") from None
        except FileNotFoundError:
            raise OutputError(f"{self._target.parent}: no such directory") from None
        # Where a disk knows no locks, older versions of filelock say so in this way.
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{self._target.parent}: cannot be written to: {reason}") from error
        try:
            self._read()
        except BaseException:
            self._lock.release()
            raise
        self._clear_up()
        return self

    def _read(self) -> None:
        try:
            found = json.loads((self.path / _PLAN).read_text("utf-8"))
            segments = tuple(Segment(one["name"], one["bytes"], Span(**one["span"])) for one in found["segments"])
            plan = _Plan(found["identity"], segments, found["memory"], found["memory_sha256"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(f"{self.path / _PLAN}: cannot be read ({error}); remove the folder to start anew") from error
        if differences := _differences(plan.identity, self._plan.identity):
            if self._overwrite:
                (self.path / _PLAN).unlink()
                return
            raise UsageError(
                f"{self._target}: the work of an earlier run in {self.path} does not fit: {differences}; give the same command "
                "as then, or start anew with --overwrite or by removing that folder"
            )
        if not all(_size(self.path / one.name) == one.bytes for one in plan.segments):
            raise OutputError(f"{self.path}: segments are missing or damaged; remove the folder to start anew")
        self._plan = plan

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What is done, in order."""
        return self._plan.segments

    def memory(self) -> bytes | None:
        """What the model remembers of the last frame that is done; None before the first.

        Raises:
            OutputError: It is damaged.
        """
        if self._plan.memory is None:
            return None
        try:
            content = (self.path / self._plan.memory).read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != self._plan.memory_sha256:
            raise OutputError(f"{self.path / self._plan.memory}: is missing or damaged; remove the folder to start anew")
        return content

    def add(self, file: Path, span: Span, memory: bytes) -> None:
        """Count a segment among those that are done.

        Args:
            file: In the folder, whole and on the disk, under a name that is only temporary.
            span: The frames in it.
            memory: What the model remembers of the last of them.

        Raises:
            OutputError: The disk is full or gone.
        """
        number = sum(one.span.frames for one in self.segments)
        segment = Segment(f"{number:09d}{file.suffix}", file.stat().st_size, span)
        note = f"{number:09d}.safetensors"
        try:
            os.replace(file, self.path / segment.name)
            self._put(note, memory)
            self._commit(_Plan(self._plan.identity, (*self.segments, segment), note, hashlib.sha256(memory).hexdigest()))
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from error

    def replace_all(self, file: Path, span: Span) -> Path:
        """Put one segment in the place of all of them.

        Args:
            file: As of `add`.
            span: Of all frames that are done.

        Returns:
            Its path.

        Raises:
            OutputError: The disk is full or gone.
        """
        segment = Segment(f"joined{file.suffix}", file.stat().st_size, span)
        try:
            os.replace(file, self.path / segment.name)
            self._commit(_Plan(self._plan.identity, (segment,), self._plan.memory, self._plan.memory_sha256))
        except OSError as error:
            raise OutputError(f"{self.path}: {error.strerror or error}") from error
        return self.path / segment.name

    def _commit(self, plan: _Plan) -> None:
        self._put(_PLAN, json.dumps(asdict(plan), indent=1).encode("utf-8"))
        for name in _files(self._plan) - _files(plan):
            (self.path / name).unlink(missing_ok=True)
        self._plan = plan

    def _put(self, name: str, content: bytes) -> None:
        replace_whole(self.path / name, content)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _clear_up(self) -> None:
        """Remove what the plan does not name: the remains of a killed run."""
        for path in self.path.iterdir():
            if path.name not in {_PLAN, _LOCK, *_files(self._plan)} and not path.is_dir():
                with contextlib.suppress(OSError):
                    path.unlink()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove the folder, or what is not whole in it, and let it go."""
        if error is None:
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            # Ctrl-C may have come after a plan was written and before it was taken note of: the one on the disk counts.
            with contextlib.suppress(RmfdError):
                self._read()
                if self.segments:
                    self._clear_up()
                else:
                    shutil.rmtree(self.path, ignore_errors=True)
        self._lock.release()


def file_identity(path: str) -> dict[str, str]:
    """Size, time of change and SHA-256 of the first and last MiB of a file.

    Raises:
        InputError: It cannot be read, or is no regular file.
    """
    state = identity(path)
    if state is None:
        raise InputError(f"{path}: is no file that can be read twice; copy it into one")
    try:
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read(_HASHED_BYTES))
            file.seek(max(0, state.bytes - _HASHED_BYTES))
            digest.update(file.read(_HASHED_BYTES))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the name and the disk") from None
    values: dict[str, Any] = {"bytes": state.bytes, "changed": state.changed_ns, "head and tail": digest.hexdigest()}
    return {f"source's {name}": str(value) for name, value in values.items()}


def _files(plan: _Plan) -> set[str]:
    memory = {plan.memory} if plan.memory else set()
    return memory | {segment.name for segment in plan.segments}


def _differences(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return ", ".join(f"{name} was {then.get(name, 'not there')} and is {now.get(name, 'not there')}" for name in names)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
