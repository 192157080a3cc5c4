"""Scores without ground truth, on rain whose ground truth we do know."""

import json
import sys

import baselines
import cv2
import make_results
import no_reference
import numpy as np
import pytest
import real
from motion import estimate_motion, resting_stretch

from tests import media

FRAMES, HEIGHT, WIDTH = 9, 128, 160
STREAK = 60 / 255


def scene(pan_px: int = 2, frames: int = FRAMES) -> np.ndarray:
    """Overlapping textured rectangles that a camera pans over: `[T, H, W, 3]` in [0, 1]."""
    rng = np.random.default_rng(3)
    width = WIDTH + pan_px * frames
    wide = np.full((HEIGHT, width, 3), 0.4, np.float32)
    for _ in range(60):
        x, y = rng.integers(0, width), rng.integers(0, HEIGHT)
        wide[y : y + rng.integers(8, 40), x : x + rng.integers(8, 40)] = rng.uniform(0.1, 0.6, 3)
    texture = cv2.GaussianBlur(rng.standard_normal(wide.shape).astype(np.float32), (0, 0), 1.5)
    wide = cv2.GaussianBlur(wide, (0, 0), 0.7) + 0.1 * texture
    return np.stack([wide[:, pan_px * t : pan_px * t + WIDTH] for t in range(frames)])


def streaks(per_frame: int, frames: int = FRAMES) -> np.ndarray:
    """Upright streaks somewhere else in every frame: `[T, H, W, 1]`."""
    rng = np.random.default_rng(4)
    layer = np.zeros((frames, HEIGHT, WIDTH, 1), np.float32)
    for t in range(frames):
        for x, y in zip(rng.integers(0, WIDTH - 2, per_frame), rng.integers(-12, HEIGHT, per_frame), strict=True):
            layer[t, max(y, 0) : y + 14, x : x + 2] = STREAK
    return layer


def scores(clean: np.ndarray, layer: np.ndarray, **outputs: np.ndarray) -> dict[str, dict[str, float]]:
    rainy = clean + layer
    named = {"input": rainy, "aligned median of 5": baselines.aligned_median(rainy, 2), "truth": clean, **outputs}
    return real.score_clip(rainy, {name: np.float32(clip) for name, clip in named.items()})


@pytest.fixture(scope="module")
def table() -> dict[str, dict[str, float]]:
    clean, layer = scene(), streaks(40)
    return scores(clean, layer, half=clean + layer / 2, smeared=clean - layer, veiled=0.8 * clean + 0.15)


def test_exact_removal_is_transient_leaks_nothing_and_leaves_no_rain(table):
    truth, rainy = table["truth"], table["input"]
    assert truth["transience"] > 0.95
    assert abs(truth["leak"]) < 0.05
    assert truth["rain left"] < 0.05 * rainy["rain left"]
    assert truth["removed"] == pytest.approx(255 * streaks(40).mean(), rel=0.05)


def test_the_input_removes_nothing_and_has_all_the_rain(table):
    rainy = table["input"]
    assert rainy["removed"] == pytest.approx(0, abs=1e-3)
    assert np.isnan(rainy["transience"])
    assert np.isnan(rainy["leak"])
    assert rainy["rain left"] == pytest.approx(255 * streaks(40)[2:-2].mean(), rel=0.1)


def test_half_the_rain_left_is_half_the_rain(table):
    assert table["half"]["rain left"] == pytest.approx(table["input"]["rain left"] / 2, rel=0.1)


@pytest.mark.parametrize("per_frame", [0, 12])
def test_blur_leaks_structure_which_stays_from_frame_to_frame(per_frame):
    clean, layer = scene(), streaks(per_frame)
    blurred = np.stack([cv2.blur(frame, (9, 9)) for frame in clean + layer])
    row = scores(clean, layer, blurred=blurred)["blurred"]
    assert row["leak"] > 0.2
    assert row["transience"] < 0.75 if per_frame else row["transience"] < 0.1


def test_dark_smears_in_place_of_rain_are_seen(table):
    assert table["smeared"]["dark left"] > 0.9 * table["input"]["rain left"]
    assert table["truth"]["dark left"] == pytest.approx(table["input"]["dark left"], abs=0.1)


def test_a_change_of_tone_is_no_removal(table):
    veiled, truth = table["veiled"], table["truth"]
    assert veiled["tone"] > 5
    assert veiled["removed"] == pytest.approx(truth["removed"], rel=0.1)
    assert veiled["transience"] == pytest.approx(truth["transience"], abs=0.05)


def test_a_moving_camera_has_no_static_scene(table):
    assert all(np.isnan(row["static"]) for row in table.values())


def test_structure_taken_away_is_not_transient_even_beside_rain():
    clean, layer = scene(), streaks(40)
    motion = estimate_motion(np.round(clean * 255).astype(np.uint8), 1)
    post = np.zeros((FRAMES, HEIGHT, WIDTH), np.float32)
    for t in range(FRAMES):
        post[t, 20:110, 90 - 2 * t : 93 - 2 * t] = 60
    rain = 255 * layer[..., 0]
    assert no_reference.transience(post, motion) < 0.02
    both = no_reference.transience(np.maximum(post, rain), motion)
    share = (rain**2)[1:-1].sum() / (np.maximum(post, rain) ** 2)[1:-1].sum()
    assert both == pytest.approx(share, abs=0.1)


def test_dense_rain_coincides_by_chance_and_stays_transient():
    motion = estimate_motion(np.round(scene() * 255).astype(np.uint8), 1)
    rain = 255 * streaks(250)[..., 0]
    assert (rain > 0).mean() > 0.2
    assert no_reference.transience(rain, motion) > 0.85


def test_noise_alone_is_no_rain():
    motion = estimate_motion(np.round(scene() * 255).astype(np.uint8), 1)
    noise = np.random.default_rng(0).uniform(-3.9, 3.9, (FRAMES, HEIGHT, WIDTH)).astype(np.float32)
    assert np.isnan(no_reference.transience(noise, motion))
    assert np.isnan(no_reference.leak(noise, no_reference.luma(scene()), np.ones(noise.shape, np.bool_)))


def test_flicker_is_what_changes_along_the_motion():
    clean = scene()
    motion = estimate_motion(np.round(clean * 255).astype(np.uint8), 1)
    steady = no_reference.luma(clean)
    pulsing = steady + 10 * (np.arange(FRAMES) % 2)[:, None, None].astype(np.float32)
    assert no_reference.flicker(steady, motion) < 1
    assert no_reference.flicker(pulsing, motion) == pytest.approx(10, abs=1)


def test_a_resting_camera_gives_the_scene_back_but_for_what_moves_in_it():
    frames = 21
    clean, layer = scene(pan_px=0, frames=frames), streaks(20, frames)
    moving = clean.copy()
    for t in range(frames):
        moving[t, 60:90, 5 * t : 5 * t + 30] = 0.95
    row = scores(moving, layer)
    assert row["truth"]["static"] > row["input"]["static"] + 8
    mask = real.static_scene(moving + layer, estimate_motion(np.round(moving * 255).astype(np.uint8), 1))[1]
    assert mask[:, :50].mean() > 0.8
    assert not mask[10, 65:85, 60:70].any()


def test_a_slow_drift_is_no_rest():
    wide = scene(pan_px=1, frames=40)[0]
    assert len(resting_stretch(np.stack([np.round(wide * 255).astype(np.uint8)] * 12))) == 12
    shifted = [cv2.warpAffine(wide, np.float32([[1, 0, -0.06 * t], [0, 1, 0]]), (WIDTH, HEIGHT)) for t in range(20)]
    assert len(resting_stretch(np.round(np.stack(shifted) * 255).astype(np.uint8))) < 5


def test_what_the_other_frame_does_not_show_is_not_seen():
    motion = estimate_motion(np.round(scene(pan_px=6) * 255).astype(np.uint8), 1)
    # The camera goes right: what stands at the left edge is gone in the next frame.
    assert not motion[4][1].seen[:, :4].any()
    assert motion[4][1].seen[:, 20:-20].mean() > 0.95
    assert 1 not in motion[FRAMES - 1]
    assert -1 not in motion[0]


def test_repeated_frames_are_left_out():
    clip = scene(frames=4)
    again = clip[[0, 0, 1, 2, 2, 2, 3]]
    np.testing.assert_array_equal(real.without_repeats(again), clip)


def test_the_script_scores_a_video_and_the_table_goes_into_the_document(tmp_path, monkeypatch, capsys):
    clips, pictures = tmp_path / "clips", tmp_path / "pictures"
    clips.mkdir()
    media.encode(clips / "drift.mp4", frames=7, size=(640, 400))
    written, document = tmp_path / "scores.json", tmp_path / "results.md"
    arguments = [str(clips), "--against", "small", "--frames", "6", "--max-width", "160", "--json", str(written)]
    monkeypatch.setattr(sys, "argv", ["real.py", *arguments])
    real.main()
    assert "mean of clips" in capsys.readouterr().out
    result = json.loads(written.read_text(), parse_constant=pytest.fail)
    assert list(result["clips"]) == ["drift"]
    assert result["mean"]["input"]["transience"] is None
    assert result["mean"]["rmfd"]["flicker"] > 0
    assert result["mean"]["rmfd (small)"] == result["mean"]["rmfd"]

    document.write_text(f"before\n{make_results.BEGIN}\nold\n{make_results.END}\nafter\n")
    arguments = [str(clips), str(pictures), "--frame", "5", "--scores", str(written), "--document", str(document)]
    monkeypatch.setattr(sys, "argv", ["make_results.py", *arguments])
    make_results.main()
    text = document.read_text()
    assert "| **mean** | rmfd |" in text
    assert "old" not in text
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    make_results.main()
    assert document.read_text() == text
    picture = cv2.imread(str(pictures / "drift.jpg"))
    assert picture.shape == (24 + 360, 3 * 480, 3)
    assert (pictures / "drift.jpg").stat().st_size < make_results.LARGEST_BYTES


def test_the_picture_shows_the_part_that_changed_most():
    change = np.zeros((700, 1000), np.float32)
    change[500:520, 800:820] = 1
    rows, columns = make_results.busiest_part(change)
    assert rows.stop - rows.start == 360
    assert columns.stop - columns.start == 480
    assert change[rows, columns].sum() == change.sum()


@pytest.mark.parametrize("script", [real, make_results])
def test_a_folder_without_videos_is_an_error_in_words(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script.__name__, str(tmp_path), *([str(tmp_path)] if script is make_results else [])])
    with pytest.raises(SystemExit):
        script.main()
    assert f"no videos in {tmp_path}" in capsys.readouterr().err


@pytest.mark.parametrize("script", [real, make_results])
def test_weights_that_are_not_there_are_an_error_in_words(script, tmp_path, monkeypatch):
    (tmp_path / "clip.mp4").touch()
    out = [str(tmp_path / "out")] if script is make_results else []
    monkeypatch.setattr(sys, "argv", [script.__name__, str(tmp_path), *out, "--weights", str(tmp_path / "none.safetensors")])
    with pytest.raises(SystemExit, match=r"^error: .*none\.safetensors"):
        script.main()
