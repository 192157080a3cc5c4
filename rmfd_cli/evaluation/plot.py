"""Scores as a picture: how good each clip came out, and how that changes over its frames."""

from io import BytesIO
from typing import Any

from rmfd_cli.errors import MachineError
from rmfd_cli.evaluation.run import Evaluation

COLOURS = {"input": "tab:gray", "restored": "tab:blue"}


def check_plotting() -> None:
    """Whether there is what draws.

    Raises:
        MachineError: there is not.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MachineError(f"--plot needs matplotlib ({error}): pip install matplotlib") from error


def plot(evaluation: Evaluation, file_format: str) -> bytes:
    """PSNR of RGB, above by clips, below by frames: thin lines are clips, the thick one is the mean of those that go so far.

    Args:
        evaluation: with one clip at least.
        file_format: as matplotlib calls it, such as `png`.

    Returns:
        The file.
    """
    from matplotlib.figure import Figure

    names = [clip.name for clip in evaluation.clips]
    figure = Figure(figsize=(max(7.0, 1.5 + 0.3 * len(names)), 7.0), layout="constrained")
    above, below = figure.subplots(2, 1)
    for kind in evaluation.mean:
        colour = COLOURS[kind]
        above.plot(range(len(names)), [clip.mean[kind].psnr_db for clip in evaluation.clips], "o", color=colour, label=kind)
        above.axhline(evaluation.mean[kind].psnr_db, color=colour, linewidth=0.8)
        _by_frame(below, [[rows[kind].psnr_db for rows in clip.frames] for clip in evaluation.clips], colour)
    above.set_xticks(range(len(names)), names, rotation=90 if len(names) > 4 else 0, fontsize="small")
    above.set_ylabel("PSNR, dB")
    above.legend()
    below.set_xlabel("frame")
    below.set_ylabel("PSNR, dB")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    content = BytesIO()
    figure.savefig(content, format=file_format, dpi=120)
    return content.getvalue()


def _by_frame(axes: Any, clips: list[list[float]], colour: str) -> None:
    for clip in clips:
        axes.plot(clip, color=colour, linewidth=0.6, alpha=0.5)
    columns = [[clip[t] for clip in clips if t < len(clip)] for t in range(max(map(len, clips)))]
    axes.plot([sum(column) / len(column) for column in columns], color=colour, linewidth=2)
