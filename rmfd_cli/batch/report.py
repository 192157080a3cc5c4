"""The outcome of a batch as a JSON file."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rmfd_cli.batch.run import Outcome
from rmfd_cli.errors import OutputError
from rmfd_cli.files import replace_whole


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many ended how: done, skipped, failed, not done."""
    counted = Counter(outcome.status for outcome in outcomes)
    return {status: counted[status] for status in ("done", "skipped", "failed", "not done")}


def summary(outcomes: Sequence[Outcome]) -> str:
    """The counts in words, without those that are zero but for `done`."""
    return ", ".join(f"{count} {status}" for status, count in counts(outcomes).items() if count or status == "done")


def as_json(outcomes: Sequence[Outcome], seconds: float, version: str, status: int) -> dict[str, Any]:
    """The report as `--report` writes it.

    Args:
        outcomes: Of all jobs.
        seconds: Wall time of the command.
        version: Of rmfd.
        status: What the command exits with.
    """
    return {
        "rmfd": version,
        "seconds": round(seconds, 3),
        "exit_code": status,
        "counts": {status.replace(" ", "_"): count for status, count in counts(outcomes).items()},
        "files": [asdict(outcome) for outcome in outcomes],
    }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write the report, complete or not at all; an older one is replaced.

    Raises:
        OutputError: It cannot be written.
    """
    try:
        # ASCII: names that are no text survive as escapes.
        replace_whole(path, (json.dumps(report, indent=2) + "\n").encode("ascii"))
    except OSError as error:
        raise OutputError(f"{path}: the report cannot be written: {error.strerror}") from error
