"""Import files, folders and streams: read, hash, and keep blocks, all at the same time.

Large files and streams are read segment by segment. A few tasks take turns to read, and hash in
threads beside each other; small files are read and hashed in one thread, by the batch, while the
batch before is kept. Nothing is kept before everything below it: the root of a file or folder comes
last, so that an import that ends early, however it ends, leaves leaves without a tree, and nothing
that claims to be whole.

About `_TASKS` segments and the commits of the store are in memory, however long a file is, and the
names and CIDs of the folders that are being read.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Final, final

import trio

from ipvm.errors import IpvmError
from ipvm.files.balanced import Balanced, leaves, small_file
from ipvm.files.directory import directory, entry
from ipvm.files.disk import (
    Added,
    Batch,
    ImportOptions,
    LargeFile,
    Walk,
    reading,
    require_unchanged,
    walk,
)
from ipvm.files.nodes import NO_METADATA, Metadata, Written
from ipvm.ipld import Block

__all__ = ["Importer"]

_SEGMENT_BYTES: Final = 4 * 1024 * 1024
_SEGMENT_CHUNKS: Final = 1024
_TASKS: Final = max(2, min(4, os.cpu_count() or 1))
_NODES_WAITING: Final = 64

Read = Callable[[], Awaitable[list[bytes]]]
"""Gives the pieces of the next segment: full ones, until the file ends."""


@final
class Importer:
    """Imports by one set of options.

    Args:
        keep: Takes blocks, each after those below it, and keeps them before it returns.
        options: What to import, and how. To keep mode or time of modification, leaves are wrapped.
        on_added: Is told what is whole and kept.

    Attributes:
        bytes_read: How far it is.
    """

    def __init__(
        self,
        keep: Callable[[Sequence[Block]], Awaitable[None]],
        *,
        options: ImportOptions | None = None,
        on_added: Callable[[Sequence[Added]], None] | None = None,
    ) -> None:
        self.bytes_read = 0
        self._keep = keep
        self._options = ImportOptions() if options is None else options.settled()
        self._on_added = on_added
        self._threads = trio.CapacityLimiter(_TASKS)

    async def path(self, path: str, name: str) -> Written:
        """Import a file or a folder from the disk, under this name.

        Raises:
            IpvmError: What `walk` and `keep` raise.
        """
        walking = walk(path, name, self._options)
        try:
            return await self._drive(walking)
        finally:
            walking.close()

    async def stream(self, source: AsyncIterable[bytes], name: str) -> Written:
        """Import a file that comes in pieces of any size.

        Raises:
            IpvmError: What `keep` raises; and what the source raises.
        """
        size = self._options.profile.chunk_bytes
        async with aclosing(_cut(source, size, self._chunks)) as pieces:

            async def read() -> list[bytes]:
                segment: list[bytes] = await anext(pieces, [])
                self.bytes_read += sum(map(len, segment))
                return segment

            written = await self._file(read, NO_METADATA)
        self._tell([Added(name, written.cid, "file", written.file_bytes)])
        return written

    async def wrap(self, entries: Iterable[tuple[str, Written]], name: str = "") -> Written:
        """Make a folder of what was imported.

        Raises:
            InvalidEntry: A name cannot stand in a folder, or does so twice.
        """
        links = [entry(os.fsencode(each), written) for each, written in entries]
        written, blocks = directory(links, self._options.profile)
        await self._keep(blocks)
        self._tell([Added(name, written.cid, "folder", written.file_bytes)])
        return written

    @property
    def _chunks(self) -> int:
        """Pieces in a segment."""
        return max(2, min(_SEGMENT_CHUNKS, _SEGMENT_BYTES // self._options.profile.chunk_bytes))

    async def _drive(self, walking: Walk) -> Written:
        batch, root = Batch([], []), None
        while True:
            step = await self._step(walking, root, batch)
            batch, root = Batch([], []), None
            if isinstance(step, Written):
                return step
            if isinstance(step, LargeFile):
                root = await self._large_file(step)
            else:
                batch = step

    async def _step(
        self, walking: Walk, root: Written | None, batch: Batch
    ) -> Batch | LargeFile | Written:
        """Take a step while the batch of the one before is kept."""
        failures: list[IpvmError] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_batch, batch, failures)
            step = await trio.to_thread.run_sync(_advance, walking, root, limiter=self._threads)
        if failures:
            raise failures[0]
        if isinstance(step, IpvmError):
            raise step
        return step

    async def _keep_batch(self, batch: Batch, failures: list[IpvmError]) -> None:
        if not batch.added:
            return
        try:
            await self._keep(batch.blocks)
        except IpvmError as failure:
            failures.append(failure)
        else:
            self.bytes_read += sum(each.file_bytes for each in batch.added)
            self._tell(batch.added)

    async def _large_file(self, file: LargeFile) -> Written:
        before, size = self.bytes_read, 0

        def read_segment() -> list[bytes]:
            with reading(file.path):
                return list(
                    _chunks(file.descriptor, self._options.profile.chunk_bytes, self._chunks)
                )

        async def read() -> list[bytes]:
            nonlocal size
            segment = await trio.to_thread.run_sync(read_segment, limiter=self._threads)
            size += sum(map(len, segment))
            self.bytes_read = before + size
            return segment

        try:
            metadata = self._options.metadata(file.status)
            # Its last nodes wait until the file is known not to have changed.
            written = await self._file(read, metadata, check=lambda: _check(file, size))
        finally:
            self.bytes_read = before  # it is counted when it is told of
        return written

    async def _file(
        self, read: Read, metadata: Metadata, *, check: Callable[[], None] = lambda: None
    ) -> Written:
        first = await read()
        if len(first) <= 1:
            check()
            return await self._small(b"".join(first), metadata)
        cutting = _Cutting(self._keep, self._options, self._threads)
        await cutting.run(read, first)
        check()
        return await cutting.finish(metadata)

    async def _small(self, data: bytes, metadata: Metadata) -> Written:
        written, blocks = small_file(data, self._options.profile, metadata)
        await self._keep(blocks)
        return written

    def _tell(self, added: Sequence[Added]) -> None:
        if self._on_added is not None:
            self._on_added(added)


@final
class _Cutting:
    """One file that is being cut: leaves are kept in any order, and put under nodes in theirs."""

    def __init__(
        self,
        keep: Callable[[Sequence[Block]], Awaitable[None]],
        options: ImportOptions,
        threads: trio.CapacityLimiter,
    ) -> None:
        self._keep = keep
        self._profile = options.profile
        self._threads = threads
        self._tree = Balanced(options.profile)
        self._turn = trio.Lock()
        self._ended = False
        self._read = 0
        self._fed = 0
        self._ready: dict[int, list[Written]] = {}
        self._keeping = trio.Lock()

    async def run(self, read: Read, first: list[bytes]) -> None:
        """Cut the whole file.

        Raises:
            IpvmError: What `read` and `keep` raise.
        """
        failures: list[IpvmError] = []

        async def work(segment: list[bytes]) -> None:
            try:
                await self._segments(read, segment)
            except IpvmError as failure:
                failures.append(failure)
                nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            self._read = 1
            nursery.start_soon(work, first)
            for _ in range(_TASKS - 1):
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


def _advance(walking: Walk, sent: Written | None) -> Batch | LargeFile | Written | IpvmError:
    try:
        return walking.send(sent)
    except StopIteration as end:
        root: Written = end.value
        return root
    except IpvmError as failure:
        return failure


def _check(file: LargeFile, size: int) -> None:
    with reading(file.path):
        require_unchanged(file.descriptor, file.path, file.status, size)


def _chunks(descriptor: int, size: int, count: int) -> Iterable[bytes]:
    """Read so many pieces; only the last of a file is shorter, and none is empty."""
    for _ in range(count):
        piece = os.read(descriptor, size)
        while piece and len(piece) < size:
            more = os.read(descriptor, size - len(piece))
            if not more:
                break
            piece += more
        if not piece:
            return
        yield piece


async def _cut(
    source: AsyncIterable[bytes], size: int, count: int
) -> AsyncGenerator[list[bytes], None]:
    """Give segments of `count` pieces of `size` bytes; only the last may be shorter."""
    waiting = bytearray()
    async for data in source:
        await trio.lowlevel.checkpoint()
        waiting += data
        while len(waiting) >= size * count:
            segment = bytes(waiting[: size * count])
            del waiting[: size * count]
            yield [segment[start : start + size] for start in range(0, len(segment), size)]
    if waiting:
        rest = bytes(waiting)
        yield [rest[start : start + size] for start in range(0, len(rest), size)]
