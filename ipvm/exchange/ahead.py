"""Fetch in one go what a walk would fetch block by block, where a source can send it so.

The source that had the root is asked for all that the root reaches. It is trusted as little as ever:
each block is verified, none is kept that is not linked from one before it, and it has the time of one
fetch until the next good one. Whatever breaks the answer off, what came before is in the store, and
the walk that follows asks for the rest in its own way. So nothing here fails.
"""

from collections.abc import Sequence
from typing import Final, final

import trio

from ipvm.errors import IpvmError, Refused, Unavailable
from ipvm.exchange.source import DagSource
from ipvm.exchange.sources import Fetched, Sources
from ipvm.exchange.wanted import Wanted
from ipvm.ipld import Block, BlockNotFound
from ipvm.limits import Limits
from ipvm.store import Blockstore

__all__ = ["Ahead"]

_BATCH_BYTES: Final = 8 * 1024 * 1024
_BATCH_BLOCKS: Final = 4096


class _Enough(Exception):
    """There is no use for more."""


@final
class Ahead:
    """What a source can send besides a root that it has sent.

    Args:
        fetched: The root, and who sent it.
        sources: Who keeps count of what sources do.
        store: Takes the blocks.
        limits: Bounds of what is taken from others.
    """

    def __init__(
        self, fetched: Fetched, sources: Sources, store: Blockstore, *, limits: Limits
    ) -> None:
        self._root = fetched.block
        self._by = fetched.by
        self._sources = sources
        self._store = store
        self._limits = limits
        self._bytes_left = 0
        self._wanted = Wanted(fetched.block, limits=limits)
        self._batch: list[Block] = []
        self._batch_bytes = 0

    async def fetch(self, path: Sequence[str], *, bytes_max: int) -> None:
        """Store what is reached from the end of a path, as far as the source sends it.

        Args:
            path: Names of entries, from the root.
            bytes_max: Bytes after which there is no use for more.
        """
        await trio.lowlevel.checkpoint()
        source, began = self._by.source, trio.current_time()
        if not isinstance(source, DagSource) or not await self._is_of_use():
            return
        self._bytes_left = bytes_max
        try:
            await self._take(source, path, began)
        except (BlockNotFound, _Enough):
            pass  # it sends no more, or there is no use for it
        except IpvmError as failure:
            self._sources.blame(self._by, self._root.cid, failure, began=began)
        await self._keep()

    async def _is_of_use(self) -> bool:
        """Whether something is missing that the root links to."""
        for cid in sorted(self._wanted.cids):
            if not await self._store.has(cid):
                return True
        return False

    async def _take(self, source: DagSource, path: Sequence[str], began: float) -> None:
        seconds = self._limits.fetch_seconds_max
        with trio.move_on_after(seconds) as scope:
            async with source.fetch_dag(self._root.cid, path) as sections:
                async for section in sections:
                    block = self._wanted.take(section)
                    if block is not None:
                        scope.deadline = trio.current_time() + seconds
                        self._sources.praise(self._by, block, began=began)
                        await self._add(block)
        if scope.cancelled_caught:
            raise Unavailable(f"{self._by.name} sent nothing more within {seconds} s")

    async def _add(self, block: Block) -> None:
        self._batch.append(block)
        self._batch_bytes += len(block.data)
        self._bytes_left -= len(block.data)
        if self._batch_bytes > _BATCH_BYTES or len(self._batch) == _BATCH_BLOCKS:
            await self._keep()
        if self._bytes_left <= 0 or not self._wanted.cids:
            raise _Enough

    async def _keep(self) -> None:
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        try:
            await self._store.put_many(batch)
        except (Refused, Unavailable):
            self._bytes_left = 0  # the walk will say why
