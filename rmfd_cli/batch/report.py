"""The outcome of a batch as a JSON file."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rmfd_cli.batch.run import Outcome
from rmfd_cli.files import write_output


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many ended how: `done`, `skipped`, `failed`, `not_done`."""
    counted = Counter(outcome.status for outcome in outcomes)
    return {status.replace(" ", "_"): counted[status] for status in ("done", "skipped", "failed", "not done")}


def summary(outcomes: Sequence[Outcome]) -> str:
    """The counts in words, without those that are zero but for `done`."""
    counted = {status.replace("_", " "): count for status, count in counts(outcomes).items()}
    return ", ".join(f"{count} {status}" for status, count in counted.items() if count or status == "done")


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
        "counts": counts(outcomes),
        "files": [asdict(outcome) for outcome in outcomes],
    }


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write the report, complete or not at all; an older one is replaced.

    Raises:
        OutputError: It cannot be written.
    """
    # ASCII: names that are no text survive as escapes.
    write_output(path, (json.dumps(report, indent=2) + "\n").encode("ascii"))
