"""Go into a folder entry by entry: what the next few lead to is fetched together.

Where blocks come from far away, one wait is shared by several entries. How many depends on what the
folder says of their sizes: the root of an entry may be a whole file, and is held until its turn.
"""

from collections import deque
from typing import Final, Self, final

import trio

from ipvm.errors import IpvmError
from ipvm.files.decoding import Entry
from ipvm.files.listing import Listing
from ipvm.files.resolving import Place, placed
from ipvm.files.source import NodeSource

__all__ = ["Contents"]

_TOGETHER_MAX: Final = 16
_TOGETHER_BYTES: Final = 4 * 1024 * 1024
_ROOT_BYTES: Final = 1024 * 1024
"""What the root of a large entry takes, about."""


@final
class Contents:
    """`async for entry, place in contents`: the entries of a folder, and what each leads to.

    Each turn is a checkpoint. What stands before an entry that cannot be had is given out before its
    failure is raised; asked again, it goes on behind it.
    """

    def __init__(self, nodes: NodeSource, listing: Listing, path: str) -> None:
        self._nodes = nodes
        self._listing = listing
        self._path = path
        self._ready: deque[tuple[Entry, Place | IpvmError]] = deque()
        self._failure: IpvmError | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[Entry, Place]:
        if self._ready:
            await trio.lowlevel.checkpoint()
        else:
            await self._advance()
        if self._ready:
            entry, place = self._ready.popleft()
            if isinstance(place, IpvmError):
                raise place
            return entry, place
        if self._failure is not None:
            raise self._failure
        raise StopAsyncIteration

    async def _advance(self) -> None:
        entries = await self._next_entries()
        paths = [f"{self._path}/{entry.name}" for entry in entries]
        found = await self._nodes.get_together([entry.cid for entry in entries], paths)
        for entry, path, node in zip(entries, paths, found, strict=True):
            try:
                if isinstance(node, IpvmError):
                    raise node
                self._ready.append((entry, placed(node, path)))
            except IpvmError as failure:
                self._ready.append((entry, failure))

    async def _next_entries(self) -> list[Entry]:
        entries: list[Entry] = []
        size = 0
        while self._failure is None and len(entries) < _TOGETHER_MAX and size < _TOGETHER_BYTES:
            try:
                entry = await anext(self._listing, None)
            except IpvmError as failure:
                self._failure = failure
                break
            if entry is None:
                break
            entries.append(entry)
            size += _ROOT_BYTES if entry.dag_bytes is None else min(entry.dag_bytes, _ROOT_BYTES)
        return entries
