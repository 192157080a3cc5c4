"""The graphs that are exported compute what the network computes, frame after frame, in another runtime."""

import numpy as np
import onnxruntime
import pytest
import torch

from rmfd_cli.model.checkpoint import load_model, shipped_weights
from rmfd_cli.model.onnx import FLOWS, PICTURES, Graphs, onnx_graphs
from rmfd_cli.model.values import State
from tests.model.rainy import rained_on, texture
from tests.model.test_network import windows


def rainy(frames: int) -> list[np.ndarray]:
    """A scene of 61×44 pixels that moves, in rain."""
    moving = texture(44, 80)
    grey = (rained_on(moving[:, 2 * t : 2 * t + 61], t) for t in range(frames))
    return [np.repeat(np.round(255 * frame).astype(np.uint8)[..., None], 3, -1) for frame in grey]


@pytest.fixture(scope="module")
def graphs() -> Graphs:
    return onnx_graphs(load_model(shipped_weights("small")), (61, 44))


def run(graph: bytes, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    assert [x.name for x in session.get_inputs()] == list(inputs)
    return dict(zip((x.name for x in session.get_outputs()), session.run(None, inputs), strict=True))


def test_both_graphs_give_what_a_step_gives(graphs):
    model = load_model(shipped_weights("small"))
    state, kept = model.initial_state(), None
    for window in windows(rainy(6)):
        images = (plane for image in window[:3] for plane in image)
        inputs = {name: x.numpy() for name, x in zip((*PICTURES, *FLOWS), (*images, *window[3:5]), strict=True)}
        if kept is not None:
            inputs |= {f"state_{name}": kept[f"next_{name}"] for name in State._fields}
        kept = run(graphs.first if kept is None else graphs.onwards, inputs)
        with torch.inference_mode():
            restored, state = model.step(window, state)
        for name, expected in (("luma", restored.image.luma), ("chroma", restored.image.chroma)):
            np.testing.assert_allclose(kept[name], expected.numpy(), atol=2e-5)
        for name, expected in state._asdict().items():
            np.testing.assert_allclose(kept[f"next_{name}"], expected.numpy(), atol=1e-4, err_msg=name)
    assert float(np.abs(kept["luma"] - inputs["current_luma"]).max()) > 0.1  # there was rain to take off


def test_an_export_leaves_the_network_as_it_was(graphs):
    model = load_model(shipped_weights("small"))
    (window, *_) = windows(rainy(3))
    with torch.inference_mode():
        before = model.step(window, None)[0].image.luma
        onnx_graphs(model, (61, 44))
        after = model.step(window, None)[0].image.luma
    assert torch.equal(before, after)
