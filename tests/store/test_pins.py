"""Pins and leases, in memory and on the disk."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest
import trio
from trio.testing import assert_checkpoints

from ipvm.ipld import Block
from ipvm.limits import PIN_NAME_BYTES_MAX
from ipvm.store import Blockstore, Collectable, InvalidPin, Pin
from ipvm.store.lmdb import Lmdb


class Store(Collectable, Blockstore, Protocol):
    """A store that is both."""


MakeStore = Callable[[], AbstractAsyncContextManager[Store]]
ONE, TWO = Block.of(b"one"), Block.of(b"two")


async def test_pins_are_listed_without_a_name_first(make_store: MakeStore) -> None:
    pins = [Pin(cid=each.cid) for each in sorted([ONE, TWO], key=lambda each: bytes(each.cid))]
    pins += [Pin(cid=ONE.cid, name=name, reach="partial") for name in ("a", "b", "é")]
    async with make_store() as store:
        for pin in reversed(pins):
            await store.pin(pin)
        assert list(await store.pins()) == pins
        assert list(await store.pins(pins[1], 2)) == pins[2:4]
        assert list(await store.pins(pins[-1])) == []


async def test_several_pins_are_kept_at_once(make_store: MakeStore) -> None:
    pins = [Pin(cid=ONE.cid), Pin(cid=ONE.cid, name="a"), Pin(cid=TWO.cid, name="b")]
    async with make_store() as store:
        await store.pin(pins[::-1], [ONE])
        assert list(await store.pins()) == pins
        assert await store.has(ONE.cid)
        await store.pin([])


async def test_a_name_is_that_of_one_pin(make_store: MakeStore) -> None:
    async with make_store() as store:
        await store.pin(Pin(cid=ONE.cid, name="a"))
        await store.pin(Pin(cid=TWO.cid, name="a", reach="direct"))
        assert list(await store.pins()) == [Pin(cid=TWO.cid, name="a", reach="direct")]


async def test_all_pins_of_a_cid_are_taken_away(make_store: MakeStore) -> None:
    pins = [Pin(cid=ONE.cid), Pin(cid=ONE.cid, name="a")]
    async with make_store() as store:
        for pin in (*pins, Pin(cid=TWO.cid)):
            await store.pin(pin)
        assert list(await store.unpin(ONE.cid)) == pins
        assert list(await store.unpin(ONE.cid)) == []
        assert list(await store.pins()) == [Pin(cid=TWO.cid)]


async def test_blocks_are_kept_with_their_pin(make_store: MakeStore) -> None:
    async with make_store() as store:
        await store.pin(Pin(cid=ONE.cid), [ONE, TWO])
        assert await store.has(ONE.cid)
        assert await store.has(TWO.cid)


@pytest.mark.parametrize("name", ["n" * (PIN_NAME_BYTES_MAX + 1), "\ud800"])
def test_a_name_that_cannot_be_kept_is_refused(name: str) -> None:
    with pytest.raises(InvalidPin, match="name of a pin"):
        Pin(cid=ONE.cid, name=name)


async def test_the_longest_name_is_kept(make_store: MakeStore) -> None:
    pin = Pin(cid=ONE.cid, name="n" * PIN_NAME_BYTES_MAX)
    async with make_store() as store:
        await store.pin(pin)
        assert list(await store.pins()) == [pin]


async def test_every_call_is_a_checkpoint(make_store: MakeStore) -> None:
    async with make_store() as store:
        with assert_checkpoints():
            await store.pins()
        with assert_checkpoints():
            await store.unpin(ONE.cid)
        with assert_checkpoints():
            await store.pin(Pin(cid=ONE.cid), [ONE])
        with assert_checkpoints():
            await store.need([ONE.cid])
        async with store.lease():
            with assert_checkpoints():
                await store.need([ONE.cid])


async def test_a_cancelled_pin_is_not_kept(make_store: MakeStore) -> None:
    async with make_store() as store:
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.pin(Pin(cid=ONE.cid), [ONE])
        assert scope.cancelled_caught
        assert list(await store.pins()) == []
        assert not await store.has(ONE.cid)


async def test_pins_outlive_the_process(folder: Path) -> None:
    with Lmdb(folder) as store:
        await store.pin(Pin(cid=ONE.cid, name="a"), [ONE])
    with Lmdb(folder) as store:
        assert list(await store.pins()) == [Pin(cid=ONE.cid, name="a")]
        assert (await store.statistics()).blocks == 1


async def test_looking_for_pins_makes_no_store(folder: Path) -> None:
    with Lmdb(folder) as store:
        assert list(await store.pins()) == []
        assert list(await store.unpin(ONE.cid)) == []
    assert not await trio.Path(folder).exists()


async def test_a_pin_that_is_there_costs_no_commit(lmdb_store: Lmdb) -> None:
    await lmdb_store.pin(Pin(cid=ONE.cid), [ONE])
    before = last_transaction(lmdb_store)
    await lmdb_store.pin(Pin(cid=ONE.cid), [ONE])
    assert last_transaction(lmdb_store) == before


async def test_nothing_is_left_of_a_lease(folder: Path) -> None:
    with Lmdb(folder) as store:
        await store.put(ONE)
        async with store.lease(), store.lease():
            await store.put(TWO)
            assert len(names(folder / "leases")) == 2
            assert entries(store, b"l") == 2
            assert entries(store, b"j") == 1
        assert names(folder / "leases") == set()
        assert entries(store, b"l") == entries(store, b"j") == 0


async def test_without_a_lease_no_journal_is_written(lmdb_store: Lmdb) -> None:
    await lmdb_store.put(ONE)
    await lmdb_store.need([ONE.cid])
    assert entries(lmdb_store, b"j") == 0


async def test_the_journal_is_kept_for_the_lease_that_is_left(lmdb_store: Lmdb) -> None:
    async with lmdb_store.lease():
        await lmdb_store.put(ONE)
        async with lmdb_store.lease():
            await lmdb_store.put(TWO)
        assert entries(lmdb_store, b"j") == 2
    assert entries(lmdb_store, b"j") == 0


def last_transaction(store: Lmdb) -> int:
    assert store._environment
    return store._environment._current().info()["last_txnid"]


def entries(store: Lmdb, prefix: bytes) -> int:
    """Number of records whose keys begin with a prefix."""
    assert store._environment
    with store._environment._current().begin() as transaction, transaction.cursor() as cursor:
        return sum(key.startswith(prefix) for key in cursor.iternext(values=False))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
