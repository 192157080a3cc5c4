"""What a model remembers can be stored after any frame, and going on from there gives the same bits."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rmfd_cli.errors import WeightsError
from rmfd_cli.model.checkpoint import export_weights, sha256
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.memory import from_bytes, identity, restorer_from, to_bytes
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.streaming import restorer
from rmfd_cli.video.ycc import ycc_of_rgb

FRAMES, CUT = 6, 3


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    network = Rmfd(ModelConfig()).eval().requires_grad_(False)
    for parameter in network.parameters():
        # Away from the identity, so that the state matters.
        parameter.add_(0.02 * torch.randn_like(parameter))
    path = tmp_path_factory.mktemp("weights") / "some.safetensors"
    export_weights(network, path)
    return str(path)


def pictures(dtype=np.uint8):
    """A scene that moves by two pixels a frame, and another one from frame `CUT` on."""
    rng = np.random.default_rng(1)
    scenes = [rng.integers(0, top, (13, 24, 3)).repeat(4, 0).repeat(4, 1) for top in (250, 60)]
    frames = [scenes[t >= CUT][:50, 2 * t : 2 * t + 70] + (0 if t < CUT else 190) for t in range(FRAMES)]
    return [ycc_of_rgb(np.ascontiguousarray(frame * (257 if dtype is np.uint16 else 1), dtype)) for frame in frames]


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module", params=[np.uint8, np.uint16])
def clip_and_whole(request, weights):
    frames = pictures(request.param)
    return frames, list(restorer(weights, "cpu")(frames))


@pytest.mark.parametrize("done", range(1, FRAMES + 1))
def test_going_on_after_any_frame_gives_the_same_bits(weights, clip_and_whole, done):
    frames, whole = clip_and_whole
    restore = restorer_from(weights, "cpu")
    first = [(change, remember) for (change, remember), _ in zip(restore(frames, None), range(done), strict=False)]
    rest = [change for change, _ in restorer_from(weights, "cpu")(frames[done:], first[-1][1]())]
    assert all(equal(a, b) for a, b in zip(whole, [*(change for change, _ in first), *rest], strict=True))


@pytest.mark.parametrize("done", range(1, 2 * FRAMES))
def test_so_does_going_on_between_a_frame_and_its_copy(weights, done):
    frames = [frame for frame in pictures() for _ in range(2)]
    whole = list(restorer(weights, "cpu")(frames))
    *_, (_, (_, remember)) = zip(range(done), restorer_from(weights, "cpu")(frames, None), strict=False)
    rest = [change for change, _ in restorer_from(weights, "cpu")(frames[done:], remember())]
    assert all(equal(a, b) for a, b in zip(whole[done:], rest, strict=True))


def test_without_its_memory_the_rest_is_another(weights):
    frames = pictures()
    *_, third = zip(restorer(weights, "cpu")(frames), range(3), strict=False)
    assert not equal(third[0], next(restorer(weights, "cpu")(iter(frames[2:]))))


def test_a_memory_survives_as_bytes(weights):
    *_, (_, remember) = restorer_from(weights, "cpu")(pictures()[:3], None)
    content = remember()
    assert to_bytes(from_bytes(content, torch.device("cpu"))) == content


def test_the_identity_of_a_model_is_that_of_its_weights(weights):
    assert identity(weights, "cpu")["weights"] == sha256(Path(weights))
    assert identity("small", "cpu")["weights"] != sha256(Path(weights))
    with pytest.raises(WeightsError):
        identity("/nowhere/x.safetensors", "cpu")


def test_another_precision_is_another_identity(weights, monkeypatch):
    identities = []
    for precision in (torch.float32, torch.bfloat16):
        monkeypatch.setattr("rmfd_cli.model.memory.precision_for", lambda device, model, precision=precision: precision)
        identities.append(identity(weights, "cpu"))
    assert [found["device"] for found in identities] == ["cpu (torch.float32)", "cpu (torch.bfloat16)"]


def test_so_is_another_bound_on_memory_or_another_number_of_videos(weights):
    found = [identity(weights, "cpu", *asked) for asked in ((), (1 << 30,), (1 << 31,), (1 << 30, 2))]
    assert len({one["memory"] for one in found}) == 4
