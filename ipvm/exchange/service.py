"""Get blocks from the store, or else from a source.

There are no background tasks: of those who wait for the same block, one fetches it for all. If that
one is cancelled, the next takes over and asks again, so nobody pays for another's impatience with
more than time.

What was fetched is kept, but keeping is not what the caller asked for: when the store refuses (it
is full, or read-only), the block is returned all the same, and a warning is logged once.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final, final

import trio
from trio.lowlevel import ParkingLot

from ipvm.errors import InvalidData, IpvmError, NotFound, Refused, Unavailable
from ipvm.exchange.ahead import Ahead
from ipvm.exchange.answer import OnAnswer, ignore_answer
from ipvm.exchange.offline import Offline
from ipvm.exchange.source import Source
from ipvm.exchange.sources import Fetched, Sources
from ipvm.ipld import Block, BlockMismatch, BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.store import Batched, Blockstore, Collectable

_LOG: Final = logging.getLogger(__name__)
_LIMITS: Final = Limits()
_ALL: Final = 2**63 - 1


@final
class _Flight:
    """One fetch, those who wait for it, and what came of it."""

    __slots__ = ("answer", "crew", "led", "waiting")

    def __init__(self) -> None:
        self.answer: Fetched | IpvmError | None = None
        self.crew = 0
        self.led = False
        self.waiting = ParkingLot()


@final
class BlockService:
    """Blocks from a store and the sources behind it.

    Args:
        store: Asked first; keeps what the sources had.
        sources: Asked, in this order, for what the store has not, or has rotten.
        limits: Bounds of a fetch, and of the fetches that one `get_many` has under way at once.
        on_answer: Is told which source was asked for what, and what came of it.
    """

    def __init__(
        self,
        store: Blockstore,
        *sources: Source,
        limits: Limits = _LIMITS,
        on_answer: OnAnswer = ignore_answer,
    ) -> None:
        self._store = store
        self._sources = Sources(sources or (Offline(),), limits=limits, on_answer=on_answer)
        self._limits = limits
        self._flights: dict[Cid, _Flight] = {}
        self._warned = False

    async def get(self, cid: Cid) -> Block:
        """Return the verified block of `cid`, and keep it.

        Raises:
            BlockNotFound: Neither the store nor a source has it.
            Unavailable: No source has it, and not all of them answered.
            BlockMismatch: A source lied, and no other has it; nothing was kept. Or what the store
                keeps has rotted, and no source has it.
            LimitExceeded: It is larger than is taken from others.
        """
        try:
            return await self._store.get(cid)
        except BlockNotFound:
            return (await self._fetch(cid)).block
        except BlockMismatch as rotten:
            try:
                return (await self._fetch(cid)).block
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

    async def fetch_ahead(
        self, root: Cid, path: Sequence[str] = (), *, bytes_max: int = _ALL
    ) -> Block:
        """Return the block of `root`, and bring what it reaches here in one go, where that can be.

        Use it before a walk that fetches block by block: it saves the walk most of its waiting. Where
        the root is here, or no source sends more than blocks, it does what `get` does.

        Args:
            root: Where it begins.
            path: Names of entries; what is reached from the last one is brought.
            bytes_max: Bytes after which there is no use for more.

        Raises:
            IpvmError: What `get` raises. Whatever fails behind the root is left to the walk.
        """
        try:
            return await self._store.get(root)
        except BlockMismatch:
            return await self.get(root)
        except BlockNotFound:
            fetched = await self._fetch(root)
            ahead = Ahead(fetched, self._sources, self._store, limits=self._limits)
            await ahead.fetch(path, bytes_max=bytes_max)
            return fetched.block

    async def has(self, cid: Cid) -> bool:
        """Whether the store has it. No source is asked."""
        return await self._store.has(cid)

    async def put(self, block: Block) -> None:
        """Keep one block in the store."""
        await self._store.put(block)

    async def put_many(self, blocks: Sequence[Block]) -> None:
        """Keep many blocks in the store."""
        await self._store.put_many(blocks)

    def lease(self) -> AbstractAsyncContextManager[None]:
        """Keep what is put as long as the context lasts; see `ipvm.store.Pinning`.

        Where the store keeps no pins, nothing is ever collected, and this does nothing.
        """
        return self._store.lease() if isinstance(self._store, Collectable) else nullcontext()

    async def _get_together(self, cids: Sequence[Cid], found: list[Block]) -> None:
        """Append the blocks of `cids` to `found`, a bounded number of them at a time."""
        failures: list[IpvmError] = []
        queue = iter(cids)
        async with trio.open_nursery() as nursery:
            for _ in range(min(len(cids), self._limits.fetches_max)):
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

    async def _fetch(self, cid: Cid) -> Fetched:
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
        if isinstance(flight.answer, Fetched):
            return flight.answer
        raise flight.answer

    async def _lead(self, cid: Cid, flight: _Flight) -> None:
        flight.led = True
        try:
            fetched = await self._sources.get(cid)
            await self._keep(fetched.block)
            flight.answer = fetched
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
