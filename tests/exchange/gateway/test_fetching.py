"""Blocks from a gateway that means well."""

from typing import TYPE_CHECKING

import pytest
import trio

from ipvm.exchange import BlockService
from ipvm.exchange.gateway import EntityBytes, Gateway, InvalidGateway
from ipvm.ipld import Block, BlockNotFound, Cid
from ipvm.limits import Limits
from ipvm.store import Memory
from ipvm.testing import check_source

if TYPE_CHECKING:
    from tests.exchange.gateway.conftest import Request, Server

BLOCK = Block.of(b"a block" * 1000)
LEAVES = [Block.of(b"%d" % number) for number in range(300)]
MIDDLES = [Block.encode([leaf.cid for leaf in LEAVES[n : n + 30]]) for n in range(0, 300, 30)]
ROOT = Block.encode([middle.cid for middle in MIDDLES])


async def test_a_gateway_is_a_source(server: "Server", gateway: Gateway) -> None:
    server.keep(BLOCK)
    await check_source(gateway, BLOCK, Cid.of(b"absent"))


async def test_it_is_asked_as_the_specification_says(server: "Server", gateway: Gateway) -> None:
    server.keep(BLOCK)
    heads = []

    async def note(request: "Request") -> None:
        heads.append(request.headers)
        await server.answer(request)

    server.always = note
    await gateway.fetch(BLOCK.cid)
    assert server.asked == [f"/ipfs/{BLOCK.cid}?format=raw"]
    assert heads[0]["accept"] == "application/vnd.ipld.raw"
    assert heads[0]["accept-encoding"] == "identity"
    assert heads[0]["host"] == server.url.removeprefix("http://")


@pytest.mark.parametrize("size", [0, 1, 100_000, 2 * 1024 * 1024])
@pytest.mark.parametrize("framing", ["length", "chunks", "end"])
async def test_a_body_may_be_framed_in_any_way(
    server: "Server", gateway: Gateway, size: int, framing: str
) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)

    async def answer(request: "Request") -> None:
        if framing == "length":
            await request.answer(data)
        elif framing == "chunks":
            await request.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            for start in range(0, len(data), 70_000):
                piece = data[start : start + 70_000]
                await request.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            await request.send(b"0\r\n\r\n")
        else:
            await request.send(b"HTTP/1.0 200 OK\r\n\r\n" + data)
            await request.hang_up()

    server.always = answer
    for _ in range(2):
        assert await gateway.fetch(BLOCK.cid) == data
    assert server.connections == (2 if framing == "end" else 1)


async def test_connections_are_used_again_and_are_no_more_than_allowed(
    server: "Server", gateway: Gateway, limits: Limits
) -> None:
    server.keep(*LEAVES)
    service = BlockService(Memory(), gateway)
    assert len(await service.get_many([leaf.cid for leaf in LEAVES])) == len(LEAVES)
    assert len(server.asked) == len(LEAVES)
    assert server.connections == limits.gateway_connections_max


async def test_an_absence_keeps_the_connection(server: "Server", gateway: Gateway) -> None:
    for leaf in LEAVES[:5]:
        with pytest.raises(BlockNotFound):
            await gateway.fetch(leaf.cid)
    assert server.connections == 1


async def test_a_cancelled_fetch_gives_its_connection_up(
    server: "Server", gateway: Gateway
) -> None:
    server.keep(BLOCK)
    arrived = trio.Event()

    async def hold(request: "Request") -> None:
        arrived.set()
        await request.until_the_client_hangs_up()

    server.faults.append(hold)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(gateway.fetch, BLOCK.cid)
        await arrived.wait()
        nursery.cancel_scope.cancel()
    assert await gateway.fetch(BLOCK.cid) == BLOCK.data
    assert server.connections == 2


async def test_redirects_are_followed(server: "Server", gateway: Gateway) -> None:
    server.keep(BLOCK)

    async def send_on(request: "Request") -> None:
        await request.answer(b"", status=302, location=f"/elsewhere{request.target}")

    server.faults += [send_on] * 5
    assert await gateway.fetch(BLOCK.cid) == BLOCK.data
    assert server.asked[-1].startswith("/elsewhere" * 5)
    assert server.connections == 1


async def test_a_dag_comes_in_one_answer(server: "Server", gateway: Gateway) -> None:
    server.keep(ROOT, *MIDDLES, *LEAVES)
    store = Memory()
    service = BlockService(store, gateway)
    await service.fetch_ahead(ROOT.cid, bytes_max=2**20)
    assert (await store.statistics()).blocks == 311
    assert server.asked[1:] == [f"/ipfs/{ROOT.cid}?format=car&dag-scope=all"]
    await service.fetch_ahead(ROOT.cid, bytes_max=2**20)
    assert len(server.asked) == 2


async def test_nobody_asks_for_a_dag_that_is_one_block(server: "Server", gateway: Gateway) -> None:
    server.keep(BLOCK)
    await BlockService(Memory(), gateway).fetch_ahead(BLOCK.cid, bytes_max=2**20)
    assert len(server.asked) == 1


async def test_a_gateway_without_cars_is_asked_for_one_once(
    server: "Server", gateway: Gateway
) -> None:
    server.serves_cars = False
    server.keep(ROOT, *MIDDLES, *LEAVES)
    store = Memory()
    service = BlockService(store, gateway)
    for root in (ROOT, MIDDLES[0]):
        await service.fetch_ahead(root.cid, bytes_max=2**20)
    assert sum("format=car" in target for target in server.asked) == 1
    assert (await store.statistics()).blocks == 2


async def test_no_more_of_a_dag_is_taken_than_is_of_use(server: "Server", gateway: Gateway) -> None:
    big = [Block.of(bytes([number]) * 10_000) for number in range(100)]
    root = Block.encode([each.cid for each in big])
    server.keep(root, *big)
    store = Memory()
    await BlockService(store, gateway).fetch_ahead(root.cid, bytes_max=100_000)
    assert (await store.statistics()).blocks == 11


async def test_a_car_may_be_asked_for_by_path_scope_and_bytes(
    server: "Server", gateway: Gateway
) -> None:
    server.keep(ROOT, *MIDDLES)
    entity = EntityBytes(-10)
    async with gateway.fetch_car(
        ROOT.cid, ["a b", "ä/?"], scope="entity", entity_bytes=entity
    ) as sections:
        found = [section.cid async for section in sections]
    assert found[0] == ROOT.cid
    assert server.asked == [
        f"/ipfs/{ROOT.cid}/a%20b/%C3%A4%2F%3F?format=car&dag-scope=entity&entity-bytes=-10:*"
    ]


async def test_an_address_may_have_a_path(server: "Server") -> None:
    server.keep(BLOCK)
    async with Gateway(f"{server.url}/below/ipfs/") as gateway:
        assert await gateway.fetch(BLOCK.cid) == BLOCK.data
        assert gateway.name == f"{server.url}/below"
    assert server.asked == [f"/below/ipfs/{BLOCK.cid}?format=raw"]


@pytest.mark.parametrize(
    "url",
    ["", "127.0.0.1:8080", "ftp://host", "http://", "http://host:0", "http://host:99999",
     "http://host:no", "http://user@host", "http://host/?a=b", "http://host/#a", "http://h\nost",
     "http://host/a b", "http://hôst", "http://[::1", "https://.host", "http://a..b", "http://" + "a" * 3000],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidGateway):
        Gateway(url)


async def test_what_was_not_used_costs_nothing_to_close() -> None:
    async with Gateway("http://127.0.0.1:1"):
        await trio.lowlevel.checkpoint()


async def test_a_closed_gateway_keeps_no_connection(server: "Server") -> None:
    server.keep(BLOCK)
    gateway = Gateway(server.url)
    await gateway.fetch(BLOCK.cid)
    await gateway.aclose()
    await gateway.fetch(BLOCK.cid)
    await server.until_nobody_is_connected()
