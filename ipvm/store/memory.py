"""Keep blocks in memory, for as long as the object lives.

It holds the blocks themselves, which were verified when they came to be, so nothing is hashed
again unless another codec is asked for.
"""

import heapq
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import final

from trio.lowlevel import checkpoint

from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.store.blockstore import Statistics
from ipvm.store.collect import Ground
from ipvm.store.memory_ground import Contents, MemoryGround
from ipvm.store.pins import Pin


@final
class Memory:
    """A Blockstore that is Enumerable, Inspectable, Measured and Collectable. It ends with its process."""

    def __init__(self) -> None:
        self._contents = Contents()
        self._blocks = self._contents.blocks

    async def get(self, cid: Cid) -> Block:
        """Return the block of `cid`; raises BlockNotFound."""
        await checkpoint()
        if cid.is_identity:
            return Block(cid, cid.digest)
        block = self._blocks.get(cid.multihash)
        if block is None:
            raise BlockNotFound(cid)
        return block if block.cid == cid else Block(cid, block.data)

    async def has(self, cid: Cid) -> bool:
        """Whether something is kept under the hash of `cid`."""
        await checkpoint()
        return cid.is_identity or cid.multihash in self._blocks

    async def put(self, block: Block) -> None:
        """Keep one block."""
        await self.put_many((block,))

    async def put_many(self, blocks: Sequence[Block]) -> None:
        """Keep many blocks."""
        await checkpoint()
        for block in blocks:
            if not block.cid.is_identity:
                self._blocks[block.cid.multihash] = block
                self._contents.note(block.cid)

    async def delete(self, cid: Cid) -> None:
        """Keep nothing under the hash of `cid` any more."""
        await checkpoint()
        self._blocks.pop(cid.multihash, None)

    async def pin(self, pin: Pin | Sequence[Pin], blocks: Sequence[Block] = ()) -> None:
        """Keep blocks, and then a pin, or several."""
        await self.put_many(blocks)
        for each in (pin,) if isinstance(pin, Pin) else pin:
            self._contents.pins[_key(each)] = each
            self._contents.note(each.cid)

    async def unpin(self, cid: Cid) -> Sequence[Pin]:
        """Take away all pins of a CID, and return them."""
        await checkpoint()
        found = [pin for pin in self._contents.pins.values() if pin.cid == cid]
        for pin in found:
            del self._contents.pins[_key(pin)]
        return sorted(found, key=_key)

    async def pins(self, after: Pin | None = None, count: int = 1000) -> Sequence[Pin]:
        """Return the next pins: those without a name by their CIDs, then the others by name."""
        await checkpoint()
        begin = _key(after) if after else (b"", b"")
        following = sorted(key for key in self._contents.pins if key > begin)
        return [self._contents.pins[key] for key in islice(following, count)]

    async def need(self, cids: Sequence[Cid]) -> None:
        """Say that blocks are needed: while there is a lease, it is as if they were put again."""
        await checkpoint()
        for cid in cids:
            self._contents.note(cid)

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[None]:
        """Keep what is put from now on, by anybody, as long as the context lasts."""
        await checkpoint()
        ticket = self._contents.begin()
        try:
            yield
        finally:
            self._contents.end(ticket)

    @asynccontextmanager
    async def ground(self) -> AsyncIterator[Ground]:
        """Hold a lease, and give what a collection needs, as long as the context lasts."""
        async with self.lease():
            yield MemoryGround(self._contents)

    async def multihashes(self, after: bytes = b"", count: int = 1000) -> Sequence[bytes]:
        """Return the next keys in ascending order; none after the last."""
        await checkpoint()
        return heapq.nsmallest(count, (key for key in self._blocks if key > after))

    async def flaws(self) -> Sequence[str]:
        """Return nothing: there is no structure that could be damaged."""
        await checkpoint()
        return ()

    async def statistics(self) -> Statistics:
        """Return the numbers of this moment."""
        await checkpoint()
        sizes = [len(block.data) for block in self._blocks.values()]
        return Statistics(blocks=len(sizes), block_bytes=sum(sizes))


def _key(pin: Pin) -> tuple[bytes, bytes]:
    """Those without a name come first."""
    return (pin.name.encode(), b"" if pin.name else bytes(pin.cid))
