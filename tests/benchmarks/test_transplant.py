"""Rain that is taken out of one clip and laid over another is that rain."""

import numpy as np
import transplant

from tests.model.rainy import rained_on, texture


def panned(frames):
    """A dim scene that moves by a pixel a frame, `[T, H, W]`."""
    scene = 0.5 * texture(144, 200)
    return np.stack([scene[:, 2 + t : 194 + t] for t in range(frames)])


def test_what_is_taken_out_is_the_rain_and_nothing_of_the_scene():
    dry = panned(5)
    wet = np.stack([rained_on(luma, seed) for seed, luma in enumerate(dry)])
    rain, truth = transplant.rain_of(np.repeat(wet[..., None], 3, -1))[2], wet[2] - dry[2] > 0.1
    assert (rain > 0.05)[truth].mean() > 0.8
    assert (rain > 0.05)[~truth].mean() < 0.02
    assert transplant.rain_of(np.repeat(dry[..., None], 3, -1))[2].mean() < 0.01 * rain.mean()


def test_it_covers_another_clip_and_begins_anew_where_it_is_shorter():
    rain = np.zeros((2, 48, 64), np.float32)
    rain[0, 8:24, 10] = 0.5
    clean = np.full((3, 40, 32, 3), 0.5, np.float32)
    rainy = transplant.under(rain, clean)
    assert rainy.shape == clean.shape
    np.testing.assert_allclose(rainy[0, 8:24, 10], 0.7, atol=1 / 255)
    assert (np.abs(rainy[0] - clean[0]).max(-1) > 0.1).sum() == 16
    np.testing.assert_allclose(rainy[1], clean[1], atol=1 / 255)
    assert not np.allclose(rainy[2], rainy[0])
