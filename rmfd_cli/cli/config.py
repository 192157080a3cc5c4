"""Options from a TOML file: its keys are the names of options, and the command line wins over it."""

import difflib
import importlib
import sys
from pathlib import Path
from typing import Any, NamedTuple

import typer

from rmfd_cli.cli.outcome import errors_as_lines
from rmfd_cli.errors import UsageError


def options_from(context: typer.Context, path: Path | None) -> Path | None:
    """Callback of an eager `--config`: what the file says takes the place of the command's defaults.

    Args:
        context: of the command.
        path: the file, if one is given.
    """
    if path is not None:
        with errors_as_lines():
            keys = {
                flag[2:].replace("-", "_"): Key(str(parameter.name), bool(getattr(parameter, "multiple", False)))
                for parameter in context.command.params
                for flag in parameter.opts
                if flag.startswith("--")
            }
            del keys["config"]
            context.default_map = read_options(path, keys)
    return path


class Key(NamedTuple):
    """What an option of the command line stands for."""

    parameter: str
    """Its name in the function, `compile_step` of `--compile`."""
    multiple: bool
    """Whether it can be given more than once."""


def read_options(path: Path, known: dict[str, Key]) -> dict[str, Any]:
    """Values by the name of their parameter, as text, which is then read like the command line's.

    Args:
        path: the file.
        known: by the option's long name with underscores (`batch_size`). What can be given more than once takes a list, or a
            table, whose entries become `name=value`.

    Raises:
        UsageError: the file is missing or no TOML, a key is not known, or a value is neither text, number nor truth value.
    """
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        values: dict[str, Any] = toml.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: cannot be read ({error.strerror}); check the name") from error
    except ValueError as error:
        raise UsageError(f"--config {path}: is not TOML: {error}") from error
    options: dict[str, Any] = {}
    for key, value in values.items():
        name = key.replace("-", "_")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0)[0].replace("_", "-")
            raise UsageError(f"--config {path}: there is no option {key!r}; the nearest is {near!r}")
        parameter, multiple = known[name]
        if multiple and isinstance(value, dict):
            value = [f"{entry}={item}" for entry, item in value.items()]
        items = value if multiple and isinstance(value, list) else [value]
        if not all(isinstance(item, str | int | float) for item in items):
            raise UsageError(f"--config {path}: {key} is {value!r}; write text, a number, true or false")
        texts = [str(item) for item in items]
        options[parameter] = texts if multiple else texts[0]
    return options
