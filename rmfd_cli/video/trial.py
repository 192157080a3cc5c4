"""Whether an encoder of ffmpeg really works on this machine: being listed says little of those that need hardware."""

from rmfd_cli.errors import MachineError, OutputError
from rmfd_cli.video import ffmpeg

__all__ = ["try_encoder"]

_FRAMES = 5
_SIZE_PX = "256x256"
"""Hardware encoders take nothing much smaller."""


def try_encoder(binary: str, name: str, seconds: float = 20.0) -> str | None:
    """Encode a few frames and throw them away.

    Args:
        binary: Path of ffmpeg.
        name: Of the encoder.
        seconds: How long it may take.

    Returns:
        None if it works, else why not, in one line.
    """
    try:
        ffmpeg.encoder(binary, name)
    except MachineError:
        return "is not in this ffmpeg"
    try:
        pictures = ("-f", "lavfi", "-i", f"testsrc2=size={_SIZE_PX}:rate=25", "-frames:v", str(_FRAMES))
        front = (binary, "-hide_banner", "-nostdin", "-loglevel", "error")
        with ffmpeg.Process([*front, *pictures, "-c:v", name, "-f", "null", "-"]) as process:
            status = process.wait(seconds)
            return None if status == 0 else process.complaint or f"ffmpeg ended with status {status}"
    except (MachineError, OutputError) as error:
        return str(error)
