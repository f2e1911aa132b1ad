"""Folders of any size are listed as far as somebody asks, and in the order of their shards."""

from collections.abc import Sequence
from typing import final

import pytest
import trio

from ipvm.files import Entry, Files, NodeNotFound
from ipvm.files.directory import directory, entry
from ipvm.files.nodes import Written
from ipvm.files.profiles import V1_2025
from ipvm.ipld import Block, BlockNotFound, Cid

COUNT = 20_000
LEAF = Block.of(b"x")


@final
class Counting:
    """Blocks in memory that count what is asked for."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.asked = 0
        self.blocks = {block.cid: block for block in blocks}

    async def get(self, cid: Cid) -> Block:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if cid not in self.blocks:
            raise BlockNotFound(cid)
        return self.blocks[cid]


@pytest.fixture(scope="module")
def folder() -> tuple[Cid, Sequence[Block]]:
    """A folder of so many entries that its shards have shards."""
    written = Written(LEAF.cid, 1, 1)
    root, blocks = directory([entry(b"%d" % n, written) for n in range(COUNT)], V1_2025)
    return root.cid, blocks


async def test_a_large_folder_has_each_entry_once(folder: tuple[Cid, Sequence[Block]]) -> None:
    root, blocks = folder
    source = Counting(blocks)
    entries = await Files(source).entries(root)
    assert sorted(int(each.name) for each in entries) == list(range(COUNT))
    assert {each.cid for each in entries} == {LEAF.cid}
    assert source.asked == len(blocks) > 1000


async def test_no_more_is_fetched_than_is_listed_and_a_little_ahead(
    folder: tuple[Cid, Sequence[Block]],
) -> None:
    root, blocks = folder
    source = Counting(blocks)
    listing = await Files(source).listing(root)
    assert source.asked == 1
    await anext(listing)
    assert source.asked <= 1 + 2 * 64
    for _ in range(COUNT // 10):
        await anext(listing)
    assert source.asked < len(blocks) / 4


async def test_what_stands_before_a_lost_shard_is_listed_in_its_order(
    folder: tuple[Cid, Sequence[Block]],
) -> None:
    root, blocks = folder
    whole = await Files(Counting(blocks)).entries(root)
    source = Counting(blocks)
    lost = blocks[len(blocks) // 2].cid
    del source.blocks[lost]
    listing = await Files(source).listing(root)
    listed: list[Entry] = []

    async def read() -> None:
        async for each in listing:
            listed.append(each)  # noqa: PERF401 - what was listed is to stay

    for _ in range(2):  # asked again, it is as lost
        with pytest.raises(NodeNotFound) as caught:
            await read()
        assert (caught.value.cid, caught.value.path) == (lost, str(root))
    assert listed == whole[: len(listed)]
    assert COUNT / 4 < len(listed) < COUNT
