"""What can go wrong, as a tree; each class carries the exit code that `rmfd --help` documents.

RmfdError                      1   something failed while processing
├── InputError                 1   the source cannot be read: missing, not a video, damaged
├── OutputError                1   the target cannot be written: no such folder, encoder failed, disk full
│   ├── OutputExistsError      6   refused: the target exists and overwriting was not asked for, or it is the source
│   └── StalledError           1   a program takes no data any more
├── UsageError                 2   options, values and containers that rmfd does not know, or that contradict each other
├── MachineError               4   this machine lacks something: ffmpeg, an encoder, a device
│   └── WeightsError           4   weights missing, damaged, or of another architecture
├── MemoryExhaustedError       5   the device's memory does not hold a frame of this size
├── PartialFailureError        3   some of many things could not be done; the others are
└── TrainingError              1   no data, a checkpoint that does not fit, a loss that is not a number

A message says what happened, to which file, and what to do about it, in one line.
"""

import os
import traceback


class RmfdError(Exception):
    """The root; the command line prints its message as one line and exits with `exit_code`."""

    exit_code = 1


class InputError(RmfdError):
    """The source cannot be read."""


class OutputError(RmfdError):
    """The target cannot be written."""


class OutputExistsError(OutputError):
    """The target exists and overwriting was not asked for, or it is the source."""

    exit_code = 6


class StalledError(OutputError):
    """A program takes no data any more; the message says all that is known of it."""


class UsageError(RmfdError):
    """Options, values or containers that rmfd does not know, or that contradict each other."""

    exit_code = 2


class MachineError(RmfdError):
    """This machine lacks something that the job needs."""

    exit_code = 4


class WeightsError(MachineError):
    """Weights are missing, damaged, or belong to another architecture."""


class MemoryExhaustedError(RmfdError):
    """The device's memory does not hold a frame of this size."""

    exit_code = 5


class PartialFailureError(RmfdError):
    """Some of many things could not be done, each named before; the others are done."""

    exit_code = 3


class TrainingError(RmfdError):
    """Training cannot start or cannot go on."""


def error_line(error: Exception) -> str:
    """An error in one line; of one that nobody foresaw with its type, and how to see more."""
    text = " ".join(str(error).split())
    return text if isinstance(error, RmfdError) else f"{type(error).__name__}: {text}; set RMFD_DEBUG=1 for the traceback"


def print_traceback_if_asked() -> None:
    """Print the traceback of the exception at hand on stderr, if `RMFD_DEBUG` is set."""
    if os.environ.get("RMFD_DEBUG"):
        traceback.print_exc()
