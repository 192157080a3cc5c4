"""Makes the pictures of real rain, and the table of docs/results.md.

python benchmarks/real.py CLIPS_DIR --json scores.json
python examples/make_results.py CLIPS_DIR OUT --scores scores.json

OUT gets one JPEG per clip: input, output, and what changed, ×4 around grey; of large frames, the part that changed most. Keep
OUT outside the repository unless the clips' terms allow their frames to be passed on.
"""

import argparse
import json
import math
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rmfd_cli.errors import RmfdError
from rmfd_cli.model.streaming import restorer
from rmfd_cli.types import Restore
from rmfd_cli.video.reader import VideoReader
from rmfd_cli.video.ycc import rgb_change, seen

DOCUMENT = Path(__file__).parents[1] / "docs" / "results.md"
BEGIN, END = "<!-- table: made by examples/make_results.py -->", "<!-- end of table -->"
SUFFIXES = {".mp4", ".mkv", ".mov", ".webm", ".avi"}
LARGEST_PX = (360, 480)
LARGEST_BYTES = 120_000
AMPLIFIED = 4
DIGITS = {"transience": 2, "leak": 3}
"""Decimal places of a column where they are not two."""

Picture = NDArray[np.uint8]


def main() -> None:
    """Writes a picture per clip; with scores, the table too."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips_dir", type=Path, help="folder of rainy videos")
    parser.add_argument("out", type=Path, help="folder for the pictures")
    parser.add_argument("--weights", default="small", help="a shipped model's name or a safetensors file")
    parser.add_argument("--frame", type=int, default=30, help="which frame to show; of shorter clips, the last")
    parser.add_argument("--scores", type=Path, help="what benchmarks/real.py wrote")
    parser.add_argument("--document", type=Path, default=DOCUMENT, help="where the table goes")
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.clips_dir.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        parser.error(f"no videos in {arguments.clips_dir}")
    try:
        restore = restorer(arguments.weights, "cpu")
        arguments.out.mkdir(parents=True, exist_ok=True)
        for path in paths:
            before, after = frame_and_restored(path, arguments.frame, restore)
            (arguments.out / f"{path.stem}.jpg").write_bytes(compact_jpeg(row(before, after)))
    except RmfdError as error:
        raise SystemExit(f"error: {error}") from None
    if arguments.scores:
        text = arguments.document.read_text("utf-8")
        arguments.document.write_text(with_table(text, json.loads(arguments.scores.read_text("utf-8"))), "utf-8")


def frame_and_restored(path: Path, number: int, restore: Restore) -> tuple[Picture, Picture]:
    """Frame `number` of a video, or its last, before and after, 8-bit RGB; every frame up to it passes through the model."""
    with VideoReader(str(path)) as reader:
        # One frame more, for the model looks ahead.
        frames, info = list(islice(reader, number + 2)), reader.info
    number = min(number, len(frames) - 1)
    change = next(islice(restore(seen(frame, info) for frame in frames), number, None))
    rgb = np.rot90(frames[number].rgb, info.rotation_degrees // 90)
    before = rgb / np.float32(np.iinfo(rgb.dtype).max)
    return to_8_bit(before), to_8_bit(before + rgb_change(change, info.colour.matrix))


def row(before: Picture, after: Picture) -> Picture:
    """Input, output, difference, side by side under their names, cut to the part that changed most."""
    change = before.astype(np.float32) - after
    part = busiest_part(np.abs(change).mean(-1))
    difference = to_8_bit(0.5 + AMPLIFIED * change / 255)
    tiles = {"input": before, "output": after, f"input - output, x{AMPLIFIED}": difference}
    return np.hstack([labelled(name, tile[part]) for name, tile in tiles.items()])


def busiest_part(change: NDArray[np.float32]) -> tuple[slice, slice]:
    """The rows and columns of the window of at most `LARGEST_PX` with the largest sum."""
    height, width = (min(most, size) for most, size in zip(LARGEST_PX, change.shape, strict=True))
    total = cv2.integral(change)
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    top, left = (int(k) for k in np.unravel_index(sums.argmax(), sums.shape))
    return slice(top, top + height), slice(left, left + width)


def labelled(name: str, picture: Picture) -> Picture:
    """The picture below its name on a black bar."""
    bar = np.zeros((24, picture.shape[1], 3), np.uint8)
    cv2.putText(bar, name, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([bar, picture])


def compact_jpeg(picture: Picture) -> bytes:
    """The best JPEG below `LARGEST_BYTES`."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    for quality in range(92, 9, -4):
        data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) < LARGEST_BYTES:
            break
    return data


def to_8_bit(picture: NDArray[np.float32]) -> Picture:
    """[0, 1] to 0 … 255, clipped."""
    return np.round(picture.clip(0, 1) * 255).astype(np.uint8)


def with_table(document: str, scores: dict[str, Any]) -> str:
    """The document with the table between its marks made anew from the scores of `benchmarks/real.py`."""
    before, _, rest = document.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"error: the document lacks the lines {BEGIN!r} and {END!r}, between which the table goes")
    return f"{before}{BEGIN}\n\n{table(scores)}\n{END}{after}"


def table(scores: dict[str, Any]) -> str:
    """Markdown: every method on the mean of the clips, then on each."""
    columns = list(next(iter(scores["mean"].values())))
    lines = [f"| clip | method | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
    for clip, methods in {"**mean**": scores["mean"], **scores["clips"]}.items():
        lines += [f"| {clip} | {name} | {' | '.join(cell(c, score[c]) for c in columns)} |" for name, score in methods.items()]
    return "\n".join(lines) + "\n"


def cell(column: str, value: float | None) -> str:
    """A number as the table shows it."""
    return "n/a" if value is None or math.isnan(value) else f"{value:.{DIGITS.get(column, 2)}f}"


if __name__ == "__main__":
    main()
