"""Too little memory: asked for, or met on the way."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from rmfd_cli.cli.values import parse_size
from rmfd_cli.errors import MemoryExhaustedError
from rmfd_cli.model.checkpoint import export_weights
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.room import Room, Wish, is_shortage, rooms, shortage, tile_px_within
from rmfd_cli.model.streaming import restore
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.ycc import ycc_of_rgb
from tests import media

ROOT = Path(__file__).parents[2]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
VGA_PX, UHD_PX = 640 * 480, 3840 * 2160

# What is freed goes back to the system at once, or the room that is left would depend on what the allocator kept.
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
# Six frames of 960×640. From the fourth on, the process gets only `room` bytes more than it has by then.
LIMITED = """
import resource, sys
import numpy as np, torch
from rmfd_cli.errors import RmfdError
from rmfd_cli.model.room import Wish
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.streaming import restore
from rmfd_cli.video.ycc import ycc_of_rgb

room, target = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.manual_seed(0)
model = Rmfd(ModelConfig()).eval().requires_grad_(False)
for parameter in model.parameters():
    parameter.add_(0.02 * torch.randn_like(parameter))
scene = np.random.default_rng(0).integers(0, 256, (80, 124, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
frames = [np.ascontiguousarray(scene[:, 3 * k : 3 * k + 960]) for k in range(6)]
changes = np.zeros((6, 640, 960), np.float32)

def pictures():
    for k, frame in enumerate(frames):
        if k == 3 and room:
            used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
        yield ycc_of_rgb(frame)

try:
    for k, change in enumerate(restore(pictures(), model, torch.device("cpu"), WISH, print)):
        changes[k] = change.luma
except RmfdError as error:
    print(error)
    sys.exit(error.exit_code)
changes.tofile(target)
print(k + 1, "frames")
"""


def limited(room: int, target: Path, wish: str = "Wish(tile_px=1 << 20)") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LIMITED.replace("WISH", wish), str(room), str(target)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **GIVEN_BACK},
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS")
def test_frames_that_memory_did_not_suffice_for_are_done_again_in_tiles(tmp_path):
    free = limited(0, tmp_path / "free")
    assert free.stdout == "6 frames\n", free.stderr
    # How much a whole frame takes, and how much is free by then, depends on which thread comes first.
    for megabytes in range(120, 10, -10):
        tight = limited(megabytes * 1_000_000, tmp_path / "tight")
        assert tight.returncode in (0, 5), tight.stdout + tight.stderr
        if tight.stdout.startswith("too little memory for tiles of") and tight.returncode == 0:
            break
    assert tight.stdout.startswith("too little memory for tiles of"), tight.stdout + tight.stderr
    assert tight.stdout.endswith("6 frames\n"), tight.stdout + tight.stderr
    a, b = (np.fromfile(tmp_path / name, np.float32) for name in ("free", "tight"))
    assert np.abs(a).mean() > 0.001
    assert np.abs(a - b).max() < 1 / 255


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="RLIMIT_AS")
def test_what_was_asked_for_and_does_not_fit_is_error_5(tmp_path):
    # How much is free by then depends on which thread comes first.
    for megabytes in (20, 14, 10, 7):
        done = limited(megabytes * 1_000_000, tmp_path / "out", "Wish(memory_bytes=4 << 30)")
        if done.returncode == 5:
            break
        (tmp_path / "out").unlink()
    assert done.returncode == 5, done.stdout + done.stderr
    assert "less memory than --memory allows" in done.stdout
    assert not (tmp_path / "out").exists()


def test_what_was_asked_for_is_never_overridden():
    asked = Wish(memory_bytes=4 << 30)
    assert [room.device for room in rooms(asked, CUDA, VGA_PX)] == [CUDA]
    assert {room.device for room in rooms(Wish(), CUDA, VGA_PX)} == {CUDA}
    automatic = list(rooms(Wish(any_device=True), CUDA, VGA_PX))
    assert [room.device for room in automatic] == sorted((room.device for room in automatic), key=lambda where: where != CUDA)
    assert automatic[-1].device == CPU
    assert "--memory" in str(shortage(asked, automatic[-1]))
    assert "--device" in str(shortage(Wish(), automatic[0]))


def test_each_room_is_smaller_than_the_one_before():
    for device in (CPU, CUDA):
        needs = [room.tile_px / (1 + room.halved) for room in rooms(Wish(), device, UHD_PX)]
        assert len(needs) > 1
        assert needs == sorted(set(needs), reverse=True)


def test_the_smaller_the_frames_the_more_of_them_are_prepared_ahead_where_there_is_nothing_to_mind():
    def ahead(wish, device, frame_px):
        return [room.ahead for room in rooms(wish, device, frame_px)]

    assert [ahead(Wish(), CPU, frame_px)[0] for frame_px in (VGA_PX, 1280 * 720, UHD_PX)] == [3, 2, 1]
    for minded in (ahead(Wish(), CPU, UHD_PX)[1:], ahead(Wish(videos=2), CPU, VGA_PX), ahead(Wish(), CUDA, VGA_PX)):
        assert set(minded) == {1}
    assert ahead(Wish(memory_bytes=4 << 30), CPU, VGA_PX) == [1]


def test_precision_is_given_up_last_and_never_on_a_cpu():
    found = [(room.device, room.halved) for room in rooms(Wish(any_device=True), CUDA, VGA_PX)]
    assert found.index((CUDA, True)) == len([room for room in found if room == (CUDA, False)])
    assert found.index((CPU, False)) == found.index((CUDA, True)) + 1
    assert (CPU, True) not in found


@pytest.mark.parametrize(("failing", "steps_on"), [(2, 8), (3, 8), (4, 5), (6, 3)])
def test_a_frame_that_fails_is_done_again_in_half_precision_from_the_same_state(monkeypatch, failing, steps_on):
    """Of seven frames, the first is seen again in the third step, and they are done once it is."""
    torch.manual_seed(0)
    model = Rmfd(ModelConfig(width=8, deep_width=12, hidden=4, deep_blocks=1)).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))
    scene = np.random.default_rng(0).integers(0, 256, (48, 96, 3)).astype(np.uint8)
    frames = [ycc_of_rgb(scene[:, 2 * k : 2 * k + 64]) for k in range(7)]
    whole = list(restore(iter(frames), model, CPU))
    monkeypatch.setattr("rmfd_cli.model.streaming.rooms", lambda *_: iter([Room(CPU, VGA_PX), Room(CPU, VGA_PX, halved=True)]))
    clear, steps = Rmfd.clear, []

    def short(self, registered, state):
        steps.append(self.recovery.down.weight.dtype)
        if len(steps) == failing:
            raise torch.cuda.OutOfMemoryError
        return clear(self, registered, state)

    monkeypatch.setattr(Rmfd, "clear", short)
    warnings = []
    again = list(restore(iter(frames), model, CPU, warn=warnings.append))
    assert [dtype == torch.bfloat16 for dtype in steps] == [False] * failing + [True] * steps_on
    assert len(warnings) == 1
    assert "bfloat16" in warnings[0]
    for a, b in zip(whole, again, strict=True):
        assert np.abs(a.luma - b.luma).max() < 2 / 255


def test_a_bound_gives_the_size_of_tiles_or_says_what_is_least():
    assert tile_px_within(8 << 30, UHD_PX) > tile_px_within(3 << 30, UHD_PX) > 0
    with pytest.raises(MemoryExhaustedError, match=r"--memory is 300MiB.* at least (\d+)MiB") as caught:
        tile_px_within(300 << 20, VGA_PX)
    least = int(str(caught.value).split("at least ")[1].removesuffix("MiB"))
    assert tile_px_within(least << 20, VGA_PX) > 0


def test_what_the_process_takes_is_taken_once_for_several_videos():
    with pytest.raises(MemoryExhaustedError, match=r"--memory is 600MiB.* 4 videos at a time; .*fewer --jobs") as caught:
        tile_px_within(600 << 20, VGA_PX, videos=4)
    least = int(str(caught.value).split("at least ")[1].split("MiB")[0])
    assert tile_px_within(least << 20, VGA_PX, videos=4) > 0
    alone = tile_px_within(1 << 30, VGA_PX)
    assert alone / 2 - VGA_PX < tile_px_within(1 << 30, VGA_PX, videos=2) < alone / 2


def test_real_failures_of_allocators_are_told_from_others():
    found = []
    for fail in (lambda: torch.empty(1 << 60), lambda: np.empty(1 << 56), lambda: torch.zeros(2) + torch.zeros(3)):
        try:
            fail()
        except Exception as error:
            found.append(is_shortage(error))
    assert found == [True, True, False]


@pytest.mark.parametrize(
    ("text", "size"), [("2GiB", 2 << 30), ("900MB", 900_000_000), ("1.5g", 3 << 29), ("512 MiB", 512 << 20), ("1000000", 10**6)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "2 apples", "0", "-1GiB", "GiB", "1.2.3M"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(typer.BadParameter, match="2GiB"):
        parse_size(text)


def test_the_command_keeps_to_the_bound_and_gives_the_same_frames(tmp_path, clip):
    source, weights = clip(media.no_audio, ".mp4", frames=4), tmp_path / "some.safetensors"
    torch.manual_seed(0)
    model = Rmfd(ModelConfig())
    for parameter in model.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    export_weights(model, weights)
    frames = []
    for memory, code in (("4GiB", 0), ("360MiB", 0), ("100MiB", 5)):
        target = tmp_path / f"{memory}.mkv"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "rmfd_cli",
                "derain",
                source,
                "-o",
                target,
                "--lossless",
                "--model",
                weights,
                "--memory",
                memory,
            ],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == code, done.stderr
        assert target.exists() == (code == 0)
        if code:
            assert "at least" in done.stderr
            assert done.stderr.count("\n") == 1
        else:
            with VideoReader(target) as reader:
                frames.append(np.stack([frame.rgb.astype(int) for frame in reader]))
    assert len(frames[0]) == 4
    assert np.abs(frames[0] - frames[1]).max() <= 2
