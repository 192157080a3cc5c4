"""How much memory a frame takes, how much of it is seen at once, and what to do when there is too little.

`docs/memory.md` says how the figures were measured.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import torch

from rmfd_cli.errors import MemoryExhaustedError

TILE_PX = 1 << 20
"""Pixels of a tile on a CPU, overlap included, unless asked for otherwise; 1280×720 and less are not divided."""
_SMALLEST_TILE_PX = 192 * 192
_AHEAD, _AHEAD_PX = 3, 2_000_000
"""Tiles that are prepared ahead at most, and how many pixels they may have together: so many, and cores hardly ever wait."""

_PROCESS_BYTES = 330 << 20
_FRAME_BYTES_PER_PX = 210
_TILE_BYTES_PER_PX = 270


@dataclass(frozen=True)
class Room:
    """Where the network runs, and how much it sees at once."""

    device: torch.device
    tile_px: int
    """Pixels of a tile, its overlap included."""
    ahead: int = 1
    """How many tiles are prepared ahead."""
    halved: bool = False
    """Whether convolutions run in bfloat16 to save memory, whatever is usual on the device."""

    def __str__(self) -> str:
        precision = " in bfloat16" if self.halved else ""
        return f"tiles of {self.tile_px / 1e6:.2g} megapixels on {self.device}{precision}"


@dataclass(frozen=True)
class Wish:
    """What the user has decided, and what is left to us."""

    memory_bytes: int | None = None
    """The bound that the size of tiles is chosen from; None to choose it by what there is."""
    videos: int = 1
    """How many share that memory."""
    any_device: bool = False
    """Whether the CPU may take over where another device has too little."""
    tile_px: int | None = None
    """Where to begin when there is no bound, instead of what is usual."""


AUTOMATIC = Wish()


def rooms(wish: Wish, device: torch.device, frame_px: int) -> Iterator[Room]:
    """What to try in turn, until there is memory enough.

    Args:
        wish: see there.
        device: where to begin.
        frame_px: pixels of a frame.

    Raises:
        MemoryExhaustedError: the bound is too low for frames of this size.
    """
    cpu = torch.device("cpu")
    for place in [device] + [cpu] * (wish.any_device and device != cpu):
        if wish.memory_bytes is not None:
            yield Room(place, tile_px_within(wish.memory_bytes, frame_px, wish.videos))
            continue
        tile_px = wish.tile_px or (min(TILE_PX, frame_px) if place == cpu else frame_px)
        # Several videos fill each other's gaps.
        ahead = max(1, min(_AHEAD, _AHEAD_PX // min(tile_px, frame_px))) if place == cpu and wish.videos == 1 else 1
        while tile_px > _SMALLEST_TILE_PX:
            yield Room(place, tile_px, ahead)
            tile_px, ahead = min(tile_px, frame_px) // 4, 1
        yield Room(place, _SMALLEST_TILE_PX, ahead)
        if place != cpu:
            yield Room(place, _SMALLEST_TILE_PX, halved=True)


def tile_px_within(memory_bytes: int, frame_px: int, videos: int = 1) -> int:
    """Pixels of the largest tiles that memory suffices for.

    Args:
        memory_bytes: for the whole process.
        frame_px: pixels of a frame.
        videos: how many are restored at a time.

    Raises:
        MemoryExhaustedError: it is too little for so many, with frames of this size.
    """
    frame_bytes = _FRAME_BYTES_PER_PX * frame_px
    tile_px = ((memory_bytes - _PROCESS_BYTES) // videos - frame_bytes) // _TILE_BYTES_PER_PX
    if tile_px < _SMALLEST_TILE_PX:
        least = -(-(_PROCESS_BYTES + videos * (frame_bytes + _TILE_BYTES_PER_PX * _SMALLEST_TILE_PX)) >> 20)
        given = f"--memory is {memory_bytes / 2**20:.0f}MiB"
        several = f" in {videos} videos at a time" if videos > 1 else ""
        fewer = ", or fewer --jobs" if videos > 1 else ""
        raise MemoryExhaustedError(f"{given}, too little for frames of this size{several}; give at least {least}MiB{fewer}")
    return tile_px


def shortage(wish: Wish, room: Room | None) -> MemoryExhaustedError:
    """What to say when no room was large enough.

    Args:
        wish: see there.
        room: the last one that was tried.
    """
    where = room.device if room else "this machine"
    if wish.memory_bytes is not None:
        return MemoryExhaustedError(f"{where} has less memory than --memory allows to use; give less, or leave it out")
    other = "" if room is None or where == torch.device("cpu") else "leave --device out or pass --device cpu, "
    return MemoryExhaustedError(
        f"{where} has too little memory for frames of this size; {other}close other programs, or scale the video down"
    )


def is_shortage(error: BaseException) -> bool:
    """Whether an error says that memory was asked for in vain: of Python, torch on any device, oneDNN or OpenCV."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    if isinstance(error, cv2.error):
        return getattr(error, "code", None) == cv2.Error.STS_NO_MEM
    words = ("allocate memory", "out of memory", "not enough memory", "bad_alloc", "could not create a primitive")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)
