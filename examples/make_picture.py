"""Makes the README's picture: one frame before on the left, after on the right.

rmfd derain examples/rain.mp4 -o out.mp4
python examples/make_picture.py examples/rain.mp4 out.mp4 30 docs/images/before-after.jpg
"""

import argparse
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.video.reader import VideoReader


def main() -> None:
    """Reads both frames and writes them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("frame", type=int)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    pair = [frame_at(path, arguments.frame) for path in (arguments.before, arguments.after)]
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    picture = np.hstack([pair[0], np.full((pair[0].shape[0], 4, 3), 255, np.uint8), pair[1]])
    cv2.imwrite(str(arguments.target), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])


def frame_at(path: Path, number: int) -> NDArray[np.uint8]:
    """Frame `number` of a video as RGB."""
    with VideoReader(str(path)) as reader:
        return next(islice(iter(reader), number, None)).rgb


if __name__ == "__main__":
    main()
