"""Batches by number, drawn ahead of the network that learns from them."""

import signal
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from rmfd_cli.errors import MachineError, RmfdError, TrainingError
from rmfd_cli.model.process import keep_freed_memory
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.clips import Clip
from rmfd_cli.training.data import draw_batch, draw_clean
from rmfd_cli.training.packed import Packed, concatenate
from rmfd_cli.training.paired import Pair, draw_pairs
from rmfd_cli.training.parallel import Ranks
from rmfd_cli.training.real import draw_real
from rmfd_cli.training.schedule import place, update_frames


class Sources(NamedTuple):
    """What batches are drawn from."""

    clean: Sequence[Clip] = ()
    """Clips to rain on; none if there are pairs."""
    pairs: Sequence[Pair] = ()
    """Clips that were rained on elsewhere."""
    real_rain: Sequence[Clip] = ()
    """Clips whose rain is real."""
    real_clean: Sequence[Clip] = ()
    """Clips for the discriminator; none in stage 1."""


class Lesson(NamedTuple):
    """What one batch number stands for."""

    batch: Packed
    clean: Tensor | None
    """Clean video for the discriminator, `[B, T, 3, H, W]` uint8."""

    def to(self, device: torch.device) -> "Lesson":
        """The same on another device."""
        return Lesson(self.batch.to(device), None if self.clean is None else self.clean.to(device, non_blocking=True))


class Draw(Dataset[Lesson]):
    """A rank's share of every batch by its number; it depends on nothing but the arguments, so that training resumes exactly.

    Args:
        sources: what to draw from.
        options: of the run.
        ranks: this process draws `options.batch_size / ranks.of` of a batch's clips.
    """

    def __init__(self, sources: Sources, options: TrainOptions, ranks: Ranks) -> None:
        self.sources, self.options, self.ranks = sources, options, ranks

    def __getitem__(self, number: int) -> Lesson:
        """The share of batch `number`."""
        options, sources = self.options, self.sources
        seed, share = _stage_seed(options), number * self.ranks.of + self.ranks.rank
        frames = options.updates_per_clip * update_frames(options, number)
        shape = {"frames": frames, "crop_px": options.crop_px}
        size = options.batch_size // self.ranks.of
        real = _share_of(size, options.real_share, np.random.default_rng([seed, share, 0, 5])) if sources.real_rain else 0
        paired = 0
        if sources.pairs:
            rng = np.random.default_rng([seed, share, 0, 2])
            paired = int(rng.binomial(size - real, options.paired_share)) if sources.clean else size - real
        parts = []
        if simulated := size - real - paired:
            parts.append(draw_batch(sources.clean, seed, share, size=simulated, **shape))
        if paired:
            parts.append(draw_pairs(sources.pairs, seed, share, size=paired, **shape))
        if real:
            parts.append(draw_real(sources.real_rain, seed, share, size=real, **shape))
        clean = draw_clean(sources.real_clean, seed, share, size=size, **shape) if sources.real_clean else None
        return Lesson(parts[0] if len(parts) == 1 else concatenate(parts), clean)


def _stage_seed(options: TrainOptions) -> int:
    """Stage 2 would otherwise see stage 1's clips again, in their order."""
    return options.seed if options.stage == 1 else int(np.random.default_rng([options.seed, options.stage]).integers(2**62))


def _share_of(size: int, share: float, rng: np.random.Generator) -> int:
    """How many of so many clips, rounded up or down at random, so that the mean is the share up to (size - 1)/size.

    A larger share than that leaves one clip to the other sources, unless it is 1, or there is but one clip to draw.
    """
    count = int(size * share + rng.random())
    return min(count, size - 1) if share < 1 and size > 1 else count


def steps(draw: Draw, first: int, device: torch.device) -> Generator[tuple[int, Lesson], None, None]:
    """The number of every step from `first` on, and its batch on the device; batches are drawn while others are learnt from."""
    options = draw.options
    last = options.steps - 1
    if first > last:
        return
    numbers = range(place(options, first).batch, place(options, last).batch + 1)
    ahead = _by_processes(draw, numbers, device) if options.workers else _by_a_thread(draw, numbers, device)
    updates = options.updates_per_clip
    with closing(ahead):
        for number, lesson in zip(numbers, ahead, strict=True):
            for step in range(max(first, number * updates), min(last + 1, (number + 1) * updates)):
                yield step, lesson


def _by_a_thread(draw: Draw, numbers: range, device: torch.device) -> Generator[Lesson, None, None]:
    def drawn(number: int) -> Lesson:
        return draw[number].to(device)

    with ThreadPoolExecutor(1) as drawer:
        pending = drawer.submit(drawn, numbers[0])
        for number in numbers[1:]:
            lesson = pending.result()
            pending = drawer.submit(drawn, number)
            yield lesson
        yield pending.result()


def _by_processes(draw: Draw, numbers: range, device: torch.device) -> Generator[Lesson, None, None]:
    """One batch ahead per worker. The clips lie in files that all of them map, so that they share the memory."""
    with ExitStack() as stack:
        try:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="rmfd-clips-")))
            _store(draw.sources, folder)
        except OSError as error:
            raise MachineError(
                f"the clips cannot be stored for --workers ({error.strerror or error}); make room, or set TMPDIR"
            ) from error
        loader = DataLoader(
            _MappedDraw(folder, draw),
            batch_size=None,
            sampler=numbers,
            num_workers=draw.options.workers,
            prefetch_factor=1,
            multiprocessing_context="spawn",
            worker_init_fn=_prepare_worker,
            pin_memory=device.type == "cuda",
        )
        ahead = iter(loader)
        # An error's traceback would keep them alive, and leaving Python then waits for them forever.
        stack.callback(_end_workers, ahead)
        for _ in numbers:
            try:
                lesson = next(ahead)
            except Exception as error:
                raise _not_drawn(error) from error
            yield lesson.to(device)


def _end_workers(ahead: Any) -> None:
    """Ends them whether or not they are done; one that dies of it, as native threads can make it, has nothing left to say."""
    with suppress(RuntimeError):
        ahead._shutdown_workers()


def _not_drawn(error: Exception) -> RmfdError:
    """What happened to a worker; torch puts the traceback into the message, which ends with the worker's own words."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    if isinstance(error, RuntimeError) and any(sign in lines[0] for sign in ("exited unexpectedly", "killed by signal")):
        return MachineError(f"a batch could not be drawn ({lines[0]}); try fewer --workers, or more room in /dev/shm")
    if isinstance(error, RmfdError):
        return type(error)(lines[-1].partition(": ")[2] or lines[-1])
    return TrainingError(f"a batch could not be drawn ({lines[-1]}); --workers 0 tells more")


class _MappedDraw(Draw):
    """The same from the files of `_store`, which each worker maps when it is first asked."""

    def __init__(self, folder: Path, draw: Draw) -> None:
        super().__init__(Sources(), draw.options, draw.ranks)
        self.folder, self.counts = folder, {name: len(clips) for name, clips in draw.sources._asdict().items()}
        self.one_clean = draw.sources.real_clean is draw.sources.clean

    def __getitem__(self, number: int) -> Lesson:
        """The share of batch `number`."""
        if not any(self.sources):
            self.sources = _mapped(self.folder, self.counts, self.one_clean)
        return super().__getitem__(number)


def _store(sources: Sources, folder: Path) -> None:
    for name, clips in sources._asdict().items():
        if name == "real_clean" and clips is sources.clean:
            continue
        for k, clip in enumerate(clips):
            for part, pixels in enumerate(clip if isinstance(clip, Pair) else [clip]):
                np.save(folder / f"{name}-{k}-{part}.npy", pixels)


def _mapped(folder: Path, counts: Mapping[str, int], one_clean: bool) -> Sources:
    def clips(name: str, part: int = 0) -> list[Clip]:
        files = (folder / f"{name}-{k}-{part}.npy" for k in range(counts[name]))
        return [np.asarray(np.load(file, mmap_mode="r")) for file in files]

    pairs = [Pair(*both) for both in zip(clips("pairs"), clips("pairs", 1), strict=True)]
    clean = clips("clean")
    return Sources(clean, pairs, clips("real_rain"), clean if one_clean else clips("real_clean"))


def _prepare_worker(_: int) -> None:
    keep_freed_memory()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # Whether to stop is for the parent to decide, which ends its workers.
    for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
        signal.signal(number, signal.SIG_IGN)
