import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rmfd_cli import compiled
from rmfd_cli.cli import app, doctor
from rmfd_cli.video.trial import try_encoder
from tests import media


@pytest.fixture
def few_encoders(monkeypatch):
    monkeypatch.setattr(doctor, "ENCODERS", ("libx264", "ffv1", "h264_nvenc", "h264_nonsense"))


def fake_ffmpeg(path: Path, encoding: str) -> str:
    """A real ffmpeg except that encoding does `encoding`."""
    path.write_text(f'#!/bin/sh\ncase "$*" in *testsrc2*) {encoding};; esac\nexec {media.FFMPEG} "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_a_sound_machine_is_told_line_by_line_and_exits_with_zero(few_encoders, monkeypatch):
    monkeypatch.delenv("RMFD_FFMPEG", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    for words in ("torch: ", "device   cpu", media.FFMPEG, "imageio-ffmpeg", "libx264: works", "verified", "can run here"):
        assert words in result.stdout
    assert "- encoder  h264_nonsense: is not in this ffmpeg" in result.stdout


def test_loops_that_were_not_compiled_are_named_and_no_obstacle(few_encoders, monkeypatch):
    monkeypatch.setattr(compiled, "is_there", lambda: False)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0, result.output
    assert "- device   compiled loops: are missing" in result.stdout
    assert "C compiler" in result.stdout


def test_json_says_the_same(few_encoders):
    result = CliRunner().invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    assert report["ready"] is True
    assert {finding["kind"] for finding in report["findings"]} == {"version", "device", "ffmpeg", "encoder", "weights"}
    weights = [finding for finding in report["findings"] if finding["kind"] == "weights"]
    assert [finding["name"] for finding in weights] == ["small"]


@pytest.mark.parametrize(
    ("encoding", "reason"), [("echo 'no such chip' >&2; exit 1", "no such chip"), ("exec sleep 60", "does not end after 1 s")]
)
def test_an_encoder_that_is_listed_but_does_not_work_is_found_out(tmp_path, encoding, reason):
    assert reason in str(try_encoder(fake_ffmpeg(tmp_path / "ffmpeg", encoding), "libx264", seconds=1.0))


def test_without_the_default_encoder_the_exit_code_is_four(few_encoders, tmp_path):
    binary = fake_ffmpeg(tmp_path / "ffmpeg", "echo broken >&2; exit 1")
    result = CliRunner().invoke(app, ["doctor", "--ffmpeg", binary])
    assert result.exit_code == 4
    assert "! encoder  libx264: broken" in result.stdout
    assert result.stdout.splitlines()[-1] == "! rmfd derain cannot run here"


def test_a_missing_ffmpeg_is_one_line_and_the_rest_is_still_told():
    result = CliRunner().invoke(app, ["doctor", "--ffmpeg", "/nonexistent/ffmpeg"])
    assert result.exit_code == 4
    assert "! ffmpeg   /nonexistent/ffmpeg: " in result.stdout
    assert "verified" in result.stdout


def test_damaged_weights_are_found_out(few_encoders, tmp_path, monkeypatch):
    from rmfd_cli.model import checkpoint

    shipped = Path(str(checkpoint.resources.files("rmfd_cli.weights")))
    for name in ("manifest.json", "rmfd-small.safetensors"):
        shutil.copy(shipped / name, tmp_path / name)
    with (tmp_path / "rmfd-small.safetensors").open("r+b") as file:
        file.write(b"damaged!")
    monkeypatch.setattr(checkpoint.resources, "files", lambda package: tmp_path)
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 4
    bad = [finding for finding in json.loads(result.stdout)["findings"] if finding["kind"] == "weights"]
    assert not bad[0]["ok"]
    assert "checksum" in bad[0]["detail"]


def test_asking_for_help_loads_nothing_heavy():
    code = "import sys, rmfd_cli.cli.doctor; print(sorted({'torch', 'av', 'cv2', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
