"""Read many blocks in one go, each of them verified, in memory that does not grow with the store."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import lmdb
import pytest
from trio.testing import assert_checkpoints

from ipvm.exchange import BlockService, Offline
from ipvm.ipld import IDENTITY, Block
from ipvm.store import Blockstore, Memory
from ipvm.store.lmdb import Lmdb

SMALL = [Block.of(b"%d" % number) for number in range(300)]
LARGE = [Block.of(b"%d" % number * 1_000_000) for number in range(10, 20)]
INSIDE = Block.of(b"inside", hash_code=IDENTITY)
READ = """
import sys, trio
from pathlib import Path
from ipvm.ipld import Cid
from ipvm.store.lmdb import Lmdb

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

async def main():
    with Lmdb(Path(sys.argv[1])) as store:
        cids = [Cid.decode(b"\\x01\\x55" + key) for key in await store.multihashes()]
        before = resident()
        for cid in cids:
            await store.get(cid)
        for start in range(0, len(cids), 4):
            await store.get_many(cids[start : start + 4])
        print(len(cids), (resident() - before) // 2**20)

trio.run(main)
"""


@pytest.mark.parametrize("blocks", [SMALL, LARGE, [*SMALL, *LARGE]])
async def test_many_are_read_as_one_is(lmdb_store: Lmdb, blocks: list[Block]) -> None:
    await lmdb_store.put_many(blocks)
    absent = Block.of(b"absent")
    asked = [absent, *blocks, INSIDE, absent, blocks[0]]
    expected = [None, *blocks, INSIDE, None, blocks[0]]
    for store in (lmdb_store, await _filled(blocks)):
        service = BlockService(store, Offline())
        with assert_checkpoints():
            assert await service.get_present([block.cid for block in asked]) == expected


async def test_of_a_store_that_is_not_there_nothing_is_read(lmdb_store: Lmdb) -> None:
    with assert_checkpoints():
        assert await lmdb_store.get_many([SMALL[0].cid, INSIDE.cid]) == [None, INSIDE]
    assert not lmdb_store.path.exists()


@pytest.mark.parametrize("blocks", [SMALL, LARGE])
async def test_what_has_rotted_is_none_of_them(folder: Path, blocks: list[Block]) -> None:
    with Lmdb(folder) as store:
        await store.put_many(blocks)
    rotten = blocks[3]
    with lmdb.open(str(folder), map_size=2**30) as raw, raw.begin(write=True) as transaction:
        transaction.put(b"b" + rotten.cid.multihash, rotten.data[:-1] + b"?")
    with Lmdb(folder) as store:
        found = await store.get_many([block.cid for block in blocks])
    assert found == [None if block == rotten else block for block in blocks]


async def test_reading_much_takes_no_more_memory_than_reading_little(
    lmdb_store: Lmdb, run: Callable[..., Awaitable[str]]
) -> None:
    piece = bytes(1024 * 1024)
    await lmdb_store.put_many([Block.of(b"%d" % number + piece) for number in range(256)])
    count, grown_megabytes = map(int, (await run(READ, lmdb_store.path)).split())
    assert count == 256
    assert grown_megabytes < 128


async def _filled(blocks: list[Block]) -> Blockstore:
    store = Memory()
    await store.put_many(blocks)
    return store
