"""The flow between two frames, and what rain must not do to it."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rmfd_cli.model.flow import (
    camera_motion,
    enlarge_flow,
    estimate_flow,
    extent,
    flows_of_scene,
    luma_for_flow,
    reverse_flow,
)
from tests.model.rainy import rained_on, texture


def flow_between(current: NDArray[np.float32], neighbour: NDArray[np.float32]) -> NDArray[np.float32]:
    """In pixels of the frames."""
    return enlarge_flow(estimate_flow(luma_for_flow(current), luma_for_flow(neighbour)), (current.shape[0], current.shape[1]))


def test_the_luma_for_flow_has_half_the_size_and_the_same_brightness():
    small = luma_for_flow(texture(33, 47))
    assert small.shape == (17, 24)
    assert abs(small.mean() / 255 - texture(33, 47).mean()) < 0.02


def test_frames_too_small_to_search_have_no_flow():
    tiny = luma_for_flow(texture(24, 24))
    assert tiny.shape == (12, 12)
    assert not enlarge_flow(estimate_flow(tiny, tiny), (24, 24)).any()


def test_what_moves_fast_in_rain_is_found_where_it_goes():
    scene, fast, step_px = texture(192, 256), texture(64, 396, seed=5), 28
    lumas = []
    for t in range(5):
        frame = scene.copy()
        frame[64:128] = fast[:, step_px * t : step_px * t + 256]
        lumas.append(luma_for_flow(rained_on(frame, t)))

    def missed(flow: NDArray[np.float32]) -> float:
        """Share of what moves whose way is wrong by more than two pixels."""
        return float((np.abs(flow[36:60, 24:116, 0] + step_px / 2) > 1).mean())

    assert missed(estimate_flow(lumas[3], lumas[4])) > 0.9
    assert missed(flows_of_scene(lumas)[1][-2]) < 0.5


def test_a_search_from_rest_remembers_no_guess():
    one, other = (luma_for_flow(np.ascontiguousarray(texture(96, 140)[:, k : k + 128])) for k in (0, 4))
    before = estimate_flow(one, other)
    estimate_flow(one, other, np.full((48, 64, 2), 9, np.float32))
    np.testing.assert_array_equal(estimate_flow(one, other), before)


def test_the_reverse_of_a_flow_leads_back():
    rows, columns = np.mgrid[0:48, 0:64].astype(np.float32)
    zoom = np.stack([0.05 * (columns - 32) + 2, 0.05 * (rows - 24) - 1], -1)
    back = reverse_flow(zoom)
    # Where a pixel of the neighbour came from: x + F(x) = y, so that the way back from y is x − y.
    truth = np.stack([(columns - 32 - 2) / 1.05 + 32 - columns, (rows - 24 + 1) / 1.05 + 24 - rows], -1)
    error = np.abs(back - truth)[6:-6, 6:-6].max()
    assert error < 0.02
    assert np.abs(-zoom - truth)[6:-6, 6:-6].max() > 3 * error


@pytest.mark.parametrize(("corner", "size"), [((0, 0), (64, 48)), ((64, 40), (48, 56)), ((64, 104), (57, 61))])
def test_a_piece_of_a_flow_is_what_the_whole_has_there(corner, size):
    flow = np.random.default_rng(3).normal(0, 3, (61, 83, 2)).astype(np.float32)
    whole = enlarge_flow(flow, (121, 165))
    here = whole[corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]
    assert here.shape == (*size, 2)
    np.testing.assert_array_equal(enlarge_flow(flow, size, corner), here)
    # Where the target begins 8 pixels further up and 16 to the right, pixels lie so much lower and further left in it.
    np.testing.assert_allclose(enlarge_flow(flow, size, corner, (-8, 16)), here + np.float32([-16, 8]), atol=1e-5)
    least, most = extent(flow, size, corner)
    assert (here.min((0, 1)) >= least).all()
    assert (here.max((0, 1)) <= most).all()


def test_rain_moves_nothing_in_front_of_a_camera_that_rests():
    scene = texture(240, 320)
    flow = flow_between(rained_on(scene, 1), rained_on(scene, 2))
    assert (np.abs(flow).max(-1) < 0.01).mean() > 0.95


def test_nor_does_a_cloudburst():
    frames = [texture(240, 320)] * 2
    for seed in range(4):
        frames = [rained_on(frame, 10 * k + seed) for k, frame in enumerate(frames)]
    assert (np.abs(flow_between(*frames)).max(-1) < 0.05).mean() > 0.9


def test_rain_falls_through_a_pan_without_bending_it():
    scene = texture(260, 340)
    flow = flow_between(rained_on(scene[12:252, 8:328], 1), rained_on(scene[8:248, 2:322], 2))  # moved by (6, 4)
    error = np.linalg.norm(flow - (6, 4), axis=-1)[16:-16, 16:-16]
    assert (error < 0.5).mean() > 0.95


def test_a_flow_does_not_depend_on_what_was_searched_before():
    before, after = rained_on(texture(240, 320), 1), rained_on(texture(240, 320), 2)
    flow = flow_between(before, after)
    flow_between(before[:40, :56], after[:40, :56])
    np.testing.assert_array_equal(flow_between(before, after), flow)


def test_what_moves_by_itself_keeps_its_own_motion():
    before, after = texture(240, 320), texture(240, 320)
    car = texture(96, 120, seed=1)
    before[70:166, 60:180], after[70:166, 64:184] = car, car
    flow = flow_between(before, after)
    np.testing.assert_allclose(np.median(flow[86:150, 80:160], axis=(0, 1)), (4, 0), atol=0.3)
    assert np.abs(flow[:, 230:]).max() < 0.01


def test_the_motion_of_the_camera_is_found_where_less_than_half_moves_by_itself():
    rows, columns = np.mgrid[0:120, 0:160].astype(np.float32)
    zoom = np.stack([0.02 * (columns - 80) + 3, 0.02 * (rows - 60) - 1], -1)
    flow = zoom.copy()
    flow[:60, :110] += 5
    np.testing.assert_allclose(camera_motion(flow), [[0.02, 0, 1.4], [0, 0.02, -2.2]], atol=0.01)


def test_a_thin_caption_rests_on_a_dark_wall_of_a_picture_that_moves():
    scene, written = 0.4 * texture(260, 340), np.zeros((240, 320), np.uint8)
    scene[60:160] = 0.15
    cv2.putText(written, "CC", (140, 120), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1, 1)
    caption = 0.5 * written.astype(np.float32)
    before, after = (np.maximum(scene[top : top + 240, top : top + 320], caption) for top in (8, 4))
    flow = flow_between(before, after)
    assert np.linalg.norm(flow[written > 0], axis=-1).mean() < 0.1
    np.testing.assert_allclose(np.median(flow[180:220, 40:280], axis=(0, 1)), (4, 4), atol=0.2)


@pytest.mark.parametrize("size", [(16, 16), (17, 300), (21, 47)])
def test_the_smallest_pictures_that_are_searched_have_a_camera_too(size):
    motion = camera_motion(np.full((*size, 2), 1.5, np.float32))
    np.testing.assert_allclose(motion, [[0, 0, 1.5], [0, 0, 1.5]], atol=0.01)


def test_a_caption_rests_in_front_of_a_scene_that_moves_fast():
    scene, written = 0.4 * texture(300, 400), np.zeros((240, 320), np.uint8)
    scene[60:160] = 0.05
    cv2.putText(written, "REC", (100, 120), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1, 1)
    caption = 0.5 * written.astype(np.float32)
    before, after = (np.maximum(scene[top : top + 240, top : top + 320], caption) for top in (24, 18))
    flow = flow_between(before, after)
    assert np.linalg.norm(flow[written > 0], axis=-1).mean() < 0.6
    np.testing.assert_allclose(np.median(flow[180:220, 40:280], axis=(0, 1)), (6, 6), atol=0.2)


def panned(scene: NDArray[np.float32], step_px: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two frames of a scene that moves by so much to the right."""
    before, after = (scene[30:270, 40 + k : 360 + k].copy() for k in (step_px, 0))
    return before, after


@pytest.mark.parametrize("own_px", [-2, 2])
def test_what_keeps_up_with_the_camera_but_for_a_little_does_not_rest(own_px):
    (before, after), car = panned(texture(300, 400), 12), texture(96, 120, seed=1)
    before[70:166, 100:220], after[70:166, 100 + own_px : 220 + own_px] = car, car
    flow = flow_between(before, after)
    np.testing.assert_allclose(np.median(flow[86:150, 120:200], axis=(0, 1)), (own_px, 0), atol=0.3)
    np.testing.assert_allclose(np.median(flow[:, 250:300], axis=(0, 1)), (12, 0), atol=0.1)


def test_a_bare_wall_moves_with_the_camera_that_pans_past_it():
    scene = texture(300, 400)
    scene[100:220] = 0.5
    flow = flow_between(*panned(scene, 8))
    assert np.abs(flow[90:170, 40:280] - (8, 0)).mean() < 0.5
