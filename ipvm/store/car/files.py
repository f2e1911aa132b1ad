"""Read and write long files in pieces, and let a file appear whole or not at all.

A file is written beside its place under a name of its own, flushed to the disk, and then renamed. On
a failure or an interrupt nothing is left behind, and what was there before still is.
"""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias

import trio

from ipvm.errors import NotFound, Refused

__all__ = ["Read", "Write", "reading", "writing"]

Read: TypeAlias = Callable[[int], Awaitable[bytes]]
"""Gives up to so many bytes; none at the end."""
Write: TypeAlias = Callable[[bytes], Awaitable[None]]
"""Takes the next bytes, all of them."""

_PIECE_BYTES: Final = 1024 * 1024


@asynccontextmanager
async def reading(path: Path) -> AsyncIterator[Read]:
    """Open a file to read it.

    Raises:
        NotFound: It is not there.
        Refused: It cannot be read.
    """
    await trio.lowlevel.checkpoint()
    with contextlib.ExitStack() as stack:
        with _reading(path):
            stream = stack.enter_context(path.open("rb", buffering=0))

        async def read(size: int) -> bytes:
            with _reading(path):
                return await trio.to_thread.run_sync(stream.read, size) or b""

        yield read


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFound(f"the file {path} is not there") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Refused(f"the file {path} cannot be read: {reason}") from error


@asynccontextmanager
async def writing(path: Path) -> AsyncIterator[Write]:
    """Write a file that is there when the context is left without an exception, and else is not.

    Raises:
        Refused: It cannot be written.
    """
    await trio.lowlevel.checkpoint()
    with _writing(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb", buffering=_PIECE_BYTES) as stream:

            async def write(data: bytes) -> None:
                with _writing(path):
                    if len(data) < _PIECE_BYTES:
                        stream.write(data)
                        await trio.lowlevel.checkpoint()
                    else:
                        await trio.to_thread.run_sync(stream.write, data)

            yield write
            with _writing(path):
                stream.flush()
                await trio.to_thread.run_sync(os.fsync, descriptor)
        with _writing(path):
            await trio.to_thread.run_sync(_appear, Path(name), path)
    finally:
        _discard(Path(name))


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)


def _appear(written: Path, path: Path) -> None:
    """Give a file its name, and let the name be on the disk, too."""
    written.chmod(0o666 & ~_umask())
    written.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise Refused(f"the file {path} cannot be written: {reason}") from error
