"""Names of pictures in a row."""

import pytest

from rmfd_cli.video.names import frame_matcher, frame_name


@pytest.mark.parametrize(
    ("pattern", "number", "name"),
    [
        ("%05d.png", 7, "00007.png"),
        ("%5d.png", 7, "00007.png"),
        ("%d.png", 12, "12.png"),
        ("%02d.png", 1234, "1234.png"),
        ("100%_%03d.png", 4, "100%_004.png"),
        ("a%04d_%d%s.png", 4, "a0004_%d%s.png"),
    ],
)
def test_a_name_fits_its_pattern(pattern, number, name):
    assert frame_name(pattern, number) == name
    matcher = frame_matcher(pattern)
    assert matcher is not None
    found = matcher(name)
    assert found is not None
    assert int(found[1]) == number


@pytest.mark.parametrize("name", ["a.png", "%s.png", "%%.png", "%05.png"])
def test_what_is_no_pattern(name):
    assert frame_matcher(name) is None
