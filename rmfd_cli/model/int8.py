"""Convolutions in 8-bit integers: what they multiply needs no more, and a CPU does one and a half to four times as many.

What goes into a convolution is rounded to 256 steps of a range that was measured on rain beforehand and stands beside the
weights; its kernels are rounded to 127 steps, each output's of its own. Sums are exact, and what comes out is float32 again, so
that all that is added to pixels is as fine as ever. The products are oneDNN's, through torch, or our own (`native_convolve`).
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

import cv2
import torch
from torch import Tensor, nn

from rmfd_cli.model.layers import Rectified
from rmfd_cli.model.native_convolve import Kernel, can_convolve

Ranges: TypeAlias = Mapping[str, tuple[float, float]]
"""By the names of convolutions, the least and the largest number that is told apart of what goes into them."""

Model = TypeVar("Model", bound=nn.Module)

_STEPS = 255
_KERNEL_STEPS = 63
"""To each side of zero: AVX2 adds products in pairs of 16 bits, which two of 255 × 127 do not fit into."""

_TRIAL_ERROR = 0.1
"""Of a trial, whose results are around 1 and come out within 0.02 where all is right."""
_SAMPLES = 5000
_SHARES = 40
"""Ranges that are tried: all of what was seen, and so many steps down to a fifth of it."""
_NARROWEST = 1e-3
_MARGIN_BELOW = 1.1
"""Unlike what is too large, what is too small would come out wrong by twice as much as it is too small."""


class Int8Conv(nn.Module):
    """A convolution, rectified if the one that it is made from is.

    Args:
        conv: without groups.
        low: the least number that goes into it, at most 0.
        high: the largest, above `low`.
    """

    def __init__(self, conv: nn.Conv2d, low: float, high: float) -> None:
        super().__init__()
        # No parameters: whatever a model is converted to, these stay.
        self.step = (high - low) / _STEPS
        self.zero = round(-low / self.step)
        self.channels = conv.in_channels
        kernel = conv.weight.detach()
        self._kernel_steps = kernel.abs().amax((1, 2, 3)).clamp(min=1e-8) / _KERNEL_STEPS
        self._kernel_zeros = torch.zeros(len(kernel), dtype=torch.int32)
        self._bias = None if conv.bias is None else conv.bias.detach()
        self._shape = [[*x] for x in (conv.stride, conv.padding, conv.dilation)]
        self._then = "relu" if isinstance(conv, Rectified) else "none"
        rounded = (kernel / self._kernel_steps[:, None, None, None]).round().to(torch.int8)
        pack = torch.ops.onednn.qconv_prepack
        self._packed = pack(rounded, self._kernel_steps, self.step, self.zero, *self._shape, 1, None)
        self.compiled: Kernel | None = None
        """The same in C, where that has it; what `forward` does is oneDNN's."""
        if can_convolve(conv):
            sizes = (conv.stride[0], int(conv.padding[0]), conv.dilation[0])
            scale = self._kernel_steps * self.step
            self.compiled = Kernel(rounded, scale, self._bias, self.zero, *sizes, rectified=self._then == "relu")

    def rounded(self, x: Tensor) -> Tensor:
        """Float32 on the CPU to uint8, of the same layout in memory: what `forward` takes."""
        if not x.is_contiguous(memory_format=torch.channels_last):
            x = x.contiguous()
        small = torch.empty_like(x, dtype=torch.uint8)
        rows, steps = (y.as_strided((len(x), x[0].numel()), (x[0].numel(), 1)).numpy() for y in (x, small))
        # In one pass; what is below the range comes out as far above its lower end.
        cv2.convertScaleAbs(rows, steps, 1 / self.step, self.zero)
        return small

    def forward(self, x: Tensor) -> Tensor:
        """`[B, C, h, w]`, rounded or to be rounded, to `[B, C', h', w']` float32, channels last in memory."""
        found: Tensor = torch.ops.onednn.qconv2d_pointwise.default(
            *self._factors(x), self._bias, *self._shape, 1, 1.0, 0, torch.float32, self._then, [], ""
        )
        return found

    def _factors(self, x: Tensor) -> tuple[object, ...]:
        small = (x if x.dtype == torch.uint8 else self.rounded(x)).contiguous(memory_format=torch.channels_last)
        return small, self.step, self.zero, self._packed, self._kernel_steps, self._kernel_zeros


def seen_by(layer: nn.Module, x: Tensor) -> Tensor:
    """A tensor as a convolution takes it: rounded, or in the precision of its weights."""
    if isinstance(layer, Int8Conv):
        return layer.rounded(x)
    assert isinstance(layer.weight, Tensor)
    return x.to(layer.weight.dtype)


def numbers_seen_by(layer: nn.Module, seen: Tensor) -> Tensor:
    """What `seen_by` was given, as nearly as the layer sees it."""
    return (seen.float() - layer.zero) * layer.step if isinstance(layer, Int8Conv) else seen


def zero_seen_by(layer: nn.Module) -> int:
    """What `seen_by` makes of zero."""
    return layer.zero if isinstance(layer, Int8Conv) else 0


def with_int8(model: Model, ranges: Ranges) -> Model:
    """Puts integers into a model, in place of each convolution whose range is known.

    Args:
        model: float32, on the CPU; it is changed.
        ranges: by the names of its convolutions.
    """
    for name, (low, high) in ranges.items():
        parent, _, leaf = name.rpartition(".")
        conv = model.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        model.get_submodule(parent).register_module(leaf, Int8Conv(conv, low, high))
    return model


@functools.cache
def is_supported() -> bool:
    """Whether the processor gains by it, and torch does it right: its operator is not one that it makes promises about."""
    if not torch.backends.cpu.get_cpu_capability().startswith(("AVX2", "AVX512")):
        return False
    x = torch.linspace(-1, 3, 32 * 8 * 8).view(1, 8, 8, 32).permute(0, 3, 1, 2)
    # The generator of random numbers is the caller's own.
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conv = Rectified(32, 16, 3, padding=1)
        try:
            difference = Int8Conv(conv, -1, 3)(x) - conv(x)
        except (AttributeError, RuntimeError, TypeError):
            return False
    return bool(difference.abs().max() < _TRIAL_ERROR)


@contextmanager
def inputs_of(model: nn.Module, but: nn.Module) -> Iterator[dict[str, list[Tensor]]]:
    """Some of the numbers that go into each convolution of a model while this lasts, their extremes among them.

    Args:
        model: on any device.
        but: a part of it that is left out.
    """
    seen: dict[str, list[Tensor]] = {}
    left_out = set(but.modules())

    def watch(name: str, x: Tensor) -> None:
        numbers = x.detach().float().flatten()
        some = numbers[:: max(1, len(numbers) // _SAMPLES)]
        seen.setdefault(name, []).append(torch.cat([some, torch.stack(torch.aminmax(numbers))]).cpu())

    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: watch(name, inputs[0]))
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and layer not in left_out
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def ranges_of(seen: Mapping[str, Sequence[Tensor]]) -> Ranges:
    """The ranges that lose least of what was seen, in squared error: some large numbers may lie above.

    Args:
        seen: by the names of convolutions, samples of what goes into them.
    """
    return {name: _range_of(torch.cat(list(samples))) for name, samples in seen.items()}


def _range_of(samples: Tensor) -> tuple[float, float]:
    low, most = _MARGIN_BELOW * min(0.0, float(samples.min())), max(_NARROWEST, float(samples.max()))

    def error(high: float) -> float:
        step = (high - low) / _STEPS
        zero = round(-low / step)
        rounded = (samples / step + zero).round().clamp(0, _STEPS)
        return float(((rounded - zero) * step - samples).square().mean())

    return low, min((most * k / _SHARES for k in range(_SHARES // 5, _SHARES + 1)), key=error)
