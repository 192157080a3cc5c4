"""How close two pictures are: PSNR, SSIM and GMSD, differentiable, on any device."""

import torch
from torch import Tensor
from torch.nn import functional as F

_WINDOW = 11
_SIGMA = 1.5


def psnr(image: Tensor, reference: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB per image.

    Args:
        image: `[N, C, H, W]` in [0, 1].
        reference: the same shape.

    Returns:
        `[N]`; identical images give 100.
    """
    error = (image - reference).square().flatten(1).mean(1)
    return -10 * torch.log10(error.clamp(min=1e-10))


def ssim(image: Tensor, reference: Tensor) -> Tensor:
    """Structural similarity (Wang et al., 2004) per image: 11×11 Gaussian window, σ = 1.5, inside the image only.

    Args:
        image: `[N, C, H, W]` in [0, 1], H and W at least 11.
        reference: the same shape.

    Returns:
        `[N]`, 1 for identical images.
    """
    channels = image.shape[1]
    offsets = torch.arange(_WINDOW, device=image.device, dtype=image.dtype) - _WINDOW // 2
    kernel = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    kernel = kernel / kernel.sum()

    def mean(x: Tensor) -> Tensor:
        rows = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
        columns = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
        return F.conv2d(F.conv2d(x, rows, groups=channels), columns, groups=channels)

    mu_x, mu_y = mean(image), mean(reference)
    var_x = mean(image * image) - mu_x * mu_x
    var_y = mean(reference * reference) - mu_y * mu_y
    cov = mean(image * reference) - mu_x * mu_y
    c1, c2 = 0.01**2, 0.03**2
    index = ((2 * mu_x * mu_y + c1) * (2 * cov + c2)) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))
    return index.flatten(1).mean(1)


def gmsd(image: Tensor, reference: Tensor) -> Tensor:
    """Gradient magnitude similarity deviation (Xue et al., IEEE TIP 23(2), 2014) per image: how unevenly edges have suffered.

    Of scores that need no learnt weights it follows what people see more closely than PSNR and SSIM do.

    Args:
        image: luma, `[N, 1, H, W]` in [0, 1], H and W at least 4.
        reference: the same shape.

    Returns:
        `[N]`, 0 for identical images; more is worse.
    """
    ramp = torch.tensor([1.0, 0.0, -1.0], device=image.device, dtype=image.dtype) / 3
    across = ramp.view(1, 1, 1, 3).expand(1, 1, 3, 3)
    prewitt = torch.cat([across, across.transpose(2, 3)])

    def gradient(x: Tensor) -> Tensor:
        steps = F.conv2d(F.avg_pool2d(x, 2), prewitt, padding=1)
        return steps.square().sum(1, keepdim=True)

    one, other, c = gradient(image), gradient(reference), 170 / 255**2
    similarity = (2 * _root(one * other) + c) / (one + other + c)
    return _root(similarity.flatten(1).var(1, correction=0))


def _root(x: Tensor) -> Tensor:
    """The square root, level instead of infinitely steep at 0: constant pictures have a gradient, too."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, 1.0).sqrt(), 0.0)


def luma(rgb: Tensor) -> Tensor:
    """`[N, 3, H, W]` RGB to `[N, 1, H, W]` Y in [16, 235]/255, as derain papers take it (MATLAB's rgb2ycbcr)."""
    weights = torch.tensor([65.481, 128.553, 24.966], device=rgb.device, dtype=rgb.dtype).view(1, 3, 1, 1)
    return (rgb * weights).sum(1, keepdim=True) / 255 + 16 / 255
