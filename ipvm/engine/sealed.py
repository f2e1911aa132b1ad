"""Load machine code from a file that others may change at any time.

What was verified must be what runs, and a file that shrinks while it is mapped kills the process. So
large artifacts are copied into memory that is sealed, against ourselves too, and are verified there
and mapped from there. Small ones, and all where a system has no such memory, are read, verified, and
loaded from the copy.
"""

import hmac
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final

from ipvm.engine.module import CompiledModule, InvalidArtifact, load_artifact, load_artifact_file
from ipvm.engine.profile import Engine
from ipvm.ipld import keyed_blake3

__all__ = [
    "MAC_BYTES",
    "SMALL_ARTIFACT_BYTES_MAX",
    "authenticate",
    "load_authentic",
    "read_authentic",
]

MAC_BYTES: Final = 32
"""Bytes at the end of a file that authenticate what stands before them."""

SMALL_ARTIFACT_BYTES_MAX: Final = 96 * 1024
"""Up to this size, copying an artifact once more takes less time than sealing and mapping it."""
_PART_BYTES: Final = 256 * 1024
_DESCRIPTORS: Final = "/proc/self/fd"
_SEALABLE: Final = (
    sys.platform == "linux" and hasattr(os, "memfd_create") and os.access(_DESCRIPTORS, os.X_OK)
)


def authenticate(secret: bytes, key: bytes, *parts: bytes | bytearray | memoryview) -> bytes:
    """Give the code that stands behind an artifact in its file.

    Args:
        secret: The key of the cache folder.
        key: The name of the artifact; always 32 bytes, so that it cannot pass for a part of it.
        parts: Machine code, end to end.
    """
    return keyed_blake3(secret, (key, *parts))


def load_authentic(
    descriptor: int, size: int, *, secret: bytes, key: bytes, engine: Engine
) -> CompiledModule:
    """Load the artifact of an open file, if it is the one of that name and has not changed.

    Args:
        descriptor: The file.
        size: Its bytes.
        secret: The key of the cache folder.
        key: The name of the artifact.
        engine: Where the module will run.

    Raises:
        InvalidArtifact: It is another, or has changed, or is not for this engine.
        OSError: It cannot be read.
    """
    if size <= SMALL_ARTIFACT_BYTES_MAX or not _SEALABLE:
        return load_artifact(engine, read_authentic(descriptor, size, secret=secret, key=key))
    size -= MAC_BYTES
    with _sealed_copy(descriptor, size) as copy:
        wanted = keyed_blake3(secret, chain((key,), _parts(copy, size)))
        _require_same(wanted, os.pread(descriptor, MAC_BYTES, size))
        return load_artifact_file(engine, f"{_DESCRIPTORS}/{copy}")


def read_authentic(descriptor: int, size: int, *, secret: bytes, key: bytes) -> bytes:
    """Copy the contents of an open file, if they are those of that name and have not changed.

    Raises:
        InvalidArtifact, OSError: As for `load_authentic`.
    """
    size -= MAC_BYTES
    if size <= 0:
        raise InvalidArtifact("the file is too short")
    contents = os.pread(descriptor, size, 0)
    _require_same(authenticate(secret, key, contents), os.pread(descriptor, MAC_BYTES, size))
    return contents


def _require_same(wanted: bytes, found: bytes) -> None:
    if not hmac.compare_digest(wanted, found):
        raise InvalidArtifact("the file has changed, or is another's")


@contextmanager
def _sealed_copy(descriptor: int, size: int) -> Iterator[int]:
    """Copy a file into memory that nobody can change any more."""
    copy = os.memfd_create("ipvm artifact", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        copied = 0
        while copied < size:
            step = os.sendfile(copy, descriptor, copied, size - copied)
            if not step:
                raise InvalidArtifact("the file became shorter while it was read")
            copied += step
        _seal(copy)
        yield copy
    finally:
        os.close(copy)


def _seal(copy: int) -> None:
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415 - there are no seals elsewhere

        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, seals)


def _parts(descriptor: int, size: int) -> Iterator[memoryview]:
    """Give the contents of a file in parts, each until the next is asked for."""
    buffer = memoryview(bytearray(min(size, _PART_BYTES)))
    offset = 0
    while offset < size:
        count = os.preadv(descriptor, [buffer], offset)
        yield buffer[:count]
        offset += count
