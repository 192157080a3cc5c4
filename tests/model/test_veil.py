"""The estimate of the veil: what it is given, and what it makes of it."""

import pytest
import torch

from rmfd_cli.model.image import CELL_PX, from_rgb
from rmfd_cli.model.veil import LIGHT, VeilEstimate, cells_of_frame, light_of_cells
from rmfd_cli.physics import T_MIN


def picture(height: int = 32, width: int = 48) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(3))


def light_of_frame(frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    cells = cells_of_frame(from_rgb(frame))
    return cells, light_of_cells(cells)


def test_a_cell_is_as_dark_as_its_darkest_value():
    # Of one colour in every 2×2 pixels, as chroma is.
    frame = picture(16, 24).repeat_interleave(2, -1).repeat_interleave(2, -2)
    cells, light = light_of_frame(frame)
    assert cells.shape == (2, 4, 4, 6)
    assert light.shape == (2, LIGHT, 1, 1)
    cell = frame[1, :, 2 * CELL_PX : 3 * CELL_PX, 3 * CELL_PX : 4 * CELL_PX]
    torch.testing.assert_close(cells[1, 0, 2, 3], cell.min())
    torch.testing.assert_close(cells[1, 1:, 2, 3], cell[:, CELL_PX // 2, CELL_PX // 2])


def test_a_veil_lifts_the_darkest_and_narrows_the_spread():
    frame = picture()
    clear, veiled = light_of_frame(frame)[1], light_of_frame(0.5 * frame + 0.4)[1]
    assert (veiled[:, 0] > clear[:, 0] + 0.3).all()  # mean of the darkest
    assert (veiled[:, 4:8] < clear[:, 4:8] + 1e-6).all()  # spread
    assert (veiled[:, 8] > clear[:, 8] + 0.3).all()  # darkest of all


def test_one_dead_pixel_is_not_taken_for_the_darkest_of_the_frame():
    frame = torch.full((1, 3, 480, 640), 0.6)
    frame[..., 17, 40] = 0
    assert light_of_frame(frame)[1][0, 8] > 0.25
    frame[..., :48, :] = 0
    assert light_of_frame(frame)[1][0, 8] < 0.1


def test_a_new_estimate_sees_clear_air():
    torch.manual_seed(0)
    estimate = VeilEstimate(12)
    cells, light = light_of_frame(picture())
    veil, airlight = estimate(torch.rand(2, 12, 4, 6), cells, torch.cat([light, torch.rand(2, 12, 1, 1)], 1))
    assert veil.shape == (2, 2, 4, 6)
    assert airlight.shape == (2, 3, 1, 1)
    assert (veil[:, 0] > 0.8).all()
    assert veil[:, 1].abs().max() < 0.05


@pytest.mark.parametrize("part", ["cells", "light"])
def test_what_one_cell_looks_like_and_the_light_of_all_both_count(part):
    torch.manual_seed(0)
    estimate, features = VeilEstimate(12), torch.rand(2, 12, 4, 6)
    torch.nn.init.normal_(estimate.maps.weight)
    given = dict(zip(("cells", "light"), light_of_frame(picture()), strict=True))
    given["light"] = torch.cat([given["light"], features.mean((2, 3), keepdim=True)], 1)
    before, _ = estimate(features, **given)
    after, _ = estimate(features, **{**given, part: given[part] + 0.1})
    assert (after - before).abs().max() > 1e-3
    assert after[:, 0].min() > 0.99 * T_MIN
