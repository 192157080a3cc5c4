"""The veil: how thick it is, and that clear air does not flicker."""

import torch

from rmfd_cli.rain.depth import draw_depth_prior
from rmfd_cli.rain.veil import draw_veil, veil_at
from rmfd_cli.rain.weather import Veil, View


def test_clear_air_does_not_flicker_however_strong_the_flow():
    generator = torch.Generator().manual_seed(0)
    fields, prior = draw_veil(5, 25.0, generator), draw_depth_prior(View(), generator)
    veil = Veil(optical_depth=0.0, relief=0.0, airlight=(0.8, 0.8, 0.8), flow=5.0, extinction_per_m=0.02)
    depth = torch.zeros(1, 40, 56)
    depth[..., 28:] = 50.0
    for frame in range(5):
        transmission, flow = veil_at(veil, fields, prior, torch.zeros(3, 40, 56), depth, frame)
        assert (transmission[..., :28] == 1).all()
        assert not flow[..., :28].any()
        assert flow[..., 28:].abs().max() > 0.3


def test_the_flow_is_in_proportion_to_the_light_that_the_veil_takes():
    generator = torch.Generator().manual_seed(0)
    fields, prior = draw_veil(5, 25.0, generator), draw_depth_prior(View(), generator)
    depth = torch.full((1, 40, 56), 50.0)
    shares = []
    for extinction in (0.001, 0.02):
        veil = Veil(optical_depth=0.0, relief=0.0, airlight=(0.8, 0.8, 0.8), flow=0.02, extinction_per_m=extinction)
        transmission, flow = veil_at(veil, fields, prior, torch.zeros(3, 40, 56), depth, 2)
        shares.append(flow / (1 - transmission))
    torch.testing.assert_close(shares[0], shares[1], rtol=1e-4, atol=1e-7)
