"""Searching, providing and answering in a village of peers, some of whom are no friends."""
# ruff: noqa: ARG001 - a test that takes the clock is one in which no real time passes

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ipvm.exchange.dht.contacts import Contact, Scope, tell
from ipvm.exchange.dht.engine import Kademlia
from ipvm.exchange.dht.message import DhtMessage, Kind, write_message
from ipvm.limits import DHT_ASKED_MAX, DHT_STREAMS_MAX

if TYPE_CHECKING:
    from ipvm.exchange.dht import Asker
    from tests.exchange.dht.conftest import Pipe, Village

KEY = b"\x12\x20" + bytes(32)
FAR = 10_000


async def populated(village: "Village", count: int) -> list[Kademlia]:
    """Let peers settle, who have all met one, and joined through it."""
    dhts = [village.settle(number, knows=[0][:number])[0] for number in range(count)]
    for dht in [*dhts[1:], *dhts[1:]]:
        await dht._nearest(dht._network.peer_id)
    return dhts


async def found_by(dht: Kademlia, key: bytes = KEY) -> set[Contact]:
    found: set[Contact] = set()
    await dht.find(key, found.update)
    return found


async def test_what_one_provides_another_finds(
    village: "Village", autojump_clock: MockClock
) -> None:
    dhts = await populated(village, 60)
    assert await dhts[7].provide(KEY) == 20
    client, _ = village.settle(FAR, knows=[31], serves=False)
    assert await found_by(client) == {village.contact(7)}
    assert len(village.visits) > 0
    assert await found_by(client, b"\x12\x20" + bytes(31) + b"\x01") == set()
    assert village.open == 0


async def test_who_provides_is_found_where_it_is_asked_itself(
    village: "Village", autojump_clock: MockClock
) -> None:
    (dht,) = await populated(village, 1)
    assert await dht.provide(KEY) == 0
    client, _ = village.settle(FAR, knows=[0], serves=False)
    assert await found_by(client) == {village.contact(0)}
    assert await found_by(dht) == {village.contact(0)}


async def test_a_client_answers_nobody(village: "Village", autojump_clock: MockClock) -> None:
    village.settle(1, serves=False)
    asking, _ = village.settle(FAR, knows=[1])
    assert await found_by(asking) == set()
    assert [*asking._table] == []


async def test_provided_is_not_more_than_others_take(
    village: "Village", autojump_clock: MockClock
) -> None:
    dhts = await populated(village, 2)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(dhts[1].provide, b"\x12\x20" + bytes(31) + bytes((number,)))
    assert len(dhts[0]._records) == 30
    assert 20 <= trio.current_time() - began <= 21


async def silence(_asker: "Asker", _stream: "Pipe") -> None:
    await trio.sleep_forever()


async def garbage(_asker: "Asker", stream: "Pipe") -> None:
    await stream.send(b"\x10GET / HTTP/1.1\r\n\r\n" * 10)
    await stream.close()


async def endless(_asker: "Asker", stream: "Pipe") -> None:
    await stream.send(b"\x80\x80\x80\x80\x04" + bytes(100))


async def hung_up(_asker: "Asker", stream: "Pipe") -> None:
    await stream.close()


async def drip(_asker: "Asker", stream: "Pipe") -> None:
    await stream.send(b"\x7f")
    for _ in range(100):
        await trio.sleep(1)
        await stream.send(b"\x08")


@pytest.mark.parametrize("answers", [silence, garbage, endless, hung_up, drip])
async def test_who_answers_badly_costs_a_little_time(
    village: "Village",
    autojump_clock: MockClock,
    answers: Callable[["Asker", "Pipe"], Awaitable[None]],
) -> None:
    dhts = await populated(village, 5)
    await dhts[1].provide(KEY)
    for number in range(100, 110):
        village.pretend(number, answers)
    client, _ = village.settle(FAR, knows=[0, *range(100, 110)], serves=False)
    began = trio.current_time()
    assert await found_by(client) == {village.contact(1)}
    assert trio.current_time() - began <= 15
    assert {each.id for each in client._table} == {village.contact(n).id for n in range(5)}
    assert village.open == 0


async def test_who_invents_peers_is_followed_only_so_far(
    village: "Village", autojump_clock: MockClock
) -> None:
    invented = iter(range(100_000, 10**9))

    async def invent(_asker: "Asker", stream: "Pipe") -> None:
        closer = [village.contact(next(invented)) for _ in range(1000)]
        for each in closer:
            village.pretend(int.from_bytes(each.id[6:]), invent)
        told = [tell(each, to=Scope.WORLD) for each in closer]
        await stream.send(write_message(DhtMessage(Kind.GET_PROVIDERS, KEY, closer=told)))

    village.pretend(1, invent)
    client, _ = village.settle(FAR, knows=[1], serves=False)
    assert await found_by(client) == set()
    assert len(village.visits) <= DHT_ASKED_MAX


async def test_peers_that_name_each_other_are_asked_once(
    village: "Village", autojump_clock: MockClock
) -> None:
    async def name_others(asker: "Asker", stream: "Pipe") -> None:
        everybody = [asker.contact, *(village.contact(number) for number in range(5))]
        told = [tell(each, to=Scope.WORLD) for each in everybody]
        message = DhtMessage(Kind.GET_PROVIDERS, KEY, closer=told, providers=told)
        await stream.send(write_message(message))

    for number in range(5):
        village.pretend(number, name_others)
    client, _ = village.settle(FAR, knows=[0], serves=False)
    found = await found_by(client)
    assert found == {village.contact(number) for number in range(5)}
    assert len(village.visits) == len(set(village.visits)) == 5


async def test_nobody_can_speak_for_another(village: "Village", autojump_clock: MockClock) -> None:
    (dht,) = await populated(village, 1)
    itself, victim = village.contact(1), village.contact(2)
    async with village.visit(village.contact(0), itself) as (stream, scope):
        for told in ([tell(victim, to=scope)], [tell(Contact(itself.id, ()), to=scope)], []):
            message = DhtMessage(Kind.ADD_PROVIDER, KEY, providers=told)
            await stream.send(write_message(message))
        for kind in (Kind.PING, Kind.PUT_VALUE):
            await stream.send(write_message(DhtMessage(kind, KEY)))
        assert await stream.receive() == write_message(DhtMessage(Kind.PING))
        assert await stream.receive() == b""
    assert len(dht._records) == 0


async def test_one_peer_has_a_few_streams(village: "Village", autojump_clock: MockClock) -> None:
    await populated(village, 1)
    question = write_message(DhtMessage(Kind.FIND_NODE, KEY))
    server, itself = village.contact(0), village.contact(1)
    async with AsyncExitStack() as stack:
        for _ in range(DHT_STREAMS_MAX - 1):
            await stack.enter_async_context(village.visit(server, itself))
        stream, _ = await stack.enter_async_context(village.visit(server, itself))
        async with village.visit(server, itself) as (refused, _):
            assert await refused.receive() == b""
        await stream.send(question)
        assert await stream.receive()
    await wait_all_tasks_blocked()
    async with village.visit(server, itself) as (stream, _):
        await stream.send(question)
        assert await stream.receive()
        assert await stream.receive() == b""  # who says nothing for a minute is left
