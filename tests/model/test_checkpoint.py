"""Weights come back as they were, and damaged ones are refused."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save

from rmfd_cli.errors import WeightsError
from rmfd_cli.model import checkpoint
from rmfd_cli.model.checkpoint import export_weights, load_model, manifest, sha256, shipped_weights
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.network import Rmfd

TINY = ModelConfig(width=8, deep_width=12, hidden=4, deep_blocks=1, refine_blocks=1)


def test_exported_weights_come_back_with_their_architecture(tmp_path):
    model = Rmfd(TINY)
    export_weights(model, tmp_path / "w.safetensors")
    loaded = load_model(tmp_path / "w.safetensors")
    assert loaded.config == TINY
    assert not loaded.training
    for a, b in zip(model.state_dict().values(), loaded.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_ranges_come_back_with_the_weights(tmp_path):
    model = Rmfd(TINY)
    export_weights(model, tmp_path / "none.safetensors")
    assert load_model(tmp_path / "none.safetensors").ranges == {}
    model.ranges = {"recovery.enter": (0.0, 2.5), "refinement.out": (-0.5, 1.0)}
    export_weights(model, tmp_path / "w.safetensors")
    assert load_model(tmp_path / "w.safetensors").ranges == model.ranges


@pytest.mark.parametrize("ranges", [{"recovery.nothing": (0, 1)}, {"recovery": (0, 1)}, {"recovery.enter": (0, 0)}])
def test_ranges_of_another_network_are_refused(tmp_path, ranges):
    model = Rmfd(TINY)
    model.ranges = ranges
    export_weights(model, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="ranges"):
        load_model(tmp_path / "w.safetensors")


def test_shipped_weights_have_the_ranges_of_all_convolutions_but_the_veils():
    model = load_model(shipped_weights("small"))
    convolutions = {name for name, layer in model.named_modules() if isinstance(layer, torch.nn.Conv2d)}
    assert model.ranges.keys() == {name for name in convolutions if not name.startswith("recovery.veil.")}


def test_weights_that_cannot_get_their_name_leave_nothing_behind(tmp_path):
    (tmp_path / "w.safetensors").mkdir()
    (tmp_path / "w.safetensors" / "in the way").touch()
    with pytest.raises(OSError, match=r"w.safetensors"):
        export_weights(Rmfd(TINY), tmp_path / "w.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"]


def test_missing_truncated_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="there are no weights"):
        load_model(tmp_path / "none.safetensors")
    export_weights(Rmfd(TINY), tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="does not hold weights"):
        load_model(tmp_path / "cut.safetensors")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(WeightsError, match="does not hold weights"):
        load_model(tmp_path / "text.safetensors")


def test_weights_of_an_older_network_are_refused_in_one_line(tmp_path):
    older = {"recovery.squeeze.weight": torch.zeros(48, 7, 4, 4)}
    (tmp_path / "old.safetensors").write_bytes(save(older, metadata={"config": json.dumps(asdict(TINY))}))
    with pytest.raises(WeightsError, match="built otherwise") as caught:
        load_model(tmp_path / "old.safetensors")
    assert "\n" not in str(caught.value)


def test_weights_for_another_window_are_refused(tmp_path):
    export_weights(Rmfd(TINY), tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "w.safetensors").write_bytes(content.replace(b'look_ahead\\": 1', b'look_ahead\\": 2'))
    with pytest.raises(WeightsError, match="only 1 \\+ 1 \\+ 1"):
        load_model(tmp_path / "w.safetensors")


def test_every_shipped_model_is_the_file_that_the_manifest_describes():
    for name, entry in manifest()["models"].items():
        path = shipped_weights(name)
        assert sha256(path) == entry["sha256"]
        assert path.stat().st_size < 20e6
        assert load_model(path).config == ModelConfig(**entry["config"])


def test_an_unknown_name_lists_what_is_shipped():
    with pytest.raises(WeightsError, match=r"shipped are: .*small"):
        shipped_weights("medium")


def test_a_file_that_is_not_the_shipped_one_is_refused(tmp_path, monkeypatch):
    entry = {"file": "w.safetensors", "sha256": "0" * 64}
    (tmp_path / "manifest.json").write_text(json.dumps({"models": {"small": entry}}))
    export_weights(Rmfd(TINY), tmp_path / "w.safetensors")
    monkeypatch.setattr(checkpoint.resources, "files", lambda package: tmp_path)
    with pytest.raises(WeightsError, match="damaged"):
        shipped_weights("small")
