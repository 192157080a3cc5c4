"""The network's contract: any size, streaming equals the whole clip, state is a value, cuts begin anew."""

import copy

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from rmfd_cli.model import passes
from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.config import ModelConfig
from rmfd_cli.model.image import Image, from_rgb, to_pixels, to_rgb
from rmfd_cli.model.network import AIRLIGHT_RATE, LIGHT_RATE, Rmfd
from rmfd_cli.model.placing import find_weights
from rmfd_cli.model.streaming import restore, restore_from
from rmfd_cli.model.values import State, Window
from rmfd_cli.physics import T_MIN
from rmfd_cli.training.data import clip_flows
from rmfd_cli.training.packed import full_size
from rmfd_cli.types import Ycc
from rmfd_cli.video.ycc import ycc_of_rgb
from tests.model.rainy import rained_on, texture


@pytest.fixture(scope="module")
def model() -> Rmfd:
    torch.manual_seed(0)
    network = Rmfd(ModelConfig()).eval().requires_grad_(False)
    for parameter in network.parameters():
        # Away from where it begins, so that every path carries something.
        parameter.add_(0.02 * torch.randn_like(parameter))
    return network


def clip(frames: int, height: int = 40, width: int = 56, seed: int = 0) -> list[np.ndarray]:
    """A textured scene that moves by one pixel a frame, with a little noise, uint8 `[H, W, 3]`."""
    rng = np.random.default_rng(seed)
    scene = rng.integers(0, 256, (height // 4 + 1, (width + frames) // 4 + 2, 3)).astype(np.uint8)
    scene = scene.repeat(4, 0).repeat(4, 1)
    noise = rng.integers(0, 12, (frames, height, width, 3)).astype(np.uint8)
    return [np.minimum(scene[:height, t : t + width], 240) + noise[t] for t in range(frames)]


def windows(frames: list[np.ndarray]) -> list[Window]:
    rainy = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255
    size = (rainy.shape[-2], rainy.shape[-1])
    back, ahead = (full_size(flows, size) for flows in clip_flows(rainy))
    last = len(frames) - 1
    images = [from_rgb(frame[None]) for frame in rainy]
    return [
        Window(*(images[min(max(k, 0), last)] for k in (t - 1, t, t + 1)), back[t][None], ahead[t][None])
        for t in range(len(frames))
    ]


def changes(model: Rmfd, frames: list[np.ndarray], **arguments) -> list[Ycc]:
    return list(restore((ycc_of_rgb(frame) for frame in frames), model, torch.device("cpu"), **arguments))


def equal(one: tuple, other: tuple) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def run(model: Rmfd, steps: list[Window], state: State | None) -> tuple[list[Image], State | None]:
    images = []
    for window in steps:
        restored, state = model.step(window, state)
        images.append(restored.image)
    return images, state


@pytest.mark.parametrize("split", [1, 2, 5, 6])
def test_streaming_in_parts_equals_the_whole_clip(model, split):
    steps = windows(clip(7))
    whole, _ = run(model, steps, model.initial_state())
    first, state = run(model, steps[:split], model.initial_state())
    rest, _ = run(model, steps[split:], state)
    for a, b in zip(whole, first + rest, strict=True):
        assert equal(a, b)


def test_two_videos_can_share_a_model(model):
    one, two = windows(clip(4, seed=1)), windows(clip(4, seed=2))
    alone, _ = run(model, one, model.initial_state())
    states = [model.initial_state(), model.initial_state()]
    for t in range(4):
        interleaved, states[0] = model.step(one[t], states[0])
        _, states[1] = model.step(two[t], states[1])
        assert equal(interleaved.image, alone[t])


def test_state_matters(model):
    steps = windows(clip(3))
    carried, _ = run(model, steps, model.initial_state())
    fresh, _ = model.step(steps[2], model.initial_state())
    assert not torch.allclose(carried[2].luma, fresh.image.luma, atol=1e-4)


def test_the_hidden_state_says_nothing_of_the_veil(model):
    steps = windows(clip(3))
    _, state = run(model, steps[:2], model.initial_state())
    one, other = (model.step(steps[2], state._replace(hidden=share * state.hidden))[0] for share in (1, -1))
    assert torch.equal(one.veil, other.veil)
    assert not torch.equal(one.hazy.luma, other.hazy.luma)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 31), (33, 16), (48, 50), (63, 64)])
def test_any_size_from_16_comes_back_as_it_went_in(model, height, width):
    steps = windows(clip(2, height, width))
    images, _ = run(model, steps, model.initial_state())
    assert all(image.luma.shape == (1, 1, height, width) for image in images)
    assert all(image.chroma.shape == (1, 2, -(-height // 2), -(-width // 2)) for image in images)
    assert all(torch.isfinite(plane).all() for image in images for plane in image)


def test_changes_come_one_per_frame_and_equal_the_steps_but_at_the_ends(model):
    frames = clip(5)
    found = changes(model, frames)
    stepped, _ = run(model, windows(frames), model.initial_state())
    assert len(found) == 5
    for change, frame, image in list(zip(found, frames, stepped, strict=True))[1:-1]:
        before = ycc_of_rgb(frame)
        assert change.luma.dtype == change.chroma.dtype == np.float32
        np.testing.assert_allclose(change.luma, image.luma[0, 0].clamp(0, 1).numpy() - before.luma, atol=1e-4)
        np.testing.assert_allclose(change.chroma, image.chroma[0].clamp(-0.5, 0.5).numpy() - before.chroma, atol=1e-4)


def test_sixteen_bit_frames_are_restored_like_eight_bit_ones(model):
    frames = clip(3)
    narrow, wide = changes(model, frames), changes(model, [frame.astype(np.uint16) * 257 for frame in frames])
    for a, b in zip(narrow, wide, strict=True):
        np.testing.assert_allclose(a.luma, b.luma, atol=0.02)


def test_a_scene_cut_begins_anew(model):
    dark = [frame // 8 for frame in clip(4, seed=3)]
    bright = [255 - frame // 8 for frame in clip(4, seed=4)]
    alone = [*changes(model, dark), *changes(model, bright)]
    assert all(equal(a, b) for a, b in zip(changes(model, dark + bright), alone, strict=True))


def test_a_scene_that_begins_knows_nothing_of_the_motion_before_the_cut(model):
    panned = np.random.default_rng(6).integers(0, 60, (20, 40, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    dark = [np.ascontiguousarray(panned[:64, 6 * t : 6 * t + 80]) for t in range(4)]
    bright = [255 - frame // 8 for frame in clip(4, 64, 80, seed=4)]
    device = torch.device("cpu")
    memory = [left for _, left in restore_from(None, map(ycc_of_rgb, dark), model, device)][1]
    assert np.median(np.abs(memory.past.onwards[..., 0])) > 2
    after = [change for change, _ in restore_from(memory, map(ycc_of_rgb, bright), model, device)]
    assert all(equal(a, b) for a, b in zip(after, changes(model, bright), strict=True))


def test_bfloat16_convolutions_change_next_to_nothing(model):
    frames = clip(6)
    exact, rounded = (
        np.stack([change.luma for change in changes(network, frames)]) for network in (model, copy.deepcopy(model).bfloat16())
    )
    assert np.abs(rounded - exact).mean() < 0.01 * np.abs(exact).mean() + 1e-4


def test_each_stage_counts_its_time(model):
    spent: dict[str, float] = {}
    assert len(changes(model, clip(3), spent=spent)) == 3
    assert spent.keys() == {"align", "stage 1", "stage 2"}
    assert all(seconds > 0 for seconds in spent.values())


def test_an_empty_stream_gives_nothing(model):
    assert list(restore(iter(()), model, torch.device("cpu"))) == []


def test_small_costs_at_most_two_gmac_per_vga_frame(model):
    frame, flow = from_rgb(torch.zeros(1, 3, 480, 640)), torch.zeros(1, 480, 640, 2)
    with FlopCounterMode(display=False) as counter:
        model.step(Window(frame, frame, frame, flow, flow), model.initial_state())
    assert 1e9 < counter.get_total_flops() / 2 < 2e9


def test_transmission_stays_in_range_and_is_never_stuck_there(model):
    """Far outside its range, too, a gradient says where to go: clear air is at one end of it."""
    wild = copy.deepcopy(model).requires_grad_(True)
    window = windows(clip(3))[1]
    for bias, end in ((30.0, T_MIN), (-30.0, 1.0)):
        torch.nn.init.constant_(wild.recovery.veil.maps.bias, bias)
        restored, _ = wild.step(window, wild.initial_state())
        assert restored.veil[:, 0].detach().allclose(torch.tensor(end), atol=1e-4)
        (gradient,) = torch.autograd.grad(restored.veil[:, 0].mean(), wild.recovery.veil.maps.bias)
        assert gradient[0] < -0.5


def test_a_memory_that_no_frame_bears_out_is_bounded(model):
    """Whatever the state claims of the past, it stays near what the window shows."""
    window = windows(clip(3))[1]
    registered = model.register(window)
    _, state = model.recover(registered, None)
    one, other = (
        model.recover(registered, state._replace(hazy_luma=state.hazy_luma - far, hazy_chroma=state.hazy_chroma - far))[0].hazy
        for far in (2.0, 5.0)
    )
    assert equal(one, other)


def test_thousands_of_steps_do_not_drift(model):
    """With frames of noise the feedback of restored frames is as strong as it gets."""
    steps = windows(clip(8))
    state = model.initial_state()
    early, late = [], []
    for t in range(400):
        restored, state = model.step(steps[2 + t % 4], state)
        (early if t < 40 else late).append(restored.image.luma.abs().mean().item())
    assert max(late[-40:]) < 1.5 * max(early) + 0.1


def test_a_hidden_state_is_as_strong_after_a_hundred_frames_as_after_twenty_five():
    scene = texture(96, 120)
    forward = [rained_on(scene[k % 8 : k % 8 + 80, :112], k) for k in range(14)]
    frames = [(255 * luma).astype(np.uint8)[..., None].repeat(3, 2) for luma in [*forward, *forward[-2:0:-1]]]
    network, state, strength = load_model(find_weights("small")), None, []
    with torch.inference_mode():
        for window in windows(frames * 5):
            _, state = network.step(window, state)
            strength.append(state.hidden.abs().mean().item())
    assert np.mean(strength[104:]) == pytest.approx(np.mean(strength[26:52]), rel=0.03)


def test_what_has_learnt_nothing_is_a_filter_already():
    torch.manual_seed(3)
    network = Rmfd(ModelConfig()).eval().requires_grad_(False)
    clean = torch.full((1, 3, 48, 64), 0.4)
    clean[..., 24:, :] = 0.6
    rainy = clean.clone()
    rainy[..., 4:44, 13] += 0.2
    still = torch.zeros(1, 48, 64, 2)
    window = Window(from_rgb(clean), from_rgb(rainy), from_rgb(clean), still, still)
    restored, state = network.step(window, network.initial_state())
    streak = (rainy - clean).amax(1, keepdim=True) > 0
    error = (to_rgb(restored.hazy) - clean).abs().amax(1, keepdim=True)
    # On the first frame the last estimate has nothing to fill from, so that half of the light goes.
    assert error[streak].mean() < 0.6 * 0.2
    assert error[~streak].max() < 0.02
    luma, chroma = from_rgb(clean)
    again, _ = network.step(window, state._replace(hazy_luma=luma, hazy_chroma=chroma))
    assert (to_rgb(again.hazy) - clean).abs().amax(1, keepdim=True)[streak].mean() < 0.1 * 0.2


def test_the_evidence_shows_how_the_median_departs():
    frame, previous, following = Image(torch.rand(1, 1, 8, 8), torch.zeros(1, 2, 4, 4)), *(torch.randn(2, 1, 1, 8, 8))
    evidence = passes.evidence(frame, previous, following, Rmfd(ModelConfig()).recovery.squeeze)
    middle = torch.stack([previous, following, torch.zeros_like(previous)]).median(0)[0]
    assert torch.equal(to_pixels(evidence[:, :64], 4), torch.cat([frame.luma, middle, previous, following], 1))


def test_light_and_airlight_follow_a_jump_of_the_brightness_at_their_own_rates(model):
    dark, bright = windows([frame // 4 for frame in clip(3)])[1], windows([128 + frame // 4 for frame in clip(3)])[1]
    _, before = model.step(dark, None)
    cleared = model.clear(model.register(bright), before)
    _, fresh = model.judge(cleared, None)
    assert (fresh.light - before.light).abs().max() > 0.4
    for age, light_rate, airlight_rate in ((1, 0.5, 1.0), (2, 1 / 3, 0.5), (60, LIGHT_RATE, AIRLIGHT_RATE)):
        _, after = model.judge(cleared, before._replace(age=torch.full_like(before.age, age)))
        torch.testing.assert_close(after.light, torch.lerp(before.light, fresh.light, light_rate))
        _, seen = model.recovery.veil(cleared.deep, cleared.cells, after.light)
        assert (seen - before.airlight).abs().min() > 0.3
        torch.testing.assert_close(after.airlight, torch.lerp(before.airlight, seen, airlight_rate))


def test_the_light_of_a_young_scene_is_the_mean_of_all_its_frames(model):
    frames, state, seen = windows(clip(5)), None, []
    for window in frames:
        cleared = model.clear(model.register(window), state)
        seen.append(model.judge(cleared, None)[1].light)
        _, state = model.judge(cleared, state)
    torch.testing.assert_close(state.light, torch.stack(seen).mean(0))
    assert state.age.item() == len(frames)


ALL = torch.ones(1, 1, 2, 2)
"""Nothing of 16×16 pixels is spared."""


def departing(bright: dict[tuple[int, int], float]) -> Image:
    """How a neighbour of 16×16 pixels departs from a frame in which some pixels outshine it."""
    luma = torch.zeros(1, 1, 16, 16)
    for (y, x), light in bright.items():
        luma[0, 0, y, x] = -light
    return Image(luma, torch.zeros(1, 2, 8, 8))


@pytest.mark.parametrize("trusted", ["everywhere", "in one block"])
def test_a_pixel_alone_that_outshines_its_witnesses_is_filled_from_them(trusted):
    maps, witnesses = torch.zeros(1, passes.FOUND, 4, 4), torch.zeros(2, len(passes.WITNESSES))
    maps[:, passes.LUMA : 2 * passes.LUMA] = -8.0
    brightest = passes.WITNESSES.index("brightest")
    if trusted == "everywhere":
        witnesses[1, brightest] = -160.0 / passes.WITNESS_GAIN
    else:
        maps[0, passes.LUMA * len(passes.MAPS) + passes.CHROMA + brightest, 1, 2] = -160.0 / passes.TRUST_GAIN
    # Both lie in the second row of blocks, in the third and in the fourth column.
    shown, frame = departing({(5, 9): 0.1, (6, 13): 0.1}), Image(torch.full((1, 1, 16, 16), 0.6), torch.zeros(1, 2, 8, 8))
    hazy, _ = passes.take_off(torch.nn.Identity(), witnesses, maps, shown.luma, shown, shown, frame, None, ALL)
    assert hazy.luma[0, 0, 5, 9] == pytest.approx(0.5, abs=1e-3)
    assert hazy.luma[0, 0, 6, 13] == pytest.approx(0.5 if trusted == "everywhere" else 0.6, abs=1e-3)
    hazy.luma[0, 0, [5, 6], [9, 13]] = 0.6
    torch.testing.assert_close(hazy.luma, frame.luma)
    # A neighbour that is as bright does not bear witness to a drop.
    still, _ = passes.take_off(torch.nn.Identity(), witnesses, maps, 0 * shown.luma, shown, shown, frame, None, ALL)
    torch.testing.assert_close(still.luma, frame.luma, atol=1e-3, rtol=0)


def test_the_darker_of_two_sources_can_be_preferred_pixel_by_pixel():
    maps, witnesses = torch.zeros(1, passes.FOUND, 4, 4), torch.zeros(2, len(passes.WITNESSES))
    maps[:, passes.LUMA : 2 * passes.LUMA] = 8.0
    for name, weight in (("following", -400.0), ("memory", 400.0)):
        witnesses[0, passes.WITNESSES.index(name)] = weight / passes.WITNESS_GAIN
    following, last = departing({(5, 9): 0.1}), departing({(6, 9): 0.1})
    frame = Image(torch.full((1, 1, 16, 16), 0.6), torch.zeros(1, 2, 8, 8))
    hazy, _ = passes.take_off(torch.nn.Identity(), witnesses, maps, following.luma, last, following, frame, None, ALL)
    assert hazy.luma[0, 0, 5:7, 9].tolist() == pytest.approx([0.5, 0.5], abs=1e-3)
