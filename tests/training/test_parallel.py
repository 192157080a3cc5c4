"""Two processes train one model, and one of them alone writes."""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from rmfd_cli.training.checkpoints import read_checkpoint
from tests import media

SCRIPT = """
import os
import sys
from pathlib import Path
import torch
from rmfd_cli.training import loop
from tests.training.runs import TINY, options

folder, out = map(Path, sys.argv[1:3])
rank, *ports = sys.argv[3:]
kept = []
make = loop.make_learner
loop.make_learner = lambda *arguments: kept.append(make(*arguments)) or kept[-1]
for steps, port in ((3, ports[0]), (4, ports[1])):
    os.environ["MASTER_PORT"] = port
    done = loop.train(options(folder, out / "run", steps=steps, batch_size=2), TINY, resume="auto")
torch.save(kept[-1].model.state_dict(), out / f"rank{rank}.pt")
assert done.finished and done.step == 4
print("last validation:", done.validation)

os.environ["MASTER_PORT"] = ports[2]
refined = options(folder, out / "refined", stage=2, real_rain=str(folder), real_share=0.5, steps=2, batch_size=2)
loop.train(refined, init=out / "run" / "rmfd.safetensors")
torch.save(kept[-1].adversary.judge.state_dict(), out / f"judge{rank}.pt")
# As the tool itself ends. What `kept` holds keeps gloo's threads alive, and one that frees a tensor while Python takes itself
# apart aborts the process (https://github.com/pytorch/pytorch/issues/190489).
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Where two processes have trained, resumed in the middle of a clip, and left what they hold."""
    clean, out = tmp_path_factory.mktemp("clean"), tmp_path_factory.mktemp("out")
    media.cfr(clean / "one.mp4", frames=8)
    with ExitStack() as stack:
        free = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        ports = [str(one.getsockname()[1]) for one in free]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(clean), str(out), str(rank), *ports],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    return out, [words for words, _ in said]


def test_all_processes_hold_the_same_parameters(run):
    out, _ = run
    one, other = (torch.load(out / f"rank{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    saved = read_checkpoint(out / "run" / "checkpoints" / "step-00000004.pt")
    assert all(torch.equal(value, one[name]) for name, value in saved["model"].items())


def test_all_processes_hold_the_same_judge(run):
    out, _ = run
    one, other = (torch.load(out / f"judge{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(value, other[name]) for name, value in one.items())
    saved = read_checkpoint(out / "refined" / "checkpoints" / "step-00000002.pt")
    assert all(torch.equal(value, one[name]) for name, value in saved["judge"].items())


def test_the_first_alone_validates_and_writes(run):
    out, said = run
    assert "ClipScores" in said[0]
    assert said[1].strip() == "last validation: None"
    assert len((out / "run" / "log.jsonl").read_text().splitlines()) == 4


def test_the_state_of_every_clip_is_kept(run):
    out, _ = run
    saved = read_checkpoint(out / "run" / "checkpoints" / "step-00000003.pt")
    assert saved["ranks"] == 2
    assert all(len(part) == 2 for part in saved["state"])
    assert not torch.equal(saved["state"][1][0], saved["state"][1][1])
