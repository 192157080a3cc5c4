"""Batches are numbered values: whoever draws them, they are the same; pairs from disk are batches too."""

import resource
import shutil
import tempfile

import numpy as np
import pytest
import torch

from rmfd_cli.clips.pairs import find_pairs
from rmfd_cli.errors import MachineError, TrainingError
from rmfd_cli.model.network import Rmfd
from rmfd_cli.training.batches import Draw, Sources, _share_of, steps
from rmfd_cli.training.clips import load_clips
from rmfd_cli.training.data import draw_batch
from rmfd_cli.training.losses import LossWeights, losses
from rmfd_cli.training.paired import draw_pairs, load_pairs
from rmfd_cli.training.parallel import Ranks
from rmfd_cli.training.schedule import place, update_frames
from rmfd_cli.training.unroll import run_clip
from rmfd_cli.video.images import write_png
from tests import media
from tests.training.runs import TINY, options

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    clean = tmp_path_factory.mktemp("clean")
    media.cfr(clean / "one.mp4", frames=8)
    return clean


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    out = tmp_path_factory.mktemp("pairs")
    layout(out, "rainy.mp4", "clean.mp4")
    return load_pairs(out)


def layout(folder, *names):
    """Clips under these names, videos or folders of frames; those with a clean one's name count from 1, others from 0."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            media.cfr(path, frames=4)
        else:
            path.mkdir()
            for k in range(3):
                write_png(path / f"{k:05d}.png", (media.picture(k) >> 8).astype(np.uint8))


def test_steps_come_in_order_with_their_batches(folder, tmp_path):
    wanted = options(folder, tmp_path, steps=5)
    draw = Draw(Sources(load_clips(folder), []), wanted, Ranks())
    got = list(steps(draw, 1, CPU))
    assert [step for step, _ in got] == [1, 2, 3, 4]
    for step, lesson in got:
        assert torch.equal(lesson.batch.rainy, draw[step // 2].batch.rainy)


def test_processes_draw_what_a_thread_draws(folder, tmp_path, pairs):
    sources = Sources(load_clips(folder), pairs)
    by_thread = list(steps(Draw(sources, options(folder, tmp_path), Ranks()), 0, CPU))
    by_processes = list(steps(Draw(sources, options(folder, tmp_path, workers=2), Ranks()), 0, CPU))
    assert len(by_thread) == 6
    for (step, one), (same, other) in zip(by_thread, by_processes, strict=True):
        assert step == same
        assert all(torch.equal(a, b) for a, b in zip(one.batch, other.batch, strict=True))


def test_clips_that_serve_twice_are_stored_once(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    clips = load_clips(folder)
    wanted = options(folder, tmp_path, steps=1, clip_frames=3, stage=2, workers=1)
    ahead = steps(Draw(Sources(clips, real_clean=clips), wanted, Ranks()), 0, CPU)
    _, lesson = next(ahead)
    assert lesson.clean is not None
    assert len(list(tmp_path.glob("rmfd-clips-*/*.npy"))) == len(clips)
    ahead.close()
    assert not list(tmp_path.glob("rmfd-clips-*"))


def test_no_room_for_the_workers_clips_is_a_clear_error(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    draw = Draw(Sources(load_clips(folder)), options(folder, tmp_path, workers=1), Ranks())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # files end there, as on a disk that is full
    try:
        with pytest.raises(MachineError, match=r"the clips cannot be stored for --workers .* TMPDIR"):
            list(steps(draw, 0, CPU))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_goes_wrong_in_a_worker_is_told_in_its_own_words(folder, tmp_path):
    grey = load_clips(folder)[0][..., 0]  # no colours: whatever comes first will choke on it
    draw = Draw(Sources([grey]), options(folder, tmp_path, workers=1), Ranks())
    with pytest.raises(TrainingError, match=r"a batch could not be drawn \(.*Error") as caught:
        list(steps(draw, 0, CPU))
    assert "/dev/shm" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_ranks_draw_different_shares_of_the_batch(folder, tmp_path):
    sources = Sources(load_clips(folder), [])
    shares = [Draw(sources, options(folder, tmp_path), Ranks(rank, 2))[n] for n in range(2) for rank in range(2)]
    assert all(len(share.batch.rainy) == 1 for share in shares)
    assert len({share.batch.rainy.sum().item() for share in shares}) == 4


@pytest.mark.parametrize(
    "names",
    [
        ("town/0/rainy.mp4", "town/0/clean.mp4"),
        ("town/0/rainy", "town/0/clean"),
        ("Rain/000", "GT/000"),
        ("a1_Rain", "a1_GT"),
        ("a1-0_Rain", "a1-0_GT"),
        ("train/input/b.mp4", "train/target/b.mp4"),
        ("lq/b", "gt/b"),
    ],
)
def test_layouts_are_known_by_their_names(tmp_path, names):
    layout(tmp_path, *names)
    layout(tmp_path, "a2_Rain", "unrelated/clip")  # no partners
    assert find_pairs(tmp_path) == [tuple(tmp_path / name for name in names)]
    (pair,) = load_pairs(tmp_path)
    assert pair.rainy.shape == pair.clean.shape


def test_no_pairs_says_what_was_looked_for(tmp_path):
    layout(tmp_path, "clip.mp4")
    with pytest.raises(TrainingError, match="looked for a folder or video named rainy, rain, input, lq beside"):
        load_pairs(tmp_path)


def test_pairs_that_do_not_match_are_named_and_left_out(tmp_path):
    layout(tmp_path, "a_Rain", "a_GT", "b_Rain", "b_GT")
    (tmp_path / "b_GT" / "00002.png").unlink()
    told: list[str] = []
    assert len(load_pairs(tmp_path, on_warning=told.append)) == 1
    assert "b_GT do not match: 3 frames of 160x120 and 2 frames" in told[0]
    shutil.rmtree(tmp_path / "a_GT")
    with pytest.raises(TrainingError, match="no readable"):
        load_pairs(tmp_path)


def test_a_pair_is_cut_at_the_same_place_and_teaches_no_layers(pairs):
    packed = draw_pairs(pairs, 1, 2, size=3, frames=4, crop_px=48)
    batch = packed.part(range(4))
    # Both files of this pair were coded from the same pictures.
    assert (batch.rainy - batch.clean).abs().max() < 1e-6
    assert batch.rainy.std() > 0.05
    model = Rmfd(TINY)
    estimates, _ = run_clip(model, packed, range(4), None)
    silent = ("hazy", "transmission", "airlight", "flow")
    model.zero_grad()
    terms = losses(estimates, batch, LossWeights())
    torch.stack([terms[name] for name in silent]).sum().backward(retain_graph=True)
    assert all(not p.grad.any() for p in model.parameters() if p.grad is not None)
    terms["image"].backward()
    assert any(p.grad.any() for p in model.parameters() if p.grad is not None)


def test_pairs_and_rain_are_mixed_by_share(folder, tmp_path, pairs):
    def simulated(share: float, data: bool = True) -> float:
        sources = Sources(load_clips(folder) if data else [], pairs)
        draw = Draw(sources, options(folder, tmp_path, batch_size=4, clip_frames=2, paired_share=share), Ranks())
        return float(torch.cat([draw[n].batch.veil_known.flatten() for n in range(8)]).float().mean())

    assert simulated(0) == 1
    assert 0.2 < simulated(0.5) < 0.8
    assert simulated(1) == 0
    assert simulated(0.5, data=False) == 0


def test_without_pairs_a_batch_is_what_it_was(folder, tmp_path):
    clips = load_clips(folder)
    batch = Draw(Sources(clips, []), options(folder, tmp_path), Ranks())[3].batch
    assert torch.equal(batch.rainy, draw_batch(clips, 1, 3, size=2, frames=6, crop_px=32).rainy)


def test_stage_2_sees_other_clips_than_stage_1(folder, tmp_path):
    sources = Sources(load_clips(folder))
    one, two = (Draw(sources, options(folder, tmp_path, stage=stage), Ranks())[3].batch for stage in (1, 2))
    assert not torch.equal(one.clean, two.clean)


def test_real_rain_has_its_share_and_leaves_something_to_the_simulator(folder, tmp_path):
    clips = load_clips(folder)

    def real(share: float, size: int) -> list[int]:
        wanted = options(folder, tmp_path, stage=2, batch_size=size, updates_per_clip=1, real_share=share)
        draw = Draw(Sources(clips, real_rain=clips), wanted, Ranks())
        return [int((draw[n].batch.clean_known == 0).sum()) for n in range(12)]

    assert real(0, 2) == [0] * 12
    assert real(1, 2) == [2] * 12
    assert set(real(0.9, 2)) == {1}
    assert set(real(0.25, 2)) == {0, 1}
    assert set(real(0.5, 1)) == {0, 1}


def test_a_batch_without_real_rain_has_every_term(folder, tmp_path):
    clips = load_clips(folder)
    model = Rmfd(TINY)
    names = []
    for share in (0.0, 1.0):
        wanted = options(folder, tmp_path, stage=2, updates_per_clip=1, real_share=share)
        batch = Draw(Sources(clips, real_rain=clips), wanted, Ranks())[0].batch
        terms = losses(run_clip(model, batch, range(3), None)[0], batch.part(range(3)), LossWeights())
        assert all(torch.isfinite(value) for value in terms.values())
        names.append(list(terms))
    assert names[0] == names[1]


def test_clips_grow_in_three_stages(folder, tmp_path):
    growing = options(folder, tmp_path, steps=12, clip_frames_start=2, clip_frames=8)
    assert [update_frames(growing, batch) for batch in range(6)] == [2, 2, 5, 5, 8, 8]
    assert place(growing, 11) == (5, range(8, 16))


@pytest.mark.parametrize(
    ("share", "size", "mean"), [(0.25, 6, 1.5), (0.5, 2, 1.0), (0.75, 4, 3.0), (0.9, 2, 1.0), (0.5, 1, 0.5)]
)
def test_the_share_is_met_in_the_mean_unless_it_would_leave_nothing_to_the_rest(share, size, mean):
    counts = [_share_of(size, share, np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean(counts) == pytest.approx(mean, abs=0.1)
