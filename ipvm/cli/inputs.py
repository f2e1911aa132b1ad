"""Read what a command is given besides its words: files and standard input.

It happens before anything is opened, and before trio runs, so that an interrupt ends it at once.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import click

from ipvm.errors import InvalidData, NotFound, Refused
from ipvm.limits import BLOCK_BYTES_MAX

__all__ = ["STANDARD_INPUT", "Given", "given", "read_input"]

STANDARD_INPUT: Final = "-"
"""The word that stands for standard input."""

_FILE: Final = "@"
_PIECE_BYTES: Final = 64 * 1024


@final
@dataclass(frozen=True, slots=True)
class Given:
    """One argument of a function, as it was typed.

    Attributes:
        text: What was typed.
        content: What the file or standard input holds that it names; None if it names none.
    """

    text: str
    content: bytes | None


def given(words: Sequence[str]) -> list[Given]:
    """Read the files that arguments name by `@file`, and standard input for `-`.

    Raises:
        click.UsageError: Standard input is named twice.
        NotFound, Refused, InvalidData: As for `read_input`.
    """
    if words.count(STANDARD_INPUT) > 1:
        raise click.UsageError("Standard input can be one argument only.")
    return [Given(word, _content(word)) for word in words]


def _content(word: str) -> bytes | None:
    if word == STANDARD_INPUT:
        return read_input(word)
    if not word.startswith(_FILE):
        return None
    try:
        return read_input(word.removeprefix(_FILE))
    except NotFound as error:
        raise NotFound(
            f"{error}; to pass text that begins with @, quote it: '\"{word}\"'"
        ) from None


def read_input(file: str) -> bytes:
    """Read a file, or standard input for `-`: as much as a block holds.

    Raises:
        NotFound: The file is not there.
        Refused: It cannot be read.
        InvalidData: It is larger than a block.
    """
    try:
        data = _read(file)
    except FileNotFoundError:
        raise NotFound(f"the file {file} is not there") from None
    except OSError as error:
        raise Refused(f"{_named(file)} cannot be read: {error.strerror}") from error
    if len(data) > BLOCK_BYTES_MAX:
        raise InvalidData(f"{_named(file)} is larger than a block: {BLOCK_BYTES_MAX} bytes")
    return data


def _read(file: str) -> bytes:
    if file != STANDARD_INPUT:
        with Path(file).open("rb") as stream:
            return stream.read(BLOCK_BYTES_MAX + 1)
    data = bytearray()
    # One large read would often not notice an interrupt before the input ends.
    while sys.stdin is not None and len(data) <= BLOCK_BYTES_MAX:
        piece = sys.stdin.buffer.read(_PIECE_BYTES)
        if not piece:
            break
        data += piece
    return bytes(data)


def _named(file: str) -> str:
    return "standard input" if file == STANDARD_INPUT else f"the file {file}"
