"""What a command reads ahead is at hand when it asks for it, and counts as read then, not before."""

from collections.abc import Sequence

import pytest
import trio
import trio.testing

import ipvm
from ipvm.errors import IpvmError
from ipvm.ipld import Block, Cid
from ipvm.runtime.reading import Reading
from ipvm.runtime.run import Run


@pytest.fixture
async def blocks(node: ipvm.Node) -> list[Block]:
    blocks = [Block.of(bytes([number]) * 1000) for number in range(20)]
    await node.store.put_many(blocks)
    return blocks


@pytest.fixture
def run(node: ipvm.Node) -> Run:
    return Run(node.blocks, lambda *_: None, limits=node.limits)


async def present(reading: Reading, cids: Sequence[Cid]) -> list[Block | None]:
    return list(await reading.get_present(cids))


async def test_what_is_expected_is_at_hand_and_not_read(run: Run, blocks: list[Block]) -> None:
    reading = Reading(run)
    cids = [block.cid for block in blocks]
    async with reading.ahead():
        reading.expect(cids[1:16])
        assert await present(reading, cids[:1]) == blocks[:1]
        await trio.testing.wait_all_tasks_blocked()
        assert run.reads == {cids[0]}
        assert [reading.at_hand(cid) for cid in cids[1:16]] == blocks[1:16]
        assert reading.at_hand(cids[17]) is None
    assert run.reads == set(cids[:16])


async def test_a_block_that_is_under_way_is_waited_for(run: Run, blocks: list[Block]) -> None:
    reading = Reading(run)
    cids = [block.cid for block in blocks]
    async with reading.ahead():
        reading.expect(cids[1:16])
        await reading.get_present(cids[:1])
        assert await present(reading, [cids[12]]) == [blocks[12]]


async def test_what_is_not_here_is_asked_for_and_nothing_is_lost(
    node: ipvm.Node, run: Run, blocks: list[Block]
) -> None:
    reading = Reading(run)
    missing = Block.of(b"not here yet")
    async with reading.ahead():
        reading.expect([missing.cid, blocks[3].cid])
        await reading.get_present([blocks[0].cid])
        assert reading.at_hand(missing.cid) is None
        assert await present(reading, [missing.cid]) == [None]
        await node.store.put(missing)
        assert await reading.get(missing.cid) == missing
    assert run.reads == {blocks[0].cid, missing.cid}


async def test_what_ends_the_run_is_raised_as_it_is(run: Run) -> None:
    with pytest.raises(IpvmError, match="as it is"):
        async with Reading(run).ahead():
            raise IpvmError("as it is")
