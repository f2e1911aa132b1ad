"""What a store does when it runs out of disk or of addresses."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ipvm.ipld import Block
from ipvm.limits import Limits
from ipvm.store import StoreFull
from ipvm.store.lmdb import Lmdb

Run = Callable[..., Awaitable[str]]

FILL = """
import resource, sys, trio
from pathlib import Path
from ipvm.ipld import Block
from ipvm.store import StoreFull
from ipvm.store.lmdb import Lmdb

def blocks():
    return (Block.of(b"%d" % number * int(sys.argv[2])) for number in range(10_000))

async def fill(store):
    for kept, block in enumerate(blocks()):
        try:
            await store.put(block)
        except StoreFull as full:
            print(full)
            return kept

async def main(store):
    await store.put(Block.of(b"the store exists"))
    LIMIT
    kept = await fill(store)
    for block, _ in zip(blocks(), range(kept)):
        assert (await store.get(block.cid)).data == block.data
    numbers = await store.statistics()
    assert numbers.blocks == kept + 1, (numbers, kept)
    print(kept)

with Lmdb(Path(sys.argv[1]), map_bytes=2**20) as store:
    trio.run(main, store)
"""

LIMIT_FILES = "resource.setrlimit(resource.RLIMIT_FSIZE, (2**21, 2**21))"
LIMIT_ADDRESSES = """
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    addresses = pages * resource.getpagesize() + 30 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses))
"""

FEW_ADDRESSES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
import trio
from pathlib import Path
from ipvm.ipld import Block
from ipvm.store.lmdb import Lmdb

with Lmdb(Path(sys.argv[1])) as store:
    trio.run(store.put, Block.of(b"a block"))
    print(trio.run(store.statistics).map_bytes)
"""


@pytest.fixture
def small_disk(tmp_path: Path, administer: Callable[..., None]) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    administer("mount", "-t", "tmpfs", "-o", "size=1m", "none", folder)
    yield folder
    administer("umount", folder)


async def test_a_full_disk_is_said_and_what_was_acknowledged_is_kept(small_disk: Path) -> None:
    blocks = [Block.of(b"%d" % number * 1000) for number in range(1000)]
    filler = fill(small_disk, 400_000)
    with Lmdb(small_disk / "store") as store:
        kept, problem = await put_until_full(store, blocks)
        assert kept > 100
        assert "No space left on device; make room there" in problem
        assert [await store.get(block.cid) for block in blocks[:kept]] == blocks[:kept]
        assert await store.flaws() == []
        filler.unlink()
        await store.put(blocks[kept])
        assert (await store.statistics()).blocks == kept + 1


async def test_a_store_cannot_be_made_on_a_full_disk(small_disk: Path) -> None:
    block = Block.of(b"a block")
    filler = fill(small_disk, 2**20)
    with Lmdb(small_disk / "store") as store:
        with pytest.raises(StoreFull):
            await store.put(block)
        assert not await store.has(block.cid)
        filler.unlink()
        await store.put(block)


async def put_until_full(store: Lmdb, blocks: Sequence[Block]) -> tuple[int, str]:
    """How many blocks fitted, and what was said about the next."""
    for kept, block in enumerate(blocks):
        try:
            await store.put(block)
        except StoreFull as full:
            return kept, str(full)
    pytest.fail("the disk has more room than it should have")


def fill(disk: Path, size: int) -> Path:
    """Make a file that takes `size` bytes of a disk."""
    filler = disk / "filler"
    filler.write_bytes(bytes(size))
    return filler


async def test_a_limit_on_the_size_of_files_is_a_full_disk(folder: Path, run: Run) -> None:
    full, kept = (await run(FILL.replace("LIMIT", LIMIT_FILES), folder, 1000)).splitlines()
    assert f"the store {folder} is full: File too large" in full
    assert 100 < int(kept) < 1000


async def test_a_map_that_cannot_grow_is_said_and_the_store_stays_in_use(
    folder: Path, run: Run
) -> None:
    full, kept = (
        await run(FILL.replace("LIMIT", LIMIT_ADDRESSES.strip()), folder, 10_000)
    ).splitlines()
    assert f"the store {folder} is full: there are no addresses" in full
    assert int(kept) > 100


async def test_a_map_smaller_than_asked_for_is_taken_where_addresses_are_few(
    folder: Path, run: Run
) -> None:
    map_bytes = int(await run(FEW_ADDRESSES, folder))
    assert 2**30 <= map_bytes < Limits().store_map_bytes


async def test_a_map_grows_when_it_must(folder: Path) -> None:
    blocks = [Block.of(bytes([number]) * 200_000) for number in range(20)]
    with Lmdb(folder, map_bytes=2**16) as store:
        for block in blocks[:10]:
            await store.put(block)
        await store.put_many(blocks)
        assert [await store.get(block.cid) for block in blocks] == blocks
        assert (await store.statistics()).map_bytes >= 4_000_000
