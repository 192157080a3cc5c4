"""Models that stand in for the real one, and RGB for those that want to compare colours."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from rmfd_cli.types import Restore, Ycc
from rmfd_cli.video.ycc import rgb_change, ycc_of_rgb


def change(image: Ycc, level: float = 0.0) -> Ycc:
    """The same change of brightness everywhere."""
    return Ycc(np.full_like(image.luma, level), np.zeros_like(image.chroma))


def unchanged(images: Iterable[Ycc]) -> Iterator[Ycc]:
    """A model that changes nothing."""
    return (change(image) for image in images)


def unchanged_from(images: Iterable[Ycc], memory: bytes | None) -> Iterator[tuple[Ycc, Callable[[], bytes]]]:
    """One that changes nothing and can go on, since it remembers nothing."""
    return ((change(image), bytes) for image in images)


def restored_rgb(restore: Restore, frames: Iterable[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """What a model makes of RGB frames `[T, H, W, 3]`, in [0, 1]."""
    clip = np.stack(list(frames))
    changes = np.stack([rgb_change(one) for one in restore(ycc_of_rgb(frame) for frame in clip)])
    return np.clip(clip / np.float32(255) + changes, 0, 1)
