"""Blocks for peers, of which some ask for too much, or say what nobody understands."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import pytest
import trio
from hypothesis import HealthCheck, given, settings, strategies as st
from trio.testing import wait_all_tasks_blocked

from ipvm.errors import IpvmError, Unavailable
from ipvm.exchange.bitswap.message import Message, Want
from ipvm.exchange.bitswap.serving import Serving
from ipvm.ipld import IDENTITY, Block, BlockMismatch, Cid
from ipvm.limits import BITSWAP_REPLY_BYTES, BITSWAP_STREAMS_MAX, BITSWAP_WANTS_READ_MAX
from ipvm.store import Memory

if TYPE_CHECKING:
    from tests.exchange.bitswap.conftest import Rogue, Town

Stocked: TypeAlias = Callable[[Sequence[Block]], Memory]

SMALL = [Block.of(b"%d" % number) for number in range(10)]
LARGE = [Block.of(bytes([number]) * 200_000) for number in range(10)]
ABSENT = Block.of(b"absent").cid


def want(cid: Cid, *, have: bool = False, answer: bool = True) -> Want:
    return Want(bytes(cid), have=have, answer=answer)


async def answer(rogue: "Rogue") -> Message:
    """Put together what is said until nothing more is."""
    await wait_all_tasks_blocked()
    whole = Message()
    while rogue.heard.statistics().current_buffer_used:
        message = rogue.heard.receive_nowait()
        whole.blocks += message.blocks
        whole.haves += message.haves
        whole.lacks += message.lacks
    return whole


def sent(blocks: Sequence[Block]) -> list[tuple[bytes, bytes]]:
    return [(bytes(block.cid)[:4], block.data) for block in blocks]


async def test_what_is_here_is_sent_and_what_is_not_is_said(town: "Town", stocked: Stocked) -> None:
    town.engine("us", stocked(SMALL))
    peer = town.rogue("peer")
    wants = [
        want(SMALL[0].cid),
        want(ABSENT),
        want(SMALL[1].cid, have=True),
        want(Block.of(b"absent, too").cid, have=True),
        want(Block.of(b"not to be said").cid, answer=False),
        want(SMALL[2].cid, answer=False),
    ]
    await peer.say("us", Message(wants=wants))
    told = await answer(peer)
    assert told.blocks == sent([SMALL[0], SMALL[2]])
    assert told.haves == [bytes(SMALL[1].cid)]
    assert told.lacks == [bytes(ABSENT), bytes(Block.of(b"absent, too").cid)]


async def test_one_who_only_fetches_serves_nothing(town: "Town") -> None:
    town.engine("us")
    peer = town.rogue("peer")
    await peer.say("us", Message(wants=[want(SMALL[0].cid)]))
    assert (await answer(peer)).lacks == [bytes(SMALL[0].cid)]


async def test_an_identity_cid_is_answered_by_itself(town: "Town", stocked: Stocked) -> None:
    inline = Block.of(b"inline", hash_code=IDENTITY)
    town.engine("us", stocked(SMALL))
    peer = town.rogue("peer")
    await peer.say("us", Message(wants=[want(inline.cid)]))
    assert [data for _, data in (await answer(peer)).blocks] == [b"inline"]


async def test_large_blocks_come_in_several_messages(town: "Town", stocked: Stocked) -> None:
    town.engine("us", stocked(LARGE))
    peer = town.rogue("peer")
    await peer.say("us", Message(wants=[want(block.cid) for block in LARGE]))
    await wait_all_tasks_blocked()
    sizes = []
    while peer.heard.statistics().current_buffer_used:
        sizes.append(sum(len(data) for _, data in peer.heard.receive_nowait().blocks))
    assert sum(sizes) == 10 * 200_000
    assert max(sizes) <= BITSWAP_REPLY_BYTES + 200_000


async def test_what_is_cancelled_or_replaced_is_not_sent(stocked: Stocked) -> None:
    serving = Serving(stocked(LARGE))
    await serving.hear([want(block.cid) for block in LARGE])
    await serving.hear([Want(bytes(LARGE[0].cid), cancel=True)])
    assert (await serving.reply()).blocks == sent(LARGE[1:4])
    await serving.hear([want(LARGE[9].cid)], full=True)
    assert (await serving.reply()).blocks == sent(LARGE[9:])
    assert not serving.has_blocks


async def test_of_a_hundred_thousand_wants_a_bounded_number_is_answered(
    town: "Town", stocked: Stocked
) -> None:
    town.engine("us", stocked(SMALL))
    greedy = town.rogue("greedy")
    wants = [want(Block.of(b"no %d" % number).cid, have=True) for number in range(100_000)]
    for _ in range(2):
        await greedy.say("us", Message(wants=wants[:70_000]))
    assert len((await answer(greedy)).lacks) <= 2 * BITSWAP_WANTS_READ_MAX
    await greedy.say("us", Message(wants=[want(SMALL[0].cid)]))
    assert (await answer(greedy)).blocks == sent(SMALL[:1])


class Broken:
    """A store that fails."""

    def __init__(self, failure: IpvmError, *, late: bool) -> None:
        self._failure = failure
        self._late = late

    async def has(self, _cid: Cid) -> bool:
        await trio.lowlevel.checkpoint()
        if self._late:
            return True
        raise self._failure

    async def get(self, _cid: Cid) -> Block:
        await trio.lowlevel.checkpoint()
        raise self._failure


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("failure", [BlockMismatch(ABSENT), Unavailable("the disk is gone")])
async def test_what_cannot_be_read_is_not_here(
    town: "Town", failure: IpvmError, *, late: bool
) -> None:
    town.engine("us", Broken(failure, late=late))
    peer = town.rogue("peer")
    await peer.say("us", Message(wants=[want(ABSENT)]))
    assert (await answer(peer)).lacks == [bytes(ABSENT)]


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"\x80\x80\x80\x80\x04", id="a length of 1 GiB"),
        pytest.param(b"\xff" * 100, id="a length without end"),
        pytest.param(b"\x02\x08\x01", id="a field of another type"),
        pytest.param(b"\x06\x0a\x04\x0a\x02\x0a\x00", id="a want of nothing"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n" * 3, id="another protocol"),
    ],
)
async def test_who_sends_garbage_twice_is_dropped(
    town: "Town", stocked: Stocked, garbage: bytes
) -> None:
    engine = town.engine("us", stocked(SMALL))
    babbler = town.rogue("babbler")
    for dropped in ([], ["babbler"]):
        stream = babbler.call("us")
        await stream.send(garbage)
        await wait_all_tasks_blocked()
        await stream.close()
        assert town.dropped == dropped
    assert engine.peers == ()
    await wait_all_tasks_blocked()
    assert town.open_ends == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.binary(max_size=80), max_size=8))
def test_nothing_that_comes_ends_an_engine(pieces: list[bytes]) -> None:
    async def check() -> None:
        from tests.exchange.bitswap.conftest import Town  # noqa: PLC0415 - its fixture is for one example

        async with trio.open_nursery() as nursery:
            town = Town(nursery)
            town.engine("us", Memory())
            babbler = town.rogue("babbler")
            for piece in pieces:
                stream = babbler.call("us")
                await stream.send(piece)
                await stream.close()
            await wait_all_tasks_blocked()
            other = town.rogue("other")
            await other.say("us", Message(wants=[want(ABSENT)]))
            assert (await answer(other)).lacks == [bytes(ABSENT)]
            nursery.cancel_scope.cancel()

    trio.run(check)


async def test_a_peer_has_a_bounded_number_of_streams(town: "Town", stocked: Stocked) -> None:
    engine = town.engine("us", stocked(SMALL))
    peer = town.rogue("peer")
    streams = [peer.call("us") for _ in range(BITSWAP_STREAMS_MAX + 5)]
    await wait_all_tasks_blocked()
    assert engine._peers["peer"].streams == BITSWAP_STREAMS_MAX
    for stream in streams:
        await stream.close()
    await wait_all_tasks_blocked()
    assert engine._peers["peer"].streams == 0


async def test_the_bytes_that_a_peer_has_on_the_way_are_bounded(
    town: "Town", stocked: Stocked
) -> None:
    engine = town.engine("us", stocked(SMALL))
    peer = town.rogue("peer")
    streams = [peer.call("us") for _ in range(BITSWAP_STREAMS_MAX)]
    for stream in streams:
        await stream.send(b"\x80\x80\x80\x02" + bytes(4 * 1024 * 1024 - 1000))
    await wait_all_tasks_blocked()
    assert town.dropped == ["peer"]
    assert engine._peers == {}
    for stream in streams:
        await stream.close()


async def test_all_peers_get_their_share(town: "Town", stocked: Stocked) -> None:
    town.engine("us", stocked([*SMALL, *LARGE]))
    greedy, modest = town.rogue("greedy"), town.rogue("modest")
    many = [want(block.cid) for block in LARGE]
    await greedy.say("us", Message(wants=many))
    await modest.say("us", Message(wants=[want(SMALL[0].cid)]))
    while not modest.heard.statistics().current_buffer_used:
        await trio.lowlevel.checkpoint()
    served = 0
    while greedy.heard.statistics().current_buffer_used:
        served += len(greedy.heard.receive_nowait().blocks)
    assert served < len(LARGE)
