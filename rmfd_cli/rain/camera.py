"""What a camera does to the picture after the rain: sharpening, noise, block compression."""

import functools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from rmfd_cli.rain.elements import Camera

# The example luminance and chrominance tables of ITU-T T.81 (JPEG), Annex K.
_LUMA_TABLE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_TABLE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = torch.linalg.inv(torch.tensor(_TO_YCC, dtype=torch.float64)).tolist()


def photograph(camera: Camera, rainy: Tensor, clean: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The camera's picture of the rain, and of the same scene without it.

    Sharpening and noise are the camera's own and strike both pictures alike (the same noise, so that removing rain is never
    learnt as removing grain); compression strikes the rainy picture alone, since it is the rain that upsets the coder.

    Args:
        camera: what the camera does.
        rainy: `[3, H, W]`, one frame.
        clean: `[3, H, W]`.
        generator: source of this frame's grain, on the clip's device.

    Returns:
        The two pictures, clipped to [0, 1].
    """
    if camera.sharpen:
        rainy, clean = _unsharp(rainy, camera.sharpen), _unsharp(clean, camera.sharpen)
    if camera.read_noise or camera.shot_noise:
        grain = torch.randn(rainy.shape, generator=generator, device=rainy.device)
        variance = camera.read_noise**2 + camera.shot_noise * rainy.clamp(0, 1)
        noise = grain * variance.sqrt()
        rainy, clean = rainy + noise, clean + noise
    rainy, clean = rainy.clamp(0, 1), clean.clamp(0, 1)
    if camera.jpeg_quality < 100:
        rainy = compress(rainy[None], camera.jpeg_quality)[0]
    return rainy, clean


def compress(image: Tensor, quality: int) -> Tensor:
    """JPEG's loss without its bit stream: 4:2:0 chroma, 8×8 cosine transform, quantisation.

    Args:
        image: `[N, 3, H, W]` in [0, 1].
        quality: IJG scale, 1 to 100.
    """
    *_, height, width = image.shape
    scale = 50 / quality if quality < 50 else 2 - quality / 50
    to_ycc = torch.tensor(_TO_YCC, device=image.device)
    to_rgb = torch.tensor(_TO_RGB, device=image.device)
    padded = F.pad(image, (0, -width % 16, 0, -height % 16), mode="replicate")
    ycc = torch.einsum("ij,njhw->nihw", to_ycc, padded) * 255
    luma = _quantise(ycc[:, :1] - 128, _LUMA_TABLE, scale) + 128
    chroma = _quantise(F.avg_pool2d(ycc[:, 1:], 2), _CHROMA_TABLE, scale)
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear")
    rgb = torch.einsum("ij,njhw->nihw", to_rgb, torch.cat([luma, chroma], 1)) / 255
    return rgb[..., :height, :width].clamp(0, 1)


def _quantise(plane: Tensor, table: tuple[tuple[int, ...], ...], scale: float) -> Tensor:
    n, c, height, width = plane.shape
    steps = (torch.tensor(table, device=plane.device, dtype=torch.float32) * scale).round().clamp(1, 255)
    basis = _cosine_basis().to(plane.device)
    blocks = plane.reshape(n, c, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    coefficients = ((basis @ blocks @ basis.T) / steps).round() * steps
    return (basis.T @ coefficients @ basis).permute(0, 1, 2, 4, 3, 5).reshape(n, c, height, width)


@functools.cache
def _cosine_basis() -> Tensor:
    """The orthonormal 8-point DCT-II, rows by frequency."""
    k = torch.arange(8, dtype=torch.float32)
    basis = torch.cos(math.pi * (2 * k[None, :] + 1) * k[:, None] / 16) / 2
    basis[0] /= math.sqrt(2)
    return basis


def _unsharp(image: Tensor, strength: float) -> Tensor:
    """Adds `strength` times what a binomial blur, (1, 2, 1)/4 both ways, takes away."""
    padded = F.pad(image[None], (1, 1, 1, 1), mode="replicate")[0]
    for _ in range(2):
        padded = padded[:, :-1] + padded[:, 1:]
        padded = padded[:, :, :-1] + padded[:, :, 1:]
    return image * (1 + strength) - padded * (strength / 16)
