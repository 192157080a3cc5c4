"""Fences that are drawn on a picture have the period, share and speed that were asked for, and what is scored is the fence."""

import numpy as np
import pytest
from draw_fences import draw_fence, write
from fence import FENCES, Fence, scene, score
from media import restored_by, shown, stored
from other_rain import STYLES, add_rain

from rmfd_cli.model.streaming import restorer
from rmfd_cli.video.reader import VideoReader
from tests.model.rainy import texture

GREY = np.full((96, 160, 3), 128 / 255, np.float32)


@pytest.mark.parametrize("fence", FENCES)
def test_bars_take_their_share_of_the_fence(fence):
    clip, (rows, columns) = scene(GREY, fence._replace(speed_px=(0, 0)))
    open_share = np.prod([1 - fence.share for period in fence.period_px if period])
    expected = open_share * GREY.mean() + (1 - open_share) * fence.light
    assert clip[0, rows, columns].mean() == pytest.approx(expected, abs=0.02)
    np.testing.assert_array_equal(clip[0, :8], GREY[:8])


def test_the_camera_rests_and_then_pans():
    clip, (rows, columns) = scene(GREY, Fence((8, 0), 0.5, 0.2, (2.0, 0.0), rest=3), frames=6)
    np.testing.assert_array_equal(clip[0], clip[3])
    np.testing.assert_array_equal(clip[4, rows, columns], np.roll(clip[3], 2, 1)[rows, columns])
    np.testing.assert_array_equal(clip[5, rows, columns], np.roll(clip[3], 4, 1)[rows, columns])


def test_a_slanting_fence_moves_across_on_the_way_down():
    frame = scene(GREY, Fence((8, 0), 0.5, 0.2, (0, 0), slant=0.5), frames=1)[0][0]
    np.testing.assert_array_equal(frame[20, 40:100], frame[36, 32:92])
    assert not np.array_equal(frame[20, 40:100], frame[24, 40:100])


def test_the_fence_alone_is_scored():
    clean, area = scene(GREY, FENCES[1])
    other = clean.copy()
    other[:, :4] = 0
    assert score(other, clean, area) > 80
    other[:, area[0].start] = 0
    assert score(other, clean, area) < 40


def test_drawn_fences_differ_and_are_kept_without_loss(tmp_path):
    rng = np.random.default_rng(0)
    fences = [draw_fence(rng) for _ in range(40)]
    assert all(any(fence.period_px) and 0 < fence.share < 1 for fence in fences)
    assert {tuple(map(bool, fence.period_px)) for fence in fences} == {(True, False), (False, True), (True, True)}
    clip, _ = scene(GREY, fences[0], frames=3)
    write(tmp_path / "fence.mkv", clip)
    with VideoReader(str(tmp_path / "fence.mkv")) as reader:
        kept = np.stack([frame.rgb for frame in reader])
    np.testing.assert_array_equal(kept, np.rint(clip * 255))


@pytest.mark.parametrize("fence", [FENCES[0], FENCES[2]], ids=["railing", "screen"])
def test_a_fence_in_rain_is_no_rain(fence):
    """Weights that had seen no fence took the bright gaps off, and the result was 7 dB below what they were given."""
    picture = np.repeat(0.2 + 0.6 * texture(192, 256)[..., None], 3, -1).astype(np.float32)
    clean, area = scene(picture, fence._replace(rest=6), frames=20)
    video = [stored(frame) for frame in add_rain(clean, STYLES["light"], seed=0)]
    rainy, restored = np.stack([shown(planes) for planes in video]), restored_by(restorer("small", "cpu"), video)
    before, after = (score(clip[7:], clean[7:], area) for clip in (rainy, restored))
    assert after > before + 2
