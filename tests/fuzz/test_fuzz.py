"""Damaged files never hang, crash or fill the memory of `rmfd derain`, and never leave half an output."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.mutate import SOURCES

ROOT = Path(__file__).parents[2]
SECONDS, ADDRESS_MEGABYTES, RESIDENT_MEGABYTES = 60, 6000, 1024
STATUS = {0, 1, 5}


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    for name, make in SOURCES:
        make(folder / name)
    return folder


def faults(report: dict) -> list[str]:
    """What is wrong with how a run ended."""
    lines = report["said"].splitlines()
    errors = [line for line in lines if line.startswith("rmfd: error: ")]
    wrong = {
        "hangs": report["hung"],
        f"exit code {report['status']}": report["status"] not in STATUS,
        "a traceback": "Traceback" in report["said"],
        "an error that nobody foresaw": "RMFD_DEBUG" in report["said"],
        "says not one line of error": (len(errors) == 1) != (report["status"] != 0),
        "leaves something": report["files"] != (["out.mkv"] if report["status"] == 0 else []),
        "counts other frames than there are": report["status"] == 0
        and not re.search(rf"out\.mkv: {report['frames']} frames in", report["said"]),
        f"takes {report['megabytes']} MB": report["megabytes"] > RESIDENT_MEGABYTES,
    }
    return [name for name, is_so in wrong.items() if is_so]


def run(sources: Path, first: int, last: int) -> None:
    bounds = (str(SECONDS), str(ADDRESS_MEGABYTES))
    driver = [sys.executable, "-m", "tests.fuzz.driver", str(sources), str(first), str(last), *bounds]
    done = subprocess.run(driver, capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL, check=False)
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) == last - first, done.stderr
    bad = [f"mutant {report['number']}: {', '.join(faults(report))}\n{report['said']}" for report in reports if faults(report)]
    assert not bad, "\n".join(bad)
    statuses = [report["status"] for report in reports]
    assert last - first == 1 or 0 < statuses.count(0) < len(statuses), "too little or too much damage to show anything"


def test_forty_damaged_files(sources):
    run(sources, 0, 40)


def test_tags_that_are_not_text(sources):
    run(sources, 1186, 1187)


@pytest.mark.slow
def test_five_hundred_damaged_files(sources):
    run(sources, 1000, 1500)
