from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

import pytest
from hypothesis import given, strategies as st

from ipvm.ipld import Block, BlockNotFound
from ipvm.store import Blockstore, Memory, Walk
from ipvm.store.lmdb import Lmdb
from ipvm.testing import BLOCKSTORE_CHECKS, BlockstoreCheck, check_blockstore

MakeStore = Callable[[], AbstractAsyncContextManager[Blockstore]]

BLOCKS = [Block.of(bytes([number]) * number * 700) for number in range(12)]
STEPS = st.tuples(
    st.sampled_from(["put", "put_many", "delete", "reopen"]),
    st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=6),
)


@pytest.mark.parametrize("check", BLOCKSTORE_CHECKS, ids=lambda check: check.__name__.strip("_"))
async def test_a_store_keeps_the_contract(make_store: MakeStore, check: BlockstoreCheck) -> None:
    async with make_store() as store:
        await check(store)


async def test_the_checker_gives_each_check_a_store_of_its_own(make_store: MakeStore) -> None:
    await check_blockstore(make_store)


@final
class Forgetful:
    """A store that keeps one block less than it was given."""

    def __init__(self) -> None:
        self._store = Memory()
        self.get, self.has = self._store.get, self._store.has
        self.put, self.delete = self._store.put, self._store.delete

    async def put_many(self, blocks: Sequence[Block]) -> None:
        await self._store.put_many(blocks[1:])


async def test_the_checker_sees_a_store_that_forgets() -> None:
    with pytest.raises((AssertionError, BlockNotFound)):
        await check_blockstore(lambda: nullcontext(Forgetful()))


@given(st.lists(STEPS, max_size=12))
async def test_a_store_on_the_disk_holds_what_a_dictionary_would(
    steps: Sequence[tuple[str, list[Block]]],
) -> None:
    with TemporaryDirectory() as folder, Lmdb(Path(folder)) as store:
        model: dict[bytes, Block] = {}
        for step, blocks in steps:
            await _take(step, blocks, store, model)
            for block in BLOCKS:
                assert await store.has(block.cid) == (block.cid.multihash in model)
        assert [key async for key in Walk(store)] == sorted(model)
        numbers = await store.statistics()
        assert numbers.blocks == len(model)
        assert numbers.block_bytes == sum(len(block.data) for block in model.values())


async def _take(step: str, blocks: list[Block], store: Lmdb, model: dict[bytes, Block]) -> None:
    match step:
        case "put":
            await store.put(blocks[0])
            model[blocks[0].cid.multihash] = blocks[0]
        case "put_many":
            await store.put_many(blocks)
            model.update((block.cid.multihash, block) for block in blocks)
        case "delete":
            await store.delete(blocks[0].cid)
            model.pop(blocks[0].cid.multihash, None)
        case _:
            store.close()
