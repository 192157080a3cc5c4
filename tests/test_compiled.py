"""What was compiled is found, and can be missing."""

import importlib.util
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rmfd_cli import compiled

ROOT = Path(__file__).parents[1]


@pytest.fixture
def anew():
    """The library is looked for again, before and after."""
    compiled._library.cache_clear()
    yield
    compiled._library.cache_clear()


def test_all_that_is_compiled_goes_into_a_source_distribution(monkeypatch):
    given = {}
    setuptools = SimpleNamespace(Extension=lambda name, sources, **more: [*sources, *more["depends"]], setup=given.update)
    monkeypatch.setitem(sys.modules, "setuptools", setuptools)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    there = {path.relative_to(ROOT).as_posix() for suffix in "ch" for path in (ROOT / "rmfd_cli").rglob(f"*.{suffix}")}
    assert len(there) > 4
    assert set(given["ext_modules"][0]) == there


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no compiler")
def test_it_was_compiled():
    assert compiled.is_there()


@pytest.mark.parametrize("content", [None, "a file that is no library"], ids=["missing", "broken"])
def test_it_can_be(content, anew, tmp_path, monkeypatch):
    spec = None
    if content is not None:
        (tmp_path / "broken.so").write_text(content)
        spec = importlib.util.spec_from_file_location("broken", tmp_path / "broken.so")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert not compiled.is_there()


@pytest.mark.skipif(not compiled.is_there(), reason="nothing was compiled")
def test_an_array_whose_numbers_do_not_lie_together_is_refused():
    with pytest.raises(AssertionError):
        compiled.call("to_numbers_8", np.zeros((4, 8), np.uint8)[:, ::2])


@pytest.mark.skipif(not compiled.is_there(), reason="nothing was compiled")
def test_a_library_of_before_is_not_loaded(anew, monkeypatch):
    monkeypatch.setattr(compiled, "_VERSION", compiled._VERSION + 1)
    assert not compiled.is_there()


@pytest.mark.skipif(not shutil.which("cc"), reason="there is no compiler")
def test_a_library_of_something_else_is_not_loaded(anew, tmp_path, monkeypatch):
    (tmp_path / "other.c").write_text("int other;\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "other.so", tmp_path / "other.c"], check=True)
    spec = importlib.util.spec_from_file_location("other", tmp_path / "other.so")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    assert not compiled.is_there()
