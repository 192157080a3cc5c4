"""Weights on disk: safetensors with the architecture inside, found by name, verified before use."""

import hashlib
import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import save
from torch import nn

from rmfd_cli.errors import WeightsError
from rmfd_cli.files import replace_whole
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.network import Rmfd

_PACKAGE = "rmfd_cli.weights"


def export_weights(model: Rmfd, target: Path) -> None:
    """Writes the parameters, the hyper-parameters and the ranges of a model, and nothing else.

    Args:
        model: on any device.
        target: a `.safetensors` file, replaced whole.

    Raises:
        OSError: it cannot be written; an older file of this name stays.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    metadata = {"config": json.dumps(asdict(model.config)), "ranges": json.dumps(model.ranges)}
    replace_whole(target, _in_order(save(tensors, metadata=metadata)))


def _in_order(content: bytes) -> bytes:
    """A safetensors file with its metadata sorted: the library leaves them in any order, and equal models make equal files."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def load_model(path: Path) -> Rmfd:
    """Reads a model from a safetensors file, ready for inference.

    Raises:
        WeightsError: the file is missing, damaged or of another architecture.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            model = Rmfd(ModelConfig(**json.loads(metadata["config"])))
            # Weights of before there were any have none.
            ranges = json.loads(metadata.get("ranges", "{}"))
            model.ranges = {name: (float(low), float(high)) for name, (low, high) in ranges.items()}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise WeightsError(f"there are no weights at {path}") from error
    except Exception as error:
        raise WeightsError(f"{path} does not hold weights of this network: {error}") from error
    if {name: x.shape for name, x in tensors.items()} != {name: x.shape for name, x in model.state_dict().items()}:
        raise WeightsError(f"{path} holds weights of a network that is built otherwise, such as an older one's; train it anew")
    layers = dict(model.named_modules())
    if not all(isinstance(layers.get(name), nn.Conv2d) and low <= 0 < high for name, (low, high) in model.ranges.items()):
        raise WeightsError(f"{path} holds ranges that are not of this network; measure them anew")
    model.load_state_dict(tensors)
    return model.eval().requires_grad_(False)


def shipped_weights(name: str) -> Path:
    """The verified file of a shipped model.

    Args:
        name: as in the manifest, e.g. `small`.

    Raises:
        WeightsError: there is no such model, or its file is not the one that was shipped.
    """
    folder = Path(str(resources.files(_PACKAGE)))
    entries = manifest()["models"]
    if name not in entries:
        raise WeightsError(f"there is no model called {name!r}; shipped are: {', '.join(sorted(entries))}")
    path = folder / str(entries[name]["file"])
    if not path.is_file():
        raise WeightsError(f"{path} is missing; install rmfd again")
    if sha256(path) != entries[name]["sha256"]:
        raise WeightsError(f"{path} is damaged: its checksum is not the manifest's; install rmfd again")
    return path


def manifest() -> dict[str, Any]:
    """What is shipped: file, checksum, configuration, training data and scores of each model."""
    try:
        content: dict[str, Any] = json.loads((resources.files(_PACKAGE) / "manifest.json").read_text("utf-8"))
    except (OSError, ModuleNotFoundError, ValueError) as error:
        raise WeightsError(f"the weights' manifest cannot be read ({error}); install rmfd again") from error
    return content


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
