"""Pictures as the network has them: luma, and the two colour differences at half its resolution, as cameras store them.

Rain is next to colourless, so that all that is compared is luma; colour is carried along, for a half of what three full-size
channels would cost. The rain model is linear and holds in these coordinates as in RGB.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import torch
from torch import Tensor
from torch.nn import functional as F

# ITU-R BT.601: R = Y + Cr / _RED, B = Y + Cb / _BLUE, where Cb and Cr reach from -0.5 to 0.5.
_RED, _BLUE = 0.5 / (1 - 0.299), 0.5 / (1 - 0.114)
_LUMA = (0.299, 0.587, 0.114)

COLOURS = (1 / _RED, -_LUMA[2] / _LUMA[1] / _BLUE, -_LUMA[0] / _LUMA[1] / _RED, 1 / _BLUE)
"""How R differs from luma, by Cr; G, by Cb and by Cr; and B, by Cb."""

CELL_PX = 8
"""What is known of a place and not of a pixel, such as the veil, is known per cell of so many pixels on a side."""

_WORDS = {2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.complex128}
"""Numbers of so many bytes."""


class Image(NamedTuple):
    """A batch of pictures, or of differences of pictures."""

    luma: Tensor
    """`[B, 1, H, W]`, Y in [0, 1]."""
    chroma: Tensor
    """`[B, 2, ⌈H/2⌉, ⌈W/2⌉]`, Cb and Cr in [-0.5, 0.5], each for a square of 2×2 pixels."""

    def padded(self, unit: int) -> "Image":
        """With the right and bottom edge repeated until both sides are multiples of `unit`, an even number."""
        height, width = self.luma.shape[-2:]
        sides = -(-height // unit) * unit, -(-width // unit) * unit
        return Image(pad_to(self.luma, *sides), pad_to(self.chroma, sides[0] // 2, sides[1] // 2))

    def cropped(self, height: int, width: int) -> "Image":
        """The top left corner of so many pixels."""
        return Image(self.luma[..., :height, :width], self.chroma[..., : -(-height // 2), : -(-width // 2)])


def pad_to(x: Tensor, height: int, width: int) -> Tensor:
    """Repeats the right and bottom edge of `[B, C, h, w]`."""
    below, beside = height - x.shape[-2], width - x.shape[-1]
    return F.pad(x, (0, beside, 0, below), mode="replicate") if below or beside else x


def halve(x: Tensor) -> Tensor:
    """Means of 2×2 pixels: `[B, C, H, W]`, sides even, to `[B, C, H/2, W/2]`."""
    if is_for_opencv(x):
        return _resized(x, x.shape[-2] // 2, x.shape[-1] // 2, cv2.INTER_AREA)
    rows = x[..., ::2, :] + x[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) * 0.25


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Bilinear, by an integer factor: `[B, C, h, w]` to `[B, C, h·factor, w·factor]`."""
    if is_for_opencv(x):
        return _resized(x, x.shape[-2] * factor, x.shape[-1] * factor, cv2.INTER_LINEAR)
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def is_for_opencv(x: Tensor) -> bool:
    """Whether OpenCV can take on `[B, C, h, w]`, which for planes on a CPU takes a half to a fifth of torch's time."""
    is_plain = x.is_cpu and x.dtype == torch.float32 and not is_traced(x)
    return is_plain and x.shape[0] == 1 and max(x.shape) < _OPENCV_MOST_PX


_OPENCV_MOST_PX = 1 << 15

SHOWN = (0.0, 1.0), (-0.5, 0.5)
"""The least and the largest value of luma and of chroma that can be shown."""


def is_traced(x: Tensor) -> bool:
    """Whether gradients or a graph are made of what is done to `x`: neither sees what is not an operation of torch's own."""
    return x.requires_grad or torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]


def _resized(x: Tensor, height: int, width: int, how: int) -> Tensor:
    resized = x.new_empty(1, x.shape[1], height, width)
    for plane, target in zip(x[0], resized[0], strict=True):
        cv2.resize(plane.numpy(), (width, height), target.numpy(), interpolation=how)
    return resized


def darkest_of(x: Tensor, side: int) -> Tensor:
    """The least of every square of pixels, its side a power of two: `[B, C, H, W]` to `[B, C, H/side, W/side]`."""
    while side > 1:
        rows = torch.minimum(x[..., ::2, :], x[..., 1::2, :])
        x, side = torch.minimum(rows[..., ::2], rows[..., 1::2]), side // 2
    return x


def to_pixels(x: Tensor, factor: int) -> Tensor:
    """What `F.pixel_shuffle` does, in a quarter of its time on a CPU: a row of a block is moved as one number."""
    if is_traced(x):
        return F.pixel_shuffle(x, factor)
    batch, channels, height, width = x.shape
    in_rows = x.stride(1) == 1 and not any(x.stride(k) % factor for k in (0, 2, 3))
    rows = x if in_rows else x.contiguous(memory_format=torch.channels_last)
    words = rows.permute(0, 2, 3, 1).view(_WORDS[factor * x.element_size()])
    words = words.view(batch, height, width, channels // factor**2, factor).permute(0, 3, 1, 4, 2)
    return words.contiguous().view(x.dtype).view(batch, channels // factor**2, height * factor, width * factor)


def to_blocks(planes: Sequence[tuple[Tensor, int]]) -> Tensor:
    """What `F.pixel_unshuffle` does, one after the other and side by side, in a third of its time on a CPU.

    Args:
        planes: pictures `[B, C, H, W]` of one data type and the sides of their blocks, by which all come to the same size.

    Returns:
        `[B, ΣC·factor², H/factor, W/factor]`, channels last in memory.
    """
    if any(is_traced(x) for x, _ in planes):
        return torch.cat([F.pixel_unshuffle(x, factor) for x, factor in planes], 1)
    first, factor = planes[0]
    batch, height, width = first.shape[0], first.shape[2] // factor, first.shape[3] // factor
    sizes = [x.shape[1] * factor**2 for x, factor in planes]
    blocks = torch.empty(batch, height, width, sum(sizes), dtype=first.dtype, device=first.device)
    for (x, factor), part in zip(planes, torch.split(blocks, sizes, 3), strict=True):
        word = _WORDS[factor * blocks.element_size()]
        words = x.reshape(batch, -1).view(word).view(batch, -1, height, factor, width)
        for channel, target in enumerate(torch.split(part.view(word), factor, 3)):
            target.copy_(words[:, channel].permute(0, 1, 3, 2))
    return blocks.permute(0, 3, 1, 2)


def from_rgb(rgb: Tensor) -> Image:
    """`[B, 3, H, W]` in [0, 1]; where a side is odd, its last pixels count twice in a mean."""
    luma, chroma = split(rgb)
    height, width = rgb.shape[-2:]
    return Image(luma, halve(pad_to(chroma, height + height % 2, width + width % 2)))


def split(rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Luma and chroma of `[B, 3, h, w]`, both of that size: the inverse of `join`."""
    red, green, blue = (rgb[:, k : k + 1] for k in range(3))
    luma = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    return luma, torch.cat([(blue - luma) * _BLUE, (red - luma) * _RED], 1)


def to_rgb(image: Image) -> Tensor:
    """`[B, 3, H, W]`, colour interpolated bilinearly; not clipped."""
    chroma = enlarge(image.chroma, 2)
    return join(image.luma, chroma[..., : image.luma.shape[-2], : image.luma.shape[-1]])


def join(luma: Tensor, chroma: Tensor) -> Tensor:
    """RGB `[B, 3, h, w]` of luma and chroma of the same size."""
    return luma + torch.cat(_colours(chroma), 1)


def _colours(chroma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How R, G and B differ from luma, each `[B, 1, h, w]`."""
    blue, red = chroma[:, :1] / _BLUE, chroma[:, 1:] / _RED
    return red, torch.add(red * (-_LUMA[0] / _LUMA[1]), blue, alpha=-_LUMA[2] / _LUMA[1]), blue


def darkest(image: Image) -> Tensor:
    """The darkest of R, G and B in every 2×2 pixels: `[B, 1, H/2, W/2]`; sides even."""
    luma = darkest_of(image.luma, 2)
    red, green, blue = _colours(image.chroma)
    return luma + torch.minimum(torch.minimum(red, green), blue)
