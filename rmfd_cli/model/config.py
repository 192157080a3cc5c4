"""The hyper-parameters of the network, and the sizes that have a name."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelConfig:
    """Hyper-parameters; they travel in the checkpoint."""

    width: int = 32
    """Channels at a quarter of the resolution."""
    deep_width: int = 48
    """Channels at an eighth."""
    hidden: int = 24
    """Channels of the recurrent hidden state, at an eighth."""
    deep_blocks: int = 3
    """Convolutions at an eighth."""
    refine_blocks: int = 1
    """Convolutions of stage 2, at a quarter."""
    look_back: int = 1
    look_ahead: int = 1
    """Frames of the window before and after the current one; this version knows windows of three."""

    def __post_init__(self) -> None:
        """Refuses what the network cannot be built with."""
        if (self.look_back, self.look_ahead) != (1, 1):
            raise ValueError(f"windows of {self.look_back} + 1 + {self.look_ahead} frames are not supported, only 1 + 1 + 1")
        if not 0 < self.hidden < self.deep_width:
            raise ValueError(f"{self.hidden} hidden channels do not fit into {self.deep_width}")


SIZES = {
    "small": ModelConfig(),
    "large": ModelConfig(width=96, deep_width=160, hidden=80, deep_blocks=8, refine_blocks=3),
}
"""By name: real time on two CPU cores, and on a desktop GPU."""
