"""Pin what is here, and fetch first what is not.

A recursive pin promises that all it reaches is here, so all of it is read before the pin is kept;
what the store has not, or has rotten, comes from the sources. A lease keeps a collection from taking
away at one end what was looked at on the other: see `ipvm.store.collect`.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, final

from trio.lowlevel import checkpoint

from ipvm.errors import Refused
from ipvm.exchange.service import BlockService
from ipvm.ipld import CODECS, Block, Cid
from ipvm.store import (
    Blockstore,
    Collectable,
    Collected,
    Marks,
    NotPinned,
    Pin,
    Progress,
    Reach,
    collect,
)

__all__ = ["Pinned", "Pins", "PinsNotKept"]

_BATCH: Final = 32
"""Blocks that are asked for together, and held in memory."""

_PAGE: Final = 1000
_KNOWN: Final = frozenset(CODECS.values())


class PinsNotKept(Refused):
    """The store keeps blocks, and neither pins nor leases."""

    def __init__(self) -> None:
        super().__init__("this store keeps no pins: use one in a folder, or ipvm.store.Memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """What was pinned.

    Attributes:
        pin: The pin.
        blocks: Blocks that it reaches.
        unknown: Those of them whose codec is not known here, so that links in them are not seen.
    """

    pin: Pin
    blocks: int
    unknown: int


@final
class Pins:
    """What is to stay in a store. Every method may raise PinsNotKept.

    Args:
        store: Where the pins are.
        blocks: The same store, with the sources behind it.
    """

    def __init__(self, store: Blockstore, blocks: BlockService) -> None:
        self._store = store
        self._blocks = blocks

    @property
    def are_kept(self) -> bool:
        """Whether the store can keep pins."""
        return isinstance(self._store, Collectable)

    async def add(
        self,
        cid: Cid,
        *,
        reach: Reach = "recursive",
        name: str = "",
        progress: Callable[[int], None] = lambda _: None,
    ) -> Pinned:
        """Pin a block. What is not here is fetched, as far as the pin promises that it is here.

        A pin of the same name, or without a name of the same CID, is replaced.

        Args:
            cid: What to pin.
            reach: `recursive` with all that it links to, `direct` alone, `partial` with what is here.
            name: What to call it.
            progress: Is called with the number of blocks that are there.

        Raises:
            InvalidPin: The name is too long.
            NotFound, Unavailable: A block cannot be had; nothing was pinned.
            InvalidData: A block has rotted, or is not valid under its codec.
        """
        await checkpoint()
        pin = Pin(cid=cid, reach=reach, name=name)
        store = self._collectable
        if reach == "recursive":
            return await self._add_all(pin, store, progress)
        async with store.lease():
            await store.need([cid])  # before it is looked for: what is found must not go away
            await self._blocks.get(cid)
            await store.pin(pin)
        return Pinned(pin=pin, blocks=1, unknown=0)

    async def keep(self, pin: Pin | Sequence[Pin], blocks: Sequence[Block] = ()) -> None:
        """Keep blocks, and a pin or several; what a pin reaches is not looked at."""
        await self._collectable.pin(pin, blocks)

    async def remove(self, *cids: Cid) -> list[Pin]:
        """Take away all pins of these CIDs, and give them. The blocks stay until a collection.

        Raises:
            NotPinned: One of them is not pinned; then none is taken away.
        """
        await checkpoint()
        pinned = {pin.cid async for pin in self}
        for cid in cids:
            if cid not in pinned:
                raise NotPinned(cid)
        return [pin for cid in cids for pin in await self._collectable.unpin(cid)]

    async def list(self) -> list[Pin]:
        """Give all pins: those without a name by their CIDs, then the others by name."""
        return [pin async for pin in self]

    async def __aiter__(self) -> AsyncIterator[Pin]:
        """Give the pins one by one, however many there are."""
        after: Pin | None = None
        while page := await self._collectable.pins(after, _PAGE):
            for after in page:
                yield after

    def lease(self) -> AbstractAsyncContextManager[None]:
        """Keep what anybody puts as long as the context lasts: for work that pins at its end.

        A block that is here already must be put again, or be reached from one that is put.
        """
        return self._collectable.lease()

    async def collect_garbage(
        self, *, dry_run: bool = False, progress: Progress = lambda *_: None
    ) -> Collected:
        """Delete what no pin and no lease reaches; see `ipvm.store.collect`."""
        return await collect(self._collectable, dry_run=dry_run, progress=progress)

    @property
    def _collectable(self) -> Collectable:
        if not isinstance(self._store, Collectable):
            raise PinsNotKept
        return self._store

    async def _add_all(
        self, pin: Pin, store: Collectable, progress: Callable[[int], None]
    ) -> Pinned:
        async with store.ground() as ground:
            await store.need([pin.cid])
            await self._blocks.fetch_ahead(pin.cid)
            walk = _Walk(ground.marks)
            await ground.run(partial(walk.reach, (pin.cid,)))
            while batch := await ground.run(walk.take):
                found = await self._blocks.get_many(batch)
                walk.blocks += len(found)
                await ground.run(partial(walk.follow, found))
                progress(walk.blocks)
            await store.pin(pin)
        return Pinned(pin=pin, blocks=walk.blocks, unknown=walk.unknown)


@final
class _Walk:
    """Goes through all that a pin reaches, in memory that does not grow with it."""

    def __init__(self, marks: Marks) -> None:
        self.blocks = 0
        self.unknown = 0
        self._marks = marks

    def reach(self, cids: Sequence[Cid]) -> None:
        """Remember to go to blocks, unless it went there."""
        for cid in cids:
            if self._marks.add(cid.multihash, cid.codec):
                self._marks.push(bytes(cid))

    def take(self) -> list[Cid]:
        """Give the next blocks to go to."""
        return [Cid.decode(each) for each in islice(iter(self._marks.pop, None), _BATCH)]

    def follow(self, blocks: Sequence[Block]) -> None:
        """Go on from blocks that are here."""
        for block in blocks:
            if block.cid.codec in _KNOWN:
                self.reach(block.links())
            else:
                self.unknown += 1
