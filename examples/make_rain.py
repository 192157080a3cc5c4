"""Makes examples/rain.mp4: simulated rain over a clean dashcam clip.

python examples/make_rain.py carnd-white.mp4 examples/rain.mp4
"""

import argparse
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from rmfd_cli.rain.render import render
from rmfd_cli.rain.weather import Camera, StreakLayer, Veil, Weather
from rmfd_cli.video.reader import VideoReader

SIZE = (640, 360)
SEED = 2022


def streaks(**changes: float) -> StreakLayer:
    """Steady thin rain, slightly slanted; `changes` make it near or far."""
    look = {
        "density": 0.0012,
        "length_px": 16.0,
        "length_spread": 0.35,
        "width_px": 0.25,
        "angle_degrees": 7.0,
        "angle_spread_degrees": 1.5,
        "step": 1.8,
        "opacity": 0.3,
        "opacity_spread": 0.5,
        "taper": 0.5,
        "ripple": 0.1,
    }
    return StreakLayer(motion="falling", additive=False, **{**look, **changes})


WEATHER = Weather(
    layers=(
        streaks(density=0.004, length_px=9.0, width_px=0.0, opacity=0.18),
        streaks(),
        streaks(density=0.00025, length_px=34.0, width_px=0.7, opacity=0.4),
    ),
    veil=Veil(optical_depth=0.28, relief=0.7, airlight=(0.80, 0.83, 0.86), flow=0.01),
    drop_gain=0.5,
    drop_glow=(0.60, 0.62, 0.64),
    gust_degrees=3.0,
    camera=Camera(read_noise=0.004, shot_noise=5e-5, sharpen=0.2, jpeg_quality=100),
)


def main() -> None:
    """Renders and encodes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    with VideoReader(str(arguments.clean)) as reader:
        rate = reader.info.frame_rate or Fraction(25)
        frames = [cv2.resize(frame.rgb, SIZE, interpolation=cv2.INTER_AREA) for frame in reader]
    clean = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 255
    rainy, _, _ = render(clean, WEATHER, torch.Generator().manual_seed(SEED))
    with av.open(str(arguments.target), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "21", "preset": "slow"})
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_primaries, context.color_trc = 1, 1, 1, 1
        for image in (rainy * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy():
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


if __name__ == "__main__":
    main()
