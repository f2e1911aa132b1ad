"""The store on the disk, as the rest of the package sees it.

It opens when it is first used. A store that is not there reads as an empty one, and is made by the
first put, so that looking something up leaves no trace. Reads happen at once, in the calling task:
a thread would cost ten times the read. What may wait for the disk or for another process happens in
a thread: opening, and commits, which share it (`commit`).
"""

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar, final

import trio
from trio.lowlevel import checkpoint

from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.limits import STORE_COMMIT_BYTES_MAX, Limits
from ipvm.store.blockstore import Statistics
from ipvm.store.collect import Ground
from ipvm.store.commit import GroupCommit, Write
from ipvm.store.conditions import StoreUnavailable
from ipvm.store.lmdb import journal, pins, records
from ipvm.store.lmdb.environment import Environment, Outdated, lease, portions, release
from ipvm.store.lmdb.leases import Lease
from ipvm.store.lmdb.transaction import Transaction
from ipvm.store.lmdb.verifying import verified
from ipvm.store.pins import Pin

_Answer = TypeVar("_Answer")
_ATTEMPTS: Final = 3
"""How often a read opens the file again before it gives up."""


@final
class Lmdb:
    """A Blockstore in a folder, shared by many processes, with all the further powers.

    It is Enumerable, Inspectable, Measured and Collectable. Any number of objects, in any number of threads and processes, may name the same folder. The
    file system must be local: LMDB needs its locks and shared memory, which network ones lack.

    Beside what the protocols say, every method may raise NotAStore, StoreDamaged, StoreTooNew,
    StoreReadOnly, StoreFull and StoreUnavailable (`ipvm.store.conditions`).

    Args:
        path: The folder. It is made when something is put.
        map_bytes: Address space to reserve. It costs no disk and no memory; where so much cannot
            be had, less is taken, and where more is needed, it doubles.
    """

    def __init__(self, path: Path, *, map_bytes: int = Limits().store_map_bytes) -> None:
        self.path = path
        self._map_bytes = map_bytes
        self._environment: Environment | None = None
        self._first = trio.Lock()
        self._opening = threading.Lock()
        self._commits = GroupCommit(self._write)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Twice is once; a closed store opens again when it is used."""
        with self._opening:
            if self._environment is not None:
                release(self._environment)
            self._environment = None

    async def get(self, cid: Cid) -> Block:
        """Return the block of `cid`, verified; raises BlockNotFound and BlockMismatch."""
        if cid.is_identity:
            await checkpoint()
            return Block(cid, cid.digest)
        data = await self._read(partial(records.block_bytes, multihash=cid.multihash), None)
        if data is None:
            raise BlockNotFound(cid)
        self._touched([data])
        return Block(cid, data)

    async def get_many(self, cids: Sequence[Cid]) -> list[Block | None]:
        """Return the verified block of each CID, read in one transaction; see `Batched`."""
        keys = [cid.multihash for cid in cids]
        absent: list[bytes | None] = [None] * len(keys)
        found = await self._read(partial(records.many_bytes, multihashes=keys), absent)
        self._touched(found)
        return await verified(list(zip(cids, found, strict=True)))

    async def has(self, cid: Cid) -> bool:
        """Whether something is kept under the hash of `cid`."""
        if cid.is_identity:
            await checkpoint()
            return True
        return await self._read(partial(records.has_block, multihash=cid.multihash), absent=False)

    async def put(self, block: Block) -> None:
        """Keep one block. It is on the disk when this returns."""
        await self.put_many((block,))

    async def put_many(self, blocks: Sequence[Block]) -> None:
        """Keep many blocks. They are on the disk when this returns."""
        await self._submit(_writes(blocks))

    async def delete(self, cid: Cid) -> None:
        """Keep nothing under the hash of `cid` any more. The file does not shrink."""
        absent = cid.is_identity or await self._environment_now() is None
        await self._submit([] if absent else [(bytes(cid), None)])

    async def pin(self, pin: Pin | Sequence[Pin], blocks: Sequence[Block] = ()) -> None:
        """Keep blocks, and then pins; in one commit, if the blocks are not many."""
        writes = _writes(blocks)
        wanted = (pin,) if isinstance(pin, Pin) else pin
        if sum(len(data or b"") for _, data in writes) > STORE_COMMIT_BYTES_MAX:
            async with self.lease():
                await self._submit(writes)
                await self._transact(partial(pins.keep, pins=wanted))
            return

        def job(transaction: Transaction) -> None:
            records.apply(transaction, writes)
            pins.keep(transaction, wanted)

        await self._transact(job)

    async def unpin(self, cid: Cid) -> Sequence[Pin]:
        """Take away all pins of a CID, and return them."""
        if await self._environment_now() is None:
            return ()
        return await self._transact(partial(pins.remove, cid=cid))

    async def pins(self, after: Pin | None = None, count: int = 1000) -> Sequence[Pin]:
        """Return the next pins: those without a name by their CIDs, then the others by name."""
        return await self._read(partial(pins.page, after=after, count=count), ())

    async def need(self, cids: Sequence[Cid]) -> None:
        """Say that blocks are needed: while there is a lease, it is as if they were put again."""
        await self._transact(partial(journal.append, cids=[bytes(cid) for cid in cids]))

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[None]:
        """Keep what is put from now on, by anybody, as long as the context lasts."""
        async with self._leased():
            yield

    @asynccontextmanager
    async def ground(self) -> AsyncIterator[Ground]:
        """Hold a lease, and give what a collection needs, as long as the context lasts."""
        from ipvm.store.lmdb.ground import LmdbGround  # noqa: PLC0415 - for collections alone
        from ipvm.store.lmdb.marks import marks_in  # noqa: PLC0415

        async with self._leased() as (environment, held):
            with marks_in(held.marks) as marks:
                yield LmdbGround(environment, marks)

    @asynccontextmanager
    async def _leased(self) -> AsyncIterator[tuple[Environment, Lease]]:
        environment = await trio.to_thread.run_sync(partial(self._opened, create=True))
        assert environment is not None
        held = await trio.to_thread.run_sync(Lease, environment)
        try:
            yield environment, held
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(held.end)

    async def multihashes(self, after: bytes = b"", count: int = 1000) -> Sequence[bytes]:
        """Return the next keys in ascending order; none after the last."""
        return await self._read(partial(records.multihashes, after=after, count=count), ())

    def version(self) -> int:
        """Return a number that grows whenever anybody has written; 0 while there is no store.

        It is a look at memory, once the store is open.
        """
        environment = self._opened(create=False)
        return 0 if environment is None else environment.version()

    async def statistics(self) -> Statistics:
        """Return the numbers of this moment; zeros if the store is not there yet."""
        nothing = Statistics(blocks=0, block_bytes=0, path=self.path)
        return await self._ask(Environment.statistics, nothing)

    async def flaws(self) -> Sequence[str]:
        """Return what is wrong with the file itself; about 20 µs for each block.

        Cancelled, it leaves a thread behind that reads to the end of the file.
        """
        environment = await self._environment_now()
        if environment is None:
            return ()
        return await trio.to_thread.run_sync(environment.flaws, abandon_on_cancel=True)

    def _touched(self, found: Sequence[bytes | None]) -> None:
        if self._environment is not None:
            size = sum(len(data) for data in found if data is not None)
            self._environment.touched(len(found), size)

    async def _read(self, job: Callable[[Transaction], _Answer], absent: _Answer) -> _Answer:
        return await self._ask(lambda environment: environment.read(job), absent)

    async def _ask(self, question: Callable[[Environment], _Answer], absent: _Answer) -> _Answer:
        reason = ""
        for _ in range(_ATTEMPTS):
            environment = await self._environment_now()
            if environment is None:
                return absent
            try:
                return question(environment)
            except Outdated as outdated:
                reason = str(outdated)
            await trio.to_thread.run_sync(environment.reopen)
        raise StoreUnavailable(self.path, reason)

    async def _submit(self, writes: Sequence[Write]) -> None:
        if writes:
            await self._commits.submit(writes)
        else:
            await checkpoint()

    async def _transact(self, job: Callable[[Transaction], _Answer]) -> _Answer:
        def work() -> _Answer:
            environment = self._opened(create=True)
            assert environment is not None
            return environment.transact(job)

        return await trio.to_thread.run_sync(work)

    def _write(self, writes: Sequence[Write]) -> None:
        environment = self._opened(create=True)
        assert environment is not None
        cut = list(portions(writes))
        if len(cut) <= 1:
            environment.write(cut)
            return
        held = Lease(
            environment
        )  # a collection between two commits would take what is in the first
        try:
            environment.write(cut)
        finally:
            held.end()

    async def _environment_now(self) -> Environment | None:
        if self._environment is not None:
            await checkpoint()
            return self._environment
        async with self._first:  # the others find it open then, without a thread for each
            if self._environment is None:
                await trio.to_thread.run_sync(partial(self._opened, create=False))
        return self._environment

    def _opened(self, *, create: bool) -> Environment | None:
        with self._opening:  # the thread that writes may come here too
            if self._environment is None:
                self._environment = lease(self.path, self._map_bytes, create=create)
            return self._environment


def _writes(blocks: Sequence[Block]) -> list[Write]:
    return [(bytes(block.cid), block.data) for block in blocks if not block.cid.is_identity]
