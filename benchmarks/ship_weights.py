r"""Puts trained weights into weights/ with their manifest, unless they score below the ones they replace.

    python benchmarks/quality.py CLEAN_DIR --weights runs/stage1/rmfd.safetensors --json scores.json
    python benchmarks/ship_weights.py small runs/stage1/rmfd.safetensors --scores scores.json \
        --command "rmfd train ..." --seed 1 --commit HASH --data-table TABLE.md

Weights are given their ranges first, by `python benchmarks/measure_ranges.py CLEAN_TRAIN FILE`.
The data table is a Markdown table whose rows begin with `clean/train/NAME.mp4`, origin and terms; it goes into the manifest.
"""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from rmfd_cli.model.checkpoint import load_model, sha256

WEIGHTS = Path(__file__).parents[1] / "weights"
METHOD = "rmfd"


def main() -> None:
    """Compares, copies, writes the manifest."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the model, e.g. small")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--scores", type=Path, required=True, help="what benchmarks/quality.py wrote for these weights")
    parser.add_argument("--command", required=True, help="the training command")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--commit", required=True, help="of the code that trained")
    parser.add_argument("--data-table", type=Path, required=True)
    arguments = parser.parse_args()

    path = WEIGHTS / "manifest.json"
    manifest = json.loads(path.read_text()) if path.exists() else {"models": {}}
    scores = json.loads(arguments.scores.read_text())
    shipped = manifest["models"].get(arguments.name)
    if shipped and scores["all"][METHOD]["psnr"] < shipped["scores"]["all"][METHOD]["psnr"]:
        raise SystemExit("these weights score below the shipped ones; nothing was changed")
    model = load_model(arguments.weights)
    target = WEIGHTS / f"rmfd-{arguments.name}.safetensors"
    shutil.copyfile(arguments.weights, target)
    manifest["models"][arguments.name] = {
        "file": target.name,
        "sha256": sha256(target),
        "config": asdict(model.config),
        "parameters": sum(p.numel() for p in model.parameters()),
        "training": {
            "command": arguments.command,
            "seed": arguments.seed,
            "commit": arguments.commit,
            "data": training_data(arguments.data_table.read_text()),
        },
        "scores": {style: {name: rows[name] for name in ("input", METHOD)} for style, rows in scores.items()},
    }
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def training_data(table: str) -> list[dict[str, str]]:
    """Clip, origin and terms of every training clip in a Markdown table."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "| clean/train/" in line]
    return [{"clip": Path(name).stem, "origin": origin, "terms": terms} for name, origin, terms, *_ in rows]


if __name__ == "__main__":
    main()
