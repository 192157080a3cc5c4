"""Measures what goes into the convolutions of a network, for integers in their place, and writes it beside the weights.

    python benchmarks/measure_ranges.py CLEAN_TRAIN weights/rmfd-small.safetensors [--clips 32] [--out FILE]

`rmfd train` does the same whenever it validates, on fewer clips. What `benchmarks/fit_veil.py` changes is not measured.
"""

import argparse
from pathlib import Path

import torch

from rmfd_cli.model.checkpoint import export_weights, load_model
from rmfd_cli.options import TrainOptions
from rmfd_cli.training.clips import load_clips
from rmfd_cli.training.loop import HELD_OUT_FRAMES
from rmfd_cli.training.validation import held_out_batches, validate


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clean_dir", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--out", type=Path, help="instead of the file itself")
    arguments = parser.parse_args()
    model = load_model(arguments.weights)
    folder = str(arguments.clean_dir)
    options = TrainOptions(data=folder, validation=folder, validation_clips=arguments.clips)
    batches = held_out_batches(load_clips(arguments.clean_dir, HELD_OUT_FRAMES), options)
    model.ranges = validate(model, batches, torch.device("cpu")).ranges
    for name, (low, high) in model.ranges.items():
        print(f"{name:28s} {low:8.3f} {high:8.3f}")
    export_weights(model, arguments.out or arguments.weights)


if __name__ == "__main__":
    main()
