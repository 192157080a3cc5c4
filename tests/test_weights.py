"""`rmfd weights`: what is shipped can be listed, read, verified and taken elsewhere."""

import json
import shutil
import sys
from pathlib import Path

import onnx
import pytest
from typer.testing import CliRunner

from rmfd_cli.cli import app
from rmfd_cli.model import checkpoint
from rmfd_cli.model.checkpoint import manifest, sha256, shipped_weights


def run(*arguments: object):
    return CliRunner().invoke(app, ["weights", *map(str, arguments)])


@pytest.fixture
def damaged(tmp_path, monkeypatch) -> Path:
    shipped = Path(str(checkpoint.resources.files("rmfd_cli.weights")))
    folder = tmp_path / "weights"
    shutil.copytree(shipped, folder)
    path = folder / "rmfd-small.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    monkeypatch.setattr(checkpoint.resources, "files", lambda package: folder)
    return path


def test_all_that_is_shipped_is_listed():
    done = run("list")
    assert done.exit_code == 0
    header, *rows = (line.split("\t") for line in done.stdout.splitlines())
    assert header == ["name", "file", "parameters", "MB", "PSNR, dB"]
    assert [row[0] for row in rows] == sorted(manifest()["models"])


def test_one_of_them_is_shown_as_the_manifest_has_it():
    text, entry = run("show", "small").stdout, json.loads(run("show", "small", "--json").stdout)
    assert entry == manifest()["models"]["small"]
    for value in (entry["sha256"], entry["training"]["command"], str(shipped_weights("small"))):
        assert value in text


def test_all_of_them_are_verified():
    done = run("verify")
    assert done.exit_code == 0
    assert f"sha256 {sha256(shipped_weights('small'))} verified" in done.stdout


@pytest.mark.parametrize("command", [("list",), ("show", "small"), ("verify",), ("export", "small", "-o", "x.onnx")])
def test_damage_is_one_line(damaged, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    done = run(*command)
    assert done.exit_code == 4
    assert done.stderr == f"rmfd: error: {damaged} is damaged: its checksum is not the manifest's; install rmfd again\n"
    assert not list(tmp_path.glob("*.onnx"))


def test_an_export_is_two_graphs_that_are_replaced_only_when_asked(tmp_path):
    target = tmp_path / "rmfd.onnx"
    done = run("export", "small", "-o", target, "--size", "48x32")
    assert (done.exit_code, done.stdout) == (0, "")
    assert [line.partition(": ")[0] for line in done.stderr.splitlines()] == [str(tmp_path / "rmfd-first.onnx"), str(target)]
    first, onwards = (onnx.load(tmp_path / name).graph for name in ("rmfd-first.onnx", "rmfd.onnx"))
    assert [x.name for x in onwards.input][: len(first.input)] == [x.name for x in first.input]
    assert [x.name for x in onwards.output] == [x.name for x in first.output]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rmfd-first.onnx", "rmfd.onnx"]
    before = target.read_bytes()
    again = run("export", "small", "-o", target, "--size", "64x32")
    assert again.exit_code == 6
    assert target.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("show", "huge"), 4, "no model called 'huge'; shipped are: small"),
        (("export", "huge", "-o", "x.onnx"), 4, "no model called 'huge'"),
        (("export", "nowhere.safetensors", "-o", "x.onnx"), 4, "there are no weights at nowhere.safetensors"),
        (("export", "small", "-o", "nowhere/x.onnx"), 1, "no such directory; make it first"),
        (("export", "small", "-o", "x.onnx", "--size", "15x64"), 2, "both sides have to be at least 16"),
        (("export", "small", "-o", "x.onnx", "--size", "large"), 2, "'large' is no size"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, monkeypatch, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == code
    (line,) = done.stderr.splitlines()
    assert words in line
    assert not list(tmp_path.iterdir())


def test_an_export_without_what_writes_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    done = run("export", "small", "-o", tmp_path / "x.onnx")
    assert done.exit_code == 4
    assert "pip install onnx onnxscript" in done.stderr
