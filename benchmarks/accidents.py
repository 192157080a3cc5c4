"""What is left when something dies in the middle of the work: the table of docs/accidents.md.

    python -m benchmarks.accidents [--write docs/accidents.md] [--model FILE] [--seed N] [--only WORD] [--times N]

Each accident happens to `rmfd derain` in a process of its own, at a moment drawn from the time that a whole run takes, its
start left out. Then the folder is looked at, and where --resume was given the same command is run again; its result has to be
that of a run that nothing happened to: the same planes at the same times. The exit code is 1 if anything is amiss.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.tables import put_between
from tests import media

BEGIN, END = "<!-- table: python -m benchmarks.accidents --write docs/accidents.md -->", "<!-- end of the table -->"
ROOT = Path(__file__).parents[1]
FRAMES, SEGMENT_FRAMES = 80, 10
EARLIEST = 0.3
"""Share of a run before which nothing happens: it is Python's own start, and there is nothing to lose yet."""
STALL_SECONDS = 5.0
BOUND_SECONDS = 60.0
"""Within this time everything has to end, on a busy machine, too."""
OLD = b"an older file of that name"

# The command with short segments and little patience, and for a quick test with a model that takes no time to load.
CHILD = f"""
import functools, sys, time
import numpy as np
import rmfd_cli.derain
from rmfd_cli import cli
from rmfd_cli.cli import derain as command
from rmfd_cli.types import Ycc
from rmfd_cli.video.writer import VideoWriter

def fading(pictures, memory=None):
    past = np.frombuffer(memory or bytes(4), np.float32)[0]
    for picture in pictures:
        time.sleep(0.02)
        past = np.float32(0.9) * past + np.float32(0.1) * picture.luma.mean(dtype=np.float32)
        yield Ycc(np.full_like(picture.luma, past - 0.3), np.zeros_like(picture.chroma)), np.float32(past).tobytes

if "--stand-in" in sys.argv:
    sys.argv.remove("--stand-in")
    command.lazy_restorer = lambda *_: lambda pictures: (change for change, _ in fading(pictures))
    command.lazy_restorer_from = lambda *_: (fading, lambda: {{"weights": "none"}})
rmfd_cli.derain.derain_in_segments = functools.partial(rmfd_cli.derain.derain_in_segments, segment_frames={SEGMENT_FRAMES})
VideoWriter.__init__.__kwdefaults__["stall_seconds"] = {STALL_SECONDS}
cli.main()
"""


@dataclass(frozen=True)
class Accident:
    """What happens to one run."""

    kind: str
    happen: Callable[["Scene", subprocess.Popen[str]], None]
    """Does it, once the moment has come."""
    resume: bool
    overwrite: bool = False
    times: int = 1
    leaves_nothing: bool = False
    """Whether no hidden file may be left, a folder of --resume apart."""
    must_succeed: bool = False


@dataclass
class Scene:
    """A folder with a source, and what its results are when nothing happens."""

    folder: Path
    model: tuple[str, ...]
    source: Path
    timed_runs: int = 2
    """The first run reads everything from the disk: the last one counts."""
    wholes: dict[tuple[str, bool], list[media.DecodedFrame]] = field(default_factory=dict)
    seconds: dict[tuple[str, bool], float] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)

    def start(self, out: Path, suffix: str, resume: bool, *more: str) -> subprocess.Popen[str]:
        """Start a run into `out`."""
        codec = ("--codec", "ffv1") if suffix == ".mkv" else ()
        # What a shell runs in the background ignores SIGINT, and so would what that starts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        words = ["derain", str(self.source), "-o", str(out / f"out{suffix}"), "-q", *codec, *self.model, *more]
        return subprocess.Popen(
            [sys.executable, "-c", CHILD, *words, *(["--resume"] if resume else [])],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def whole(self, suffix: str, resume: bool) -> list[media.DecodedFrame]:
        """The frames of a run that nothing happens to; how long that takes goes into `seconds`."""
        key = suffix, resume
        if key not in self.wholes:
            for _ in range(self.timed_runs):
                with tempfile.TemporaryDirectory(dir=self.folder) as out:
                    began = time.monotonic()
                    process = self.start(Path(out), suffix, resume)
                    _, said = process.communicate(timeout=10 * BOUND_SECONDS)
                    assert process.returncode == 0, said
                    self.seconds[key] = time.monotonic() - began
                    target = Path(out, f"out{suffix}")
                    self.wholes[key], self.bytes[suffix] = media.decoded_frames(target), target.stat().st_size
        return self.wholes[key]


@dataclass(frozen=True)
class Result:
    """How one accident went."""

    exit_code: int
    target: str
    """`nothing`, `old` or `complete`; anything else is a fault."""
    resumed: str
    faults: tuple[str, ...]


def send(number: signal.Signals) -> Callable[[Scene, subprocess.Popen[str]], None]:
    """A signal to rmfd itself."""
    return lambda scene, process: process.send_signal(number)


def send_ffmpeg(number: signal.Signals, then: signal.Signals | None = None) -> Callable[[Scene, subprocess.Popen[str]], None]:
    """A signal to the ffmpeg that encodes, as soon as there is one, and another two seconds later."""

    def happen(scene: Scene, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            if encoders := [pid for pid in children(process.pid) if b"pipe:0" in command_of(pid)]:
                with suppress(ProcessLookupError):
                    os.kill(encoders[0], number)
                    if then is not None:
                        time.sleep(2.0)
                        os.kill(encoders[0], then)
                return
            time.sleep(0.01)

    return happen


def nothing(scene: Scene, process: subprocess.Popen[str]) -> None:
    """What happens has been arranged before the start."""


ACCIDENTS = (
    Accident("SIGINT", send(signal.SIGINT), resume=False, times=5, leaves_nothing=True),
    Accident("SIGTERM", send(signal.SIGTERM), resume=False, times=5, leaves_nothing=True),
    Accident("SIGINT", send(signal.SIGINT), resume=True, times=5, leaves_nothing=True),
    Accident("SIGTERM", send(signal.SIGTERM), resume=True, times=4, leaves_nothing=True),
    Accident("SIGKILL", send(signal.SIGKILL), resume=False, times=3),
    Accident("SIGKILL", send(signal.SIGKILL), resume=False, overwrite=True, times=3),
    Accident("SIGKILL", send(signal.SIGKILL), resume=True, times=8),
    Accident("SIGKILL", send(signal.SIGKILL), resume=True, overwrite=True, times=4),
    Accident("SIGKILL of ffmpeg", send_ffmpeg(signal.SIGKILL), resume=False, times=2, leaves_nothing=True),
    Accident("SIGKILL of ffmpeg", send_ffmpeg(signal.SIGKILL), resume=True, times=4, leaves_nothing=True),
    Accident("ffmpeg stopped for 2 s", send_ffmpeg(signal.SIGSTOP, signal.SIGCONT), resume=True, times=1, must_succeed=True),
    Accident("ffmpeg hangs", send_ffmpeg(signal.SIGSTOP), resume=False, times=1, leaves_nothing=True),
    Accident("ffmpeg hangs", send_ffmpeg(signal.SIGSTOP), resume=True, times=2, leaves_nothing=True),
    Accident("ffmpeg floods stderr", nothing, resume=True, times=1, must_succeed=True),
    Accident("full disk", nothing, resume=False, times=1, leaves_nothing=True),
    Accident("full disk", nothing, resume=True, times=1, leaves_nothing=True),
)


def run(accident: Accident, scene: Scene, draw: random.Random) -> Result:
    """Let one accident happen and look at what it leaves."""
    suffix = draw.choice([".mkv", ".mp4"])
    whole = scene.whole(suffix, accident.resume)
    moment = draw.uniform(EARLIEST, 1) * scene.seconds[suffix, accident.resume]
    more = ["--overwrite"] if accident.overwrite else []
    if "floods" in accident.kind:
        more += ["--ffmpeg", str(flooding_ffmpeg(scene.folder))]
    disk_bytes = int(0.6 * scene.bytes[suffix]) if "disk" in accident.kind else None
    with tempfile.TemporaryDirectory(dir=scene.folder) as name, small_disk(Path(name), disk_bytes) as make_room:
        out, faults = Path(name), []
        target = out / f"out{suffix}"
        if accident.overwrite:
            target.write_bytes(OLD)
        process = scene.start(out, suffix, accident.resume, *more)
        with suppress(subprocess.TimeoutExpired):
            process.wait(0 if accident.happen is nothing else moment)
        helpers = children(process.pid)
        accident.happen(scene, process)
        try:
            _, said = process.communicate(timeout=BOUND_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return Result(0, "", "", (f"rmfd was still there after {BOUND_SECONDS:g} s",))
        if "Traceback" in said:
            faults.append(f"a traceback: {said.splitlines()[-1]}")
        if len(said.splitlines()) > 1 or (process.returncode == 1 and not said):
            faults.append(f"not one line of error: {said!r}")
        if not wait_for_end(helpers):
            faults.append("ffmpeg outlived rmfd")
        found = state_of(target, whole)
        if found not in ("old" if accident.overwrite else "nothing", "complete"):
            faults.append(f"the target is {found}")
        if accident.must_succeed and found != "complete":
            faults.append(f"exit {process.returncode}: {said!r}")
        hidden = sorted(path.name for path in out.iterdir() if path != target)
        folder = f".out{suffix}.rmfd"
        if accident.leaves_nothing and set(hidden) - ({folder} if accident.resume else set()):
            faults.append(f"left behind: {hidden}")
        if accident.leaves_nothing and (out / folder).exists() and any("partial" in n for n in os.listdir(out / folder)):
            faults.append(f"half a file in the folder: {os.listdir(out / folder)}")
        if not accident.resume or found == "complete":
            return Result(process.returncode, found, "-", tuple(faults))
        make_room()
        frames = kept_frames(out / folder)
        again = scene.start(out, suffix, True, *more)
        _, said = again.communicate(timeout=10 * BOUND_SECONDS)
        left = sorted(path.name for path in out.iterdir() if path != target)
        if again.returncode or state_of(target, whole) != "complete" or left:
            faults.append(
                f"not resumed: exit {again.returncode}, {said!r}, the target is {state_of(target, whole)}, left {left}"
            )
        return Result(process.returncode, found, "from 0" if not frames else "from a segment", tuple(faults))


def state_of(target: Path, whole: list[media.DecodedFrame]) -> str:
    """What the target is: `nothing`, `old`, `complete`, or something that it must not be."""
    if not target.exists():
        return "nothing"
    if target.read_bytes() == OLD:
        return "old"
    try:
        return "complete" if media.decoded_frames(target) == whole else "another"
    except RuntimeError:
        return "damaged"


def kept_frames(folder: Path) -> int:
    """How many segments a folder of --resume holds."""
    return len([path for path in folder.glob("*") if path.suffix in (".mkv", ".mp4", ".mov")])


def children(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def command_of(pid: int) -> bytes:
    """The command line of a process; empty if it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def wait_for_end(pids: Sequence[int], seconds: float = 10.0) -> bool:
    """Whether all processes end in time; one that has no command line any more has ended."""
    deadline = time.monotonic() + seconds
    while any(command_of(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def flooding_ffmpeg(folder: Path) -> Path:
    """An ffmpeg that says 30 MB of nothing while it works."""
    path = folder / "flooding-ffmpeg"
    noise = 'case "$*" in *pipe:0*) (yes noise | head -c 30000000 >&2) & ;; esac'
    path.write_text(f'#!/bin/sh\n{noise}\nexec {media.FFMPEG} "$@"\n')
    path.chmod(0o755)
    return path


@contextmanager
def small_disk(folder: Path, size_bytes: int | None) -> Iterator[Callable[[], None]]:
    """Put a disk of so many bytes under a folder; gives a function that makes it larger. Needs the right to mount."""
    if size_bytes is None:
        yield lambda: None
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", folder], check=True)
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True) and None
    finally:
        subprocess.run(["umount", folder], check=True)


def can_mount(folder: Path) -> bool:
    """Whether this process may mount a disk of its own."""
    with suppress(subprocess.CalledProcessError, OSError), small_disk(folder, 1 << 20):
        return True
    return False


def source_clip(path: Path, frames: int = FRAMES) -> Path:
    """Variable frame rate, B-frames and sound."""
    return media.vfr(path, frames=frames)


def row(accident: Accident, results: Sequence[Result]) -> str:
    """A line of the table."""
    options = " ".join(name for name, on in (("--resume", accident.resume), ("--overwrite", accident.overwrite)) if on) or "-"

    def told(values: Sequence[object]) -> str:
        return ", ".join(f"{value}: {count}" for value, count in sorted(Counter(map(str, values)).items()))

    codes, targets, again = ([getattr(one, name) for one in results] for name in ("exit_code", "target", "resumed"))
    faults = sum(bool(one.faults) for one in results)
    return f"| {accident.kind} | {options} | {len(results)} | {told(codes)} | {told(targets)} | {told(again)} | {faults} |"


def main() -> int:
    """Let every accident happen and print the table; 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, help="put the table between the marks in this file")
    parser.add_argument("--model", default="auto", help="as of rmfd derain; none for a stand-in that needs no torch")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only kinds of accident with this word")
    parser.add_argument("--times", type=int, help="how often each, instead of 50 in all")
    options = parser.parse_args()
    lines = ["| what | options | times | exit codes | then the target is | gone on | faults |", "|---|---|---|---|---|---|---|"]
    print(*lines, sep="\n", flush=True)
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = ("--stand-in",) if options.model == "none" else ("--model", options.model)
        scene = Scene(folder, model, source_clip(folder / "in.mp4"))
        for number, accident in enumerate(ACCIDENTS):
            if options.only not in accident.kind:
                continue
            if "disk" in accident.kind and not can_mount(folder):
                print("full disk: needs the right to mount", file=sys.stderr)
                continue
            draw = random.Random(f"{options.seed} {number}")
            results = [run(accident, scene, draw) for _ in range(options.times or accident.times)]
            for fault in (fault for result in results for fault in result.faults):
                faults += 1
                print(f"FAULT {accident.kind}: {fault}", file=sys.stderr, flush=True)
            lines.append(row(accident, results))
            print(lines[-1], flush=True)
    if options.write:
        put_between(options.write, BEGIN, END, lines)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
