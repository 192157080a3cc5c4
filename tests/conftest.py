"""Fixtures that every test may ask for."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.stand_ins import unchanged

Clip = Callable[..., Path]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """`clip(media.vfr, ".mkv", frames=40)`: a path to that video, made once for the whole session; only read it."""
    folder = tmp_path_factory.mktemp("clips")
    made: dict[str, Path] = {}

    def make(kind: Callable[..., Path], suffix: str = ".mp4", **arguments: object) -> Path:
        key = f"{kind.__name__}{suffix}{sorted(arguments.items())}"
        if key not in made:
            made[key] = kind(folder / f"{kind.__name__}-{len(made)}{suffix}", **arguments)
        return made[key]

    return make


@pytest.fixture
def rmfd(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`rmfd("derain", source, "-o", target)`: the command line in this process, with a model that changes nothing."""
    from rmfd_cli import cli
    from rmfd_cli.cli import derain

    monkeypatch.setattr(derain, "lazy_restorer", lambda *asked: unchanged)
    return lambda *arguments: CliRunner().invoke(cli.app, [str(argument) for argument in arguments])
