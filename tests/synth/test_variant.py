"""One variant: its layers give the rainy picture, its metadata tells all, and every source and format works."""

import dataclasses
import hashlib
import json
from fractions import Fraction

import numpy as np
import pytest
import torch

from rmfd_cli import physics
from rmfd_cli.errors import InputError
from rmfd_cli.physics import RainLayers
from rmfd_cli.rain.light import to_light
from rmfd_cli.rain.presets import PRESETS
from rmfd_cli.rain.weather import PERFECT_CAMERA
from rmfd_cli.synth.frames import fit, read_pictures, survey
from rmfd_cli.synth.layers import MAX_ERROR, SCALES, from_codes, to_codes
from rmfd_cli.synth.layouts import frame_name, place, stream_path
from rmfd_cli.synth.load import read_metadata, read_variant, recompose
from rmfd_cli.synth.request import LAYERS, SynthRequest
from rmfd_cli.synth.sources import Clip, find_sources
from rmfd_cli.synth.variant import draw_weather, render_clip, sample, to_pictures
from rmfd_cli.video.codec import recompress
from rmfd_cli.video.images import read_rgb
from rmfd_cli.video.lossless import read_lossless
from rmfd_cli.video.reader import VideoReader
from tests import media
from tests.synth import clips


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    clips.video(folder / "street.mkv")
    return folder


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "random"])
def test_the_stored_layers_recompose_to_the_rainy_picture_before_the_camera(clean, tmp_path, name):
    (job,) = clips.made(clean, tmp_path, SynthRequest(preset=name, frames=3))
    known = survey(job.clip, 3, None)
    weather, scene = sample(job, known)
    bare = dataclasses.replace(scene, weather=dataclasses.replace(weather, camera=PERFECT_CAMERA, lens=None), lens=None)
    truth = [rendering for _, rendering in render_clip(job, known, bare)]
    metadata_path = tmp_path / place(job, (), "video").metadata
    metadata = read_metadata(metadata_path)
    light = metadata["light"]
    stored = list(read_variant(metadata_path, tmp_path))
    assert len(stored) == 3
    assert all(one.get("clipped_values", 0) == 0 for one in metadata["streams"].values())

    rainy, motion = (torch.cat([getattr(part, name) for part in truth]) for name in ("rainy", "motion"))
    exact = torch.cat([rendering.layers.occlusion for rendering in truth])
    for index, frame in enumerate(stored):
        # The sRGB curve is steepest in the dark, 12.92 to 1.
        assert (recompose(frame, light).clamp(0, 1) - rainy[index]).abs().max() <= 12.92 * MAX_ERROR + 1e-5
        assert (frame.layers.occlusion - exact[index]).abs().max() <= SCALES["occlusion"].scale
        assert (frame.motion[:2] - motion[index]).abs().max() <= SCALES["motion"].scale
        assert frame.motion[2].abs().max() == 0
    first = physics.compose(to_light(stored[0].background, light), RainLayers(*(layer[0] for layer in truth[0].layers)))
    rounded = physics.compose(to_light(stored[0].background, light), stored[0].layers)
    assert (first - rounded).abs().max() <= MAX_ERROR + 1e-6


def test_the_rainy_video_has_gone_through_the_camera_s_coder_in_one_piece(clean, tmp_path):
    """Rendered in chunks of two frames, coded as a whole: I frames begin clips, not chunks."""
    (job,) = clips.made(clean, tmp_path, SynthRequest(preset="heavy", layers=()))
    known = survey(job.clip, None, None)
    weather, scene = sample(job, known)
    assert weather.camera.coder is not None
    rendered = torch.cat([rendering.rainy for _, rendering in render_clip(job, known, scene)])
    coder = weather.camera.coder
    expected = np.stack(
        list(recompress(to_pictures(rendered), coder.codec, coder.crf, frame_rate=known.frame_rate)),
    )
    stored = np.stack(list(read_lossless(tmp_path / stream_path(job, "rainy", "video"))))
    assert np.array_equal(stored, expected)
    assert not np.array_equal(stored, to_pictures(rendered))


def test_codes_come_back_within_half_a_step_and_clipping_is_counted():
    generator = torch.Generator().manual_seed(0)
    for scale in SCALES.values():
        low, high = scale.offset, scale.offset + 65534 * scale.scale
        values = low + (high - low) * torch.rand(2, scale.channels, 5, 7, generator=generator)
        codes, clipped = to_codes(values, scale)
        assert clipped == 0
        back = torch.stack([from_codes(code, scale) for code in codes])
        assert (back - values).abs().max() <= 0.5 * scale.scale + 1e-6 * abs(high)
        zero, _ = to_codes(torch.zeros(1, scale.channels, 1, 1), scale)
        assert from_codes(zero[0], scale).abs().max() < 1e-12
        assert to_codes(torch.full((1, scale.channels, 2, 1), high + 1), scale)[1] == 2 * scale.channels


def test_the_metadata_tells_all(clean, tmp_path):
    request = SynthRequest(preset="moderate", rain_rate_mm_h=12.5, seed=9)
    (job,) = clips.made(clean, tmp_path, request)
    metadata = json.loads((tmp_path / "street/0/metadata.json").read_text())
    assert metadata["weather"]["particles"]["rain_rate_mm_h"] == 12.5
    assert metadata["request"]["rain_rate_mm_h"] == 12.5
    assert metadata["seed"] == job.seed
    assert (metadata["frames"], metadata["width_px"], metadata["height_px"]) == (4, *clips.SIZE)
    assert Fraction(metadata["frame_rate"]) == 25
    assert metadata["source"]["path"] == "street.mkv"
    assert metadata["source"]["sha256"] == hashlib.sha256((clean / "street.mkv").read_bytes()).hexdigest()
    assert metadata["light"] == metadata["weather"]["light"]
    files = {name: data for name, data in clips.contents(tmp_path).items() if not name.endswith(".json")}
    assert metadata["files"] == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert set(metadata["streams"]) == {"rainy", "clean", "background", "occluder", *LAYERS}
    assert str(tmp_path) not in json.dumps(metadata)


def test_the_background_is_the_clip(clean, tmp_path):
    clips.made(clean, tmp_path, SynthRequest(preset="light"))
    with VideoReader(clean / "street.mkv") as video:
        for frame, background in zip(video, read_lossless(tmp_path / "street/0/background.mkv"), strict=True):
            assert np.array_equal(frame.rgb, background)


@pytest.fixture(scope="module")
def as_video(clean, tmp_path_factory):
    out = tmp_path_factory.mktemp("video")
    clips.made(clean, out, SynthRequest(preset="heavy"))
    return list(read_variant(out / "street/0/metadata.json", out))


@pytest.mark.parametrize("layout", ["frames", "basicsr", "nturain", "rainsyn"])
def test_every_folder_layout_holds_the_same_pictures_as_the_videos(clean, tmp_path, as_video, layout):
    (same,) = clips.made(clean, tmp_path / layout, SynthRequest(preset="heavy", layers=LAYERS, format=layout))
    other = read_variant(tmp_path / layout / place(same, (), layout).metadata, tmp_path / layout)
    for a, b in zip(as_video, other, strict=True):
        assert torch.equal(a.rainy, b.rainy)
        assert torch.equal(a.clean, b.clean)
        assert torch.equal(a.motion, b.motion)
        assert all(torch.equal(x, y) for x, y in zip(a.layers, b.layers, strict=True))
    folder = tmp_path / layout / stream_path(same, "clean", layout)
    assert sorted(path.name for path in folder.iterdir()) == [frame_name(index, layout) for index in range(4)]


def test_only_the_layers_that_are_asked_for_are_stored(clean, tmp_path):
    clips.made(clean, tmp_path, SynthRequest(layers=("flow", "occlusion")))
    stored = {path.stem for path in (tmp_path / "street/0").glob("*.mkv")}
    assert stored == {"rainy", "clean", "background", "flow", "occlusion", "occluder"}
    with pytest.raises(InputError, match="has no airlight, streaks, transmission"):
        list(read_variant(tmp_path / "street/0/metadata.json", tmp_path))


def test_folders_of_frames_rain_as_videos_do(tmp_path):
    clips.frames(tmp_path / "clean/eight")
    clips.frames(tmp_path / "clean/sixteen", pix_fmt="rgb48be")
    eight, sixteen = (list(read_pictures(clip, None)) for clip in find_sources(tmp_path / "clean").clips)
    assert [media.frame_number(picture) for picture in eight] == [0, 1, 2, 3]
    assert np.abs(np.stack(eight).astype(int) - np.stack(sixteen)).max() <= 1
    jobs = clips.made(tmp_path / "clean", tmp_path / "out", SynthRequest(preset="light", layers=()))
    assert [job.source for job in jobs] == ["eight", "sixteen"]
    assert len(list(read_lossless(tmp_path / "out/sixteen/0/rainy.mkv"))) == 4


def test_rain_falls_downwards_in_a_rotated_video(clip):
    path = clip(media.rotated, ".mp4", degrees=90)
    assert survey(Clip("turned", path), 2, None).size_px == (media.HEIGHT, media.WIDTH)


@pytest.mark.parametrize("size", [(64, 16), (16, 64), (48, 36), (20, 20), (96, 72)])
def test_a_size_is_covered_and_cropped_about_the_centre(size):
    picture = media.picture(5, 48, 36)
    picture[:, 23:25], picture[17:19] = 65535, 65535
    fitted = fit(picture, size)
    assert fitted.shape == (size[1], size[0], 3)
    for axis, length in ((0, size[0]), (1, size[1])):
        assert abs(fitted.mean((axis, 2)).argmax() - (length - 1) / 2) <= max(1, 0.03 * length)
    if size == (48, 36):
        assert np.array_equal(fitted, picture)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("no video"), "not a video"),
        (lambda path: clips.video(path, frames=2), "has 2 frames, --frames asks for 3"),
        (lambda path: clips.video(path, size=(40, 12)), "40x12"),
        (lambda path: media.truncated(path, clips.video(path.with_name("whole.mkv"), frames=60), 0.5), "is damaged"),
    ],
)
def test_a_clip_that_cannot_be_used_is_named(tmp_path, make, words):
    path = tmp_path / "a.mkv"
    make(path)
    with pytest.raises(InputError, match=words) as caught:
        survey(Clip("a", path), None if "damaged" in words else 3, None)
    assert str(path) in str(caught.value)


def test_frames_of_different_sizes_are_no_clip(tmp_path):
    clips.frames(tmp_path / "a", 2)
    media.encode(
        tmp_path / "a" / "%05d.png", frames=1, size=(64, 48), pix_fmt="rgb24", codec=("-c:v", "png", "-start_number", "9")
    )
    with pytest.raises(InputError, match="48x36 to 64x48"):
        list(read_pictures(find_sources(tmp_path).clips[0], None))


def test_depth_maps_hide_the_scene_behind_the_veil(clean, tmp_path):
    depth = np.full((clips.SIZE[1], clips.SIZE[0]), 5.0, np.float32)
    depth[:18] = 2000.0
    (tmp_path / "depth").mkdir()
    np.save(tmp_path / "depth/street.npy", depth)
    request = SynthRequest(preset="violent", visibility_m=300, depth_dir=str(tmp_path / "depth"))
    clips.made(clean, tmp_path / "out", request)
    frame = next(read_variant(tmp_path / "out/street/0/metadata.json", tmp_path / "out"))
    transmission = frame.layers.transmission[0]
    assert transmission[:16].max() < 0.1 < 0.85 < transmission[20:].min()


@pytest.mark.parametrize(("files", "words"), [((), "no depth map"), (("street/1.npy", "street/2.npy"), "has 2 depth maps")])
def test_missing_depth_maps_are_named(clean, tmp_path, files, words):
    (tmp_path / "depth/street").mkdir(parents=True)
    for name in files:
        np.save(tmp_path / "depth" / name, np.ones((36, 48), np.float32))
    with pytest.raises(InputError, match=words):
        clips.made(clean, tmp_path / "out", SynthRequest(depth_dir=str(tmp_path / "depth")))


def test_read_rgb_reads_what_the_layout_stored(clean, tmp_path):
    clips.made(clean, tmp_path, SynthRequest(preset="light", format="basicsr"))
    assert read_rgb(tmp_path / "GT/000/00000003.png").shape == (36, 48, 3)
    assert read_rgb(tmp_path / "Rain/000/00000003.png").shape == (36, 48, 3)


@pytest.mark.parametrize("brightest", [1.0, 0.3, 0.1])
def test_neither_veil_nor_drops_outshine_the_brightest_of_the_scene(clean, brightest):
    (job,) = clips.jobs_of(clean, SynthRequest(preset="violent"))
    by_day = draw_weather(job.request, np.random.default_rng(job.seed))
    weather, scene = sample(job, survey(job.clip, None, None)._replace(brightest=brightest))
    in_light = float(to_light(torch.tensor(brightest), weather.light))
    assert max(weather.veil.airlight) == pytest.approx(min(max(by_day.veil.airlight), brightest))
    assert max(weather.drop_glow) == pytest.approx(min(max(by_day.drop_glow), in_light))
    assert scene.weather == weather


def test_a_clip_that_has_grown_shorter_since_it_was_looked_at_is_named(clean):
    (job,) = clips.jobs_of(clean, SynthRequest(preset="light", layers=()))
    known = survey(job.clip, None, None)._replace(frames=5)
    with pytest.raises(InputError, match=r"street\.mkv: had 5 frames and now has 4"):
        list(render_clip(job, known, sample(job, known).scene))
