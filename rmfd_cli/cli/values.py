"""Values of options as people write them: times, lengths, sizes, options of an encoder."""

import re

import typer

from rmfd_cli.errors import UsageError


def parse_time(text: str) -> float:
    """Seconds from `90`, `1.5`, `1:30` or `0:01:30.250`.

    Raises:
        typer.BadParameter: It is none of these.
    """
    match = re.fullmatch(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d*)?|\.\d+)", text.strip())
    if match is None or (match[2] and float(match[3]) >= 60):
        raise typer.BadParameter(f"'{text}' is no time; write seconds or HH:MM:SS.fff")
    return int(match[1] or 0) * 3600 + int(match[2] or 0) * 60 + float(match[3])


def parse_length(text: str) -> float:
    """Seconds from what `parse_time` takes, or `5s`.

    Raises:
        typer.BadParameter: It is none of these, or nothing.
    """
    seconds = parse_time(text.strip().removesuffix("s"))
    if not seconds:
        raise typer.BadParameter(f"'{text}' is no length; write such as 5s")
    return seconds


def parse_size(text: str) -> int:
    """Bytes from `2GiB`, `900MB`, `1.5G` or a plain number; G and GiB are 1024³, GB is 1000³.

    Raises:
        typer.BadParameter: It is none of these, or nothing.
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(?:([kmgt])(i?b)?|b)?", text.strip().lower())
    power = " kmgt".index((match[2] or " ") if match else " ")
    size = int(float(match[1]) * (1000 if match[3] == "b" else 1024) ** power) if match else 0
    if not size:
        raise typer.BadParameter(f"'{text}' is no size; write such as 2GiB or 900MB")
    return size


def parse_picture_size(text: str) -> tuple[int, int]:
    """(width, height) from `640x360`.

    Raises:
        UsageError: It is something else.
    """
    match = re.fullmatch(r"(\d{1,5})[xX](\d{1,5})", text.strip())
    if match is None:
        raise UsageError(f"--size: '{text}' is no size; write WIDTHxHEIGHT, such as 640x360")
    return int(match[1]), int(match[2])


def parse_encoder_option(text: str) -> tuple[str, str]:
    """Name and value from `name=value`; the dash of ffmpeg may stand in front.

    Raises:
        UsageError: It is no such thing.
    """
    name, sign, value = text.partition("=")
    name = name.removeprefix("-")
    if not (name and sign and value):
        raise UsageError(f"--encoder-opt {text}: write NAME=VALUE, such as tune=film")
    return name, value
