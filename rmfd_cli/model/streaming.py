"""From a stream of frames to a stream of residuals: windows, alignment and the recurrent state around the network."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
import torch

from rmfd_cli.model import tiling
from rmfd_cli.model.checkpoint import load_model
from rmfd_cli.model.network import Rmfd
from rmfd_cli.model.passes import leave_change
from rmfd_cli.model.placing import choose_device, devices_like, find_weights, placed, precision_for
from rmfd_cli.model.repeats import Shown, WithoutCopies
from rmfd_cli.model.room import AUTOMATIC, Room, Wish, is_shortage, rooms, shortage
from rmfd_cli.model.sights import Past, Sight, View, look, view_of
from rmfd_cli.model.spread import spread
from rmfd_cli.model.values import Cleared, Recovered, State
from rmfd_cli.stages import Spent, spending
from rmfd_cli.types import Restore, Ycc
from rmfd_cli.windows import SceneWindow, sliding

Item = TypeVar("Item")

_CPU = torch.device("cpu")


class Memory(NamedTuple):
    """What the frames after one need of it and of all before it; a value."""

    view: View
    state: State
    """What the step on that frame left."""
    past: Past
    change: Ycc
    """Of that frame, and of copies that are still to come."""
    shown: Shown


class Aligned(NamedTuple):
    """A tile of a frame, brought into register."""

    sight: Sight
    piece: tiling.Piece
    past: Past
    """What the sight of the next frame takes from this one."""


class Found(NamedTuple):
    """What stage 1 hands to stage 2, of a whole frame."""

    view: View
    tiles: tuple[tiling.Tile, ...]
    recovered: Recovered
    state: State
    past: Past
    """As in `Aligned`."""

    def seen_again(self, cleared: Cleared) -> "Found":
        """The first frame of a scene after its second sight."""
        return self._replace(recovered=self.recovered.seen_again(cleared), past=self.past._replace(awaited=False))


class Place(NamedTuple):
    """A model where it runs."""

    model: Rmfd
    device: torch.device


class _NoRoom(Exception):  # noqa: N818 - not the user's yet: there may be another room
    pass


def restorer(
    model: str,
    device: str,
    memory_bytes: int | None = None,
    warn: Callable[[str], None] = lambda text: None,
    spent: Spent | None = None,
    videos: int = 1,
) -> Restore:
    """Loads a model and gives the function that takes rain out of a stream of frames.

    Args:
        model: a shipped model's name, `auto`, or the path of a safetensors file.
        device: `auto`, `cpu`, `cuda`, or another name that torch knows.
        memory_bytes: the bound that the size of tiles is chosen from; None to choose it by what there is.
        warn: takes a line when what was chosen turns out too large for this machine.
        spent: where to add the time that each stage takes.
        videos: how many the function will see at a time.

    Raises:
        WeightsError: there is no such model or it is damaged.
        MachineError: there is no such device.
    """
    places, wish = load_as_wished(model, device, memory_bytes, videos)
    return spread([partial(restore, model=at.model, device=at.device, wish=wish, warn=warn, spent=spent) for at in places])


def load_as_wished(model: str, device: str, memory_bytes: int | None, videos: int) -> tuple[tuple[Place, ...], Wish]:
    """A model on all devices that so many videos can use, and what is left to us when memory runs out; as of `restorer`."""
    devices = devices_like(choose_device(device))[:videos]
    network = load_model(find_weights(model))
    wish = Wish(memory_bytes, videos, any_device=device == "auto")
    return tuple(Place(placed(network, where, precision_for(where, network)), where) for where in devices), wish


def restore(
    frames: Iterable[Ycc],
    model: Rmfd,
    device: torch.device,
    wish: Wish = AUTOMATIC,
    warn: Callable[[str], None] = lambda text: None,
    spent: Spent | None = None,
) -> Iterator[Ycc]:
    """The change of each frame; pulls a few frames more than it has yielded.

    Args:
        frames: upright, all of one size.
        model: on `device`.
        device: where the network runs.
        wish: what may be changed when there is too little memory.
        warn: takes a line whenever that is done.
        spent: where to add the time that each stage takes.

    Yields:
        Restored minus input, where the restored frame is clipped to what can be shown.

    Raises:
        MemoryExhaustedError: there is no room for a frame of this size.
    """
    return (change for change, _ in restore_from(None, frames, model, device, wish, warn, spent))


def restore_from(
    memory: Memory | None,
    frames: Iterable[Ycc],
    model: Rmfd,
    device: torch.device,
    wish: Wish = AUTOMATIC,
    warn: Callable[[str], None] = lambda text: None,
    spent: Spent | None = None,
) -> Iterator[tuple[Ycc, Memory]]:
    """`restore` from the middle of a video on, with the same result to the bit; what each frame leaves goes with its change.

    State and window begin anew at every scene cut. Copies of a frame get its change. When memory runs out, the frame at hand is
    done again, from the same window and state, with less memory.

    Args:
        memory: of the frame before the first of `frames`; None at the beginning.
        frames: as of `restore`.
        model: likewise.
        device: likewise.
        wish: likewise.
        warn: likewise.
        spent: likewise.

    Yields:
        The change of each frame, and the memory to go on with after it.

    Raises:
        MemoryExhaustedError: there is no room for a frame of this size.
    """
    back, ahead = model.config.look_back, model.config.look_ahead
    seen = [memory.view] if memory else []
    views = _views(frames, spent)
    pictures = WithoutCopies(views, lambda view: view.luma, (memory.view, memory.shown) if memory else None)
    windows = _Replayed(sliding(pictures, back, ahead, lambda before, after: pictures.begins, seen), wish)
    first = next(iter(windows), None)
    if memory:
        yield from ((memory.change, memory._replace(shown=shown)) for shown in pictures.run())
    if first is None:
        return
    state, past = (memory.state, memory.past) if memory else (None, None)
    frame = tiling.frame_box(*first.items[back].image.luma.shape)
    last: Room | None = None
    for room in rooms(wish, device, frame.pixels):
        if last is not None:
            warn(f"too little memory for {last}; going on with {room}")
        last = room
        network = model
        if room.halved or room.device != device:
            network = placed(model, room.device, torch.bfloat16 if room.halved else precision_for(room.device, model))
        tiles = tiling.tiles(frame, room.tile_px, tiling.overlap(model.config))
        state = None if state is None else State(*(part.to(room.device) for part in state))
        with closing(_run(windows, network, tiles, room.ahead, state, past, spent)) as results, suppress(_NoRoom):
            for remember in results:
                windows.done()
                for shown in pictures.run():
                    left = remember(shown)
                    state, past = left.state, left.past
                    yield left.change, left
            return
    raise shortage(wish, last)


class _Replayed:
    """Windows that come again, whenever they are iterated anew, until they have come back as changes."""

    def __init__(self, windows: Iterator[SceneWindow], wish: Wish) -> None:
        self._onwards, self._wish = windows, wish
        self._waiting: deque[SceneWindow] = deque()
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[SceneWindow]:
        yield from tuple(self._waiting)
        if self._error is not None:
            # What the frames come from failed, perhaps unheard: to go on would be to leave out the rest.
            raise self._error
        try:
            for window in self._onwards:
                self._waiting.append(window)
                yield window
        except Exception as error:
            self._error = shortage(self._wish, None) if is_shortage(error) else error
            raise self._error from None

    def done(self) -> None:
        """The oldest has come back."""
        self._waiting.popleft()


def _run(
    windows: Iterable[SceneWindow],
    model: Rmfd,
    tiles: tuple[tiling.Tile, ...],
    ahead: int,
    state: State | None,
    past: Past | None,
    spent: Spent | None,
) -> Generator[Callable[[Shown], Memory], None, None]:
    """What is left after a frame, and after each of its copies.

    Three threads are at work: one fetches a frame and brings tile after tile of it into register, one runs stage 1, and the
    caller's runs stage 2. It is `Rmfd.step` in its parts.
    """
    with (
        closing(_ahead(_register(windows, model, tiles, past, spent), ahead)) as pieces,
        closing(_ahead(_recover(pieces, model, tiles, state, spent), ahead)) as found,
    ):
        for frame in found:
            with spending(spent, "stage 2"), _frame_work():
                result = partial(Memory, frame.view, frame.state, frame.past, _refine(model, frame))
            del frame
            yield result


def _register(
    windows: Iterable[SceneWindow],
    model: Rmfd,
    tiles: tuple[tiling.Tile, ...],
    past: Past | None,
    spent: Spent | None,
) -> Generator[Aligned, None, None]:
    for views, begins in windows:
        with spending(spent, "align"), _frame_work():
            sights, past = look(views, begins, past)
        for sight in sights:
            for tile in tiles:
                with spending(spent, "align"), _frame_work():
                    piece = tiling.register(model, tile, sight)
                yield Aligned(sight, piece, past)
                del piece


def _recover(
    pieces: Iterable[Aligned],
    model: Rmfd,
    tiles: tuple[tiling.Tile, ...],
    state: State | None,
    spent: Spent | None,
) -> Generator[Found, None, None]:
    cleared: Cleared | None = None
    held: deque[Found] = deque()
    """The first frames of a scene, until the very first has been seen again."""
    for sight, piece, past in pieces:
        with spending(spent, "stage 1"), _frame_work():
            before = None if sight.begins else state
            cleared = tiling.put_together(cleared, piece.tile, tiling.clear(model, piece, before))
            is_whole = piece.tile is tiles[-1]
            del piece
            if not is_whole:
                continue
            if sight.again:
                held[0] = held[0].seen_again(cleared)
            else:
                recovered, state = model.judge(cleared, before)
                held.append(Found(sight.current, tiles, recovered, state, past))
                del recovered
            cleared = before = None
        while held and not held[0].past.awaited:
            yield held.popleft()


def _refine(model: Rmfd, found: Found) -> Ycc:
    frame = found.view.image
    change = Ycc(np.empty_like(frame.luma), np.empty_like(frame.chroma))
    for tile in found.tiles:
        before = tiling.pixels(frame, tile.box, found.recovered.hazy.luma.device)
        after = tiling.refine(model, tile, found.recovered).cropped(*before.luma.shape[-2:])
        leave_change(after, before, tiling.pixels(change, tile.box, _CPU))
    return change


@contextmanager
def _frame_work() -> Iterator[None]:
    """Inference on a part of a frame, in whatever thread; running out of memory gets a name.

    Raises:
        _NoRoom: there is too little.
    """
    try:
        with torch.inference_mode():
            yield
    except Exception as error:
        if is_shortage(error):
            raise _NoRoom from error
        raise


def _ahead(items: Generator[Item, None, None], count: int) -> Generator[Item, None, None]:
    """The same items, so many of which a thread prepares while the one before them is being used."""
    with closing(items), ThreadPoolExecutor(1) as preparer:
        try:
            pending = deque[Future[Item | None]](preparer.submit(next, items, None) for _ in range(count))
        except RuntimeError as error:
            # No memory for the stack of a thread.
            raise _NoRoom from error
        try:
            while (item := pending.popleft().result()) is not None:
                pending.append(preparer.submit(next, items, None))
                yield item
                # Not a moment longer: it is large.
                del item
        finally:
            # Whoever stops early does not wait for what nobody will take.
            preparer.shutdown(wait=False, cancel_futures=True)


def _views(images: Iterable[Ycc], spent: Spent | None) -> Iterator[View]:
    for image in images:
        with spending(spent, "align"):
            view = view_of(image)
        yield view
