"""Training learns, resumes exactly, reaches every parameter, and says clearly why it cannot start."""

import dataclasses
import json
import math
import time

import numpy as np
import pytest
import torch

from rmfd_cli import physics
from rmfd_cli.errors import OutputError, TrainingError, UsageError
from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.flow import enlarge_flow
from rmfd_cli.model.image import from_rgb, to_rgb
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.values import Window
from rmfd_cli.rain.elements import Coder, Particles
from rmfd_cli.rain.weather import DRY, PERFECT_CAMERA
from rmfd_cli.training.batches import Draw, Lesson
from rmfd_cli.training.checkpoints import checkpoint_path
from rmfd_cli.training.clips import load_clips, read_clip
from rmfd_cli.training.data import draw_batch, draw_clean, draw_clip, rain_on
from rmfd_cli.training.learner import make_learner, update
from rmfd_cli.training.loop import HELD_OUT_FRAMES, train
from rmfd_cli.training.losses import ClipEstimates, LossWeights, losses
from rmfd_cli.training.packed import Batch, Packed, full_size, pack, to_bytes, to_numbers
from rmfd_cli.training.parallel import Ranks
from rmfd_cli.training.schedule import place
from rmfd_cli.training.unroll import run_clip
from rmfd_cli.training.validation import FRAMES
from rmfd_cli.video.images import write_png
from tests import media
from tests.training.runs import CPU, TINY, options

LADDER = ("input", "coarse", "restored")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    clean = tmp_path_factory.mktemp("clean")
    media.cfr(clean / "one.mp4", frames=8)
    media.vfr(clean / "two.mkv", frames=8)
    return clean


@pytest.fixture(scope="module")
def clips(folder):
    return load_clips(folder)


def run_whole(model: Rmfd, batch: Packed) -> ClipEstimates:
    return run_clip(model, batch, range(batch.rainy.shape[1]), model.initial_state())[0]


def whole(batch: Packed) -> Batch:
    return batch.part(range(batch.rainy.shape[1]))


def test_clips_are_found_and_decoded(clips):
    assert [clip.shape for clip in clips] == [(8, media.HEIGHT, media.WIDTH, 3)] * 2
    assert media.frame_number(clips[0][5]) == 5


def test_a_step_s_batch_depends_on_seed_and_step_alone(clips):
    def draw(seed: int, step: int) -> Packed:
        return draw_batch(clips, seed, step, size=2, frames=3, crop_px=32)

    for first, second in zip(draw(1, 7), draw(1, 7), strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(draw(1, 7).rainy, draw(1, 8).rainy)
    assert not torch.equal(draw(1, 7).rainy, draw(2, 7).rainy)


def test_batches_hold_what_they_say(clips):
    packed = draw_batch(clips, 3, 0, size=2, frames=4, crop_px=48)
    batch = whole(packed)
    assert batch.rainy.shape == batch.clean.shape == batch.hazy.shape == (2, 4, 3, 48, 48)
    assert batch.transmission.shape == batch.flow.shape == (2, 4, 1, 48, 48)
    assert batch.airlight.shape == (2, 1, 3, 1, 1)
    assert packed.to_previous.shape == packed.to_following.shape == (2, 4, 24, 24, 2)
    assert not packed.to_previous[:, 0].any()
    assert not packed.to_following[:, -1].any()
    assert batch.rainy.min() >= 0
    assert batch.rainy.max() <= 1


def test_what_is_packed_is_near_what_was_drawn():
    rng = np.random.default_rng(3)
    clean, rainy, transmission, flow = (
        torch.from_numpy(rng.random((2, channels, 33, 47), np.float32)) for channels in (3, 3, 1, 1)
    )
    airlight, small = torch.full((1, 3, 1, 1), 0.8), rng.normal(0, 6, (2, 2, 17, 24, 2)).astype(np.float32)
    flow = 0.1 * flow - 0.05
    packed = pack(rainy, clean, (transmission, airlight, flow), (torch.from_numpy(small[0]), torch.from_numpy(small[1])))
    batch = whole(Packed(*(x[None] for x in packed)))
    for unpacked, drawn, step in ((batch.rainy, rainy, 0.5 / 255), (batch.clean, clean, 0.5 / 255), (batch.flow, flow, 1e-4)):
        assert (unpacked[0] - drawn).abs().max() <= step + 1e-6
    hazy = physics.add_veil(clean, transmission, airlight, flow)
    assert (batch.hazy[0] - hazy).abs().max() < 0.7 / 255
    large = full_size(packed.to_previous, (33, 47))
    for flow_px, expected in zip(large.numpy(), small[0], strict=True):
        np.testing.assert_allclose(flow_px, enlarge_flow(expected, (33, 47)), atol=1e-4)


def test_a_clip_takes_a_quarter_of_its_numbers(clips):
    packed = draw_batch(clips, 3, 0, size=1, frames=4, crop_px=48)
    taken = sum(x.numel() * x.element_size() for x in packed)
    assert taken < 0.25 * 4 * 48 * 48 * 15 * 4  # 15 float32 values for each pixel


def test_pieces_are_mirrored_sideways_but_never_upside_down():
    ramp = np.linspace(40, 200, 64).astype(np.uint8)
    clip = np.broadcast_to(ramp[None, :, None, None] + (ramp // 8)[None, None, :, None], (6, 64, 64, 3)).copy()
    mirrored = 0
    for seed in range(40):
        piece = draw_clip([clip], np.random.default_rng(seed), 2, 24)[0, 0]
        # Medians, since a post may stand in front.
        assert piece[-4:].median() > piece[:4].median()
        mirrored += int(piece[:, -4:].median() < piece[:, :4].median())
    assert 8 < mirrored < 32


def test_every_parameter_gets_a_gradient(clips):
    torch.manual_seed(0)
    model = Rmfd(TINY)
    # The last layer of the refinement starts at zero, which for one step holds back what lies before it.
    torch.nn.init.normal_(model.refinement.out.weight, std=0.01)
    batch = draw_batch(clips, 5, 1, size=3, frames=4, crop_px=48)
    torch.stack(list(losses(run_whole(model, batch), whole(batch), LossWeights()).values())).sum().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_a_clip_in_parts_gives_what_it_gives_whole(clips):
    model, batch = Rmfd(TINY), draw_batch(clips, 5, 1, size=2, frames=5, crop_px=32)
    together = run_whole(model, batch)
    first, state = run_clip(model, batch, range(2), model.initial_state())
    second, _ = run_clip(model, batch, range(2, 5), state)
    for name, all_frames, early, late in zip(together._fields, together, first, second, strict=True):
        assert torch.equal(all_frames, torch.cat([early, late], 1)), name
    part = batch.part(range(2, 5))
    assert torch.equal(part.clean, whole(batch).clean[:, 2:])
    assert torch.equal(part.airlight, batch.airlight)


def test_frames_side_by_side_give_what_steps_in_a_row_give(clips):
    model, batch = Rmfd(TINY), draw_batch(clips, 5, 1, size=2, frames=4, crop_px=32)
    estimates = run_whole(model, batch)
    state = model.initial_state()
    images = [from_rgb(to_numbers(frame)) for frame in batch.rainy.unbind(1)]
    for t, image in enumerate(images):
        flows = (full_size(x[:, t], (32, 32)) for x in (batch.to_previous, batch.to_following))
        window = Window(images[max(t - 1, 0)], image, images[min(t + 1, 3)], *flows)
        restored, state = model.step(window, state)
        torch.testing.assert_close(estimates.image[:, t], to_rgb(restored.image), atol=1e-5, rtol=0)
        torch.testing.assert_close(estimates.airlight[:, t], restored.airlight, atol=1e-5, rtol=0)


def test_an_update_hands_on_a_state_without_gradients(clips, folder, tmp_path):
    wanted = options(folder, tmp_path)
    learner = make_learner(wanted, TINY, None, Ranks(), CPU)
    lesson = Lesson(draw_batch(clips, 5, 1, size=2, frames=4, crop_px=32), None)
    _, state = update(learner, lesson, range(2), None, wanted, LossWeights())
    assert state is not None
    assert not any(x.requires_grad for x in state)
    with_past, _ = update(learner, lesson, range(2, 4), state, wanted, LossWeights())
    without, _ = update(learner, lesson, range(2, 4), None, wanted, LossWeights())
    assert with_past["hazy"] != without["hazy"]


def test_a_camera_s_coder_leaves_its_mark_on_the_rainy_frames_alone(monkeypatch, clips):
    def weather(coder):
        return lambda rng: dataclasses.replace(DRY, camera=dataclasses.replace(PERFECT_CAMERA, coder=coder))

    clean = draw_clip(clips, np.random.default_rng(3), 4, 48)
    monkeypatch.setattr("rmfd_cli.training.data.sample_weather", weather(None))
    untouched = rain_on(clean, np.random.default_rng(1))
    monkeypatch.setattr("rmfd_cli.training.data.sample_weather", weather(Coder("h264", 30)))
    coded = rain_on(clean, np.random.default_rng(1))
    assert torch.equal(untouched.rainy, to_bytes(clean))
    assert torch.equal(coded.clean, to_bytes(clean))
    assert 0 < (to_numbers(coded.rainy) - clean).abs().mean() < 0.1


def test_rain_is_taken_out_of_the_truth_and_the_camera_s_grain_is_not(monkeypatch, clips):
    grainy = dataclasses.replace(PERFECT_CAMERA, read_noise=0.03)
    rain = dataclasses.replace(DRY, particles=Particles(rain_rate_mm_h=10, exposure_s=0.01), camera=grainy)
    monkeypatch.setattr("rmfd_cli.training.data.sample_weather", lambda rng: rain)
    clean = draw_clip(clips, np.random.default_rng(3), 4, 48) * 0.5 + 0.2
    batch = rain_on(clean, np.random.default_rng(1))
    assert (to_numbers(batch.clean) - clean).std() == pytest.approx(0.03, rel=0.1)


def test_a_frame_that_the_camera_shows_twice_is_the_same_in_every_way(monkeypatch, clips):
    monkeypatch.setattr("rmfd_cli.training.data.FREEZES", 1.0)
    one, again = (draw_batch(clips, 5, 1, size=3, frames=4, crop_px=32) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(one, again, strict=True))
    for name in ("rainy", "clean", "hazy", "transmission", "flow"):
        frames = getattr(whole(one), name)
        assert torch.equal(frames[:, 2], frames[:, 1]), name
    assert not torch.equal(one.rainy[:, 1], one.rainy[:, 0])
    example = draw_clean(clips, 5, 1, size=2, frames=4, crop_px=32)
    assert torch.equal(example[:, 2], example[:, 1])


def test_a_perfect_estimate_costs_only_the_smoothing_of_the_error(clips):
    packed = draw_batch(clips, 5, 2, size=2, frames=3, crop_px=32)
    batch = whole(packed)
    perfect = run_whole(Rmfd(TINY), packed)._replace(
        image=batch.clean,
        coarse=batch.clean,
        hazy=batch.hazy,
        transmission=batch.transmission,
        airlight=batch.airlight.expand(-1, 3, -1, -1, -1),
        flow=batch.flow,
    )
    terms = losses(perfect, batch, LossWeights())
    assert sum(float(term) for term in terms.values()) < 5e-3


def test_the_loss_of_one_batch_falls(folder, tmp_path):
    texture = np.random.default_rng(0).integers(0, 200, (6, 16, 20, 3)).astype(np.uint8).repeat(6, 1).repeat(6, 2)
    wanted = options(folder, tmp_path, learning_rate=5e-3)
    learner = make_learner(wanted, TINY, None, Ranks(), CPU)
    lesson = Lesson(draw_batch([texture], 11, 0, size=2, frames=3, crop_px=48), None)
    terms = [update(learner, lesson, range(3), None, wanted, LossWeights())[0] for _ in range(80)]
    assert sum(terms[-1].values()) < 0.9 * sum(terms[0].values())
    # By more than a decibel.
    assert terms[0]["image"] - terms[-1]["image"] > LossWeights().image


def test_a_run_can_begin_with_given_weights(folder, tmp_path):
    first = train(options(folder, tmp_path / "first"), TINY).weights
    still = options(folder, tmp_path / "second", steps=1, learning_rate=1e-12)
    second = load_model(train(still, init=first).weights).state_dict()
    for name, value in load_model(first).state_dict().items():
        torch.testing.assert_close(second[name], value, atol=1e-6, rtol=0)


def test_the_log_has_a_line_per_step_and_the_validation_s_scores(folder, tmp_path):
    train(options(folder, tmp_path), TINY)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert set(lines[-1]["validation"]) == set(lines[-1]["validation"]["ssim"]) | {"ssim"} == {*LADDER, "ssim"}
    assert lines[0]["validation"] is None
    terms = {name: lines[0][name] for name in dataclasses.asdict(LossWeights()) if name in lines[0]}
    assert {"image", "hazy", "transmission"} <= terms.keys()
    assert lines[0]["loss"] == pytest.approx(sum(terms.values()), rel=1e-4)


def test_a_run_says_what_it_has_learnt_from_and_how_long_it_waited_for_that(folder, tmp_path, monkeypatch):
    draw, seen = Draw.__getitem__, []

    def slowly(self, number):
        time.sleep(0.2)
        return draw(self, number)

    monkeypatch.setattr(Draw, "__getitem__", slowly)
    settings = options(folder, tmp_path, steps=2, validate_every=2)
    train(settings, TINY, on_step=seen.append)
    assert [now.frames for now in seen] == [settings.batch_size * len(place(settings, 0).frames) * k for k in (1, 2)]
    assert 0.2 <= seen[0].waited <= seen[1].waited <= seen[1].seconds


@pytest.mark.filterwarnings("ignore")  # tensorboard's own
def test_tensorboard_gets_scalars_and_pictures(folder, tmp_path):
    train(options(folder, tmp_path, steps=2, tensorboard=True), TINY)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [1, 2]
    assert events.Scalars("psnr_db/restored")[0].value > 10
    assert events.Tags()["images"] == ["input, restored, clean"]


def test_no_clips_is_a_clear_error(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(TrainingError, match="no video with at least two frames"):
        train(options(tmp_path, tmp_path / "out"), TINY)


def test_an_unreadable_clip_is_named_and_left_out(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    with pytest.raises(TrainingError, match="no video with at least two frames"):
        load_clips(tmp_path)
    media.cfr(tmp_path / "good.mp4", frames=3)
    told: list[str] = []
    assert len(load_clips(tmp_path, on_warning=told.append)) == 1
    assert len(told) == 1
    assert "broken.mp4" in told[0]


def test_a_clip_is_learnt_from_upright(tmp_path):
    clip = read_clip(media.rotated(tmp_path / "phone.mp4", 90), 2)
    assert clip.shape == (2, media.WIDTH, media.HEIGHT, 3)
    assert [media.frame_number(np.rot90(frame, -1)) for frame in clip] == [0, 1]


def test_a_clip_that_breaks_off_is_named_and_left_out(tmp_path):
    whole = media.front_index(tmp_path / "whole.mp4", media.cfr(tmp_path / "plain.mov", frames=40))
    media.truncated(tmp_path / "half.mp4", whole)
    told: list[str] = []
    assert len(load_clips(tmp_path, on_warning=told.append)) == 2
    (line,) = told
    assert "half.mp4: is damaged" in line


def test_a_folder_of_frames_is_a_clip(tmp_path):
    (tmp_path / "street").mkdir()
    for k in range(12):
        write_png(tmp_path / "street" / f"{k}.png", (media.picture(k) >> 8).astype(np.uint8))
    (clip,) = load_clips(tmp_path)
    assert [media.frame_number(frame) for frame in clip] == list(range(12))


def test_a_loss_that_is_not_a_number_stops_training_and_keeps_the_last_good_checkpoint(folder, tmp_path):
    train(options(folder, tmp_path, steps=3), TINY)
    good = checkpoint_path(tmp_path / "checkpoints", 3)
    before = good.read_bytes()
    with pytest.raises(TrainingError, match=f"not a number at step 4; the last good checkpoint is {good}"):
        train(options(folder, tmp_path), TINY, LossWeights(image=float("nan")), resume="auto")
    assert list((tmp_path / "checkpoints").glob("step-*")) == [good]
    assert good.read_bytes() == before


def test_an_update_whose_gradient_is_not_finite_changes_nothing(clips, folder, tmp_path):
    wanted = options(folder, tmp_path)
    learner = make_learner(wanted, TINY, None, Ranks(), CPU)
    lesson = Lesson(draw_batch(clips, 5, 1, size=1, frames=2, crop_px=32), None)
    before = {name: value.clone() for name, value in learner.model.state_dict().items()}
    with pytest.raises(FloatingPointError):
        update(learner, lesson, range(2), None, wanted, LossWeights(image=float("inf")))
    assert all(torch.equal(value, before[name]) for name, value in learner.model.state_dict().items())


def test_a_loss_without_a_number_is_seen_even_if_no_gradient_is(clips, folder, tmp_path):
    wanted = options(folder, tmp_path)
    learner = make_learner(wanted, TINY, None, Ranks(), CPU)
    batch = draw_batch(clips, 5, 1, size=1, frames=2, crop_px=32)
    unknown = torch.zeros(1, 1, 1, 1, 1, dtype=torch.bool)
    nothing = batch._replace(clean_known=unknown, hazy_known=unknown)
    with pytest.raises(FloatingPointError):  # the mean over no change at all is no number
        update(learner, Lesson(nothing, None), range(1), None, wanted, LossWeights())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clip_frames": 1}, "--frames is 1; stage 1 needs at least 2"),
        ({"clip_frames_start": 1}, "--frames-start is 1; stage 1 needs at least 2"),
        ({"stage": 2, "clip_frames": 2}, "--frames is 2; stage 2 needs at least 3"),
        ({"stage": 2, "clip_frames_start": 2}, "--frames-start is 2; stage 2 needs at least 3"),
        ({"learning_rate": math.inf}, "--learning-rate is inf"),
        ({"learning_rate": math.nan}, "--learning-rate is nan"),
        ({"seed": -1}, "--seed is -1"),
    ],
)
def test_what_cannot_be_trained_with_is_named(folder, tmp_path, changes, words):
    with pytest.raises(UsageError, match=words):
        options(folder, tmp_path, **changes)


def test_clips_at_twice_the_pace_are_scored_to_their_end():
    assert HELD_OUT_FRAMES >= 2 * (FRAMES - 1) + 1


def test_a_place_that_cannot_be_written_is_a_clear_error(folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="choose another --out"):
        train(options(folder, tmp_path / "file" / "run"), TINY)
