"""A step of the network as ONNX graphs, for runtimes other than torch."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rmfd_cli.errors import MachineError
from rmfd_cli.model.image import Image
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.values import State, Window

PICTURES = tuple(f"{frame}_{plane}" for frame in ("previous", "current", "following") for plane in ("luma", "chroma"))
FLOWS = ("to_previous", "to_following")
RESULT = ("luma", "chroma")
OPSET = 20
"""The first whose GridSample repeats what torch's does."""


class Graphs(NamedTuple):
    """Two serialized models, for frames of one size; inputs and outputs have the names of `Window`, `State` and `Image`."""

    first: bytes
    """The first frame of a scene, for which there is no state yet."""
    onwards: bytes
    """Every other frame: it also takes `state_…`, which the step before gave as `next_…`."""


def onnx_graphs(model: Rmfd, size_px: tuple[int, int]) -> Graphs:
    """Both graphs of a step, in float32.

    Args:
        model: on the CPU, in float32.
        size_px: (width, height) of the frames, 16 at least.

    Raises:
        MachineError: a package that writes ONNX is missing.
    """
    try:
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MachineError(f"the export needs onnx and onnxscript ({error}): pip install onnx onnxscript") from error
    width, height = size_px
    planes = [(1, 1, height, width), (1, 2, -(-height // 2), -(-width // 2))]
    # Tensors of their own: one that is given twice would be one input of the graph.
    window = tuple(torch.zeros(shape) for shape in (*planes * 3, *[(1, height, width, 2)] * len(FLOWS)))
    step = _Step(model)
    with torch.inference_mode():
        state = step(*window)[len(RESULT) :]
    return Graphs(_graph(step, window), _graph(step, (*window, *(torch.zeros(x.shape) for x in state))))


class _Step(nn.Module):
    """`Rmfd.step` on tensors alone."""

    def __init__(self, model: Rmfd) -> None:
        super().__init__()
        self.model = model

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        planes, (to_previous, to_following), state = tensors[:6], tensors[6:8], tensors[8:]
        previous, current, following = (Image(*planes[k : k + 2]) for k in (0, 2, 4))
        window = Window(previous, current, following, to_previous, to_following)
        restored, after = self.model.step(window, State(*state) if state else None)
        return (*restored.image, *after)


def _graph(step: _Step, tensors: tuple[Tensor, ...]) -> bytes:
    names = (*PICTURES, *FLOWS, *(f"state_{name}" for name in State._fields))
    given, results = names[: len(tensors)], (*RESULT, *(f"next_{name}" for name in State._fields))
    with _silence():
        program = torch.onnx.export(
            step, tensors, input_names=given, output_names=results, opset_version=OPSET, dynamo=True, verbose=False
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


@contextmanager
def _silence() -> Iterator[None]:
    """Without the exporter's remarks on packages that this network needs nothing of."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
