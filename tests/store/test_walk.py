"""Walking, measuring and checking a store."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import lmdb
import pytest

from ipvm.ipld import BLAKE3, Block
from ipvm.store import Check, Memory, Statistics, Walk
from ipvm.store.lmdb import Lmdb

Run = Callable[..., Awaitable[str]]

BLOCKS = [Block.of(b"%d" % number * number) for number in range(2500)]

CHECK_AND_READ = """
import random, sys, trio
from pathlib import Path
from ipvm.errors import IpvmError
from ipvm.ipld import Block
from ipvm.store import Check
from ipvm.store.lmdb import Lmdb

async def main(folder):
    with Lmdb(folder) as store:
        try:
            faults = [fault.problem async for fault in Check(store)]
            print(len(faults), faults[:1])
        except IpvmError as condition:
            print(condition)
        for number in range(1000):
            try:
                await store.get(Block.of(b"%d" % number * number).cid)
            except IpvmError:
                pass

for folder in sys.argv[1:]:
    trio.run(main, Path(folder))
"""


async def test_a_walk_meets_every_block_once_in_order(
    make_store: Callable[[], AbstractAsyncContextManager[Lmdb | Memory]],
) -> None:
    async with make_store() as store:
        assert [key async for key in Walk(store)] == []
        await store.put_many(BLOCKS)
        assert [key async for key in Walk(store)] == sorted(block.cid.multihash for block in BLOCKS)


async def test_a_walk_goes_on_while_the_store_changes(
    make_store: Callable[[], AbstractAsyncContextManager[Lmdb | Memory]],
) -> None:
    async with make_store() as store:
        await store.put_many(BLOCKS)
        met = []
        async for key in Walk(store):
            met.append(key)
            if len(met) == 1000:
                for block in BLOCKS:
                    if block.cid.multihash > key:
                        await store.delete(block.cid)
        assert len(met) == 1000


async def test_a_store_is_measured_without_being_read(
    make_store: Callable[[], AbstractAsyncContextManager[Lmdb | Memory]],
) -> None:
    async with make_store() as store:
        assert (await store.statistics()).blocks == 0
        await store.put_many(BLOCKS[:10])
        await store.put(BLOCKS[3])
        await store.delete(BLOCKS[5].cid)
        numbers = await store.statistics()
        assert numbers.blocks == 9
        assert numbers.block_bytes == 0 + 1 + 2 + 3 + 4 + 6 + 7 + 8 + 9


async def test_a_store_on_the_disk_says_what_it_takes_there(lmdb_store: Lmdb) -> None:
    await lmdb_store.put_many(BLOCKS)
    numbers = await lmdb_store.statistics()
    assert numbers == Statistics(
        blocks=len(BLOCKS),
        block_bytes=sum(len(block.data) for block in BLOCKS),
        disk_bytes=numbers.disk_bytes,
        map_bytes=2**40,
        path=lmdb_store.path,
    )
    assert numbers.block_bytes < numbers.disk_bytes < 3 * numbers.block_bytes


async def test_a_sound_store_has_no_faults_and_progress_is_reported(
    make_store: Callable[[], AbstractAsyncContextManager[Lmdb | Memory]],
) -> None:
    reported = []
    async with make_store() as store:
        await store.put_many([*BLOCKS[:100], Block.of(b"blake", hash_code=BLAKE3)])
        check = Check(store, progress=lambda blocks, size: reported.append((blocks, size)))
        assert [fault async for fault in check] == []
        numbers = await store.statistics()
    assert (check.blocks, check.block_bytes) == (numbers.blocks, numbers.block_bytes)
    assert [blocks for blocks, _ in reported] == list(range(1, 102))
    assert reported[-1][1] == numbers.block_bytes


async def test_a_check_names_every_rotten_block_and_goes_on(folder: Path) -> None:
    rotten = BLOCKS[7:10]
    with Lmdb(folder) as store:
        await store.put_many(BLOCKS[:100])
    with lmdb.Environment(str(folder)) as environment, environment.begin(write=True) as transaction:
        for block in rotten:
            transaction.put(b"b" + block.cid.multihash, block.data + b"!")
        transaction.put(b"bno multihash", b"")
    with Lmdb(folder) as store:
        faults = [fault async for fault in Check(store)]
    assert {fault.cid for fault in faults} == {*(block.cid for block in rotten), None}
    assert len(faults) == 4


async def test_damaged_pages_are_reported_and_never_end_the_process(
    tmp_path: Path, run: Run
) -> None:
    with Lmdb(tmp_path / "sound") as store:
        for begin in range(0, 1000, 100):
            await store.put_many(BLOCKS[begin : begin + 100])
    sound = (tmp_path / "sound" / "data.mdb").read_bytes()
    chance = random.Random(7)
    folders = []
    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "data.mdb").write_bytes(damaged(sound, chance))
        folders.append(folder)
    answers = (await run(CHECK_AND_READ, *folders)).splitlines()
    assert len(answers) == len(folders)
    assert sum(answer == "0 []" for answer in answers) < len(folders) / 2


async def test_a_cut_off_file_ends_a_check_with_a_condition(folder: Path) -> None:
    with Lmdb(folder) as store:
        await store.put_many(BLOCKS[:100])
    data = (folder / "data.mdb").read_bytes()
    (folder / "data.mdb").write_bytes(data[: len(data) // 2])
    with Lmdb(folder) as store:
        with pytest.raises(Exception, match="cut off"):
            await anext(Check(store))


def damaged(sound: bytes, chance: random.Random) -> bytes:
    """A copy of a file with one page zeroed, filled with noise, or replaced by another page."""
    page = 4096
    pages = len(sound) // page
    victim = chance.randrange(pages)
    other = chance.randrange(pages)
    filling = chance.choice(
        [bytes(page), chance.randbytes(page), sound[other * page : (other + 1) * page]]
    )
    return sound[: victim * page] + filling + sound[(victim + 1) * page :]
