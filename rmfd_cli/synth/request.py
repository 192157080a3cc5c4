"""What can be asked of a data set, and what is made unless asked otherwise.

A leaf that imports nothing heavy: `rmfd --help` reads its defaults here.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from rmfd_cli.errors import UsageError

Format: TypeAlias = Literal["video", "frames", "basicsr", "nturain", "rainsyn"]
Layer: TypeAlias = Literal["streaks", "transmission", "airlight", "flow", "occlusion", "motion"]

LAYERS: tuple[Layer, ...] = get_args(Layer)
LEAST_SIZE_PX = 16
"""In each direction; the network takes nothing smaller."""

_OPTION_NAMES = {
    "preset": "--preset",
    "rain_rate_mm_h": "--rain-rate",
    "visibility_m": "--visibility",
    "wind_m_s": "--wind",
    "exposure_s": "--exposure",
    "frames": "--frames",
    "size_px": "--size",
    "seed": "--seed",
    "layers": "--layers",
    "format": "--format",
    "depth_dir": "--depth-dir",
}


@dataclass(frozen=True)
class SynthRequest:
    """Everything that decides what the files of a data set hold; nothing that decides how fast they are made."""

    preset: str = "random"
    """A name in `rmfd_cli.rain.presets.PRESETS`."""
    rain_rate_mm_h: float | None = None
    """Instead of the preset's own, as the next three."""
    visibility_m: float | None = None
    wind_m_s: float | None = None
    """Across the view, positive to the right."""
    exposure_s: float | None = None
    variants: int = 1
    """How many times each clip is rained on."""
    frames: int | None = None
    """The first so many frames of each clip; None for all."""
    size_px: tuple[int, int] | None = None
    """(width, height) that each frame is scaled to cover and cropped to about its centre; None keeps its size."""
    seed: int = 1
    layers: tuple[Layer, ...] | None = None
    """Which layers are stored; None for what is usual in the format."""
    format: Format = "video"
    depth_dir: str | None = None
    """Folder of depth maps, see `rmfd_cli.synth.depth`; None for the simulator's guess."""

    def __post_init__(self) -> None:
        """Refuses what cannot be made; the ranges of the weather are the simulator's own."""
        for value, name in ((self.variants, "--variants"), (1 if self.frames is None else self.frames, "--frames")):
            if value < 1:
                raise UsageError(f"{name} is {value}; it has to be at least 1")
        if self.size_px is not None and min(self.size_px) < LEAST_SIZE_PX:
            raise UsageError(f"--size is {self.size_px[0]}x{self.size_px[1]}; each side has to be at least {LEAST_SIZE_PX}")

    @property
    def stored_layers(self) -> tuple[Layer, ...]:
        """The layers to store: all in rmfd's own formats, none in those of other toolboxes, unless asked for."""
        if self.layers is not None:
            return self.layers
        return LAYERS if self.format in ("video", "frames") else ()


def recorded(request: SynthRequest) -> dict[str, Any]:
    """What `metadata.json` keeps of a request: all that decides the content of one variant, so not how many there are."""
    values = {name: getattr(request, name) for name in _OPTION_NAMES}
    return values | {
        "size_px": list(request.size_px) if request.size_px else None,
        "layers": list(request.stored_layers),
        "depth_dir": request.depth_dir is not None,
    }


def difference(was: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """In the words of the command line, the first thing in which two recorded requests differ; None if they agree."""
    for name, option in _OPTION_NAMES.items():
        before, now = was.get(name), wanted.get(name)
        if before != now:
            return f"{option} {_spoken(before)}, not {_spoken(now)}"
    return None


def _spoken(value: Any) -> str:
    if value is None or value is False or value == []:
        return "not given"
    if value is True:
        return "given"
    if isinstance(value, list):
        return ("x" if isinstance(value[0], int) else ",").join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
