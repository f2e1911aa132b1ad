"""Get blocks from the store, or else from a source; the one place where fetched bytes are verified.

There are no background tasks: of those who wait for the same block, one fetches it for all. If that
one is cancelled, the next takes over and asks again, so nobody pays for another's impatience with
more than time.

What was fetched is kept, but keeping is not what the caller asked for: when the store refuses (it
is full, or read-only), the block is returned all the same, and a warning is logged once.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, final

import trio
from trio.lowlevel import ParkingLot

from ipvm.errors import InvalidData, IpvmError, NotFound, Refused, Unavailable
from ipvm.exchange.source import Source
from ipvm.ipld import Block, BlockMismatch, BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.store import Batched, Blockstore

_LOG: Final = logging.getLogger(__name__)


@final
class _Flight:
    """One fetch, those who wait for it, and what came of it."""

    __slots__ = ("answer", "crew", "led", "waiting")

    def __init__(self) -> None:
        self.answer: Block | IpvmError | None = None
        self.crew = 0
        self.led = False
        self.waiting = ParkingLot()


@final
class BlockService:
    """Blocks from a store and a source.

    Args:
        store: Asked first; keeps what the source had.
        source: Asked for what the store has not, or has rotten.
        fetches_max: How many fetches one `get_many` has under way at once.
    """

    def __init__(
        self, store: Blockstore, source: Source, *, fetches_max: int = Limits().fetches_max
    ) -> None:
        self._store = store
        self._source = source
        self._fetches_max = fetches_max
        self._flights: dict[Cid, _Flight] = {}
        self._warned = False

    async def get(self, cid: Cid) -> Block:
        """Return the verified block of `cid`, and keep it.

        Raises:
            BlockNotFound: Neither the store nor the source has it.
            Unavailable: The source did not answer.
            BlockMismatch: The source lied; nothing was kept. Or what the store keeps has rotted,
                and the source has it not.
        """
        try:
            return await self._store.get(cid)
        except BlockNotFound:
            return await self._fetch(cid)
        except BlockMismatch as rotten:
            try:
                return await self._fetch(cid)
            except NotFound:
                raise rotten from None

    async def get_many(self, cids: Iterable[Cid]) -> list[Block]:
        """Return the verified block of each distinct CID, in no particular order.

        The first failure ends the call, and the fetches that are under way.

        Raises:
            IpvmError: What `get` raises.
        """
        found: list[Block] = []
        missing: list[Cid] = []
        await trio.lowlevel.checkpoint()
        for cid in dict.fromkeys(cids):
            try:
                found.append(await self._store.get(cid))
            except (BlockNotFound, BlockMismatch):
                missing.append(cid)
        if missing:
            await self._get_together(missing, found)
        return found

    async def get_present(self, cids: Sequence[Cid]) -> list[Block | None]:
        """Return what the store has of `cids`, in their order; None where `get` has to be asked."""
        if isinstance(self._store, Batched):
            return await self._store.get_many(cids)
        await trio.lowlevel.checkpoint()
        found: list[Block | None] = []
        for cid in cids:
            try:
                found.append(await self._store.get(cid))
            except (InvalidData, NotFound):
                found.append(None)
        return found

    async def has(self, cid: Cid) -> bool:
        """Whether the store has it. No source is asked."""
        return await self._store.has(cid)

    async def put(self, block: Block) -> None:
        """Keep one block in the store."""
        await self._store.put(block)

    async def put_many(self, blocks: Sequence[Block]) -> None:
        """Keep many blocks in the store."""
        await self._store.put_many(blocks)

    async def _get_together(self, cids: Sequence[Cid], found: list[Block]) -> None:
        """Append the blocks of `cids` to `found`, a bounded number of them at a time."""
        failures: list[IpvmError] = []
        queue = iter(cids)
        async with trio.open_nursery() as nursery:
            for _ in range(min(len(cids), self._fetches_max)):
                nursery.start_soon(self._get_each, queue, found, failures, nursery.cancel_scope)
        if failures:
            raise failures[0]

    async def _get_each(
        self,
        queue: Iterator[Cid],
        found: list[Block],
        failures: list[IpvmError],
        scope: trio.CancelScope,
    ) -> None:
        for cid in queue:
            try:
                found.append(await self.get(cid))
            except IpvmError as failure:
                failures.append(failure)
                scope.cancel()

    async def _fetch(self, cid: Cid) -> Block:
        flight = self._flights.setdefault(cid, _Flight())
        flight.crew += 1
        try:
            while flight.answer is None:
                if flight.led:
                    await flight.waiting.park()
                else:
                    await self._lead(cid, flight)
        finally:
            flight.crew -= 1
            if not flight.crew:
                del self._flights[cid]
        if isinstance(flight.answer, Block):
            return flight.answer
        raise flight.answer

    async def _lead(self, cid: Cid, flight: _Flight) -> None:
        flight.led = True
        try:
            block = Block(cid, await self._source.fetch(cid))
            await self._keep(block)
            flight.answer = block
        except IpvmError as failure:
            flight.answer = failure
        finally:
            flight.led = False
            flight.waiting.unpark_all()

    async def _keep(self, block: Block) -> None:
        try:
            await self._store.put(block)
        except (Refused, Unavailable) as refusal:
            if not self._warned:
                _LOG.warning("fetched blocks are not kept: %s", refusal)
            self._warned = True
