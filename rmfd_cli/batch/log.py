"""What happens in a batch, event by event, in a file that only grows."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypeAlias

from rmfd_cli.errors import OutputError

LogFormat: TypeAlias = Literal["text", "json"]


def log_event(path: Path, form: LogFormat, event: str, **values: Any) -> None:
    """Append a line about an event.

    Args:
        path: The log, made if need be. It is opened for each line, so it may be moved away at any time.
        form: A text line is `TIME EVENT key=value …` with values as in JSON, a JSON line an object with `time` and
            `event`. Times are UTC.
        event: What happened, in one word.
        values: What there is to say about it, as JSON has it.

    Raises:
        OutputError: The file cannot be written.
    """
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if form == "json":
        line = json.dumps({"time": now, "event": event, **values})
    else:
        line = " ".join([now, event, *(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in values.items())])
    try:
        with path.open("ab") as file:
            file.write(line.encode("utf-8", "backslashreplace") + b"\n")
    except OSError as error:
        raise OutputError(f"--log-file {path}: cannot be written: {error.strerror}") from error
