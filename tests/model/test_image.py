"""Luma and chroma as tensors, and the fast ways on a CPU against torch's own."""

import pytest
import torch
from torch.nn import functional as F

from rmfd_cli.model.image import darkest, darkest_of, enlarge, from_rgb, halve, join, split, to_blocks, to_pixels, to_rgb
from rmfd_cli.video.ycc import ycc_of_rgb


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def test_split_and_join_are_inverse_and_grey_has_no_chroma():
    rgb = noise(2, 3, 5, 7)
    torch.testing.assert_close(join(*split(rgb)), rgb)
    grey = torch.full((1, 3, 2, 2), 0.3)
    luma, chroma = split(grey)
    torch.testing.assert_close(luma, grey[:, :1])
    assert chroma.abs().max() < 1e-6


@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 9), (16, 17)])
def test_training_and_video_see_the_same(height, width):
    rgb = noise(1, 3, height, width)
    tensor, array = from_rgb(rgb), ycc_of_rgb(rgb[0].permute(1, 2, 0).contiguous().numpy())
    torch.testing.assert_close(tensor.luma[0, 0], torch.from_numpy(array.luma), atol=1e-5, rtol=0)
    torch.testing.assert_close(tensor.chroma[0], torch.from_numpy(array.chroma), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 9)])
def test_colours_that_vary_little_come_back(height, width):
    slopes = torch.linspace(0.3, 0.5, width).expand(1, 3, height, width) * torch.tensor([1.0, 0.8, 1.2]).view(1, 3, 1, 1)
    torch.testing.assert_close(to_rgb(from_rgb(slopes)), slopes, atol=0.01, rtol=0)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_enlarging_is_bilinear_interpolation(factor, batch):
    x = noise(batch, 3, 5, 7)
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    torch.testing.assert_close(enlarge(x, factor), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_to_pixels_is_pixel_shuffle(factor, layout, dtype):
    x = noise(2, 3 * factor**2, 5, 7).to(dtype).contiguous(memory_format=layout)
    assert torch.equal(to_pixels(x, factor), F.pixel_shuffle(x, factor))
    assert torch.equal(to_pixels(x[:, factor**2 :], factor), F.pixel_shuffle(x[:, factor**2 :], factor))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_to_blocks_is_pixel_unshuffle(dtype):
    luma, chroma = ((100 * x.abs()).to(dtype) for x in (noise(2, 3, 8, 12), noise(2, 2, 4, 6)))
    expected = torch.cat([F.pixel_unshuffle(luma, 4), F.pixel_unshuffle(chroma, 2)], 1)
    assert torch.equal(to_blocks([(luma, 4), (chroma, 2)]), expected)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_plane_may_be_part_of_maps_with_channels_together(batch):
    """One plane counts as contiguous however far apart its channels, of which there is one, would lie."""
    plane = noise(batch, 1, 8, 12).contiguous(memory_format=torch.channels_last).as_strided((batch, 1, 8, 12), (96, 1, 12, 1))
    assert torch.equal(to_blocks([(plane, 4)]), F.pixel_unshuffle(plane, 4))


def test_blocks_and_pixels_pass_gradients_on():
    x = noise(1, 1, 8, 8).requires_grad_(True)
    weights = noise(1, 1, 8, 8)
    (to_pixels(to_blocks([(x, 4)]), 4) * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights)


@pytest.mark.parametrize("batch", [1, 2])
def test_halving_averages_two_by_two(batch):
    x = noise(batch, 3, 6, 8)
    torch.testing.assert_close(halve(x), F.avg_pool2d(x, 2))


def test_resizing_passes_gradients_on():
    x = noise(1, 2, 6, 8).requires_grad_()
    (enlarge(x, 2).sum() + halve(x).sum()).backward()
    torch.testing.assert_close(x.grad, torch.full_like(x, 4.25))


@pytest.mark.parametrize("side", [1, 2, 4])
def test_the_darkest_of_squares(side):
    x = noise(2, 3, 8, 12)
    assert torch.equal(darkest_of(x, side), -F.max_pool2d(-x, side))


def test_the_darkest_is_that_of_all_channels_and_pixels():
    rgb = noise(1, 3, 4, 5).repeat_interleave(2, -1).repeat_interleave(2, -2)
    rgb[0, 1, 3, 4] -= 0.5
    found = darkest(from_rgb(rgb))
    expected = -F.max_pool2d(-rgb.amin(1, keepdim=True), 2)
    untouched = torch.ones_like(found, dtype=torch.bool)
    untouched[0, 0, 1, 2] = False
    torch.testing.assert_close(found[untouched], expected[untouched])


def test_padding_repeats_the_edge_and_cropping_undoes_it():
    image = from_rgb(noise(1, 3, 13, 18))
    padded = image.padded(8)
    assert padded.luma.shape == (1, 1, 16, 24)
    assert padded.chroma.shape == (1, 2, 8, 12)
    assert torch.equal(padded.luma[..., 13:, :18], image.luma[..., 12:13, :].expand(1, 1, 3, 18))
    for one, other in zip(padded.cropped(13, 18), image, strict=True):
        assert torch.equal(one, other)
