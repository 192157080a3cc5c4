"""Tables in documents."""

from collections.abc import Sequence
from pathlib import Path


def put_between(document: Path, begin: str, end: str, lines: Sequence[str]) -> None:
    """Puts lines in the place of all that is between two marks of a document."""
    text = document.read_text("utf-8")
    before, after = text.split(begin)[0], text.split(end)[1]
    document.write_text("\n".join([before + begin, "", *lines, "", end]) + after, "utf-8")
