"""Move blocks in and out by CAR files: what a node offers of `ipvm.store.car`."""

from collections.abc import Callable
from pathlib import Path
from typing import final

from ipvm.exchange import BlockService
from ipvm.ipld import Block, Cid
from ipvm.limits import Limits
from ipvm.runtime.identity import own_blocks
from ipvm.runtime.packing import Packing, pack_list
from ipvm.store import Blockstore
from ipvm.store.car import (
    Exported,
    Taken,
    Write,
    export_blocks,
    export_dag,
    reading,
    take_car,
    writing,
)

__all__ = ["Cars"]


@final
class Cars:
    """Imports, exports and packs CAR files."""

    def __init__(self, store: Blockstore, blocks: BlockService, limits: Limits) -> None:
        self._store = store
        self._blocks = blocks
        self._packed = _WithOwn(blocks)
        self._limits = limits

    async def import_file(self, path: str | Path, *, pin: bool = True) -> Taken:
        """Store the blocks of a CAR, each of them verified, and pin its roots.

        A root below which something is missing gets a partial pin; see `ipvm.store.car.take_car`.

        Args:
            path: The file.
            pin: Keep the roots, and what they reach, from being collected as garbage.

        Raises:
            InvalidData: It is broken, as the message says at which byte; what came before is stored.
            NotFound, Refused: The file cannot be read, or the store takes no more.
        """
        async with reading(Path(path)) as read:
            return await take_car(read, self._store, pin=pin)

    async def export(self, root: Cid, path: str | Path) -> Exported:
        """Write all that a root reaches into a file, which appears when it is whole.

        Raises:
            NotFound, Unavailable, InvalidData: A block cannot be had, or not be read.
            Refused: The file cannot be written.
        """
        async with writing(Path(path)) as write:
            await self._blocks.fetch_ahead(root)
            return await export_dag(root, self._blocks, write)

    async def pack(self, target: Cid, path: str | Path, *, receipt: Cid | None = None) -> Packing:
        """Write what a function needs to run elsewhere, and what one run read, into a file.

        Raises:
            LinkError: The function does not link.
            NotFound, Unavailable, InvalidData, Refused: As `export`.
        """
        packing = await self.list_pack(target, receipt=receipt)
        async with writing(Path(path)) as write:
            await self.write_pack(packing, write)
        return packing

    async def list_pack(self, target: Cid, *, receipt: Cid | None = None) -> Packing:
        """List what `pack` would write."""
        return await pack_list(target, self._packed, limits=self._limits, receipt=receipt)

    async def write_pack(
        self,
        packing: Packing,
        write: Write,
        *,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Exported:
        """Write what was listed; `progress` is told the blocks and bytes that are written."""
        return await export_blocks(
            packing.roots, packing.cids, self._packed, write, progress=progress
        )


@final
class _WithOwn:
    """Blocks, and those that records link to and every runtime has in itself."""

    def __init__(self, blocks: BlockService) -> None:
        self._blocks = blocks

    async def get(self, cid: Cid) -> Block:
        own = own_blocks().get(cid)
        return own or await self._blocks.get(cid)

    async def has(self, cid: Cid) -> bool:
        return cid in own_blocks() or await self._blocks.has(cid)
