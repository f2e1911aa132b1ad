"""Read standard input and write standard output piece by piece, under trio, without end."""

import io
import os
import sys
from collections.abc import AsyncIterator, Sequence
from typing import BinaryIO, Final

import trio

from ipvm.cli.failures import OutputFailed
from ipvm.errors import Refused

__all__ = ["read_standard_input", "standard_input_pieces", "write_standard_output"]

_PIECE_BYTES: Final = 1024 * 1024


async def read_standard_input(size: int) -> bytes:
    """Read up to so many bytes of standard input; none at its end. An interrupt ends the wait.

    Raises:
        Refused: It cannot be read.
    """
    if sys.stdin is None:
        await trio.lowlevel.checkpoint()
        return b""
    stream = sys.stdin.buffer
    descriptor = _descriptor(stream)
    try:
        if descriptor is None:
            await trio.lowlevel.checkpoint()
            return stream.read(size)
        # Not by the buffer: a thread that is left behind in it would hold its lock.
        return await trio.to_thread.run_sync(os.read, descriptor, size, abandon_on_cancel=True)
    except OSError as error:
        raise Refused(f"standard input cannot be read: {error.strerror}") from error


async def standard_input_pieces() -> AsyncIterator[bytes]:
    """Give standard input piece by piece, to its end.

    Raises:
        Refused: It cannot be read.
    """
    while piece := await read_standard_input(_PIECE_BYTES):
        yield piece


async def write_standard_output(*pieces: bytes | memoryview) -> None:
    """Write all of the bytes to standard output.

    Raises:
        OutputFailed: They cannot be written.
    """
    if sys.stdout is None:
        raise OutputFailed("there is no standard output")
    stream = sys.stdout.buffer
    descriptor = _descriptor(stream)
    try:
        if descriptor is None:
            await trio.lowlevel.checkpoint()
            stream.write(b"".join(pieces))
            return
        await trio.to_thread.run_sync(_write_all, descriptor, pieces, abandon_on_cancel=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputFailed(f"standard output cannot be written: {error.strerror}") from error


def _write_all(descriptor: int, pieces: Sequence[bytes | memoryview]) -> None:
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]


def _descriptor(stream: BinaryIO) -> int | None:
    """Give the number of a stream; None where a test has put something else in its place."""
    try:
        return stream.fileno()
    except io.UnsupportedOperation:
        return None
