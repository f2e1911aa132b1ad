"""Cut one file into blocks: hash in some threads beside each other, and keep while it goes on.

A few tasks take turns to read a segment, hash its pieces in a thread, and keep the leaves. What they
made is put under nodes in the order of the file, whichever of them comes first. A node is made when
the leaves below it are kept, and is kept after the nodes below it.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeAlias, final

import trio

from ipvm.files.balanced import Balanced, leaves
from ipvm.files.nodes import Metadata, Written
from ipvm.files.profiles import ImportProfile
from ipvm.ipld import Block

__all__ = ["TASKS", "Cutting", "Keep", "Read", "pieces_of", "segment_pieces", "segments"]

TASKS: Final = max(2, min(4, os.cpu_count() or 1))
"""Segments that are worked on at the same time."""

_SEGMENT_BYTES: Final = 4 * 1024 * 1024
_SEGMENT_PIECES: Final = 1024
_NODES_WAITING: Final = 64

Keep: TypeAlias = Callable[[Sequence[Block]], Awaitable[None]]
"""Takes blocks, each after those below it, and keeps them before it returns."""

Read: TypeAlias = Callable[[], Awaitable[list[bytes]]]
"""Gives the pieces of the next segment: full ones, until the file ends; none behind its end."""


def segment_pieces(profile: ImportProfile) -> int:
    """Tell how many pieces a segment has: more than one, so that it is known whether one is all."""
    return max(2, min(_SEGMENT_PIECES, _SEGMENT_BYTES // profile.chunk_bytes))


@final
class Cutting:
    """One file that is being cut: leaves are kept in any order, and put under nodes in theirs."""

    def __init__(self, keep: Keep, profile: ImportProfile, threads: trio.CapacityLimiter) -> None:
        self._keep = keep
        self._profile = profile
        self._threads = threads
        self._tree = Balanced(profile)
        self._turn = trio.Lock()
        self._ended = False
        self._read = 0
        self._fed = 0
        self._ready: dict[int, list[Written]] = {}
        self._keeping = trio.Lock()

    async def run(self, read: Read, first: list[bytes]) -> None:
        """Cut the whole file.

        Raises:
            Exception: What `read` and `keep` raise.
        """
        failures: list[Exception] = []

        async def work(segment: list[bytes]) -> None:
            try:
                await self._segments(read, segment)
            except Exception as failure:  # noqa: BLE001 - a source is anybody's; it is raised again
                failures.append(failure)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            self._read = 1
            nursery.start_soon(work, first)
            for _ in range(TASKS - 1):
                nursery.start_soon(work, [])
        if failures:
            raise failures[0]

    async def finish(self, metadata: Metadata) -> Written:
        """Write the nodes that are left, the root last."""
        root = self._tree.finish(metadata)
        await self._keep_nodes()
        return root

    async def _segments(self, read: Read, segment: list[bytes]) -> None:
        """Cut segments, beside others who do; `segment` is the first of all, or empty."""
        index = 0
        while True:
            if not segment:
                async with self._turn:
                    index, segment = self._read, [] if self._ended else await read()
                    self._read += 1
                    self._ended = not segment
            if not segment:
                return
            await self._cut(index, segment)
            segment = []

    async def _cut(self, index: int, segment: list[bytes]) -> None:
        written, blocks = await trio.to_thread.run_sync(
            leaves, segment, self._profile, limiter=self._threads
        )
        await self._keep(blocks)
        self._ready[index] = written
        while self._fed in self._ready:
            for each in self._ready.pop(self._fed):
                self._tree.feed(each)
            self._fed += 1
        if len(self._tree.made) >= _NODES_WAITING:
            await self._keep_nodes()

    async def _keep_nodes(self) -> None:
        async with self._keeping:  # one after the other: the next are above these
            made, self._tree.made = self._tree.made, []
            await self._keep(made)


def pieces_of(descriptor: int, profile: ImportProfile) -> Iterable[bytes]:
    """Read the pieces of a segment; only the last of a file is shorter, and none is empty."""
    size = profile.chunk_bytes
    for _ in range(segment_pieces(profile)):
        piece = os.read(descriptor, size)
        while piece and len(piece) < size:
            more = os.read(descriptor, size - len(piece))
            if not more:
                break
            piece += more
        if not piece:
            return
        yield piece


async def segments(
    source: AsyncIterable[bytes], profile: ImportProfile
) -> AsyncGenerator[list[bytes], None]:
    """Give the segments of a file that comes in pieces of any size; only the last is shorter."""
    size = profile.chunk_bytes
    whole = size * segment_pieces(profile)
    waiting = bytearray()
    async for data in source:
        await trio.lowlevel.checkpoint()
        waiting += data
        while len(waiting) >= whole:
            segment = bytes(waiting[:whole])
            del waiting[:whole]
            yield [segment[start : start + size] for start in range(0, len(segment), size)]
    if waiting:
        rest = bytes(waiting)
        yield [rest[start : start + size] for start in range(0, len(rest), size)]
