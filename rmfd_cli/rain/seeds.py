"""Randomness by absolute frame number, so that any chunk of a clip can be drawn alone."""

import torch

STREAKS, NOISE, SPLASHES, GRAIN = range(4)
"""What a stream of random numbers is for; layers of one kind add their number to it in steps of `STRIDE`."""
STRIDE = 16
_MASK = (1 << 64) - 1


def frame_generator(seed: int, stream: int, frame: int, device: torch.device) -> torch.Generator:
    """A generator for one purpose in one frame.

    Args:
        seed: of the clip.
        stream: the purpose.
        frame: absolute number, may be negative for what began before the clip.
        device: where the numbers are wanted.
    """
    mixed = _scramble(_scramble(_scramble(seed) ^ stream) ^ (frame & _MASK))
    return torch.Generator(device).manual_seed(mixed >> 1)


def _scramble(value: int) -> int:
    """SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): neighbouring numbers come out unrelated."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
