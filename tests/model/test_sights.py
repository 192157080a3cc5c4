"""At the ends of a scene two neighbours on one side stand in, and the first frame is seen a second time."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch

from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.flow import enlarge_flow
from rmfd_cli.model.image import Image
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.placing import find_weights
from rmfd_cli.model.sights import Sight, View, look, view_of
from rmfd_cli.model.streaming import restore
from rmfd_cli.model.values import State, Window
from rmfd_cli.types import Ycc
from rmfd_cli.video.ycc import ycc_of_rgb
from rmfd_cli.windows import sliding
from tests.model.rainy import rained_on, texture

HEIGHT, WIDTH, STEP = 120, 160, 3
CPU = torch.device("cpu")


def panned(frames: int, step: int = STEP) -> list[np.ndarray]:
    """A camera that turns to the right by `step` pixels a frame, luma in [0, 1]."""
    scene = 0.6 * texture(HEIGHT, WIDTH + step * frames)
    return [scene[:, step * t : step * t + WIDTH] for t in range(frames)]


def grey(luma: np.ndarray) -> Ycc:
    return ycc_of_rgb(np.repeat((luma.clip(0, 1) * 255).round().astype(np.uint8)[..., None], 3, -1))


def sights_of(views: Sequence[View]) -> list[Sight]:
    past, found = None, []
    for window in sliding(views, 1, 1):
        some, past = look(window.items, window.begins, past)
        found += some
    return found


@pytest.mark.parametrize(
    ("frames", "seen"),
    [
        (1, ["000"]),
        (2, ["001", "011", "100"]),
        (3, ["001", "012", "102", "120"]),
        (5, ["001", "012", "102", "123", "234", "342"]),
    ],
)
def test_a_missing_neighbour_is_the_nearest_frame_on_the_other_side(frames, seen):
    views = [view_of(grey(luma)) for luma in panned(frames)]
    found = sights_of(views)
    number = {id(view): str(t) for t, view in enumerate(views)}
    assert ["".join(number[id(view)] for view in (s.previous, s.current, s.following)) for s in found] == seen
    assert [s.begins for s in found] == [True] + [False] * (len(found) - 1)
    assert [s.again for s in found] == [n == 2 for n in range(len(found))]
    assert [s.between for s in found] == [text == "".join(sorted(set(text))) for text in seen]


def test_flows_lead_to_whatever_stands_in():
    found = sights_of([view_of(grey(luma)) for luma in panned(5)])
    for sight, (back, on) in zip(found, [(0, -1), (1, -1), (-1, -2), (1, -1), (1, -1), (1, 2)], strict=True):
        inner = [2 * flow[15:-15, 15:-15, 0] for flow in sight.flows]
        assert [float(np.median(flow)) for flow in inner] == pytest.approx([STEP * back, STEP * on], abs=0.2)


@pytest.fixture(scope="module")
def model() -> Rmfd:
    return load_model(find_weights("small")).requires_grad_(False)


def window_of(sight: Sight) -> Window:
    images = [Image(torch.from_numpy(x.luma)[None, None], torch.from_numpy(x.chroma)[None]) for x in sight.images]
    flows = [torch.from_numpy(enlarge_flow(flow, (HEIGHT, WIDTH)))[None] for flow in sight.flows]
    return Window(*images, *flows, between=sight.between)


def test_the_first_frame_is_cleared_by_what_the_second_left_and_judged_at_first_sight(model):
    frames = [grey(rained_on(luma, seed)) for seed, luma in enumerate(panned(3))]
    first, second, again, _ = map(window_of, sights_of([view_of(frame) for frame in frames]))
    recovered, state = model.recover(model.register(first), None)
    _, left = model.step(second, state)
    recovered = recovered.seen_again(model.clear(model.register(again), left))
    expected = model.refine(recovered, (HEIGHT, WIDTH)).image.luma[0, 0].clamp(0, 1).numpy()
    found = next(restore(iter(frames), model, CPU)).luma + frames[0].luma
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_other_frames_go_on_from_first_sight(model):
    frames = [grey(rained_on(luma, seed)) for seed, luma in enumerate(panned(4))]
    state: State | None = None
    stepped = []
    for sight in sights_of([view_of(frame) for frame in frames]):
        if not sight.again:
            restored, state = model.step(window_of(sight), state)
            stepped.append(restored.image.luma[0, 0].clamp(0, 1).numpy())
    for t, (change, frame) in enumerate(zip(restore(iter(frames), model, CPU), frames, strict=True)):
        assert (np.abs(change.luma + frame.luma - stepped[t]).max() < 1e-4) == (t > 0)


@pytest.mark.parametrize("step", [0, STEP])
def test_rain_goes_from_the_ends_of_a_scene_as_from_its_middle(model, step):
    clean = panned(8, step)
    frames = [grey(rained_on(luma, seed)) for seed, luma in enumerate(clean)]
    # Each scene from one of the frames on, so that the same picture is first, in the middle and last.
    ends = (slice(4, 8), slice(2, 8), slice(0, 5))
    first, middle, last = (list(restore(iter(frames[part]), model, CPU))[4 - part.start] for part in ends)
    rain = [float(np.abs(change.luma + frames[4].luma - clean[4])[8:-8, 8:-8].mean()) for change in (first, middle, last)]
    assert max(rain[0], rain[2]) < 1.3 * rain[1]


def test_a_dry_scene_is_left_alone_at_its_ends(model):
    """A ball comes into the picture and leaves it, so that two frames on one side show what is behind it."""
    frames = []
    for t, luma in enumerate(panned(7)):
        picture = np.ascontiguousarray(luma)
        cv2.circle(picture, (40 + 25 * (t % 3), 60), 9, 0.9, -1, cv2.LINE_AA)
        frames.append(grey(picture))
    changes = [255 * float(np.abs(change.luma).max()) for change in restore(iter(frames), model, CPU)]
    assert max(changes[0], changes[-1]) < 8 < min(changes[1:-1])
