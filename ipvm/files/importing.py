"""Import files, folders and streams: read, hash, and keep blocks, all at the same time.

Large files and streams are cut segment by segment (`cutting`); small files are read and hashed in one
thread, by the batch, while the batch before is kept. Nothing is kept before everything below it:
the root of a file or folder comes last, so that an import that ends early, however it ends, leaves
leaves without a tree, and nothing that claims to be whole.

About `TASKS` segments and the commits of the store are in memory, however long a file is, and the
names and CIDs of the folders that are being read.
"""

import os
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import final

import trio

from ipvm.errors import IpvmError
from ipvm.files.balanced import small_file
from ipvm.files.cutting import TASKS, Cutting, Keep, Read, pieces_of, segments
from ipvm.files.directory import directory, entry
from ipvm.files.disk import Added, Batch, ImportOptions, LargeFile, Walk, walk
from ipvm.files.nodes import NO_METADATA, Metadata, Written
from ipvm.files.sources import reading, require_unchanged

__all__ = ["Importer"]


@final
class Importer:
    """Imports by one set of options.

    Args:
        keep: Where the blocks go.
        options: What to import, and how. To keep mode or time of modification, leaves are wrapped.
        on_added: Is told what is whole and kept.

    Attributes:
        bytes_read: How far it is.
    """

    def __init__(
        self,
        keep: Keep,
        *,
        options: ImportOptions | None = None,
        on_added: Callable[[Sequence[Added]], None] | None = None,
    ) -> None:
        self.bytes_read = 0
        self._keep = keep
        self._options = ImportOptions() if options is None else options.settled()
        self._on_added = on_added
        self._threads = trio.CapacityLimiter(TASKS)

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
        async with aclosing(segments(source, self._options.profile)) as pieces:

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
                return list(pieces_of(file.descriptor, self._options.profile))

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
        cutting = Cutting(self._keep, self._options.profile, self._threads)
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
