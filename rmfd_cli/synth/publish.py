"""Variants on disk, complete or not at all: which are done, how one takes its place, what a killed run has left.

A variant is rendered into a hidden folder inside the data set, which thus is on the same disk, and takes its place by renaming,
its metadata last: where that file is, the variant is complete. Before the first rename the hidden folder notes what is
about to change, so that the next run can clear up after one that was killed in between. Each run has a hidden folder of
its own: workers that outlive a killed run by a moment do not meet those of the next.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from tempfile import mkdtemp
from typing import Any, get_args

from filelock import FileLock, Timeout

from rmfd_cli import __version__
from rmfd_cli.errors import InputError, OutputError, OutputExistsError
from rmfd_cli.synth.identity import Identity
from rmfd_cli.synth.layouts import place
from rmfd_cli.synth.plan import Job
from rmfd_cli.synth.request import Format, difference, recorded
from rmfd_cli.synth.sources import Clip
from rmfd_cli.synth.variant import SCHEMA, stored_streams

_HIDDEN = ".rmfd-synth-"
_NOTE = "changes.json"
TREE = "tree"
"""Name of the folder inside a variant's hidden one that is laid out as the data set is."""


@contextmanager
def only_writer(out: Path) -> Iterator[Path]:
    """Hold a data set for writing; what killed runs have left is cleared up before and after.

    Args:
        out: The data set's folder; made if it is not there.

    Yields:
        A hidden folder in it that is this run's alone.

    Raises:
        OutputError: It cannot be written to, or another run is writing to it.
    """
    path = out / f"{_HIDDEN}lock"
    lock = FileLock(path, timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise OutputError(f"{out}: another rmfd synth is writing to it; wait for it or choose another --output") from None
    # Where a disk knows no locks, older versions of filelock say so in this way.
    except (OSError, NotImplementedError) as error:
        raise _unwritable(out, error) from error
    try:
        clear_up(out)
        try:
            run = Path(mkdtemp(prefix=_HIDDEN, dir=out))
        except OSError as error:
            raise _unwritable(out, error) from error
        yield run
    finally:
        clear_up(out)
        # While it is held, so that no other run holds a file without a name; Windows lets go of no open file.
        with contextlib.suppress(OSError):
            path.unlink()
        lock.release()


def clear_up(out: Path) -> None:
    """Remove everything that unfinished variants have left."""
    for note in sorted(out.glob(f"{_HIDDEN}*/*/{_NOTE}")):
        with contextlib.suppress(OSError, ValueError):
            _remove(out, json.loads(note.read_text("ascii")))
    for run in out.glob(f"{_HIDDEN}*"):
        if run.is_dir():
            shutil.rmtree(run, ignore_errors=True)


def standing(job: Job, out: Path) -> dict[str, Any] | None:
    """The metadata of what is complete in a variant's place, in any layout; None if nothing is."""
    for layout in get_args(Format):
        path = out / place(job, (), layout).metadata
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(path.read_text("utf-8"))
            if found["schema"] != SCHEMA or found["request"]["format"] != layout:
                continue
            # Running numbers mean other clips in other plans: what another layout has under one may not be this variant.
            if layout == job.request.format or (found["source"]["path"], found["variant"]) == (job.source, job.variant):
                return dict(found)
    return None


def is_done(job: Job, out: Path, overwrite: bool, identify: Callable[[Clip, str | None], Identity]) -> bool:
    """Whether a variant is complete as asked for; False if it is to be made.

    Args:
        job: The variant.
        out: The data set.
        overwrite: Whether one that was made otherwise is to be replaced.
        identify: `rmfd_cli.synth.identity.identify`, or one that remembers the clips that it has read.

    Raises:
        OutputExistsError: Another one stands in its place, or something that rmfd has not made.
    """
    found = standing(job, out)
    if found is None:
        for unit in place(job, stored_streams(job), job.request.format).units:
            if (out / unit).exists():
                raise OutputExistsError(
                    f"{out / unit}: is there, but not made by rmfd synth; remove it or choose another --output"
                )
        return False
    try:
        why = _why_other(job, found, identify)
    except InputError:
        # The source is gone or cannot be read: making the variant will fail and say so, and stop no other.
        return False
    if why is None:
        return all((out / name).is_file() for name in found["files"])
    if overwrite:
        return False
    raise OutputExistsError(f"{out}: {found['name']} was made with {why}; pass --overwrite or choose another --output")


def _why_other(job: Job, found: dict[str, Any], identify: Callable[[Clip, str | None], Identity]) -> str | None:
    if found["rmfd"] != __version__:
        return f"rmfd {found['rmfd']}, not {__version__}"
    if why := difference(found["request"], recorded(job.request)):
        return why
    if found["source"]["path"] != job.source or found["variant"] != job.variant:
        return f"{found['source']['path']} variant {found['variant']}, not {job.source} variant {job.variant}"
    now = identify(job.clip, job.request.depth_dir)
    if found["source"]["bytes"] != now.bytes:
        return f"another {job.source}: it had {found['source']['bytes']} bytes and now has {now.bytes}"
    if found["source"]["sha256"] != now.sha256:
        return f"another {job.source}: its content has changed"
    if found["depth_sha256"] != now.depth_sha256:
        return f"other depth maps for {job.source}"
    return None


def hidden_folder(job: Job, run: Path) -> Path:
    """Where a variant is rendered before it takes its place: a folder in the hidden one of its run."""
    return run / str(job.number)


def publish(job: Job, out: Path, run: Path) -> None:
    """Move a complete variant from its hidden folder to its place, in exchange for what stood there.

    Args:
        job: The variant.
        out: The data set.
        run: The hidden folder of the run that has rendered it.

    Raises:
        OutputError: It cannot be moved.
    """
    hidden = hidden_folder(job, run)
    units = place(job, stored_streams(job), job.request.format).units
    before = standing(job, out)
    files = [] if before is None else [*before["files"], place(job, (), before["request"]["format"]).metadata.as_posix()]
    changes = [*files, *map(str, units)]
    try:
        (hidden / _NOTE).write_text(json.dumps(changes), "ascii")
        _remove(out, changes)
        for unit in units:
            (out / unit).parent.mkdir(parents=True, exist_ok=True)
            os.replace(hidden / TREE / unit, out / unit)
        (hidden / _NOTE).unlink()
    except OSError as error:
        raise _unwritable(out, error) from error
    shutil.rmtree(hidden, ignore_errors=True)


def write_meta_info(jobs: list[Job], out: Path, run: Path) -> int:
    """Write `meta_info.txt` as BasicSR reads it, `name frames (height,width,3)`, a line per complete variant of the plan.

    Args:
        jobs: The plan.
        out: The data set.
        run: The hidden folder of this run.

    Returns:
        How many there are.

    Raises:
        OutputError: It cannot be written.
    """
    found = [metadata for job in jobs if (metadata := standing(job, out)) is not None]
    lines = sorted(f"{one['name']} {one['frames']} ({one['height_px']},{one['width_px']},3)\n" for one in found)
    temporary = run / "meta_info.txt"
    try:
        temporary.write_text("".join(lines), "utf-8", errors="surrogateescape")
        os.replace(temporary, out / "meta_info.txt")
    except OSError as error:
        raise OutputError(f"{out / 'meta_info.txt'}: cannot be written: {error.strerror or error}") from error
    return len(found)


def _remove(out: Path, names: list[str]) -> None:
    """Remove files and folders, and the folders above them that are empty then; nothing outside the data set."""
    for name in names:
        path = out / name
        if out not in path.parents or ".." in PurePath(name).parts:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        for above in path.parents:
            if above == out:
                break
            try:
                above.rmdir()
            except OSError:
                break


def _unwritable(out: Path, error: Exception) -> OutputError:
    return OutputError(f"{out}: cannot be written to: {getattr(error, 'strerror', None) or error}")
