"""`rmfd train`."""

import difflib
import math
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from rmfd_cli.cli.config import options_from
from rmfd_cli.cli.outcome import errors_as_lines, print_table, shown
from rmfd_cli.cli.progress import training_on_stderr
from rmfd_cli.cli.stopping import Stop, parse_duration, stop_when_asked
from rmfd_cli.errors import UsageError
from rmfd_cli.options import TrainOptions

if TYPE_CHECKING:
    from rmfd_cli.training.checkpoints import Resume
    from rmfd_cli.training.loop import Progress, Trained
    from rmfd_cli.training.losses import LossWeights
    from rmfd_cli.training.validation import Validation

MOST_SEED = 2**63 - 1

EPILOG = """\b
Examples:
  rmfd train --data clean/train --validation clean/val
  rmfd train --data clean/train --validation clean/val --out runs/gpu --device cuda --amp --batch-size 32 --workers 8
  rmfd train --data clean/train --validation clean/val --time-limit 25m --resume auto
  rmfd train --stage 2 --init runs/stage1/rmfd.safetensors --data clean/train --validation clean/val --real-rain real-rain
  rmfd train --paired NTURain/train --validation clean/val --out runs/paired
  rmfd train --config run.toml --steps 20000
  torchrun --nproc-per-node 2 -m rmfd_cli train --data clean/train --validation clean/val --device cuda
  rmfd derain rain.mp4 -o dry.mp4 --model runs/stage1/rmfd.safetensors

\b
Exit codes:
  0    all steps are done, or the time limit was reached
  1    no clips, a checkpoint that does not fit or cannot be read, a loss that is not a number, or --out cannot be written
  2    options, or a stage 2 with nothing to begin with
  4    no such device, no compiler, no tensorboard, workers that were killed, or no room for their clips
  5    the device's memory is too small
  130  stopped with Ctrl-C, 143 by SIGTERM, 129 by SIGHUP: the running update was finished and saved"""


class Defaults(NamedTuple):
    """What differs between the stages."""

    out: str
    steps: int
    learning_rate: float
    frames_start: int


DEFAULTS = {
    "1": Defaults(TrainOptions.out, TrainOptions.steps, TrainOptions.learning_rate, 2),
    "2": Defaults("runs/stage2", 1200, 2e-4, 3),
}


def train(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Clean training clips, videos or frames: rain is simulated over them.")
    ] = None,
    validation: Annotated[Path | None, typer.Option(metavar="DIR", help="Clean clips of other scenes, to score on.")] = None,
    paired: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Rainy and clean clips, as rmfd synth and published sets have them; repeatable."),
    ] = None,
    paired_share: Annotated[
        float, typer.Option(help="Share of the clips taken from --paired where there is --data too.")
    ] = TrainOptions.paired_share,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", is_eager=True, callback=options_from, help="Options from TOML; the command line wins over it."
        ),
    ] = None,
    stage: Annotated[
        Literal["1", "2"],
        typer.Option(help="1: physics-guided recovery, and the refinement jointly; 2: refined by an adversary and real rain."),
    ] = "1",
    real_rain: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Stage 2: rainy clips without ground truth to learn from.")
    ] = None,
    real_share: Annotated[float, typer.Option(help="Share of the clips taken from --real-rain.")] = TrainOptions.real_share,
    real_clean: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Stage 2: clean clips the discriminator looks at. [default: --data]")
    ] = None,
    model: Annotated[
        Literal["small", "large"] | None,
        typer.Option(help="The network's size; large is for GPUs. [default: as --init or --resume have it, else small]"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Checkpoints, log and weights go here. [default: runs/stage1 or 2]")
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="auto|FILE", help="Go on, exactly: from the newest good checkpoint in --out if any, or from FILE."
        ),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights to begin with, instead of random ones; widened if --model is larger."),
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop and save after so long: 600, 10m, 1h30m. [default: none]")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Updates in all, over which the learning rate falls. [default: 4200; stage 2: 1200]")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Clips per update, of all GPUs together.")] = TrainOptions.batch_size,
    frames: Annotated[int, typer.Option(help="Frames per update, through which gradients flow.")] = TrainOptions.clip_frames,
    frames_start: Annotated[
        int | None, typer.Option(help="The same at first, growing in three stages. [default: 2; stage 2: 3]")
    ] = None,
    updates_per_clip: Annotated[
        int, typer.Option(help="Updates in a row on the same clips, the state carried on.")
    ] = TrainOptions.updates_per_clip,
    crop: Annotated[int, typer.Option(help="Width and height of the pieces, in pixels.")] = TrainOptions.crop_px,
    learning_rate: Annotated[
        float | None, typer.Option(help="Its peak, after the warm-up. [default: 0.001; stage 2: 0.0002]")
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="TERM=NUMBER", help="Of a term of the loss, by its name in log.jsonl; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of clips, rain and initial weights.")] = TrainOptions.seed,
    save_every: Annotated[int, typer.Option(help="Updates between checkpoints.")] = TrainOptions.save_every,
    keep: Annotated[int, typer.Option(help="Checkpoints that are kept besides the best.")] = TrainOptions.keep,
    validate_every: Annotated[int, typer.Option(help="Updates between validations.")] = TrainOptions.validate_every,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    workers: Annotated[
        int, typer.Option(help="Processes that draw batches ahead; 0: one thread. The batches are the same.")
    ] = TrainOptions.workers,
    amp: Annotated[bool, typer.Option("--amp", help="bfloat16 where it is safe; for GPUs.")] = TrainOptions.mixed_precision,
    compile_step: Annotated[bool, typer.Option("--compile", help="Compile the network's step with torch.compile.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write DIR/tensorboard too; needs the package tensorboard.")
    ] = TrainOptions.tensorboard,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Train the network on clean clips, with the rain simulator in the loop, and on rainy and clean pairs.

    After Ctrl-C, a time limit or a crash, the same command with --resume auto continues as if nothing had happened. The
    weights, DIR/rmfd.safetensors, go to `rmfd derain --model`; DIR/best.safetensors are those of the best validation.
    DIR/log.jsonl has a line per step, DIR/checkpoints/ the last few checkpoints and best.pt.
    """
    began = time.monotonic()
    defaults = DEFAULTS[stage]
    out = Path(defaults.out) if out is None else out
    lead = int(os.environ.get("RANK", "0")) == 0
    with errors_as_lines(f"what {out} holds is kept, and --resume auto goes on from its last checkpoint"):
        if validation is None:
            raise UsageError("--validation is missing; name a folder of clean clips of other scenes")
        if init is not None and resume is not None and resume != "auto":
            raise UsageError("--init and --resume FILE are two beginnings; give one of them")
        if stage == "2" and init is None and resume is None:
            raise UsageError("stage 2 begins with the weights of stage 1; give --init runs/stage1/rmfd.safetensors")
        if not 0 <= seed <= MOST_SEED:
            raise UsageError(f"--seed is {seed}; it goes from 0 to {MOST_SEED}")
        deadline = None if time_limit is None else began + parse_duration(time_limit)
        options = TrainOptions(
            data=None if data is None else str(data),
            validation=str(validation),
            out=str(out),
            paired=tuple(map(str, paired or ())),
            paired_share=paired_share,
            stage=int(stage),
            real_rain=None if real_rain is None else str(real_rain),
            real_share=real_share,
            real_clean=None if real_clean is None else str(real_clean),
            steps=defaults.steps if steps is None else steps,
            batch_size=batch_size,
            clip_frames=frames,
            clip_frames_start=defaults.frames_start if frames_start is None else frames_start,
            updates_per_clip=updates_per_clip,
            crop_px=crop,
            learning_rate=defaults.learning_rate if learning_rate is None else learning_rate,
            seed=seed,
            save_every=save_every,
            keep=keep,
            validate_every=validate_every,
            device=_device(device),
            workers=workers,
            mixed_precision=amp,
            compile=compile_step,
            tensorboard=tensorboard,
        )
        kept = out / "checkpoints"
        goes_on = resume is not None and (resume == "auto" or kept.resolve() in Path(resume).resolve().parents)
        if not goes_on and any(kept.glob("*.pt")):
            raise UsageError(f"{kept} is there from an earlier run; pass --resume auto to go on, or another --out")
        with stop_when_asked(deadline) as stop:
            beginning: Resume | None = None if resume is None else "auto" if resume == "auto" else Path(resume)
            # A weight of the command line takes the place of the file's, and leaves it the others.
            of_file = (context.default_map or {}).get("weight", [])
            done = _run(options, model, [*of_file, *(weight or [])], beginning, init, stop, quiet or not lead)
            _say_how_it_ended(done, options, stop, quiet or not lead)


def _run(
    options: TrainOptions,
    size: str | None,
    weights: list[str],
    resume: "Resume | None",
    init: Path | None,
    stop: Stop,
    quiet: bool,
) -> "Trained":
    from rmfd_cli.model.config import SIZES
    from rmfd_cli.model.process import keep_freed_memory
    from rmfd_cli.training.loop import train as run

    keep_freed_memory()

    with training_on_stderr(quiet) as (show, warn):

        def on_step(now: "Progress") -> None:
            stop.gentle = True
            show(now)

        return run(
            options,
            None if size is None else SIZES[size],
            weights=_loss_weights(weights),
            resume=resume,
            init=init,
            should_stop=stop,
            in_haste=lambda: stop.signal is not None,
            on_step=on_step,
            on_warning=warn,
        )


def _loss_weights(given: list[str]) -> "LossWeights":
    """The defaults but for those that are given as `TERM=NUMBER`."""
    from rmfd_cli.training.losses import LossWeights

    known = list(vars(LossWeights()))
    changed = {}
    for text in given:
        name, _, number = text.partition("=")
        name = name.strip()
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0)[0]
            raise UsageError(f"--weight {text}: the loss has no term {name!r}; the nearest of {', '.join(known)} is {near!r}")
        try:
            changed[name] = float(number)
        except ValueError:
            changed[name] = math.nan
        if not 0 <= changed[name] < math.inf:
            raise UsageError(f"--weight {text}: write {name}=NUMBER, zero or more")
    return LossWeights(**changed)


def _say_how_it_ended(done: "Trained", options: TrainOptions, stop: Stop, quiet: bool) -> None:
    why = "" if done.finished else "stopped" if stop.signal else "time is up"
    if not quiet:
        if done.validation is not None and why != "stopped":
            _print_validation(done.validation)
        if why:
            typer.echo(
                f"rmfd: {why} after step {done.step} of {options.steps}, saved; the same command with --resume auto goes on",
                err=True,
            )
        typer.echo(f"weights: {done.weights}", err=True)
    if stop.signal is not None and not done.finished:
        raise typer.Exit(128 + stop.signal)


def _print_validation(validation: "Validation") -> None:
    """PSNR and SSIM of every clip and their mean, on stdout."""
    rows = [*zip(validation.names, validation.clips, strict=True), ("mean", validation.mean)]
    header = ("clip", *(f"{name} {what}" for name in ("input", "stage 1", "restored") for what in ("PSNR", "SSIM")))
    print_table(
        header,
        [(shown(name), *(f"{x:.{n}f}" for score in clip for x, n in zip(score, (2, 4), strict=True))) for name, clip in rows],
    )


def _device(name: str) -> str:
    from rmfd_cli.model.placing import choose_device

    # Under torchrun each process has a GPU of its own.
    own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    device = choose_device(own if name == "cuda" else name)
    return own if device.type == "cuda" else str(device)
