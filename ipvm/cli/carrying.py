"""Where a command writes a CAR: a file that appears when it is whole, or standard output."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import trio

from ipvm.cli.inputs import STANDARD_INPUT
from ipvm.cli.output import Output
from ipvm.cli.streams import write_standard_output
from ipvm.cli.terminal import is_terminal
from ipvm.store.car import Write, writing

__all__ = ["car_output", "require_place"]


def require_place(file: str | None, *, as_json: bool) -> Path | None:
    """Give the path to write to; None is standard output.

    Raises:
        click.UsageError: Nothing is named, and a person or a program would read bytes as text.
    """
    if file is not None and file != STANDARD_INPUT:
        return Path(file)
    if as_json:
        raise click.UsageError("With --json the record is the output; name a file with -o FILE.")
    if file is None and is_terminal(sys.stdout):
        raise click.UsageError("A CAR is no text for a terminal; name a file with -o FILE.")
    return None


@asynccontextmanager
async def car_output(path: Path | None, output: Output) -> AsyncIterator[Write]:
    """Open what `require_place` gave."""
    if path is None:
        await trio.lowlevel.checkpoint()
        output.make_room()
        yield write_standard_output
        return
    async with writing(path) as write:
        yield write
