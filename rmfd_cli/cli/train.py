"""`rmfd train`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rmfd_cli.cli.outcome import EXIT_CODES, errors_as_lines
from rmfd_cli.cli.progress import training_on_stderr
from rmfd_cli.errors import UsageError
from rmfd_cli.options import TrainOptions

EPILOG = f"""\b
Examples:
  rmfd train --data clean/train --validation clean/val
  rmfd train --data clean/train --validation clean/val --out runs/gpu --device cuda --amp --batch-size 32
  rmfd train --data clean/train --validation clean/val --resume
  rmfd derain rain.mp4 -o dry.mp4 --model runs/stage1/rmfd.safetensors

{EXIT_CODES}"""


def train(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Clean training clips: rain is simulated over them.")],
    validation: Annotated[Path, typer.Option(metavar="DIR", help="Clean clips of other scenes, to score on.")],
    stage: Annotated[Literal["1"], typer.Option(help="1: physics-guided recovery, and the refinement jointly with it.")] = "1",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Checkpoint, log and weights go here.")] = Path(TrainOptions.out),
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in --out, exactly.")] = False,
    init: Annotated[Path | None, typer.Option(metavar="FILE", help="Weights to begin with, instead of random ones.")] = None,
    steps: Annotated[int, typer.Option(help="Updates in all, over which the learning rate falls.")] = TrainOptions.steps,
    batch_size: Annotated[int, typer.Option(help="Clips per update.")] = TrainOptions.batch_size,
    frames: Annotated[int, typer.Option(help="Frames per update, through which gradients flow.")] = TrainOptions.clip_frames,
    updates_per_clip: Annotated[
        int, typer.Option(help="Updates in a row on the same clips, the state carried on.")
    ] = TrainOptions.updates_per_clip,
    crop: Annotated[int, typer.Option(help="Width and height of the pieces, in pixels.")] = TrainOptions.crop_px,
    learning_rate: Annotated[float, typer.Option(help="Its peak, after the warm-up.")] = TrainOptions.learning_rate,
    seed: Annotated[int, typer.Option(help="Of clips, rain and initial weights.")] = TrainOptions.seed,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    amp: Annotated[bool, typer.Option("--amp", help="bfloat16 where it is safe; for GPUs.")] = TrainOptions.mixed_precision,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Train the network on clean clips, with the rain simulator in the loop.

    A checkpoint is written every few minutes; after Ctrl-C or a crash, the same command with --resume continues as if
    nothing had happened. The weights, DIR/rmfd.safetensors, go to `rmfd derain --model`. DIR/log.jsonl has a line per step.
    """
    with errors_as_lines(f"what {out} holds is kept, and --resume goes on from its last checkpoint"):
        options = TrainOptions(
            data=str(data),
            validation=str(validation),
            out=str(out),
            steps=steps,
            batch_size=batch_size,
            clip_frames=frames,
            updates_per_clip=updates_per_clip,
            crop_px=crop,
            learning_rate=learning_rate,
            seed=seed,
            device=_device(device),
            mixed_precision=amp,
        )
        checkpoint = out / "checkpoint.pt"
        if resume and not checkpoint.is_file():
            raise UsageError(f"--resume: there is no {checkpoint}; train without --resume first")
        if checkpoint.exists() and not resume:
            raise UsageError(f"{checkpoint} is there from an earlier run; pass --resume to go on, or another --out")

        from rmfd_cli.model.process import keep_freed_memory
        from rmfd_cli.training.loop import train as run

        keep_freed_memory()

        with training_on_stderr(quiet) as on_step:
            weights = run(options, resume=checkpoint if resume else None, init=None if resume else init, on_step=on_step)
        if not quiet:
            typer.echo(f"weights: {weights}", err=True)


def _device(name: str) -> str:
    from rmfd_cli.model.streaming import choose_device

    return str(choose_device(name))
