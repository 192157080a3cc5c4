"""Training learns, resumes exactly, reaches every parameter, and says clearly why it cannot start."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from rmfd_cli.errors import TrainingError
from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.network import ModelConfig, Rmfd
from rmfd_cli.options import TrainOptions
from rmfd_cli.rain.elements import Coder
from rmfd_cli.rain.weather import DRY, PERFECT_CAMERA
from rmfd_cli.training.data import Batch, draw_batch, draw_clip, load_clips, rain_on
from rmfd_cli.training.loop import run_clip, train, update
from rmfd_cli.training.losses import ClipEstimates, LossWeights, losses
from tests import media

TINY = ModelConfig(width=8, deep_width=12, hidden=4, deep_blocks=1, refine_blocks=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    clean = tmp_path_factory.mktemp("clean")
    media.cfr(clean / "one.mp4", frames=8)
    media.vfr(clean / "two.mkv", frames=8)
    return clean


@pytest.fixture(scope="module")
def clips(folder):
    return load_clips(folder)


def options(folder, out, **changes) -> TrainOptions:
    small = TrainOptions(
        data=str(folder),
        validation=str(folder),
        out=str(out),
        steps=6,
        batch_size=2,
        clip_frames=3,
        updates_per_clip=2,
        crop_px=32,
        warmup_steps=2,
        save_every=3,
        validate_every=6,
        validation_clips=2,
    )
    return dataclasses.replace(small, **changes)


def run_whole(model: Rmfd, batch: Batch) -> ClipEstimates:
    return run_clip(model, batch, range(batch.rainy.shape[1]), model.initial_state())[0]


def test_clips_are_found_and_decoded(clips):
    assert [clip.shape for clip in clips] == [(8, media.HEIGHT, media.WIDTH, 3)] * 2
    assert media.frame_number(clips[0][5]) == 5


def test_a_step_s_batch_depends_on_seed_and_step_alone(clips):
    def draw(seed: int, step: int) -> Batch:
        return draw_batch(clips, seed, step, size=2, frames=3, crop_px=32)

    for first, second in zip(draw(1, 7), draw(1, 7), strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(draw(1, 7).rainy, draw(1, 8).rainy)
    assert not torch.equal(draw(1, 7).rainy, draw(2, 7).rainy)


def test_batches_hold_what_they_say(clips):
    batch = draw_batch(clips, 3, 0, size=2, frames=4, crop_px=48)
    assert batch.rainy.shape == batch.clean.shape == batch.hazy.shape == (2, 4, 3, 48, 48)
    assert batch.transmission.shape == batch.flow.shape == (2, 4, 1, 48, 48)
    assert batch.airlight.shape == (2, 1, 3, 1, 1)
    assert batch.to_previous.shape == (2, 4, 48, 48, 2)
    assert not batch.to_previous[:, 0].any()
    assert not batch.to_following[:, -1].any()
    assert batch.rainy.min() >= 0
    assert batch.rainy.max() <= 1


def test_pieces_are_mirrored_sideways_but_never_upside_down():
    ramp = np.linspace(40, 200, 64).astype(np.uint8)
    clip = np.broadcast_to(ramp[None, :, None, None] + (ramp // 8)[None, None, :, None], (6, 64, 64, 3)).copy()
    mirrored = 0
    for seed in range(40):
        piece = draw_clip([clip], np.random.default_rng(seed), 2, 24)[0, 0]
        assert piece[-4:].mean() > piece[:4].mean()
        mirrored += int(piece[:, -4:].mean() < piece[:, :4].mean())
    assert 8 < mirrored < 32


def test_every_parameter_gets_a_gradient(clips):
    torch.manual_seed(0)
    model = Rmfd(TINY)
    # The last layers of two branches start at zero, which for one step holds back what lies before them.
    for last in (model.refinement.out, model.recovery.lift):
        torch.nn.init.normal_(last.weight, std=0.01)
    batch = draw_batch(clips, 5, 1, size=3, frames=4, crop_px=48)
    torch.stack(list(losses(run_whole(model, batch), batch, LossWeights()).values())).sum().backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_a_clip_in_parts_gives_what_it_gives_whole(clips):
    model, batch = Rmfd(TINY), draw_batch(clips, 5, 1, size=2, frames=5, crop_px=32)
    whole = run_whole(model, batch)
    first, state = run_clip(model, batch, range(2), model.initial_state())
    second, _ = run_clip(model, batch, range(2, 5), state)
    for name, all_frames, early, late in zip(whole._fields, whole, first, second, strict=True):
        assert torch.equal(all_frames, torch.cat([early, late], 1)), name
    part = batch.part(range(2, 5))
    assert torch.equal(part.clean, batch.clean[:, 2:])
    assert torch.equal(part.airlight, batch.airlight)


def test_an_update_hands_on_a_state_without_gradients(clips, folder, tmp_path):
    model, batch = Rmfd(TINY), draw_batch(clips, 5, 1, size=2, frames=4, crop_px=32)
    optimizer = torch.optim.AdamW(model.parameters())
    wanted = options(folder, tmp_path)
    _, state = update(model, optimizer, batch, range(2), None, wanted, LossWeights())
    assert state is not None
    assert not any(x.requires_grad for x in state)
    with_past, _ = update(model, optimizer, batch, range(2, 4), state, wanted, LossWeights())
    without, _ = update(model, optimizer, batch, range(2, 4), None, wanted, LossWeights())
    assert with_past["hazy"] != without["hazy"]


def test_a_camera_s_coder_leaves_its_mark_on_the_rainy_frames_alone(monkeypatch, clips):
    def weather(coder):
        return lambda rng: dataclasses.replace(DRY, camera=dataclasses.replace(PERFECT_CAMERA, coder=coder))

    clean = draw_clip(clips, np.random.default_rng(3), 4, 48)
    monkeypatch.setattr("rmfd_cli.training.data.sample_weather", weather(None))
    untouched = rain_on(clean, np.random.default_rng(1))
    monkeypatch.setattr("rmfd_cli.training.data.sample_weather", weather(Coder("h264", 30)))
    coded = rain_on(clean, np.random.default_rng(1))
    assert torch.equal(untouched.rainy, clean)
    assert torch.equal(coded.clean, clean)
    assert 0 < (coded.rainy - clean).abs().mean() < 0.1


def test_a_perfect_estimate_costs_only_the_smoothing_of_the_error(clips):
    batch = draw_batch(clips, 5, 2, size=2, frames=3, crop_px=32)
    perfect = run_whole(Rmfd(TINY), batch)._replace(
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
    torch.manual_seed(0)
    model = Rmfd(TINY)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    batch = draw_batch([texture], 11, 0, size=2, frames=3, crop_px=48)
    totals = [
        sum(update(model, optimizer, batch, range(3), None, options(folder, tmp_path), LossWeights())[0].values())
        for _ in range(60)
    ]
    assert totals[-1] < 0.85 * totals[0]


def test_a_resumed_run_equals_an_uninterrupted_one(folder, tmp_path):
    """Also when it was killed in the middle of a clip: the checkpoint of step 3 lies between two updates on one."""
    whole = train(options(folder, tmp_path / "whole"), TINY)

    class KilledError(Exception):
        pass

    def kill(progress):
        if progress.step == 4:  # one step after the checkpoint of step 3
            raise KilledError

    with pytest.raises(KilledError):
        train(options(folder, tmp_path / "parts"), TINY, on_step=kill)
    resumed = train(options(folder, tmp_path / "parts"), TINY, resume=tmp_path / "parts" / "checkpoint.pt")
    for (name, a), b in zip(load_model(whole).state_dict().items(), load_model(resumed).state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_run_can_begin_with_given_weights(folder, tmp_path):
    first = train(options(folder, tmp_path / "first"), TINY)
    still = options(folder, tmp_path / "second", steps=1, learning_rate=1e-12)
    second = load_model(train(still, init=first)).state_dict()
    for name, value in load_model(first).state_dict().items():
        torch.testing.assert_close(second[name], value, atol=1e-6, rtol=0)


def test_the_log_has_a_line_per_step_and_the_validation_s_scores(folder, tmp_path):
    train(options(folder, tmp_path), TINY)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert set(lines[-1]["validation"]) == {"input", "coarse", "restored"}
    assert lines[0]["validation"] is None
    assert lines[0]["loss"] == pytest.approx(sum(lines[0][name] for name in dataclasses.asdict(LossWeights())), rel=1e-4)


def test_no_clips_is_a_clear_error(folder, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    with pytest.raises(TrainingError, match="no video with at least two frames"):
        train(options(tmp_path, tmp_path / "out"), TINY)


def test_an_unreadable_clip_is_named(tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    with pytest.raises(TrainingError, match=r"broken\.mp4"):
        load_clips(tmp_path)


def test_a_checkpoint_of_another_architecture_is_refused(folder, tmp_path):
    train(options(folder, tmp_path), TINY)
    other = dataclasses.replace(TINY, width=12)
    with pytest.raises(TrainingError, match="another architecture"):
        train(options(folder, tmp_path), other, resume=tmp_path / "checkpoint.pt")


def test_a_damaged_checkpoint_is_refused(folder, tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"\x00" * 100)
    with pytest.raises(TrainingError, match="not a checkpoint"):
        train(options(folder, tmp_path), TINY, resume=tmp_path / "checkpoint.pt")


def test_a_loss_that_is_not_a_number_stops_training(folder, tmp_path):
    with pytest.raises(TrainingError, match="not a number"):
        train(options(folder, tmp_path), TINY, LossWeights(image=float("nan")))
