"""The model as a function, loaded when its first frame comes: torch takes seconds to import."""

import gc
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

import typer

from rmfd_cli.cli.values import parse_size

if TYPE_CHECKING:
    from rmfd_cli.stages import Spent
    from rmfd_cli.types import RestoreFrom


ModelName: TypeAlias = Annotated[str, typer.Option(help="auto, the name of shipped weights (small), or a .safetensors file.")]
DeviceName: TypeAlias = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where the model runs.")]
MemorySize: TypeAlias = Annotated[
    int | None,
    typer.Option(parser=parse_size, metavar="SIZE", help="As for rmfd derain. [default: no bound]", show_default=False),
]

Value = TypeVar("Value")


def unheard(text: str) -> None:
    """Where warnings go that nobody is to hear."""


def lazy_restorer(
    model: str,
    device: str,
    memory_bytes: int | None = None,
    warn: Callable[[str], None] = unheard,
    spent: "Spent | None" = None,
    at_once: int = 1,
) -> Callable[[Iterable[Any]], Iterator[Any]]:
    """The model as a function, loaded once, when the first frame is asked for.

    Args:
        model: as of `streaming.restorer`.
        device: likewise.
        memory_bytes: likewise.
        warn: likewise.
        spent: likewise.
        at_once: how many videos the model will see at a time.
    """

    @_once
    def load() -> Any:
        # Torch takes seconds to import: a missing file should not have to wait for it.
        with _importing():
            from rmfd_cli.model.streaming import restorer

        _settle_process(at_once)
        return restorer(model, device, memory_bytes, warn, spent, at_once)

    return lambda pictures: load()(pictures)


def lazy_restorer_from(
    model: str,
    device: str,
    memory_bytes: int | None = None,
    warn: Callable[[str], None] = unheard,
    spent: "Spent | None" = None,
    at_once: int = 1,
) -> "tuple[RestoreFrom, Callable[[], dict[str, str]]]":
    """As `lazy_restorer`, of a model that can go on; and what decides its results."""

    @_once
    def load() -> Any:
        with _importing():
            from rmfd_cli.model.memory import restorer_from

        _settle_process(at_once)
        return restorer_from(model, device, memory_bytes, warn, spent, at_once)

    @_once
    def identify() -> dict[str, str]:
        from rmfd_cli.model.memory import identity

        return identity(model, device, memory_bytes, at_once)

    return lambda pictures, memory: load()(pictures, memory), identify


def _once(make: Callable[[], Value]) -> Callable[[], Value]:
    """Made when first asked for, by whichever thread."""
    lock, cached = threading.Lock(), cache(make)

    def made() -> Value:
        with lock:
            return cached()

    return made


@contextmanager
def _importing() -> Iterator[None]:
    """Keeps the garbage collector out of imports, a fifth of torch's time, and of what they leave, which stays to the end."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _settle_process(at_once: int) -> None:
    from rmfd_cli.model.process import keep_freed_memory, share_cores

    keep_freed_memory()
    share_cores(at_once)
