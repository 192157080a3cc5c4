"""Which clips there are, what is made of them, and where it lies."""

from pathlib import Path, PurePosixPath

import pytest

from rmfd_cli.errors import InputError, UsageError
from rmfd_cli.synth.layouts import check_places, place, stream_path
from rmfd_cli.synth.plan import derive_seed, plan
from rmfd_cli.synth.request import LAYERS, SynthRequest, difference, recorded
from rmfd_cli.synth.sources import Clip, find_sources
from rmfd_cli.video.names import natural
from tests.synth.clips import jobs_of


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def names(root: Path) -> list[str]:
    return [clip.name for clip in find_sources(root).clips]


def test_videos_and_frames_are_found_at_any_depth_in_natural_order(tmp_path):
    tree(tmp_path, "b10.mp4", "b2.MKV", "town/a.mov", "town/deep/00001.png", "town/deep/00002.png", "notes.txt", ".hidden.mp4")
    tree(tmp_path, ".cache/x.mp4", "photo.png", "single/00001.png")
    assert names(tmp_path) == ["b2", "b10", "town/a", "town/deep"]


def test_frames_come_by_number_whatever_their_padding(tmp_path):
    tree(tmp_path, *(f"a/f-{number}.jpg" for number in (10, 9, 1, 100)))
    (clip,) = find_sources(tmp_path).clips
    assert clip.name == "a"
    assert [path.stem for path in clip.frames] == ["f-1", "f-9", "f-10", "f-100"]


def test_rows_of_frames_that_share_a_folder_are_clips_of_their_own(tmp_path):
    tree(tmp_path, "a/gtc-1.jpg", "a/gtc-2.jpg", "a/other_01.png", "a/other_02.png")
    assert names(tmp_path) == ["a/gtc", "a/other"]


def test_a_single_picture_of_another_kind_is_no_frame(tmp_path):
    tree(tmp_path, "a/1.jpg", "a/2.jpg", "a/1.png")
    (clip,) = find_sources(tmp_path).clips
    assert [path.name for path in clip.frames] == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("1.jpg", "1.png", "2.jpg", "2.png"), r"a: has frames named NUMBER as \.jpg and as \.png; move one kind"),
        (("f1.JPG", "f2.jpg", "f1.webp", "f2.webp", "f3.webp"), r"a: has frames named fNUMBER as "),
        (("1.png", "01.png", "2.png"), r"a/1\.png: has the number of 01\.png|a/01\.png: has the number of 1\.png"),
        (("1.JPG", "1.jpg", "2.jpg"), r"has the number of 1\."),
    ],
)
def test_frames_that_are_there_twice_are_refused(tmp_path, files, words):
    tree(tmp_path, *(f"a/{name}" for name in files))
    with pytest.raises(InputError, match=words):
        find_sources(tmp_path)


def test_the_folder_itself_may_be_the_clip(tmp_path):
    tree(tmp_path / "street", "1.png", "2.png")
    assert names(tmp_path / "street") == ["street"]


def test_a_link_is_followed_and_a_circle_of_links_ends(tmp_path):
    tree(tmp_path, "clean/a.mp4", "elsewhere/b.mp4")
    (tmp_path / "clean" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "clean" / "again").symlink_to(tmp_path / "clean")
    assert names(tmp_path / "clean") == ["a", "more/b"]


@pytest.mark.parametrize(
    ("files", "where", "words"),
    [
        ((), ".", "holds no video and no folder of numbered frames"),
        (("x.txt", "one.png"), ".", "holds no video"),
        ((), "nowhere", "no such folder"),
        (("a.mp4",), "a.mp4", "is a file"),
        (("a.mp4", "a.mkv"), ".", "both would be called a"),
        (("a.mp4", "a/1.png", "a/2.png"), ".", "both would be called a"),
    ],
)
def test_no_clips_is_one_clear_line(tmp_path, files, where, words):
    tree(tmp_path, *files)
    with pytest.raises(InputError, match=words) as caught:
        find_sources(tmp_path / where)
    assert str(tmp_path) in str(caught.value)


def test_natural_order_is_total():
    texts = ["a2", "a10", "a02", "A2", "a", "2a", "a2b", ""]
    assert len({natural(text) for text in texts}) == len(texts)
    assert sorted(["a10", "a2", "b1", "a1"], key=natural) == ["a1", "a2", "a10", "b1"]


def test_a_seed_depends_on_the_clip_and_the_variant_and_on_nothing_else(tmp_path):
    tree(tmp_path, "a.mp4", "b.mp4", "c.mp4")
    clips = find_sources(tmp_path).clips
    request = SynthRequest(variants=3)
    seeds = {(job.source, job.variant): job.seed for job in plan(clips, tmp_path, request)}
    assert len(set(seeds.values())) == 9
    fewer = plan(clips[1:2], tmp_path, SynthRequest(variants=2, preset="heavy"))
    assert {(job.source, job.variant): job.seed for job in fewer} == {key: seeds[key] for key in (("b.mp4", 0), ("b.mp4", 1))}
    assert not set(seeds.values()) & {job.seed for job in plan(clips, tmp_path, SynthRequest(variants=3, seed=2))}


def test_seeds_do_not_run_into_each_other():
    assert derive_seed(1, "a", 11) != derive_seed(1, "a1", 1) != derive_seed(11, "a", 1)
    assert 0 <= derive_seed(0, "", 0) < 2**63


def test_the_layouts_are_those_of_the_toolboxes(tmp_path):
    tree(tmp_path, "a b.mp4", "town/c.mp4")
    expected = {
        "video": ("town/c/1", "town/c/1/rainy.mkv", "town/c/1/clean.mkv", "town/c/1/metadata.json"),
        "frames": ("town/c/1", "town/c/1/rainy", "town/c/1/clean", "town/c/1/metadata.json"),
        "basicsr": ("003", "Rain/003", "GT/003", "metadata/003.json"),
        "nturain": ("town__c-1", "town__c-1_Rain", "town__c-1_GT", "metadata/town__c-1.json"),
        "rainsyn": ("town__c-1", "Rain/town__c-1", "GT/town__c-1", "metadata/town__c-1.json"),
    }
    for layout, (name, rainy, clean, metadata) in expected.items():
        jobs = jobs_of(tmp_path, SynthRequest(variants=2, format=layout))
        assert " " not in place(jobs[0], (), layout).name
        where = place(jobs[3], ("rainy", "clean"), layout)
        assert (where.name, str(where.metadata)) == (name, metadata)
        assert [str(stream_path(jobs[3], stream, layout)) for stream in ("rainy", "clean")] == [rainy, clean]
        assert where.metadata == where.units[-1] or where.metadata.is_relative_to(where.units[-1])


@pytest.mark.parametrize(
    ("layout", "one", "other"),
    [("video", "a", "a/0/b"), ("rainsyn", "a/b", "a__b"), ("nturain", "a b", "a_b"), ("frames", "a b", "a_b")],
)
def test_two_clips_in_one_place_are_refused_before_any_work(layout, one, other):
    clips = [Clip(name, Path("/clean", f"{name}.mp4")) for name in (one, other)]
    jobs = plan(clips, Path("/clean"), SynthRequest(format=layout))
    with pytest.raises(UsageError, match="both would lie in"):
        check_places(jobs, ("rainy", "clean"), layout)


def test_basicsr_numbers_never_collide():
    clips = [Clip(name, Path("/clean", f"{name}.mp4")) for name in ("a/b", "a__b", "a", "a/0/b")]
    jobs = plan(clips, Path("/clean"), SynthRequest(format="basicsr", variants=2))
    check_places(jobs, ("rainy", "clean"), "basicsr")
    assert place(jobs[7], (), "basicsr").metadata == PurePosixPath("metadata/007.json")


@pytest.mark.parametrize("bad", [{"variants": 0}, {"frames": 0}, {"size_px": (8, 100)}])
def test_a_request_that_makes_no_sense_is_refused(bad):
    with pytest.raises(UsageError, match="--"):
        SynthRequest(**bad)


def test_toolbox_layouts_store_no_layers_unless_asked():
    assert SynthRequest(format="video").stored_layers == LAYERS
    assert SynthRequest(format="basicsr").stored_layers == ()
    assert SynthRequest(format="basicsr", layers=("flow",)).stored_layers == ("flow",)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 2}, "--seed 1, not 2"),
        ({"rain_rate_mm_h": 2.5}, "--rain-rate not given, not 2.5"),
        ({"size_px": (64, 48)}, "--size not given, not 64x48"),
        ({"layers": ("flow",)}, "--layers streaks,transmission"),
        ({"depth_dir": "depth"}, "--depth-dir not given, not given"),
        ({"format": "frames"}, "--format video, not frames"),
    ],
)
def test_a_difference_is_named_in_the_words_of_the_command_line(change, words):
    if "depth_dir" in change:
        words = "--depth-dir"
    assert words in (difference(recorded(SynthRequest()), recorded(SynthRequest(**change))) or "")


def test_more_variants_are_no_difference():
    assert difference(recorded(SynthRequest()), recorded(SynthRequest(variants=5))) is None
