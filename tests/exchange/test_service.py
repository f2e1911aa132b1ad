"""Blocks from a store and a source: each fetched once, verified, and kept."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import final

import pytest
import trio
from trio.testing import assert_checkpoints, wait_all_tasks_blocked

from ipvm.errors import IpvmError, Unavailable
from ipvm.exchange import BlockService, Offline, OfflineBlockNotFound, StoreSource
from ipvm.ipld import DAG_CBOR, IDENTITY, Block, BlockMismatch, BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.store import Memory, StoreFull
from ipvm.testing import Failing, Gated, Lying

BLOCKS = [Block.of(b"%d" % number) for number in range(200)]
BLOCK = BLOCKS[0]


@final
class Full:
    """A store that takes nothing more."""

    def __init__(self, store: Memory) -> None:
        self.get, self.has, self.delete = store.get, store.has, store.delete

    async def put(self, block: Block) -> None:
        await self.put_many((block,))

    async def put_many(self, blocks: Sequence[Block]) -> None:
        await trio.lowlevel.checkpoint()
        if blocks:
            raise StoreFull(Path("/full"), "No space left on device")


@final
class Rotten:
    """A store whose bytes have rotted, until they are put again."""

    def __init__(self) -> None:
        self._store = Memory()
        self.has, self.delete = self._store.has, self._store.delete
        self.put, self.put_many = self._store.put, self._store.put_many

    async def get(self, cid: Cid) -> Block:
        try:
            return await self._store.get(cid)
        except BlockNotFound:
            raise BlockMismatch(cid) from None


async def filled(blocks: Sequence[Block] = BLOCKS) -> Memory:
    store = Memory()
    await store.put_many(blocks)
    return store


async def test_what_the_store_has_is_not_fetched() -> None:
    service = BlockService(await filled(), Failing(Unavailable("nobody is asked")))
    assert await service.get(BLOCK.cid) == BLOCK
    assert await service.get_many(block.cid for block in BLOCKS) == BLOCKS
    assert await service.has(BLOCK.cid)


async def test_what_the_store_has_not_is_fetched_and_kept() -> None:
    store = Memory()
    service = BlockService(store, StoreSource(await filled()))
    assert not await service.has(BLOCK.cid)
    assert await service.get(BLOCK.cid) == BLOCK
    assert await store.get(BLOCK.cid) == BLOCK


async def test_what_is_put_is_in_the_store() -> None:
    store = Memory()
    service = BlockService(store, Offline())
    await service.put(BLOCKS[0])
    await service.put_many(BLOCKS[1:3])
    assert [await store.get(block.cid) for block in BLOCKS[:3]] == BLOCKS[:3]


async def test_an_identity_cid_needs_nobody() -> None:
    inline = Block.of(b"inline", hash_code=IDENTITY)
    assert await BlockService(Memory(), Offline()).get(inline.cid) == inline


async def test_offline_says_that_it_is_offline() -> None:
    with pytest.raises(OfflineBlockNotFound, match="the runtime is offline") as caught:
        await BlockService(Memory(), Offline()).get(BLOCK.cid)
    assert str(BLOCK.cid) in str(caught.value)
    assert caught.value.cid == BLOCK.cid


async def test_a_lie_is_refused_and_nothing_is_kept() -> None:
    store = Memory()
    service = BlockService(store, Lying())
    with pytest.raises(BlockMismatch):
        await service.get(BLOCK.cid)
    with pytest.raises(BlockMismatch):
        await service.get_many([BLOCK.cid])
    assert (await store.statistics()).blocks == 0


@pytest.mark.parametrize("failure", [BlockNotFound(BLOCK.cid), Unavailable("nobody answered")])
async def test_a_failure_of_the_source_is_passed_on(failure: IpvmError) -> None:
    service = BlockService(Memory(), Failing(failure))
    with pytest.raises(type(failure)) as caught:
        await service.get(BLOCK.cid)
    assert caught.value is failure
    with pytest.raises(type(failure)):
        await service.get_many([block.cid for block in BLOCKS])


async def test_many_waiters_share_one_fetch() -> None:
    source = Gated(StoreSource(await filled()))
    service = BlockService(Memory(), source)
    found = []

    async def get() -> None:
        found.append(await service.get(BLOCK.cid))

    async with trio.open_nursery() as nursery:
        for _ in range(2000):
            nursery.start_soon(get)
        await wait_all_tasks_blocked()
        source.gate.set()
    assert found == [BLOCK] * 2000
    assert source.asked == [BLOCK.cid]
    assert service._flights == {}


async def test_many_waiters_share_one_failure() -> None:
    source = Gated(Offline())
    service = BlockService(Memory(), source)
    failed = []

    async def get() -> None:
        with pytest.raises(BlockNotFound):
            await service.get(BLOCK.cid)
        failed.append(True)

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(get)
        await wait_all_tasks_blocked()
        source.gate.set()
    assert len(failed) == 100
    assert source.asked == [BLOCK.cid]


async def test_a_failure_is_not_remembered() -> None:
    elsewhere = Memory()
    service = BlockService(Memory(), StoreSource(elsewhere))
    with pytest.raises(BlockNotFound):
        await service.get(BLOCK.cid)
    await elsewhere.put(BLOCK)
    assert await service.get(BLOCK.cid) == BLOCK


@pytest.mark.parametrize("cancelled", [0, 1, 2])
async def test_a_waiter_that_is_cancelled_does_not_cancel_the_others(cancelled: int) -> None:
    source = Gated(StoreSource(await filled()))
    service = BlockService(Memory(), source)
    scopes = [trio.CancelScope() for _ in range(3)]
    found = []

    async def get(scope: trio.CancelScope) -> None:
        with scope:
            found.append(await service.get(BLOCK.cid))

    async with trio.open_nursery() as nursery:
        for scope in scopes:
            nursery.start_soon(get, scope)
        await wait_all_tasks_blocked()
        scopes[cancelled].cancel()
        await wait_all_tasks_blocked()
        source.gate.set()
    assert found == [BLOCK, BLOCK]
    assert source.waiting == 0
    assert len(source.asked) <= 2


async def test_a_fetch_that_everyone_gave_up_leaves_nothing_behind() -> None:
    source = Gated(StoreSource(await filled()))
    service = BlockService(Memory(), source)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(service.get, BLOCK.cid)
        nursery.start_soon(service.get_many, [block.cid for block in BLOCKS])
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert source.waiting == 0
    assert service._flights == {}


async def test_many_are_fetched_at_once_each_once_and_no_more_than_the_bound() -> None:
    source = Gated(StoreSource(await filled()))
    store = Memory()
    await store.put_many(BLOCKS[:50])
    service = BlockService(store, source, limits=Limits(fetches_max=7))
    found: list[Block] = []

    async def get_many() -> None:
        cids = [block.cid for block in BLOCKS]
        found.extend(await service.get_many(cids + cids))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(get_many)
        await wait_all_tasks_blocked()
        assert source.waiting == 7
        source.gate.set()
    assert sorted(block.cid for block in found) == sorted(block.cid for block in BLOCKS)
    assert source.waiting_max == 7
    assert sorted(source.asked) == sorted(block.cid for block in BLOCKS[50:])


async def test_the_first_failure_ends_all_fetches() -> None:
    source = Gated(StoreSource(await filled(BLOCKS[1:])))
    service = BlockService(Memory(), source, limits=Limits(fetches_max=2))

    async def get_many() -> None:
        with pytest.raises(BlockNotFound) as caught:
            await service.get_many(block.cid for block in BLOCKS)
        assert caught.value.cid == BLOCK.cid

    async with trio.open_nursery() as nursery:
        nursery.start_soon(get_many)
        await wait_all_tasks_blocked()
        source.gate.set()
    assert len(source.asked) < len(BLOCKS)


async def test_nothing_missing_is_nothing_fetched() -> None:
    with assert_checkpoints():
        assert await BlockService(Memory(), Offline()).get_many([]) == []


async def test_the_same_bytes_under_another_codec_are_not_fetched_again() -> None:
    service = BlockService(await filled(), Offline())
    other = Cid(BLOCK.cid.digest, codec=DAG_CBOR)
    assert (await service.get(other)).data == BLOCK.data


async def test_a_full_store_does_not_keep_anyone_from_reading(
    caplog: pytest.LogCaptureFixture,
) -> None:
    service = BlockService(Full(Memory()), StoreSource(await filled()))
    with caplog.at_level(logging.WARNING, logger="ipvm"):
        assert await service.get(BLOCK.cid) == BLOCK
        assert len(await service.get_many(block.cid for block in BLOCKS)) == len(BLOCKS)
    assert len(caplog.records) == 1
    assert "/full is full" in caplog.text
    with pytest.raises(StoreFull):
        await service.put(BLOCK)


async def test_what_has_rotted_in_the_store_is_fetched_and_healed() -> None:
    service = BlockService(Rotten(), StoreSource(await filled()))
    assert await service.get(BLOCK.cid) == BLOCK
    assert await service.get_many([BLOCK.cid, BLOCKS[1].cid]) == BLOCKS[:2]


async def test_what_has_rotted_and_is_nowhere_else_is_said_to_have_rotted() -> None:
    service = BlockService(Rotten(), Offline())
    with pytest.raises(BlockMismatch):
        await service.get(BLOCK.cid)
    with pytest.raises(BlockMismatch):
        await service.get_many([BLOCK.cid])
