"""Blocks from peers, of which some are slow, silent, gone or lying."""
# ruff: noqa: ARG001 - a test that takes the clock is one in which no real time passes

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ipvm.exchange.bitswap import Bitswap, PeersUnavailable, Session
from ipvm.exchange.bitswap.asking import HEDGE_SECONDS, STALL_SECONDS
from ipvm.exchange.bitswap.message import Message, Want
from ipvm.ipld import DAG_PB, Block, BlockNotFound
from ipvm.limits import BITSWAP_WANTS_ASKED_MAX
from ipvm.store import Memory
from ipvm.testing import check_source

if TYPE_CHECKING:
    from tests.exchange.bitswap.conftest import Rogue, Town

Stocked: TypeAlias = Callable[[Sequence[Block]], Memory]

BLOCKS = [Block.of(b"%d" % number) for number in range(2000)]
BLOCK = BLOCKS[0]
ABSENT = Block.of(b"absent").cid


def nothing_is_left(engine: Bitswap) -> bool:
    asking = engine._asking
    idle = all(not (peer.open or peer.queue) for peer in asking._peers.values())
    return idle and not asking.is_waiting and not engine._waiting


async def fetched(engine: Bitswap, block: Block) -> float:
    """Fetch a block, and tell how many seconds it took."""
    began = trio.current_time()
    assert await engine.fetch(block.cid) == block.data
    return trio.current_time() - began


async def missed(engine: Bitswap, failure: type[Exception]) -> float:
    """Fetch in vain, and tell how many seconds it took."""
    began = trio.current_time()
    with pytest.raises(failure):
        await engine.fetch(BLOCK.cid)
    assert nothing_is_left(engine)
    return trio.current_time() - began


async def test_an_engine_is_a_source(
    autojump_clock: MockClock, town: "Town", stocked: Stocked
) -> None:
    engine = town.engine("us")
    town.engine("them", stocked(BLOCKS))
    town.meet("us", "them")
    await check_source(engine, BLOCK, ABSENT)
    assert nothing_is_left(engine)


async def test_two_engines_fetch_from_each_other(
    autojump_clock: MockClock, town: "Town", stocked: Stocked
) -> None:
    one, other = town.engine("one", stocked(BLOCKS[:9])), town.engine("other", stocked(BLOCKS[9:]))
    town.meet("one", "other")
    async with trio.open_nursery() as nursery:
        for block in BLOCKS[:9]:
            nursery.start_soon(fetched, other, block)
        for block in BLOCKS[9:]:
            nursery.start_soon(fetched, one, block)
    assert nothing_is_left(one)
    assert nothing_is_left(other)
    town.part("one", "other")
    await wait_all_tasks_blocked()
    assert town.open_ends == 0


async def test_what_nobody_has_is_known_to_be_missing_at_once(
    autojump_clock: MockClock, town: "Town"
) -> None:
    engine = town.engine("us")
    for name in ("a", "b", "c"):
        town.engine(name, Memory())
    town.meet("us", "a", "b", "c")
    assert await missed(engine, BlockNotFound) == 0


async def test_without_a_peer_nobody_waits(autojump_clock: MockClock, town: "Town") -> None:
    assert await missed(town.engine("us"), PeersUnavailable) == 0


async def test_a_peer_that_does_not_speak_bitswap_is_no_peer(
    autojump_clock: MockClock, town: "Town", stocked: Stocked
) -> None:
    engine = town.engine("us")
    town.rogue("mute")
    town.mute.add("mute")
    town.engine("them", stocked(BLOCKS))
    town.meet("us", "mute")
    assert await missed(engine, PeersUnavailable) == 0
    town.meet("us", "them")
    assert await fetched(engine, BLOCK) == 0


async def test_the_one_that_has_it_is_found(
    autojump_clock: MockClock, town: "Town", stocked: Stocked
) -> None:
    engine = town.engine("us")
    for name in ("a", "b", "c"):
        town.engine(name, Memory())
    town.engine("z", stocked(BLOCKS))
    town.meet("us", "a", "b", "c", "z")
    assert await fetched(engine, BLOCK) == 0


async def test_who_had_the_last_blocks_is_asked_alone(
    autojump_clock: MockClock, town: "Town", stocked: Stocked
) -> None:
    engine, bystander = town.engine("us"), town.rogue("bystander")
    town.engine("them", stocked(BLOCKS))
    town.meet("us", "them")
    session = Session()
    for block in BLOCKS[:2]:
        assert await engine.fetch(block.cid, session) == block.data
    town.meet("us", "bystander")
    for block in BLOCKS[2:50]:
        assert await engine.fetch(block.cid, session) == block.data
    await wait_all_tasks_blocked()
    assert bystander.heard.statistics().current_buffer_used == 0


async def test_a_silent_peer_is_waited_for_as_long_as_is_said(
    autojump_clock: MockClock, town: "Town"
) -> None:
    engine = town.engine("us")
    town.rogue("silent")
    town.meet("us", "silent")
    waited = await missed(engine, PeersUnavailable)
    assert 2 * STALL_SECONDS <= waited <= 2 * STALL_SECONDS + 1


@pytest.mark.parametrize("promises", [False, True])
async def test_who_keeps_silent_is_stood_in_for(
    autojump_clock: MockClock, town: "Town", stocked: Stocked, *, promises: bool
) -> None:
    engine, silent = town.engine("us"), town.rogue("silent")
    town.meet("us", "silent")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetched, engine, BLOCK)
        assert await silent.wants() == [bytes(BLOCK.cid)]
        if promises:
            await silent.say("us", Message(haves=[bytes(BLOCK.cid)]))
        town.engine("them", stocked(BLOCKS))
        began = trio.current_time()
        town.meet("us", "them")
    assert trio.current_time() - began <= HEDGE_SECONDS + 0.5
    assert nothing_is_left(engine)
    cancelled = [want async for want in taken_back(silent)]
    assert cancelled == [bytes(BLOCK.cid)]


async def taken_back(rogue: "Rogue"):  # type: ignore[no-untyped-def]  # noqa: ANN201 - an async generator
    await wait_all_tasks_blocked()
    while rogue.heard.statistics().current_buffer_used:
        for want in rogue.heard.receive_nowait().wants:
            if want.cancel:
                yield want.cid


async def test_a_peer_that_goes_away_is_stood_in_for_at_once(
    autojump_clock: MockClock, town: "Town", stocked: Stocked
) -> None:
    engine, dying = town.engine("us"), town.rogue("dying")
    town.meet("us", "dying")
    async with trio.open_nursery() as nursery:
        for block in BLOCKS[:100]:
            nursery.start_soon(fetched, engine, block)
        await dying.wants()
        await dying.send("us", *BLOCKS[:10])
        town.engine("them", stocked(BLOCKS))
        town.meet("us", "them")
        began = trio.current_time()
        town.part("us", "dying")
    assert trio.current_time() == began
    assert nothing_is_left(engine)


async def test_when_the_only_peer_goes_away_it_is_said_at_once(
    autojump_clock: MockClock, town: "Town"
) -> None:
    engine, dying = town.engine("us"), town.rogue("dying")
    town.meet("us", "dying")

    async def part() -> None:
        await dying.wants()
        town.part("us", "dying")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(part)
        assert await missed(engine, PeersUnavailable) == 0
    await wait_all_tasks_blocked()
    assert town.open_ends == 0


async def test_a_corrupt_block_is_dropped_and_another_asked_at_once(
    autojump_clock: MockClock, town: "Town", stocked: Stocked
) -> None:
    engine, liar = town.engine("us"), town.rogue("liar")
    town.meet("us", "liar")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetched, engine, BLOCK)
        await liar.wants()
        town.engine("them", stocked(BLOCKS))
        town.meet("us", "them")
        began = trio.current_time()
        await liar.send("us", Block.of(b"a lie"))
    assert trio.current_time() == began


async def test_who_sends_what_nobody_asked_for_is_dropped_and_heard_no_more(
    autojump_clock: MockClock, town: "Town"
) -> None:
    engine, pushy = town.engine("us"), town.rogue("pushy")
    town.meet("us", "pushy")
    await pushy.send("us", *BLOCKS[:7])
    await wait_all_tasks_blocked()
    assert town.dropped == []
    await pushy.send("us", *BLOCKS[7:])
    await wait_all_tasks_blocked()
    assert town.dropped == ["pushy"]
    assert engine.peers == ()
    town.meet("us", "pushy")
    await pushy.send("us", BLOCK)
    await wait_all_tasks_blocked()
    assert engine.peers == ()
    assert town.open_ends == 0
    await trio.sleep(400)
    town.meet("us", "pushy")
    assert "pushy" in engine.peers


async def test_what_comes_twice_is_nobodys_fault(autojump_clock: MockClock, town: "Town") -> None:
    engine, slow = town.engine("us"), town.rogue("slow")
    town.meet("us", "slow")
    for block in BLOCKS[:20]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fetched, engine, block)
            await slow.wants()
            await slow.send("us", block, block)
    assert town.dropped == []


async def test_a_fetch_that_is_cancelled_is_taken_back(
    autojump_clock: MockClock, town: "Town"
) -> None:
    engine, silent = town.engine("us"), town.rogue("silent")
    town.meet("us", "silent")
    async with trio.open_nursery() as nursery:
        for block in BLOCKS:
            nursery.start_soon(engine.fetch, block.cid)
        asked = await silent.wants()
        nursery.cancel_scope.cancel()
    assert nothing_is_left(engine)
    assert len(asked) == BITSWAP_WANTS_ASKED_MAX
    assert {cid async for cid in taken_back(silent)} == set(asked)


async def test_a_thousand_tasks_ask_once(autojump_clock: MockClock, town: "Town") -> None:
    engine, peer = town.engine("us"), town.rogue("peer")
    town.meet("us", "peer")
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(fetched, engine, BLOCK)
        assert await peer.wants() == [bytes(BLOCK.cid)]
        await peer.send("us", BLOCK)
    assert peer.heard.statistics().current_buffer_used == 0


async def test_no_more_is_asked_for_than_a_peer_can_keep(
    autojump_clock: MockClock, town: "Town"
) -> None:
    engine, peer = town.engine("us"), town.rogue("peer")
    town.meet("us", "peer")
    by_cid = {bytes(block.cid): block for block in BLOCKS}
    async with trio.open_nursery() as nursery:
        for block in BLOCKS:
            nursery.start_soon(fetched, engine, block)
        open_wants: list[bytes] = []
        asked = 0
        while asked < len(BLOCKS) or open_wants:
            if asked < len(BLOCKS):
                open_wants += (news := await peer.wants())
                asked += len(news)
            assert len(open_wants) <= BITSWAP_WANTS_ASKED_MAX
            now, open_wants = open_wants[:100], open_wants[100:]
            await peer.send("us", *[by_cid[cid] for cid in now])
    assert nothing_is_left(engine)


async def test_a_want_that_a_peer_has_lost_is_repeated(
    autojump_clock: MockClock, town: "Town"
) -> None:
    engine, forgetful = town.engine("us"), town.rogue("forgetful")
    town.meet("us", "forgetful")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fetched, engine, BLOCK)
        assert await forgetful.wants() == [bytes(BLOCK.cid)]
        assert await forgetful.wants() == [bytes(BLOCK.cid)]
        await forgetful.send("us", BLOCK)


async def test_peers_of_an_older_version_are_asked_for_blocks_alone(
    autojump_clock: MockClock, town: "Town", stocked: Stocked
) -> None:
    engine, old = town.engine("us"), town.rogue("old")
    town.engine("older", stocked(BLOCKS))
    town.plain |= {"old", "older"}
    town.meet("us", "older")
    assert await fetched(engine, BLOCK) == 0
    town.part("us", "older")
    town.meet("us", "old")
    waited = await missed(engine, PeersUnavailable)
    assert waited >= STALL_SECONDS
    message = await old.heard.receive()
    assert message.wants == [Want(bytes(BLOCK.cid))]


async def test_all_cids_of_a_block_are_asked_for_once(
    autojump_clock: MockClock, town: "Town"
) -> None:
    engine, peer = town.engine("us"), town.rogue("peer")
    town.meet("us", "peer")
    forms = [Block.of(b"same", codec=DAG_PB, version=version) for version in (0, 1)]
    async with trio.open_nursery() as nursery:
        for form in (*forms, Block.of(b"same")):
            nursery.start_soon(fetched, engine, form)
        assert len(await peer.wants()) == 1
        await peer.send("us", forms[1])
    assert nothing_is_left(engine)


async def test_blocks_of_version_0_are_fetched(
    autojump_clock: MockClock, town: "Town", stocked: Stocked
) -> None:
    block = Block.of(b"\x0a\x04\x08\x02\x18\x00", codec=DAG_PB, version=0)
    engine = town.engine("us")
    town.engine("them", stocked([block]))
    town.meet("us", "them")
    assert await fetched(engine, block) == 0


async def test_a_peer_that_drips_is_not_waited_for_for_ever(
    autojump_clock: MockClock, town: "Town"
) -> None:
    engine, dripping = town.engine("us"), town.rogue("dripping")
    town.meet("us", "dripping")

    async def drip() -> None:
        while True:
            stream = dripping.call("us")
            await stream.send(b"\xff\xff\x7f")
            try:
                while True:
                    await stream.send(b"x")
                    await trio.sleep(2)
            except PeersUnavailable:
                await stream.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip)
        assert await missed(engine, PeersUnavailable) <= 150
        nursery.cancel_scope.cancel()
    assert set(town.dropped) == {"dripping"}
