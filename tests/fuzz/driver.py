"""Run `rmfd derain` on mutants, each in a process of its own with bounds on time and memory; one line of JSON for each.

    python -m tests.fuzz.driver SOURCES FIRST LAST SECONDS MEGABYTES

The processes are forks of this one, which has imported what they need; the model is replaced by one that changes nothing.
"""

import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import rmfd_cli.derain
import rmfd_cli.video.writer  # noqa: F401 - for the forks
from rmfd_cli import cli
from rmfd_cli.cli import derain as command
from rmfd_cli.cli import progress  # noqa: F401
from rmfd_cli.video import ffmpeg
from rmfd_cli.video.reader import VideoReader
from tests.fuzz.mutate import mutant
from tests.stand_ins import unchanged


def child(source: Path, target: Path, said: Path, megabytes: int, salvage: bool) -> None:
    """The command itself; does not come back."""
    output = os.open(said, os.O_CREAT | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv = ["rmfd", "derain", str(source), "-o", str(target), *(["--salvage"] if salvage else [])]
    status = 1
    try:
        cli.main()
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run(number: int, sources: Path, seconds: float, megabytes: int) -> dict[str, object]:
    """What became of one mutant."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "out").mkdir()
        source, target, said = mutant(number, sources, place), place / "out" / "out.mkv", place / "said"
        began = time.monotonic()
        process = os.fork()
        if not process:
            child(source, target, said, megabytes, salvage=number % 4 > 1)
        ended = 0
        while not ended and time.monotonic() - began < seconds:
            time.sleep(0.01)
            ended, status, usage = os.wait4(process, os.WNOHANG)
        if not ended:
            os.kill(process, signal.SIGKILL)
            _, status, usage = os.wait4(process, 0)
        report = SimpleNamespace(
            number=number,
            source=source.name,
            hung=not ended,
            status=os.waitstatus_to_exitcode(status),
            seconds=round(time.monotonic() - began, 2),
            megabytes=usage.ru_maxrss // 1024,
            said=said.read_text(errors="replace"),
            files=sorted(os.listdir(target.parent)),
            frames=0,
        )
        if target.exists():
            with VideoReader(target) as video:
                report.frames = len(list(video))
        return vars(report)


def main() -> None:
    sources, first, last, seconds, megabytes = sys.argv[1:]
    command.lazy_restorer = lambda *_: unchanged
    binary = ffmpeg.find_ffmpeg()
    ffmpeg.encoder(binary, "libx264")
    for number in range(int(first), int(last)):
        sys.stdout.write(json.dumps(run(number, Path(sources), float(seconds), int(megabytes))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
