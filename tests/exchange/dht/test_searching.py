"""Searching for what nobody near has: once for all who wait, and not too often."""
# ruff: noqa: ARG001 - a test that takes the clock is one in which no real time passes

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock

from ipvm.errors import Refused
from ipvm.exchange.bitswap import PeersUnavailable
from ipvm.exchange.searching import Searching
from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.limits import DHT_FOUND_MAX, DHT_PROVIDERS_DIALLED_MAX
from ipvm.testing import check_source

if TYPE_CHECKING:
    from tests.exchange.dht.conftest import Village

BLOCKS = [Block.of(b"block %d" % number) for number in range(40)]
BLOCK = BLOCKS[0]
ABSENT = Block.of(b"absent").cid
LAGGARD = 1


class Neighbourhood:
    """Peers that may be met, and what they have.

    Attributes:
        asked: How often those who are near were asked for a block.
        dialled: Who was dialled, in order.
    """

    def __init__(self) -> None:
        self.peers: tuple[str, ...] = ()
        self.have: dict[str, list[Block]] = {}
        self.asked = 0
        self.dialled: list[str] = []
        self.listens = True

    async def fetch(self, cid: Cid) -> bytes:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        for peer in self.peers:
            for block in self.have.get(peer, []):
                if block.cid == cid:
                    return block.data
        raise BlockNotFound(cid)

    async def wait_dialled(self) -> bool:
        await trio.lowlevel.checkpoint()
        return self.listens

    async def meet(self, addresses: Sequence[str]) -> str:
        name = addresses[0].rpartition("/")[2]
        self.dialled.append(name)
        await trio.sleep(0.1)
        if name not in self.have:
            await trio.sleep(60)
        self.peers = (*self.peers, name)
        return name

    async def leave(self, name: str) -> None:
        await trio.lowlevel.checkpoint()
        self.peers = tuple(each for each in self.peers if each != name)


@pytest.fixture
def near() -> Neighbourhood:
    return Neighbourhood()


@pytest.fixture
def searching(village: "Village", near: Neighbourhood, nursery: trio.Nursery) -> Searching:
    village.settle(0)
    searching = Searching(near)
    nursery.start_soon(searching.run, [village.settle(999, knows=[0], serves=False)[0]])
    return searching


async def provide(village: "Village", near: Neighbourhood, number: int, *blocks: Block) -> None:
    """Let somebody provide blocks, who can be met."""
    dht, _ = village.settle(number, knows=[0])
    near.have[village.contact(number).name] = [*blocks]
    for block in blocks:
        await dht.provide(block.cid.multihash)


async def test_it_is_a_source(
    village: "Village", near: Neighbourhood, searching: Searching, autojump_clock: MockClock
) -> None:
    await provide(village, near, 1, BLOCK)
    await check_source(searching, BLOCK, ABSENT)
    assert searching.name == "dht"


async def test_a_dag_is_found_with_its_root(
    village: "Village", near: Neighbourhood, searching: Searching, autojump_clock: MockClock
) -> None:
    await provide(village, near, 1, BLOCK)
    near.have[village.contact(1).name] += BLOCKS
    assert await searching.fetch(BLOCK.cid) == BLOCK.data
    visits = len(village.visits)
    async with trio.open_nursery() as nursery:
        for block in BLOCKS:
            nursery.start_soon(searching.fetch, block.cid)
    assert len(village.visits) == visits
    assert len(near.dialled) == 1


async def test_all_who_want_the_same_wait_for_one_search(
    village: "Village", near: Neighbourhood, searching: Searching, autojump_clock: MockClock
) -> None:
    await provide(village, near, 1, BLOCK)
    visits = len(village.visits)
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(searching.fetch, BLOCK.cid)
    assert len(near.dialled) == 1
    assert len(village.visits) <= visits + 2
    assert not searching._searches


async def test_only_some_of_many_providers_are_dialled(
    village: "Village", near: Neighbourhood, searching: Searching, autojump_clock: MockClock
) -> None:
    for number in range(1, 30):
        await provide(village, near, number, BLOCK)
    near.have.clear()  # and none of them can be reached
    began = trio.current_time()
    with pytest.raises(BlockNotFound):
        await searching.fetch(BLOCK.cid)
    assert len(near.dialled) == len(set(near.dialled)) == DHT_PROVIDERS_DIALLED_MAX
    assert trio.current_time() - began < 20


async def test_a_slow_provider_does_not_keep_others_from_being_asked(
    village: "Village", near: Neighbourhood, searching: Searching, autojump_clock: MockClock
) -> None:
    await provide(village, near, 1, BLOCK)
    for number in (2, 3):
        await provide(village, near, number, BLOCK)
        del near.have[village.contact(number).name]
    began = trio.current_time()
    assert await searching.fetch(BLOCK.cid) == BLOCK.data
    assert trio.current_time() - began < 1


async def test_what_was_not_found_is_not_searched_for_again_at_once(
    village: "Village", near: Neighbourhood, searching: Searching, autojump_clock: MockClock
) -> None:
    for _ in range(5):
        with pytest.raises(BlockNotFound):
            await searching.fetch(ABSENT)
    assert len(village.visits) == 1
    await provide(village, near, 1, BLOCK)
    await trio.sleep(31)
    visits = len(village.visits)
    with pytest.raises(BlockNotFound):
        await searching.fetch(ABSENT)
    assert len(village.visits) > visits


async def test_searches_are_few_at_a_time_and_in_a_measured_pace(
    village: "Village", searching: Searching, autojump_clock: MockClock
) -> None:
    outcomes: list[type] = []

    async def fetch(number: int) -> None:
        try:
            await searching.fetch(Block.of(b"nowhere %d" % number).cid)
        except (BlockNotFound, PeersUnavailable) as problem:
            outcomes.append(type(problem))

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(fetch, number)
    assert outcomes.count(PeersUnavailable) == 100 - 64
    assert outcomes.count(BlockNotFound) == 64
    assert trio.current_time() - began >= (64 - 16) / 2


async def test_a_search_that_nobody_waits_for_ends(
    village: "Village", near: Neighbourhood, searching: Searching, autojump_clock: MockClock
) -> None:
    await provide(village, near, 1, BLOCK)
    near.have.clear()
    with trio.move_on_after(2):
        await searching.fetch(BLOCK.cid)
    await trio.testing.wait_all_tasks_blocked()
    assert not searching._searches
    assert searching._turns.borrowed_tokens == 0
    assert village.open == 0


async def test_those_found_first_are_left_when_there_are_many(
    village: "Village", near: Neighbourhood, searching: Searching, autojump_clock: MockClock
) -> None:
    for number in range(DHT_FOUND_MAX + 5):
        await provide(village, near, number + 1, BLOCKS[number])
        assert await searching.fetch(BLOCKS[number].cid) == BLOCKS[number].data
        await trio.sleep(1)
    assert len(near.peers) == DHT_FOUND_MAX


async def test_providing_tells_whether_anybody_took_note(
    village: "Village", near: Neighbourhood, searching: Searching, autojump_clock: MockClock
) -> None:
    assert await searching.provide(BLOCK.cid) == 1
    village.pretend(0, village.settle(1, serves=False)[0].listen)
    with pytest.raises(PeersUnavailable, match="taken note"):
        await searching.provide(BLOCK.cid)
    near.listens = False
    with pytest.raises(Refused, match="does not listen"):
        await searching.provide(BLOCK.cid)
