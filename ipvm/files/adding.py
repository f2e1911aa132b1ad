"""Add what Python has at hand: a path, bytes, or pieces of bytes as they come."""

import os
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import trio

from ipvm.errors import InvalidArguments
from ipvm.files.disk import ImportOptions
from ipvm.files.importing import Importer
from ipvm.files.profiles import PROFILES, ImportProfile
from ipvm.ipld import Cid
from ipvm.limits import CHUNK_BYTES_MAX

__all__ = ["ImportOptions", "Importer", "add", "profile_named", "root_name"]

_PIECE_BYTES: Final = 1024 * 1024


async def add(source: str | Path | bytes | AsyncIterable[bytes], importer: Importer) -> Cid:
    """Add a path, or the content of a file, and give its CID.

    Raises:
        IpvmError: What the importer raises.
    """
    if isinstance(source, str | Path):
        path = os.fspath(source)
        return (await importer.path(path, root_name(path))).cid
    pieces = _pieces(source) if isinstance(source, bytes) else source
    return (await importer.stream(pieces, "")).cid


def root_name(path: str) -> str:
    """Give the name of what a path leads to; of `.`, that of the folder."""
    # No link is followed: it is the name that was chosen.
    return os.path.basename(os.path.abspath(path)) or "/"  # noqa: PTH100, PTH119


def profile_named(name: str, chunk_bytes: int | None = None) -> ImportProfile:
    """Give a profile by its name, with other pieces if they are named.

    Raises:
        InvalidArguments: There is none, or pieces cannot be of that size.
    """
    if name not in PROFILES:
        raise InvalidArguments(f"there is no profile {name!r}; there are {', '.join(PROFILES)}")
    if chunk_bytes is None:
        return PROFILES[name]
    if not 1 <= chunk_bytes <= CHUNK_BYTES_MAX:
        raise InvalidArguments(f"a file is cut into pieces of 1 to {CHUNK_BYTES_MAX} bytes")
    return replace(PROFILES[name], chunk_bytes=chunk_bytes)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PIECE_BYTES):
        await trio.lowlevel.checkpoint()
        yield data[start : start + _PIECE_BYTES]
