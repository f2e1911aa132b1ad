"""Keep blocks in memory, for as long as the object lives.

It holds the blocks themselves, which were verified when they came to be, so nothing is hashed
again unless another codec is asked for.
"""

import heapq
from collections.abc import Sequence
from typing import final

from trio.lowlevel import checkpoint

from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.store.blockstore import Statistics


@final
class Memory:
    """A Blockstore that is Enumerable, Inspectable and Measured. It ends with its process."""

    def __init__(self) -> None:
        self._blocks: dict[bytes, Block] = {}

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

    async def delete(self, cid: Cid) -> None:
        """Keep nothing under the hash of `cid` any more."""
        await checkpoint()
        self._blocks.pop(cid.multihash, None)

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
