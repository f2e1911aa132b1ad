"""Store the blocks of a CAR while it is read, each of them verified first.

Blocks travel in batches: while one batch is written, the next is read and hashed, by as many threads
as pay. The batch that breaks off at a fault is stored up to the fault, so what the message says was
taken is in the store, and nothing behind it.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, final

import trio

from ipvm.errors import InvalidData, IpvmError
from ipvm.ipld import Block, Cid
from ipvm.store.blockstore import Blockstore
from ipvm.store.car.files import Read
from ipvm.store.car.reader import CarReader, InvalidCar, Section

__all__ = ["Imported", "import_car"]

_READ_BYTES: Final = 4 * 1024 * 1024
_BATCH_BYTES: Final = 16 * 1024 * 1024
_BATCH_SECTIONS: Final = 16_384
_SHARE_BYTES: Final = 512 * 1024
"""Bytes that are worth a thread of their own."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import came to.

    Attributes:
        roots: The roots that the CAR names, as it names them.
        version: Of the CAR.
        blocks: Blocks in it; one that is there twice counts twice.
        block_bytes: Bytes of those.
    """

    roots: tuple[Cid, ...]
    version: int
    blocks: int
    block_bytes: int


async def import_car(
    read: Read, store: Blockstore, *, progress: Callable[[int, int], None] = lambda *_: None
) -> Imported:
    """Read a CAR to its end, and store its blocks.

    Args:
        read: Gives up to so many bytes; none at the end.
        store: Takes the blocks; those of identity CIDs need no keeping.
        progress: Called with the blocks and bytes that are stored.

    Raises:
        InvalidCar: It is broken. What came before is stored.
        Refused: The store takes no more.
    """
    importing = _Import(read, store, progress)
    await importing.run()
    return importing.imported()


@final
class _Import:
    def __init__(self, read: Read, store: Blockstore, progress: Callable[[int, int], None]) -> None:
        self._read = read
        self._store = store
        self._progress = progress
        self._reader = CarReader()
        self._failure: IpvmError | None = None
        self._blocks = 0
        self._block_bytes = 0
        self._batch: list[Section] = []
        self._batch_bytes = 0

    def imported(self) -> Imported:
        """Tell what was stored."""
        return Imported(
            roots=self._reader.roots or (),
            version=self._reader.version,
            blocks=self._blocks,
            block_bytes=self._block_bytes,
        )

    async def run(self) -> None:
        """Read and store side by side, and raise what went wrong."""
        sender, receiver = trio.open_memory_channel[Sequence[Block]](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep, receiver, nursery.cancel_scope)
            async with sender:
                try:
                    await self._take(sender)
                except IpvmError as failure:
                    self._failure = failure
        if self._failure is not None:
            raise self._failure

    async def _keep(
        self, receiver: "trio.MemoryReceiveChannel[Sequence[Block]]", scope: trio.CancelScope
    ) -> None:
        async for blocks in receiver:
            try:
                await self._store.put_many(blocks)
            except IpvmError as failure:
                self._failure = failure
                scope.cancel()
                return
            self._blocks += len(blocks)
            self._block_bytes += sum(len(block.data) for block in blocks)
            self._progress(self._blocks, self._block_bytes)

    async def _take(self, sender: "trio.MemorySendChannel[Sequence[Block]]") -> None:
        try:
            while data := await self._read(_READ_BYTES):
                for section in self._reader.feed(data):
                    self._batch.append(section)
                    self._batch_bytes += len(section.unverified_data)
                    if self._batch_bytes > _BATCH_BYTES or len(self._batch) == _BATCH_SECTIONS:
                        await self._send(sender)
            self._reader.finish()
        except IpvmError:
            # The fault may lie before this one: a block that is not what it says.
            await self._send(sender)
            raise
        await self._send(sender)

    async def _send(self, sender: "trio.MemorySendChannel[Sequence[Block]]") -> None:
        sections, self._batch, self._batch_bytes = self._batch, [], 0
        before = self._reader.sections - len(sections)
        blocks, problem = await _verified(sections)
        if blocks:
            await sender.send(blocks)
        if problem is not None:
            offset = sections[len(blocks)].offset
            failure = InvalidCar(str(problem), offset=offset, blocks=before + len(blocks))
            raise failure from problem


async def _verified(sections: Sequence[Section]) -> tuple[list[Block], InvalidData | None]:
    """Give the blocks of sections up to the first that is none, and what is wrong with that."""
    total = sum(len(section.unverified_data) for section in sections)
    shares = max(1, min(os.cpu_count() or 1, total // _SHARE_BYTES))
    size = -(-len(sections) // shares)
    pieces = [sections[start : start + size] for start in range(0, len(sections), size or 1)]
    done: dict[int, tuple[list[Block], InvalidData | None]] = {}

    async def verify(index: int, piece: Sequence[Section]) -> None:
        done[index] = await trio.to_thread.run_sync(partial(_blocks, piece))

    async with trio.open_nursery() as nursery:
        for index, piece in enumerate(pieces):
            nursery.start_soon(verify, index, piece)
    blocks: list[Block] = []
    for index in range(len(pieces)):
        found, problem = done[index]
        blocks += found
        if problem is not None:
            return blocks, problem
    return blocks, None


def _blocks(sections: Sequence[Section]) -> tuple[list[Block], InvalidData | None]:
    blocks: list[Block] = []
    for section in sections:
        try:
            blocks.append(Block(section.cid, section.unverified_data))
        except InvalidData as error:
            return blocks, error
    return blocks, None
