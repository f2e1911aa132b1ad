from pathlib import Path

import pytest
from trio.testing import assert_checkpoints

from ipvm.errors import Unavailable
from ipvm.exchange import Offline, StoreSource
from ipvm.ipld import Block, BlockNotFound
from ipvm.store import Memory
from ipvm.store.lmdb import Lmdb
from ipvm.testing import Failing, Gated, Lying, check_source

PRESENT = Block.of(b"present")
ABSENT = Block.of(b"absent").cid


async def test_a_store_in_memory_is_a_source() -> None:
    store = Memory()
    await store.put(PRESENT)
    await check_source(StoreSource(store), PRESENT, ABSENT)


async def test_a_store_on_the_disk_is_a_source(tmp_path: Path) -> None:
    with Lmdb(tmp_path / "store") as store:
        await store.put(PRESENT)
        await check_source(StoreSource(store), PRESENT, ABSENT)


async def test_a_gated_source_with_an_open_gate_is_as_good_as_the_one_behind_it() -> None:
    store = Memory()
    await store.put(PRESENT)
    source = Gated(StoreSource(store))
    source.gate.set()
    await check_source(source, PRESENT, ABSENT)


async def test_offline_has_nothing_and_waits_for_nobody() -> None:
    with pytest.raises(BlockNotFound), assert_checkpoints():
        await Offline().fetch(PRESENT.cid)


async def test_a_liar_and_one_who_is_not_there_are_no_sources() -> None:
    for source in (Lying(), Failing(Unavailable("nobody answered"))):
        with pytest.raises((AssertionError, Unavailable)):
            await check_source(source, PRESENT, ABSENT)
