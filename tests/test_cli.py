import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rmfd_cli import cli
from rmfd_cli.cli import progress
from rmfd_cli.cli.outcome import spent_lines
from rmfd_cli.cli.values import parse_time
from rmfd_cli.derain import Progress
from rmfd_cli.video.reader import VideoReader
from tests import media

ROOT = Path(__file__).parents[1]
# The command with the model replaced: what is under test here is everything around it.
STAND_IN = """
import os, time
import numpy as np
from rmfd_cli import cli
from rmfd_cli.types import Ycc
from rmfd_cli.cli import derain as command

def restorer(model, device, *memory, **warn):
    def restore(pictures):
        for picture in pictures:
            if "MARK" in os.environ:
                open(os.environ["MARK"], "w").close()
            time.sleep(DELAY)
            yield Ycc(np.zeros_like(picture.luma), np.zeros_like(picture.chroma))
    return restore

command.lazy_restorer = restorer
cli.main()
"""


def command(delay: float = 0.0) -> list[str]:
    return [sys.executable, "-c", STAND_IN.replace("DELAY", str(delay))]


def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(
        [*command(), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
        check=False,
        **{"stdin": subprocess.DEVNULL, **options},
    )


def test_ctrl_c_while_the_command_line_is_loaded_is_one_line():
    code = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'rmfd_cli.cli': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from rmfd_cli.__main__ import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "rmfd: stopped; nothing was begun\n")


def test_help_is_quick_and_imports_nothing_heavy():
    code = "import sys, rmfd_cli.cli; print(sorted({'torch', 'av', 'cv2', 'numpy', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_help_names_options_defaults_examples_and_exit_codes():
    text = CliRunner().invoke(cli.app, ["derain", "--help"]).stdout
    for word in ("--strength", "libx264", "Examples:", "Exit codes:", "130", "--overwrite", "--compare"):
        assert word in text


def test_version():
    assert CliRunner().invoke(cli.app, ["--version"]).stdout.startswith("rmfd 0.")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("1.5", 1.5), ("1:30", 90), ("0:01:30.250", 90.25), ("100:00:00", 360000), (".5", 0.5)]
)
def test_times_that_are_understood(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "1:75", "1:2:3:4", "1:60:00", "nan", "1,5"])
def test_times_that_are_not(text):
    with pytest.raises(typer.BadParameter):
        parse_time(text)


def test_a_video_is_written_and_one_line_says_so(clip, tmp_path):
    done = run("derain", clip(media.cfr), "-o", tmp_path / "out.mp4")
    assert (done.returncode, done.stdout) == (0, "")
    assert len(done.stderr.splitlines()) == 1
    for word in (str(tmp_path / "out.mp4"), "30 frames", "fps"):
        assert word in done.stderr


def test_quiet_says_nothing(clip, tmp_path):
    done = run("derain", clip(media.rich, ".mkv"), "-o", tmp_path / "out.mp4", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_warnings_and_details_go_to_stderr(clip, tmp_path):
    done = run("derain", clip(media.rich, ".mkv"), "-o", tmp_path / "out.mp4", "-v")
    assert done.returncode == 0
    assert "rmfd: warning: attachment" in done.stderr
    assert media.FFMPEG in done.stderr


def test_options_reach_the_job(clip, tmp_path):
    target = tmp_path / "out.mkv"
    target.write_text("old")
    cut = ("--start", "0.4", "--end", "0:00:00.8", "--compare", "side", "--codec", "ffv1", "--strength", "0.5")
    done = run("derain", clip(media.cfr), "-o", target, *cut, "--overwrite")
    assert done.returncode == 0, done.stderr
    with VideoReader(target) as video:
        assert video.info.width_px == 2 * media.WIDTH
        assert len(list(video)) == 10


def bad_input(kind: str, folder: Path, clip) -> Path:
    path = folder / "in.mkv"
    if kind == "directory":
        path.mkdir()
    elif kind == "text":
        path.write_text("this is no video")
    elif kind == "empty":
        path.touch()
    elif kind == "audio":
        media.audio_only(path)
    elif kind == "truncated":
        media.truncated(path, clip(media.cfr, ".mkv"))
    return path


@pytest.mark.parametrize("kind", ["missing", "directory", "text", "empty", "audio", "truncated"])
def test_a_bad_input_is_one_line_and_exit_code_one(clip, tmp_path, kind):
    source = bad_input(kind, tmp_path, clip)
    before = sorted(os.listdir(tmp_path))
    done = run("derain", source, "-o", tmp_path / "out.mp4")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("rmfd: error: ")
    assert str(source) in done.stderr
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("-o", "there.mp4"), 6, "--overwrite"),
        (("-o", "no/such/folder/out.mp4"), 1, "no such directory"),
        (("-o", "out.mp4", "--codec", "nope"), 4, "nope"),
        (("-o", "out.mp4", "--ffmpeg", "/nonexistent"), 4, "/nonexistent"),
        (("-o", "out.xyz"), 2, ".xyz"),
        (("-o", "out.mp4", "--strength", "2"), 2, "--strength"),
        (("-o", "out.mp4", "--start", "3", "--end", "2"), 2, "--end"),
        (("-o", "out.mp4", "--preset", "warp"), 2, "preset"),
        (("-o", "/proc/out.mp4"), 1, "/proc"),
    ],
)
def test_a_refusal_is_one_line_with_its_exit_code(clip, tmp_path, arguments, status, words):
    (tmp_path / "there.mp4").write_text("mine")
    done = run("derain", clip(media.no_audio), *arguments, cwd=tmp_path)
    assert done.returncode == status, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("rmfd: error: ")
    assert words in done.stderr
    assert os.listdir(tmp_path) == ["there.mp4"]
    assert (tmp_path / "there.mp4").read_text() == "mine"


def test_a_torch_that_cannot_be_imported_is_told_in_one_line(clip, tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('libgomp.so.1 is missing')")
    order = [sys.executable, "-m", "rmfd_cli", "derain", str(clip(media.cfr)), "-o", str(tmp_path / "out.mp4")]
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(order, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "libgomp.so.1" in done.stderr
    assert not (tmp_path / "out.mp4").exists()


def test_an_unexpected_fault_is_one_line_too_and_a_traceback_on_request(clip, tmp_path, monkeypatch):
    def fault(*_: object) -> None:
        raise ZeroDivisionError("by\nnothing")

    monkeypatch.setattr("rmfd_cli.derain.derain", fault)
    arguments = ["derain", str(clip(media.no_audio)), "-o", str(tmp_path / "out.mp4")]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 1
    assert result.stderr == "rmfd: error: ZeroDivisionError: by nothing; set RMFD_DEBUG=1 for the traceback\n"
    monkeypatch.setenv("RMFD_DEBUG", "1")
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback")
    assert result.stderr.endswith("rmfd: error: ZeroDivisionError: by nothing; set RMFD_DEBUG=1 for the traceback\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_behind(clip, tmp_path, number, status):
    mark, folder = tmp_path / "mark", tmp_path / "out"
    folder.mkdir()
    with subprocess.Popen(
        [*command(0.05), "derain", str(clip(media.cfr, frames=100)), "-o", str(folder / "out.mp4")],
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MARK": str(mark)},
        text=True,
    ) as process:
        while not mark.exists() and process.poll() is None:
            time.sleep(0.02)
        assert len(os.listdir(folder)) == 1
        process.send_signal(number)
        _, stderr = process.communicate(timeout=10)
    assert process.returncode == status
    assert os.listdir(folder) == []
    assert "Traceback" not in stderr
    assert len(stderr.splitlines()) <= 1


def test_a_shell_loop_reads_all_of_its_list(clip, tmp_path):
    source = clip(media.no_audio, frames=5)
    loop = 'while read n; do "$@" derain "$SOURCE" -o "$n.mp4" -q || exit; done'
    done = subprocess.run(
        ["sh", "-c", loop, "sh", *command()],
        input="one\ntwo\nthree\n",
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SOURCE": str(source)},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert sorted(os.listdir(tmp_path)) == ["one.mp4", "three.mp4", "two.mp4"]


def test_a_log_gets_a_line_now_and_then(capsys):
    with progress.progress_on_stderr("a.mp4") as update:
        for second in range(26):
            update(Progress(frames=30 * second + 1, frames_estimate=1500, seconds=float(second)))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0] == "a.mp4: frame 301 of about 1500, 30.1 fps, 0:40 left"


def test_a_header_that_promised_too_little_is_not_believed(capsys):
    with progress.progress_on_stderr("a.mp4") as update:
        update(Progress(frames=300, frames_estimate=100, seconds=10.0))
    assert capsys.readouterr().err == "a.mp4: frame 300, 30.0 fps\n"


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress.progress_on_stderr("[a].mp4") as update:
        for frame in range(1, 4):
            update(Progress(frame, 3, frame / 10))
    assert "Traceback" not in capsys.readouterr().err


def test_clock():
    assert [progress.clock(seconds) for seconds in (0, 59.6, 3599, 3601)] == ["0:00", "1:00", "59:59", "1:00:01"]


# A command that has loaded torch, of which the process takes leave without Python's help.
LEAVING = """
import sys, threading, time
from rmfd_cli import cli

def late():
    time.sleep(0.5)
    print("a thread")

def app(prog_name):
    sys.modules["torch"] = sys
    if THREAD:
        threading.Thread(target=late).start()
    print("said")
    sys.exit(3)

cli.app = app
try:
    cli.main()
finally:
    print("taken apart")
"""


@pytest.mark.parametrize(("thread", "said"), [(False, "said\n"), (True, "said\ntaken apart\na thread\n")])
def test_what_is_said_and_done_last_is_not_lost(thread, said):
    code = LEAVING.replace("THREAD", str(thread))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert (done.returncode, done.stdout) == (3, said), done.stderr


@pytest.mark.skipif(os.name != "posix", reason="a shell that closes a stream")
@pytest.mark.parametrize(
    ("arguments", "closed", "status"),
    [("-o out.mp4", "2>&-", 0), ("-o out.mp4", ">&-", 0), ("-o -", ">&-", 2), ("-o out/ --from-file -", "<&-", 1)],
)
def test_closed_streams(clip, tmp_path, arguments, closed, status):
    (tmp_path / "in.mp4").symlink_to(clip(media.no_audio, frames=3))
    line = shlex.join([*command(), "derain", "in.mp4", *arguments.split()]) + f" {closed}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert "Error" not in done.stderr
    assert (tmp_path / "out.mp4").exists() == (status == 0)


@pytest.mark.skipif(os.name != "posix", reason="a shell that closes a stream")
def test_a_closed_stdout_is_no_failure():
    code = LEAVING.replace("THREAD", "False").replace('print("said")', "pass").replace('print("taken apart")', "pass")
    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, code], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize(("wall_seconds", "bound"), [(1.5, "stage 1"), (1.7, "start-up")])
def test_what_bounds_a_run_is_the_stage_that_is_busy_for_most_of_it(wall_seconds, bound):
    *_, last = spent_lines({"decode": 0.2, "stage 1": 0.8}, 10, wall_seconds)
    assert last == f"all\t{100 * wall_seconds:.1f}\t{bound} bounds it"
