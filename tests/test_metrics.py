"""Our PSNR and SSIM against scikit-image's, our GMSD against its formula."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from rmfd_cli.metrics import gmsd, luma, psnr, ssim


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    reference = rng.random((2, 3, 40, 52))
    return np.clip(reference + 0.1 * rng.standard_normal(reference.shape), 0, 1), reference


def test_psnr_agrees_with_scikit_image(pair):
    image, reference = pair
    ours = psnr(torch.from_numpy(image), torch.from_numpy(reference))
    for k in range(2):
        assert ours[k].item() == pytest.approx(peak_signal_noise_ratio(reference[k], image[k], data_range=1.0))


def test_ssim_agrees_with_scikit_image(pair):
    image, reference = pair
    ours = ssim(torch.from_numpy(image), torch.from_numpy(reference))
    for k in range(2):
        _, full = structural_similarity(
            reference[k],
            image[k],
            data_range=1.0,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        # scikit-image pads the borders; ours takes windows inside the image only.
        assert ours[k].item() == pytest.approx(full[:, 5:-5, 5:-5].mean(), abs=1e-6)


def test_identical_images_score_the_ceiling():
    image = torch.rand(1, 3, 16, 16)
    assert psnr(image, image).item() == pytest.approx(100)
    assert ssim(image, image).item() == pytest.approx(1)


def test_gmsd_is_what_its_paper_says():
    rng = np.random.default_rng(1)
    truth = correlate(rng.random((41, 54)), np.full((3, 3), 1 / 9))
    blurred = correlate(truth, np.full((5, 5), 1 / 25))

    def gradient(image):
        halved = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2].reshape(image.shape[0] // 2, 2, -1, 2).mean((1, 3))
        across = np.array([[1, 0, -1]] * 3) / 3
        return np.hypot(*(correlate(255 * halved, kernel, mode="constant") for kernel in (across, across.T)))

    one, other = gradient(truth), gradient(blurred)
    expected = ((2 * one * other + 170) / (one**2 + other**2 + 170)).std()
    ours = gmsd(*(torch.from_numpy(x)[None, None] for x in (blurred, truth)))
    assert ours.item() == pytest.approx(expected, rel=1e-9)
    assert gmsd(*[torch.from_numpy(truth)[None, None]] * 2).item() == 0


@pytest.mark.parametrize(("grey", "reference"), [(0.0, 0.0), (0.5, 0.5), (0.5, 0.0)])
def test_gmsd_has_a_slope_where_pictures_are_constant(grey, reference):
    image = torch.full((1, 1, 24, 24), grey, requires_grad=True)
    (gradient,) = torch.autograd.grad(gmsd(image, torch.full((1, 1, 24, 24), reference)).sum(), image)
    assert torch.isfinite(gradient).all()


def test_luma_spans_studio_range():
    ends = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    assert luma(ends).flatten().tolist() == pytest.approx([16 / 255, 235 / 255])
