"""What is done in C is what torch's operations do, and where it is not there, they do it."""

import shutil
from functools import partial

import numpy as np
import pytest
import torch

from rmfd_cli import compiled
from rmfd_cli.model import calls, native_convolve, native_flow, passes
from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.flow import _steadied, _without_rain, enlarge_flow, follow
from rmfd_cli.model.image import Image
from rmfd_cli.model.int8 import Int8Conv
from rmfd_cli.model.layers import ConvGru, Rectified, Residual
from rmfd_cli.model.placing import find_weights, placed
from rmfd_cli.model.streaming import restore
from rmfd_cli.model.veil import cells_of_frame
from rmfd_cli.video.ycc import ycc_of_rgb
from tests.model.rainy import rained_on, texture

pytestmark = pytest.mark.skipif(not compiled.is_there() and not shutil.which("cc"), reason="there is no compiler")

CPU = torch.device("cpu")
SIZES = [(16, 16), (24, 72), (64, 40)]


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(7)


def picture(rng, height, width, low=0.0, high=1.0):
    luma, chroma = torch.rand(1, 1, height, width, generator=rng), torch.rand(1, 2, height // 2, width // 2, generator=rng)
    return Image(low + (high - low) * luma, 0.4 * chroma - 0.2)


def departures(rng, height, width):
    return picture(rng, height, width, low=-0.3, high=0.3)


def piece_of_larger(rng, height, width):
    """Whose rows are parts of longer ones; nothing around it is a number."""
    luma, chroma = picture(rng, height + 16, width + 24)
    for plane, edge in ((luma, 8), (chroma, 4)):
        inside = plane[..., edge : edge + height * edge // 8, 2 * edge : 2 * edge + width * edge // 8].clone()
        plane.fill_(torch.nan)
        plane[..., edge : edge + height * edge // 8, 2 * edge : 2 * edge + width * edge // 8] = inside
    return Image(luma[..., 8 : 8 + height, 16 : 16 + width], chroma[..., 4 : 4 + height // 2, 8 : 8 + width // 2])


def flow(rng, height, width, px=3.0):
    return px * torch.randn(1, height, width, 2, generator=rng)


def cells(rng, channels, height, width):
    return torch.rand(1, channels, height // 8, width // 8, generator=rng)


def maps(rng, channels, height, width):
    """As a convolution leaves them."""
    found = 3 * torch.randn(1, channels, height // 4, width // 4, generator=rng)
    return found.contiguous(memory_format=torch.channels_last)


def integers(channels, low=-0.2, high=0.7, out=8):
    return Int8Conv(torch.nn.Conv2d(channels, out, 1), low, high)


def seen(rng, channels, height, width, batch=1):
    """As a convolution sees maps, of these sides."""
    found = torch.randint(0, 256, (batch, channels, height, width), generator=rng, dtype=torch.uint8)
    return found.contiguous(memory_format=torch.channels_last)


def assert_same(function, *arguments, atol=1e-6, rtol=1e-6):
    """In C as by torch's operations; what is rounded may differ by a step where it lies between two."""
    assert calls.suits(torch.zeros(1, 1, 8, 8)), "the library was not compiled"
    with torch.inference_mode():
        found = list(flat(function(*arguments)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(compiled, "is_there", lambda: False)
            wanted = list(flat(function(*arguments)))
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        if other.dtype == torch.uint8:
            difference = (one.int() - other.int()).abs()
            assert one.shape == other.shape
            assert difference.max() <= 1
            assert difference.float().mean() < 0.001
        else:
            torch.testing.assert_close(one, other, atol=atol, rtol=rtol)
            assert one.isfinite().all()


def flat(values):
    for value in values if isinstance(values, tuple) else [values]:
        if value is None:
            continue
        if isinstance(value, tuple):
            yield from flat(value)
        else:
            yield value


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("px", [0.0, 0.6, 30.0])
def test_neighbours_are_brought_into_register(size, px, rng):
    previous, following = piece_of_larger(rng, size[0] + 8, size[1] + 16), piece_of_larger(rng, size[0], size[1] + 8)
    flows = flow(rng, *size, px), flow(rng, *size, px)
    assert_same(passes.register, picture(rng, *size), previous.luma, following, *flows, integers(72))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("px", [0.6, 30.0])
def test_the_memory_is_recalled(size, px, rng):
    hazy, following = piece_of_larger(rng, size[0] + 8, size[1]), departures(rng, *size)
    previous = departures(rng, *size).luma
    assert_same(passes.recall, hazy, flow(rng, *size, px), picture(rng, *size), previous, following, integers(16, -0.1, 0.2))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("settles", [True, False])
def test_rain_is_taken_off(size, settles, rng):
    settling, sparing = cells(rng, 2, *size) if settles else None, cells(rng, 1, *size)
    previous, witnesses = departures(rng, *size).luma, 0.05 * torch.randn(2, 6, generator=rng)
    pictures = previous, departures(rng, *size), departures(rng, *size), piece_of_larger(rng, *size)
    given = witnesses, seen(rng, 32, size[0] // 4, size[1] // 4)
    assert_same(passes.take_off, integers(32, -3.0, 5.0, out=62), *given, *pictures, settling, sparing, atol=2e-6)
    assert_same(passes.take_off, integers(32, -80.0, 90.0, out=62), *given, *pictures, settling, sparing, atol=2e-5, rtol=1e-4)
    # By a convolution that is not in integers, all maps are there before.
    assert_same(passes.take_off, torch.nn.Identity(), witnesses, maps(rng, 62, *size), *pictures, settling, sparing, atol=2e-6)


@pytest.mark.parametrize("size", SIZES)
def test_the_veil_is_lifted(size, rng):
    veil = cells(rng, 4, *size) * 2 - 0.5
    assert_same(passes.lift, piece_of_larger(rng, *size), veil, integers(24))


@pytest.mark.parametrize("size", SIZES)
def test_the_estimate_is_corrected(size, rng):
    coarse = picture(rng, *size)
    before = coarse.luma.clone()
    sparing, given = cells(rng, 1, *size), seen(rng, 32, size[0] // 4, size[1] // 4)
    assert_same(passes.correct, coarse, integers(32, -1.0, 1.0, out=24), given, sparing, atol=2e-6)
    assert_same(passes.correct, coarse, torch.nn.Identity(), maps(rng, 24, *size), sparing)
    assert torch.equal(coarse.luma, before)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_left_of_it_can_be_shown(size, rng):
    after, before = picture(rng, *size, low=-0.5, high=1.5), piece_of_larger(rng, *size)
    after = Image(after.luma, 4 * after.chroma)

    def change():
        target = piece_of_larger(rng, *size)
        passes.leave_change(Image(*(x.clone() for x in after)), before, target)
        return tuple(target)

    assert_same(change)
    luma, chroma = change()
    assert (before.luma + luma).min() >= 0
    assert (before.luma + luma).max() <= 1
    assert (before.chroma + chroma).abs().max() <= 0.5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("tint", [-0.2, 0.0, 0.2], ids=["red or blue is darkest", "any", "green is darkest"])
def test_cells_are_looked_at(size, tint, rng):
    luma, chroma = piece_of_larger(rng, *size)
    assert_same(cells_of_frame, Image(luma, chroma + tint))


@pytest.mark.parametrize("kind", [torch.nn.Conv2d, Rectified])
@pytest.mark.parametrize(
    "shape",
    [
        {"kernel_size": 1, "bias": False},
        {"kernel_size": 1, "padding": 1},
        {"kernel_size": 2, "stride": 2},
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 3, "stride": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("size", [(3, 3), (6, 10), (12, 44)])
@pytest.mark.parametrize("channels", [(4, 1), (8, 16), (20, 24), (24, 56), (16, 80)])
def test_a_convolution_is_the_same(kind, shape, size, channels, rng):
    conv = Int8Conv(kind(*channels, **shape), -1.0, 2.0)
    assert_same(passes.convolved, conv, seen(rng, channels[0], *size), atol=1e-5)


@pytest.mark.parametrize("columns", [1, 4, 5, 6, 7, 9, 10, 11, 40])
@pytest.mark.parametrize("channels", [1, 16, 24, 56, 80])
def test_all_processors_find_the_same_to_the_bit(columns, channels, rng):
    weights = torch.randint(-63, 64, (channels, 20, 3, 3), generator=rng, dtype=torch.int8)
    given = weights, torch.rand(channels, generator=rng), torch.rand(channels, generator=rng), 9, 1, 1, 1, True
    kernels = [native_convolve.Kernel(*given, which=which) for which in native_convolve.instructions()]
    what = seen(rng, 20, 7, columns), native_convolve.Maps(), None, [calls.Steps(0.002, 90, 1)], False, False, True
    wanted = torch.nn.functional.conv2d(what[0].float() - 9, weights.float(), padding=1) * given[1][:, None, None]
    for kernel in kernels:
        found, rounded = native_convolve.convolve(kernel, *what)
        first, first_rounded = native_convolve.convolve(kernels[0], *what)
        torch.testing.assert_close(found, (wanted + given[2][:, None, None]).relu())
        assert torch.equal(found, first)
        assert torch.equal(rounded[0], first_rounded[0])


def test_the_largest_sums_fit(rng):
    conv = torch.nn.Conv2d(256, 16, 3)
    for sign in (1, -1):
        conv.weight.data.fill_(sign)
        assert_same(passes.convolved, Int8Conv(conv, 0.0, 2.0), torch.full_like(seen(rng, 256, 4, 16), 255), rtol=1e-6)


@pytest.mark.parametrize("takers", [[], [integers(24)], [integers(24), integers(24, -0.1, 3.0)]], ids=["none", "one", "two"])
@pytest.mark.parametrize(("rectified", "enlarged"), [(False, False), (True, False), (False, True)])
@pytest.mark.parametrize("beside", [None, "in integers", "in float32"])
@pytest.mark.parametrize("more", [True, False])
@pytest.mark.parametrize("keep", [True, False])
def test_what_comes_out_is_added_up_and_rounded(takers, rectified, enlarged, beside, more, keep, rng):
    conv, other = (integers(*x, out=24) for x in ((40, -1.0, 2.0), (16, -2.0, 1.0)))
    given = {"rectified": rectified, "enlarged": enlarged, "keep": keep}
    if beside == "in integers":
        given["beside"] = other, seen(rng, 16, 10, 14)
    elif beside:
        given["beside"] = torch.nn.Identity(), maps(rng, 24, 40, 56)
    if more:
        given["more"] = integers(24, -1.0, 3.0), seen(rng, 24, 20 if enlarged else 10, 28 if enlarged else 14)
    found = partial(passes.convolve, conv, seen(rng, 40, 10, 14), takers, **given)
    assert_same(found, atol=1e-5)


def test_what_is_rectified_is_so_before_it_is_added_up(rng):
    conv = Int8Conv(Rectified(8, 24, 1), -1.0, 2.0)
    beside, more = (integers(16, out=24), seen(rng, 16, 6, 10)), (integers(24), seen(rng, 24, 6, 10))
    for given in ({"beside": beside}, {"more": more}, {"beside": beside, "more": more}):
        assert_same(partial(passes.convolve, conv, seen(rng, 8, 6, 10), [integers(24)], keep=True, **given), atol=1e-5)


@pytest.mark.parametrize(
    "conv",
    [
        torch.nn.Conv2d(6, 24, 1),
        torch.nn.Conv2d(8, 24, (1, 3), padding=(0, 1)),
        torch.nn.Conv2d(8, 24, 5, padding=2),
        torch.nn.Conv2d(8, 24, 3, padding=(1, 2), dilation=(1, 2)),
    ],
    ids=["channels", "sides", "side", "dilations"],
)
def test_other_convolutions_are_left_to_torch(conv, rng):
    layer = Int8Conv(conv, -1.0, 2.0)
    assert layer.compiled is None
    assert_same(passes.convolved, layer, seen(rng, conv.in_channels, 6, 10))


@pytest.mark.parametrize(
    "shape", [{"kernel_size": 3, "padding": 1}, {"kernel_size": 1, "stride": 2}, {"kernel_size": 1, "padding": 1}]
)
@pytest.mark.parametrize("kind", [torch.nn.Conv2d, Rectified])
def test_what_is_beside_may_be_any_convolution(shape, kind, rng):
    other = Int8Conv(kind(16, 24, **shape), -1.0, 2.0)
    conv, there = integers(8, out=24), seen(rng, 16, 12, 20)
    size = other(there).shape[2:]
    assert_same(partial(passes.convolve, conv, seen(rng, 8, *size), beside=(other, there), keep=True), atol=1e-5)


def test_what_cannot_be_done_in_c_is_done_all_the_same(rng):
    """Several pictures, three takers, numbers that are not rounded, and what is added as a convolution in float32 sees it."""
    conv, three = integers(8, out=24), [integers(24)] * 3
    assert_same(passes.convolve, conv, seen(rng, 8, 6, 10, batch=2), [integers(24)])
    assert_same(passes.convolve, conv, seen(rng, 8, 6, 10), three)
    assert_same(passes.convolved, conv, maps(rng, 8, 24, 40))
    assert_same(
        partial(passes.convolve, conv, seen(rng, 8, 6, 10), more=(torch.nn.Conv2d(24, 8, 1), maps(rng, 24, 24, 40)), keep=True)
    )


def test_maps_go_through_blocks(rng):
    blocks = [Residual(24), Residual(24, dilation=2)]
    for block in blocks:
        block.conv = Int8Conv(block.conv, 0.0, 6.0)
    # A step more or less of one block goes into the next.
    assert_same(partial(passes.through, blocks, seen(rng, 24, 10, 14), [integers(24, 0.0, 9.0)], keep=True), atol=0.05)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("px", [0.0, 0.7, 40.0])
def test_the_hidden_state_is_renewed(layout, px, rng):
    gru = ConvGru(8)
    gru.gates, gru.candidate = (Int8Conv(conv, -1.0, 4.0) for conv in (gru.gates, gru.candidate))
    deep, taker = maps(rng, 20, 24, 32), integers(20, -1.0, 4.0)
    hidden = torch.full((1, 8, 9, 11), torch.nan).contiguous(memory_format=layout)[..., 1:8, 2:10]
    hidden[:] = torch.rand(1, 8, 7, 8, generator=rng) * 2 - 1
    found = passes.recur, gru, deep
    kept = torch.rand(1, 1, 6, 8, generator=rng)
    assert_same(*found, hidden, kept, flow(rng, 6, 8, px), taker, atol=0.02)
    assert_same(*found, None, kept, flow(rng, 6, 8, px), taker, atol=0.02)


def test_a_flow_that_is_no_number_leads_into_the_picture(rng):
    nowhere, still = torch.full((1, 16, 16, 2), torch.nan), torch.zeros(1, 16, 16, 2)
    frame, previous = picture(rng, 16, 16), picture(rng, 16, 16)
    with torch.inference_mode():
        departed, *_ = passes.register(frame, previous.luma, previous, nowhere, still, integers(72))
    torch.testing.assert_close(departed, previous.luma[..., :1, :1] - frame.luma)
    endless = still + torch.tensor([torch.inf, -torch.inf])
    with torch.inference_mode():
        departed, *_ = passes.register(frame, previous.luma, previous, endless, still, integers(72))
    torch.testing.assert_close(departed, previous.luma[..., :1, -1:] - frame.luma)


def test_a_hidden_state_that_moved_nowhere_is_that_of_the_first_place(rng):
    hidden, nowhere = torch.rand(1, 8, 3, 4, generator=rng), torch.full((1, 3, 4, 2), torch.nan)
    gru = ConvGru(8)
    gru.gates, gru.candidate = (Int8Conv(conv, -1.0, 4.0) for conv in (gru.gates, gru.candidate))
    deep, taker = maps(rng, 20, 12, 16), integers(20, -1.0, 4.0)
    with torch.inference_mode():
        found, wanted = (
            passes.recur(gru, deep, state, torch.ones(1, 1, 3, 4), flow, taker)[0]
            for state, flow in ((hidden, nowhere), (hidden[..., :1, :1].expand(1, 8, 3, 4), 0 * nowhere.nan_to_num()))
        )
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("change", ["every other column", "expanded", "transposed"])
def test_pictures_may_lie_in_memory_as_they_will(change, rng):
    wide = picture(rng, 32, 64)
    ways = {
        "every other column": lambda x: x[..., ::2],
        "transposed": lambda x: x[..., : x.shape[2]].transpose(2, 3),
        "expanded": lambda x: x[..., :1].expand(*x.shape[:3], x.shape[3] // 2),
    }
    other = Image(*map(ways[change], wide))
    flows = flow(rng, 32, 32), flow(rng, 32, 32)
    assert_same(passes.register, other, other.luma, other, *flows, integers(72))
    assert_same(passes.recall, other, flows[0], other, other.luma, other, integers(16))
    found = torch.zeros(2, 6), maps(rng, 62, 32, 32)
    assert_same(passes.take_off, torch.nn.Identity(), *found, other.luma, other, other, other, None, cells(rng, 1, 32, 32))
    assert_same(passes.lift, other, cells(rng, 4, 32, 32), integers(24))
    assert_same(passes.correct, other, torch.nn.Identity(), maps(rng, 24, 32, 32), cells(rng, 1, 32, 32))


def test_numbers_of_another_precision_are_refused(rng):
    frame, flows = picture(rng, 16, 16), (flow(rng, 16, 16).double(), flow(rng, 16, 16).double())
    with pytest.raises(TypeError, match="float64"):
        passes.register(frame, frame.luma, frame, *flows, integers(72))


def test_gradients_of_colour_alone_are_not_lost(rng):
    frame = picture(rng, 16, 16)
    frame.chroma.requires_grad_()
    assert cells_of_frame(frame).requires_grad
    corrected = passes.correct(frame, torch.nn.Identity(), maps(rng, 24, 16, 16), cells(rng, 1, 16, 16))
    assert corrected.chroma.requires_grad


def test_a_video_comes_out_the_same_without_the_library(monkeypatch):
    rainy = [rained_on(np.roll(texture(70, 90), t, 1), seed=t) for t in range(5)]
    clip = [ycc_of_rgb(np.repeat(frame[..., None], 3, -1)) for frame in rainy]
    model = placed(load_model(find_weights("small")), CPU, torch.int8)
    found = list(restore(clip, model, CPU))
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    for one, other in zip(found, restore(clip, model, CPU), strict=True):
        # What is rounded another way, and flows of OpenCV's, which knows 32 places in a pixel, come out a little different.
        assert np.quantile(np.abs(one.luma - other.luma), 0.99) < 2 / 255
        assert np.abs(one.luma - other.luma).mean() < 0.2 / 255


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(2, 1, 8, 8),
        torch.zeros(1, 1, 8, 8, dtype=torch.float64),
        torch.zeros(1, 1, 8, 8, requires_grad=True),
        torch.zeros(1, 1, 8, 8, device="meta"),
    ],
    ids=["a batch", "another precision", "gradients", "another device"],
)
def test_it_is_not_for(x):
    assert not calls.suits(x)


def lumas(moved_px, height=61, width=84):
    """Two pictures, the one of a camera that moved, with rain on both."""
    scene = texture(height + 20, width + 20)
    pictures = (scene[:height, :width], scene[moved_px : moved_px + height, 2 * moved_px : 2 * moved_px + width])
    return [(255 * rained_on(picture, seed)).astype(np.uint8) for seed, picture in enumerate(pictures)]


def arrays(*shape, px=2.0):
    return np.random.default_rng(5).normal(0, px, shape).astype(np.float32)


@pytest.mark.parametrize(
    "image",
    [lumas(0)[0], np.asfortranarray(lumas(0)[0]), arrays(61, 84, 2), lumas(0)[0][:2, :2]],
    ids=["bytes", "columns together", "pairs", "the smallest"],
)
def test_a_flow_is_followed(image, monkeypatch):
    flow = arrays(30, 41, 2)
    found = follow(image, flow)
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    # OpenCV looks up pairs at the nearest of 32 places between two of theirs.
    np.testing.assert_allclose(found, follow(image, flow), atol=0 if image.ndim == 2 else 0.2)


def test_bytes_between_two_are_rounded_to_the_even_one(monkeypatch):
    image = np.tile(np.arange(0, 84, dtype=np.uint8), (8, 1))
    half = np.full((8, 83, 2), (0.5, 0), np.float32)
    found = follow(image, half)
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    assert np.array_equal(found, follow(image, half))


@pytest.mark.parametrize(
    ("size", "corner", "target"), [((80, 106), (0, 0), (0, 0)), ((33, 61), (0, 0), (0, 0)), ((33, 61), (16, 8), (8, -16))]
)
def test_a_flow_is_enlarged(size, corner, target, monkeypatch):
    flow = arrays(40, 53, 2)
    found = enlarge_flow(flow, size, corner, target)
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    np.testing.assert_allclose(found, enlarge_flow(flow, size, corner, target), atol=1e-5)


@pytest.mark.parametrize("moved_px", [0, 1, 4])
def test_motions_are_chosen(moved_px, monkeypatch):
    current, neighbour = lumas(moved_px)
    guess = np.float32([-2 * moved_px, -moved_px]) + arrays(61, 84, 2, px=0.3)
    found = _steadied(guess, current, neighbour), _without_rain(current, neighbour, 0.3 * guess + 0.5)
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    np.testing.assert_allclose(found[0], _steadied(guess, current, neighbour), atol=1e-5)
    assert np.array_equal(found[1], _without_rain(current, neighbour, 0.3 * guess + 0.5))
    assert np.abs(found[0] - guess).max() > 0.1
    assert not np.array_equal(found[1], current)


def test_a_caption_rests_where_the_picture_moves_as_by_the_other_way(monkeypatch):
    scene = (255 * texture(81, 104)).astype(np.uint8)[:61, :84]
    neighbour = scene.copy()
    neighbour[1:60, 2:34] = scene[:59, :32]
    guess = np.float32([2, 1]) + arrays(61, 84, 2, px=0.3)
    found = _steadied(guess, scene, neighbour)
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    np.testing.assert_allclose(found, _steadied(guess, scene, neighbour), atol=1e-5)


def test_where_rest_explains_as_much_as_the_camera_it_rests(monkeypatch):
    guess = np.zeros((61, 84, 2), np.float32)
    guess[20:30, 30:40] = arrays(10, 10, 2)
    found = _steadied(guess, *lumas(1))
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    np.testing.assert_allclose(found, _steadied(guess, *lumas(1)), atol=1e-5)


@pytest.mark.parametrize("towards", [(1, 2), (-3, 1), (1, -4)])
def test_what_moves_fast_is_left_as_it_is(towards, monkeypatch):
    flow = arrays(61, 84, 2, px=3.0) + np.float32(towards)
    found = _without_rain(*lumas(1), flow)
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    assert np.array_equal(found, _without_rain(*lumas(1), flow))


def test_pictures_of_several_sizes_are_refused():
    current, neighbour = lumas(1)
    with pytest.raises(ValueError, match=r"\(61, 84\) and \(30, 84\)"):
        _steadied(arrays(61, 84, 2), current, neighbour[:30])
    with pytest.raises(ValueError, match=r"a flow of \(30, 84, 2\)"):
        _without_rain(current, neighbour, arrays(30, 84, 2))


def test_a_single_row_has_a_border_too():
    brighter, darker = (np.full((1, 50), value, np.uint8) for value in (9, 5))
    assert (native_flow.darker(brighter, darker, arrays(1, 50, 2, px=0), 1.5, 4.0) == 5).all()
