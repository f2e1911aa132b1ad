"""Add what Python has at hand: a path, bytes, or pieces of bytes as they come."""

import os
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, TypedDict, Unpack

import trio

from ipvm.errors import InvalidArguments
from ipvm.exchange import BlockService, Pins
from ipvm.files.disk import ImportOptions
from ipvm.files.importing import Importer
from ipvm.files.nodes import Written
from ipvm.files.profiles import PROFILES, V1_2025, ImportProfile
from ipvm.ipld import Cid
from ipvm.limits import CHUNK_BYTES_MAX
from ipvm.store import Pin

__all__ = [
    "AddOptions",
    "ImportOptions",
    "Importer",
    "add",
    "pinning",
    "profile_named",
    "root_name",
]

_PIECE_BYTES: Final = 1024 * 1024


class AddOptions(TypedDict, total=False):
    """How something is added; what is left out is as the command line has it."""

    profile: str
    """How files become blocks: `unixfs-v1-2025` or `unixfs-v0-2015`."""
    chunk_bytes: int
    """Bytes of the pieces that files are cut into, whatever the profile says."""
    hidden: bool
    """Add what is in folders under names that begin with a dot, too."""
    preserve_mode: bool
    """Keep permissions."""
    preserve_mtime: bool
    """Keep times of modification."""
    pin: bool
    """Keep it from being collected as garbage."""


async def add(
    source: str | Path | bytes | AsyncIterable[bytes],
    blocks: BlockService,
    pins: Pins,
    **options: Unpack[AddOptions],
) -> Cid:
    """Add a path, or the content of a file, and give its CID.

    Raises:
        InvalidArguments: There is no such profile, or pieces cannot be of that size.
        IpvmError: What the import raises.
    """
    await trio.lowlevel.checkpoint()
    choices = ImportOptions(
        profile=profile_named(options.get("profile", V1_2025.name), options.get("chunk_bytes")),
        hidden=options.get("hidden", False),
        preserve_mode=options.get("preserve_mode", False),
        preserve_mtime=options.get("preserve_mtime", False),
    )
    async with pinning(pins, pin=options.get("pin", True)) as roots:
        root = await _import(source, Importer(blocks.put_many, options=choices))
        roots.append(root.cid)
    return root.cid


@asynccontextmanager
async def pinning(pins: Pins, *, pin: bool) -> AsyncIterator[list[Cid]]:
    """Keep what is put meanwhile, and pin the roots that are in the list at the end.

    Where the store keeps no pins, nothing is ever collected, and this does nothing.
    """
    roots: list[Cid] = []
    if not pins.are_kept:
        yield roots
        return
    async with pins.lease():
        yield roots
        for root in roots if pin else ():
            await pins.keep(Pin(cid=root, reach="recursive"))


async def _import(source: str | Path | bytes | AsyncIterable[bytes], importer: Importer) -> Written:
    if isinstance(source, str | Path):
        path = os.fspath(source)
        return await importer.path(path, root_name(path))
    pieces = _pieces(source) if isinstance(source, bytes) else source
    return await importer.stream(pieces, "")


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
