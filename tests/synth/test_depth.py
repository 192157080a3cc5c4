"""Depth maps are metres: what their numbers mean, and what was not measured."""

import numpy as np
import pytest

from rmfd_cli.synth.depth import FAR_M, depth_maps
from rmfd_cli.video.images import write_png


def test_a_png_holds_256_units_per_metre_and_0_where_nothing_was_measured(tmp_path):
    write_png(tmp_path / "street.png", np.array([[256, 2560, 0], [1, 65535, 128]], np.uint16))
    depth = next(depth_maps(tmp_path, "street", (3, 2)))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.float32([[1, 10, FAR_M], [1 / 256, 65535 / 256, 0.5]]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_an_array_holds_metres_and_what_is_not_finite_and_positive_was_not_measured(tmp_path, dtype):
    np.save(tmp_path / "street.npy", np.array([[0.5, 0, -1], [np.nan, np.inf, 200]], dtype))
    depth = next(depth_maps(tmp_path, "street", (3, 2)))
    assert depth.dtype == np.float32
    np.testing.assert_array_equal(depth, np.float32([[0.5, FAR_M, FAR_M], [FAR_M, FAR_M, 200]]))


def test_maps_of_frames_come_in_the_order_of_their_numbers(tmp_path):
    (tmp_path / "street").mkdir()
    for number in (10, 9, 2):
        write_png(tmp_path / "street" / f"{number}.png", np.full((2, 3), 256 * number, np.uint16))
    maps = depth_maps(tmp_path, "street", (3, 2))
    assert [float(next(maps).max()) for _ in range(3)] == [2, 9, 10]
