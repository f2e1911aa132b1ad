"""Read and write long files in pieces, and let a file appear whole or not at all.

A file is written beside its place under a name of its own, flushed to the disk, and then renamed. On
a failure or an interrupt nothing is left behind, and what was there before still is.
"""

import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

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
        # A pipe may let a thread wait for ever; an interrupt leaves it behind.
        with _reading(path):
            opened = await trio.to_thread.run_sync(_open_raw, path, abandon_on_cancel=True)
            stream = stack.enter_context(opened)

        async def read(size: int) -> bytes:
            with _reading(path):
                job = partial(stream.read, size)
                return await trio.to_thread.run_sync(job, abandon_on_cancel=True) or b""

        yield read


def _open_raw(path: Path) -> FileIO:
    return path.open("rb", buffering=0)


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

    What is there and no file, a pipe or a device, is written to as it is.

    Raises:
        Refused: It cannot be written.
    """
    await trio.lowlevel.checkpoint()
    with _writing(path):
        is_special = _is_special(path)
    async with _writing_through(path) if is_special else _writing_beside(path) as write:
        yield write


@asynccontextmanager
async def _writing_through(path: Path) -> AsyncIterator[Write]:
    with _writing(path):  # a pipe that nobody reads lets a thread wait for ever
        stream = await trio.to_thread.run_sync(_open_through, path, abandon_on_cancel=True)
    async with _flushed(stream, path) as write:
        yield write


@asynccontextmanager
async def _writing_beside(path: Path) -> AsyncIterator[Write]:
    with _writing(path):
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        async with _flushed(os.fdopen(descriptor, "wb", buffering=_PIECE_BYTES), path) as write:
            yield write
        with _writing(path):
            await trio.to_thread.run_sync(_appear, Path(name), path)
    finally:
        _discard(Path(name))


@asynccontextmanager
async def _flushed(stream: BinaryIO, path: Path) -> AsyncIterator[Write]:
    async def write(data: bytes) -> None:
        with _writing(path):
            if len(data) < _PIECE_BYTES:
                stream.write(data)
                await trio.lowlevel.checkpoint()
            else:
                await trio.to_thread.run_sync(stream.write, data)

    try:
        yield write
        with _writing(path):
            await trio.to_thread.run_sync(stream.flush)
    finally:
        with contextlib.suppress(OSError):  # what could not be written before, cannot now
            stream.close()


def _is_special(path: Path) -> bool:
    return path.exists() and not (path.is_file() or path.is_dir())


def _open_through(path: Path) -> BinaryIO:
    return path.open("wb", buffering=_PIECE_BYTES)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)


def _appear(written: Path, path: Path) -> None:
    """Give a file its name, and let the name be on the disk, too."""
    _sync(written)
    written.chmod(0o666 & ~_umask())
    written.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
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
