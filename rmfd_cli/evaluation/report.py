"""Scores as tables and files."""

import csv
import io
import json
import math
from typing import Any

from rmfd_cli.evaluation.run import Evaluation, Rows
from rmfd_cli.evaluation.scores import Scores

MEAN = "mean"
"""What the last rows are called."""
DIGITS = Scores(2, 4, 2, 4, 4, 2)


def table(evaluation: Evaluation) -> list[tuple[str, ...]]:
    """The header, a row for each clip and what is scored of it, and the means; scores as text."""
    rows = [(clip.name, str(len(clip.frames)), clip.mean) for clip in evaluation.clips]
    rows.append((MEAN, str(sum(len(clip.frames) for clip in evaluation.clips)), evaluation.mean))
    header = ("clip", "of", "frames", *Scores._fields)
    return [header, *((name, kind, count, *_text(scores)) for name, count, kinds in rows for kind, scores in kinds.items())]


def as_csv(evaluation: Evaluation) -> str:
    """The table as comma-separated values."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table(evaluation))
    return text.getvalue()


def as_json(evaluation: Evaluation, about: dict[str, Any]) -> str:
    """All scores, of each frame, too; what is no number is null.

    Args:
        evaluation: what came of it.
        about: what to say of how it came about.
    """
    clips = [
        {"clip": clip.name, "mean": _plain(clip.mean), "frames": [_plain(rows) for rows in clip.frames]}
        for clip in evaluation.clips
    ]
    failures = [str(failure) for failure in evaluation.failures]
    return json.dumps({**about, "mean": _plain(evaluation.mean), "clips": clips, "failures": failures}, indent=1) + "\n"


def _text(scores: Scores) -> list[str]:
    return ["" if math.isnan(x) else f"{x:.{digits}f}" for x, digits in zip(scores, DIGITS, strict=True)]


def _plain(rows: Rows) -> dict[str, dict[str, float | None]]:
    return {kind: {name: None if math.isnan(x) else x for name, x in scores._asdict().items()} for kind, scores in rows.items()}
