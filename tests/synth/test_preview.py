"""The contact sheet."""

import numpy as np
import pytest

from rmfd_cli.errors import InputError
from rmfd_cli.synth.frames import survey
from rmfd_cli.synth.preview import write_preview
from rmfd_cli.synth.request import SynthRequest
from rmfd_cli.synth.run import make_plan
from rmfd_cli.synth.variant import sample
from rmfd_cli.video.images import read_rgb
from rmfd_cli.video.lossless import read_lossless
from tests import media
from tests.synth import clips


def test_a_row_for_each_of_up_to_three_clips_and_nothing_else(tmp_path):
    for number in range(4):
        clips.video(tmp_path / "clean" / f"{number}.mkv", frames=6)
    (tmp_path / "clean/0.mkv").write_text("no video")
    failures = write_preview(make_plan(tmp_path / "clean", SynthRequest(variants=2)).jobs, tmp_path / "look.png")
    assert len(failures) == 1
    assert "0.mkv" in failures[0]
    sheet = read_rgb(tmp_path / "look.png")
    rows = sheet.shape[0] // (clips.SIZE[1] + 24)
    assert (rows, sheet.shape[1]) == (3, 9 * 640)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clean", "look.png"]


def test_the_first_picture_is_the_clip_and_the_last_is_wet(tmp_path):
    media.encode(tmp_path / "clip.mkv", frames=6, size=(640, 480), pix_fmt="yuv444p", codec=media.LOSSLESS)
    write_preview(make_plan(tmp_path, SynthRequest(preset="violent")).jobs, tmp_path / "look.png")
    sheet = read_rgb(tmp_path / "look.png")[24:]
    assert sheet.shape == (480, 9 * 640, 3)
    assert media.frame_number(sheet[:, :640]) == 4
    assert (np.abs(sheet[:, :640].astype(int) - sheet[:, -640:]) > 5).mean() > 0.3
    transmission = sheet[:, 5 * 640 : 6 * 640]
    assert transmission.min() < transmission.max()


@pytest.mark.parametrize("preset", ["heavy", "light"])
def test_the_pictures_are_those_of_the_data_set(tmp_path, preset):
    """Also the last one, behind the camera's coder."""
    clips.video(tmp_path / "clean/a.mkv", frames=6)
    request = SynthRequest(preset=preset, layers=())
    (job,) = clips.made(tmp_path / "clean", tmp_path / "out", request)
    assert sample(job, survey(job.clip, None, None)).weather.camera.coder is not None
    write_preview([job], tmp_path / "look.png")
    sheet = read_rgb(tmp_path / "look.png")[24:]
    stored = list(read_lossless(tmp_path / "out/a/0/rainy.mkv"))
    assert np.array_equal(sheet[:, 8 * 640 :][:, : clips.SIZE[0]], stored[4])


def test_a_folder_without_a_readable_clip_is_one_line(tmp_path):
    (tmp_path / "a.mp4").write_text("no video")
    with pytest.raises(InputError, match=r"none of the clips can be shown; .*a\.mp4"):
        write_preview(make_plan(tmp_path, SynthRequest()).jobs, tmp_path / "look.png")
    assert not (tmp_path / "look.png").exists()
