"""`rmfd weights`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rmfd_cli.cli.outcome import errors_as_lines, print_table
from rmfd_cli.cli.values import parse_picture_size
from rmfd_cli.errors import OutputExistsError, UsageError
from rmfd_cli.files import check_place, write_output

EXIT_CODES = """\b
Exit codes:
  0    done
  1    a file cannot be written
  2    options that make no sense
  4    weights missing, damaged or of another network; or onnx is not installed
  6    refused: a file exists and --overwrite was not given"""

EPILOG = f"""\b
Examples:
  rmfd weights list
  rmfd weights show small
  rmfd weights verify
  rmfd weights export small -o rmfd.onnx --size 1280x720

{EXIT_CODES}"""

LEAST_SIDE_PX = 16

app = typer.Typer(help="The weights that come with rmfd: list, show, verify, export them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Of shipped weights, such as small.", show_default=False)]


@app.command("list", epilog=EXIT_CODES)
def list_() -> None:
    """List what is shipped: name, parameters, size of the file, and PSNR in dB where it was scored."""
    with errors_as_lines("nothing was changed"):
        from rmfd_cli.model.checkpoint import manifest, shipped_weights

        rows = []
        for name, entry in sorted(manifest()["models"].items()):
            mean = entry["scores"]["all"]
            scores = f"{mean['input']['psnr']:.2f} -> {mean['rmfd']['psnr']:.2f}"
            size = f"{shipped_weights(name).stat().st_size / 1e6:.1f}"
            rows.append((name, entry["file"], f"{entry['parameters']:,}", size, scores))
        print_table(("name", "file", "parameters", "MB", "PSNR, dB"), rows, last=0)


@app.command(epilog=EXIT_CODES)
def show(name: Name, as_json: Annotated[bool, typer.Option("--json", help="All the manifest has, as JSON.")] = False) -> None:
    """Show what the manifest has of some weights: architecture, how they were trained and on what, scores."""
    with errors_as_lines("nothing was changed"):
        from rmfd_cli.model.checkpoint import manifest, shipped_weights

        path, entry = shipped_weights(name), manifest()["models"][name]
        if as_json:
            typer.echo(json.dumps(entry, indent=1))
            return
        training = entry["training"]
        about = {
            "file": path,
            "sha256": f"{entry['sha256']} verified",
            "parameters": f"{entry['parameters']:,}",
            "architecture": _listed(entry["config"]),
            "trained by": training["command"],
            "seed, commit": f"{training['seed']}, {training['commit']}",
            "trained on": f"{len(training['data'])} clips; --json names them, with origin and terms",
        }
        for what, text in about.items():
            typer.echo(f"{what}\t{text}")
        for rain, methods in entry["scores"].items():
            for method, scores in methods.items():
                typer.echo(f"{rain}, {method}\t{_listed({key: f'{value:.4g}' for key, value in scores.items()})}")


@app.command(epilog=EXIT_CODES)
def verify() -> None:
    """Check every shipped file against the manifest and load it."""
    with errors_as_lines("nothing was changed"):
        from rmfd_cli.model.checkpoint import load_model, manifest, sha256, shipped_weights

        for name in sorted(manifest()["models"]):
            path = shipped_weights(name)
            load_model(path)
            typer.echo(f"{name}\t{path}\tsha256 {sha256(path)} verified")


@app.command(epilog=EXIT_CODES)
def export(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The name of shipped weights, or a .safetensors file.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE.onnx", help="The graph; that of a scene's first frame lies beside it."),
    ],
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the frames.")] = "640x480",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
) -> None:
    """Export a step of the network as ONNX, for frames of one size.

    FILE-first.onnx is for the first frame of a scene, FILE.onnx for all others, which take the state that the one before left.
    docs/onnx.md says what goes in and comes out. Needs onnx and onnxscript: pip install onnx onnxscript.
    """
    with errors_as_lines("nothing was written"):
        size_px = parse_picture_size(size)
        if min(size_px) < LEAST_SIDE_PX:
            raise UsageError(f"--size is {size}; both sides have to be at least {LEAST_SIDE_PX}")
        targets = (output.with_name(f"{output.stem}-first{output.suffix}"), output)
        for target in targets:
            check_place(target)
            if target.exists() and not overwrite:
                raise OutputExistsError(f"{target}: exists; remove it or pass --overwrite")
        from rmfd_cli.model.checkpoint import load_model
        from rmfd_cli.model.onnx import onnx_graphs
        from rmfd_cli.model.placing import find_weights

        graphs = onnx_graphs(load_model(find_weights(model)), size_px)
        for target, content in zip(targets, graphs, strict=True):
            write_output(target, content)
            typer.echo(f"{target}: {len(content) / 1e6:.1f} MB, {size_px[0]}x{size_px[1]}", err=True)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
