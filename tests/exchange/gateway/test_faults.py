"""What a gateway may do to us, and that it costs little and never gives a wrong block."""

# ruff: noqa: ARG001 - a test gets the clock that jumps by naming it

import gc
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, final

import pytest
import trio
from trio.testing import MockClock

from ipvm.errors import IpvmError
from ipvm.exchange import BlockService, SourceBusy
from ipvm.exchange.gateway import Gateway
from ipvm.ipld import Block, BlockMismatch, BlockNotFound, Cid, varint
from ipvm.limits import Limits
from ipvm.store import Memory, StoreFull
from ipvm.store.car import car_header, car_section

if TYPE_CHECKING:
    from tests.exchange.gateway.conftest import Request, Server

BLOCK = Block.of(b"a block" * 1000)
SIZE = len(BLOCK.data)
SENT_BYTES_MAX = 12 * 1024 * 1024
"""What is taken of one block, and what the buffers of two sockets may hold."""
CAR = "application/vnd.ipld.car"


@final
class Full:
    """A store without room."""

    async def get(self, cid: Cid) -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise BlockNotFound(cid)

    async def has(self, _cid: Cid) -> bool:
        await trio.lowlevel.checkpoint()
        return False

    async def put(self, block: Block) -> None:
        await self.put_many([block])

    async def put_many(self, blocks: Sequence[Block]) -> None:
        await trio.lowlevel.checkpoint()
        if blocks:
            raise StoreFull(Path("/full"), "No space left on device")

    async def delete(self, cid: Cid) -> None:
        await self.get(cid)


def length(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def wrong_bytes(request: "Request") -> None:
    await request.answer(b"something else")


async def one_wrong_byte(request: "Request") -> None:
    await request.answer(BLOCK.data[:-1] + b"!")


async def nothing_at_all(request: "Request") -> None:
    await request.answer(b"")


async def endless_chunks(request: "Request") -> None:
    await request.send(CHUNKED)
    while True:
        await request.send(b"10000\r\n" + bytes(65536) + b"\r\n")


async def endless_body(request: "Request") -> None:
    await request.send(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        await request.send(bytes(65536))


async def endless_head(request: "Request") -> None:
    await request.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await request.send(b"x-again: " + b"a" * 1000 + b"\r\n")


async def endless_interim_answers(request: "Request") -> None:
    while True:
        await request.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)


async def a_length_of_a_gibibyte(request: "Request") -> None:
    await request.send(length(2**30) + BLOCK.data)
    await request.until_the_client_hangs_up()


async def a_length_of_a_thousand_digits(request: "Request") -> None:
    await request.send(b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 1000 + b"\r\n\r\n")


async def two_lengths(request: "Request") -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\n"
    await request.send(head + BLOCK.data)


async def redirect_loop(request: "Request") -> None:
    await request.answer(b"", status=302, location=request.target)


async def redirect_elsewhere(request: "Request") -> None:
    await request.answer(b"", status=301, location="http://localhost:1/")


async def redirect_to_nowhere(request: "Request") -> None:
    await request.answer(b"", status=307)


async def redirect_that_splits_the_request(request: "Request") -> None:
    await request.answer(b"", status=302, location="/\x0bX-Y: Z")


async def html(request: "Request") -> None:
    await request.answer(b"<html>Log in</html>", media_type="text/html; charset=utf-8")


async def compressed_bomb(request: "Request") -> None:
    await request.answer(b"\x1f\x8b" + bytes(100), content_encoding="gzip")


async def truncated_body(request: "Request") -> None:
    await request.send(length(SIZE) + BLOCK.data[:-1])
    await request.hang_up()


async def truncated_chunks(request: "Request") -> None:
    await request.send(CHUNKED + b"%x\r\n%s" % (SIZE, BLOCK.data[:-1]))
    await request.hang_up()


async def chunked_garbage(request: "Request") -> None:
    await request.send(CHUNKED + b"zz\r\n\xff\xfe\x00")
    await request.until_the_client_hangs_up()


async def a_chunk_without_its_end(request: "Request") -> None:
    await request.send(CHUNKED + b"%x;" % SIZE + b"x" * 1_000_000)
    await request.until_the_client_hangs_up()


async def no_http(request: "Request") -> None:
    await request.send(b"SSH-2.0-OpenSSH\r\n")
    await request.until_the_client_hangs_up()


async def one_byte_a_second(request: "Request") -> None:
    for byte in length(SIZE) + BLOCK.data:
        await request.send(bytes((byte,)))
        await trio.sleep(1)


async def a_body_that_stops(request: "Request") -> None:
    await request.send(length(SIZE) + BLOCK.data[:100])
    await request.until_the_client_hangs_up()


async def silence(request: "Request") -> None:
    await request.until_the_client_hangs_up()


async def hang_up(request: "Request") -> None:
    await request.hang_up()


async def always_busy(request: "Request") -> None:
    await request.answer(b"", status=429)


async def busy_for_an_hour(request: "Request") -> None:
    await request.answer(b"", status=503, retry_after="3600")


async def always_failing(request: "Request") -> None:
    await request.answer(b"oops", status=500)


async def an_odd_status(request: "Request") -> None:
    await request.answer(b"", status=299)


FAULTS: list[Callable[["Request"], Awaitable[None]]] = [
    wrong_bytes, one_wrong_byte, nothing_at_all, endless_chunks, endless_body, endless_head,
    endless_interim_answers, a_length_of_a_gibibyte, a_length_of_a_thousand_digits, two_lengths,
    redirect_loop, redirect_elsewhere, redirect_to_nowhere, redirect_that_splits_the_request, html,
    compressed_bomb, truncated_body, truncated_chunks, chunked_garbage, a_chunk_without_its_end,
    no_http, one_byte_a_second, a_body_that_stops, silence, hang_up, always_busy,
    busy_for_an_hour, always_failing, an_odd_status,
]  # fmt: skip
LIES = {wrong_bytes, one_wrong_byte, nothing_at_all}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_gateway_that_misbehaves_costs_little_and_the_next_is_asked(
    fault: Callable[["Request"], Awaitable[None]],
    server: "Server",
    other: "Server",
    gateway: Gateway,
    limits: Limits,
    clock: MockClock,
) -> None:
    server.always = fault
    store = Memory()
    with pytest.raises(IpvmError) as caught:
        await BlockService(store, gateway, limits=limits).get(BLOCK.cid)
    assert (type(caught.value) is BlockMismatch) == (fault in LIES)
    assert (await store.statistics()).blocks == 0
    assert len(server.asked) <= 6
    assert server.sent_bytes < SENT_BYTES_MAX

    other.keep(BLOCK)
    async with Gateway(other.url, limits=limits) as second:
        service = BlockService(store, gateway, second, limits=limits)
        assert await service.get(BLOCK.cid) == BLOCK
    assert (await store.statistics()).blocks == 1


@pytest.mark.parametrize("fault", [always_busy, always_failing])
async def test_a_gateway_that_is_busy_is_asked_again(
    fault: Callable[["Request"], Awaitable[None]],
    server: "Server",
    gateway: Gateway,
    clock: MockClock,
) -> None:
    server.keep(BLOCK)
    server.faults += [fault, fault]
    assert await gateway.fetch(BLOCK.cid) == BLOCK.data
    assert len(server.asked) == 3
    assert server.connections == 1


async def test_a_gateway_says_how_long_to_wait(
    server: "Server", gateway: Gateway, clock: MockClock
) -> None:
    async def busy(request: "Request") -> None:
        await request.answer(b"", status=429, retry_after="3")

    server.keep(BLOCK)
    server.faults.append(busy)
    began = trio.current_time()
    assert await gateway.fetch(BLOCK.cid) == BLOCK.data
    assert trio.current_time() - began >= 3
    server.faults.append(busy_for_an_hour)
    with pytest.raises(SourceBusy) as caught:
        await gateway.fetch(BLOCK.cid)
    assert caught.value.rest_seconds == 3600


async def test_a_connection_that_was_closed_meanwhile_is_made_anew(
    server: "Server", gateway: Gateway
) -> None:
    server.keep(BLOCK)

    async def answer_and_close(request: "Request") -> None:
        await server.answer(request)
        await request.hang_up()

    server.faults += [answer_and_close] * 3
    for _ in range(4):
        assert await gateway.fetch(BLOCK.cid) == BLOCK.data
    assert server.connections == 4


async def test_a_connection_that_is_closed_at_the_next_question_is_made_anew(
    server: "Server", gateway: Gateway
) -> None:
    server.keep(BLOCK)
    server.faults += [server.answer, hang_up]
    assert await gateway.fetch(BLOCK.cid) == BLOCK.data
    assert await gateway.fetch(BLOCK.cid) == BLOCK.data
    assert (len(server.asked), server.connections) == (3, 2)


async def test_what_comes_behind_an_answer_is_no_answer_to_the_next_question(
    server: "Server", gateway: Gateway
) -> None:
    async def answer_twice(request: "Request") -> None:
        await request.send(2 * (length(SIZE) + BLOCK.data))

    other = Block.of(b"other")
    server.keep(other)
    server.faults.append(answer_twice)
    assert await gateway.fetch(BLOCK.cid) == BLOCK.data
    assert await gateway.fetch(other.cid) == other.data
    assert server.connections == 2


async def test_a_gateway_where_nobody_listens_is_unavailable() -> None:
    with trio.socket.socket() as unused:
        await unused.bind(("127.0.0.1", 0))
        async with Gateway(f"http://127.0.0.1:{unused.getsockname()[1]}") as gateway:
            with pytest.raises(IpvmError, match="cannot be reached: Connection refused"):
                await gateway.fetch(BLOCK.cid)


LEAVES = [Block.of(b"leaf %d" % number) for number in range(50)]
MIDDLE = Block.encode([leaf.cid for leaf in LEAVES])
ROOT = Block.encode([MIDDLE.cid])
DAG = [ROOT, MIDDLE, *LEAVES]
STRANGER = Block.of(b"a stranger")
HEADER = car_header([ROOT.cid])


def lie(block: Block) -> bytes:
    """A section of that CID with other content."""
    name, data = bytes(block.cid), b"something else"
    return varint.write(len(name) + len(data)) + name + data


def sections(*blocks: Block) -> bytes:
    return b"".join(car_section(block) for block in blocks)


CARS: dict[str, tuple[bytes, int]] = {
    "whole": (HEADER + sections(*DAG), 52),
    "with an extra block": (HEADER + sections(ROOT, STRANGER, MIDDLE, STRANGER, *LEAVES), 52),
    "with each block twice": (HEADER + sections(*DAG, *DAG), 52),
    "without a leaf": (HEADER + sections(*DAG[:-1]), 51),
    "without a node": (HEADER + sections(ROOT, *LEAVES), 1),
    "in reverse": (HEADER + sections(*DAG[::-1]), 2),
    "with leaves in another order": (HEADER + sections(ROOT, MIDDLE, *LEAVES[::-1]), 52),
    "with a lie": (HEADER + sections(*DAG[:20]) + lie(DAG[20]) + sections(*DAG[21:]), 20),
    "cut off": (HEADER + sections(*DAG)[:-1], 51),
    "cut between blocks": (HEADER + sections(*DAG[:10]), 10),
    "without a header": (sections(*DAG), 1),
    "with another root": (car_header([STRANGER.cid]) + sections(*DAG), 52),
    "of no bytes": (b"", 1),
    "of garbage": (b"\xff" * 1000, 1),
    "of strangers": (HEADER + sections(*[Block.of(bytes(2**20))] * 20), 1),
    "with a length of a gibibyte": (HEADER + varint.write(2**30) + bytes(1000), 1),
}


@pytest.mark.parametrize("name", CARS)
async def test_of_a_car_that_is_taken_what_was_asked_for_and_the_rest_is_fetched(
    name: str, server: "Server", gateway: Gateway, limits: Limits
) -> None:
    body, taken = CARS[name]

    async def answer(request: "Request") -> None:
        if request.is_for_a_car:
            await request.answer(body, media_type=CAR)
        else:
            await server.answer(request)

    server.keep(*DAG)
    server.always = answer
    store = Memory()
    service = BlockService(store, gateway, limits=limits)
    await service.fetch_ahead(ROOT.cid, bytes_max=2**30)
    assert (await store.statistics()).blocks == taken
    assert not await store.has(STRANGER.cid)
    assert len(await service.get_many([block.cid for block in DAG])) == len(DAG)
    assert server.sent_bytes < 24 * 2**20


async def stalls(request: "Request") -> None:
    await request.send(
        length(10_000).replace(b"\r\n", b"\r\ncontent-type: " + CAR.encode() + b"\r\n", 1)
    )
    await request.send(HEADER + sections(ROOT, MIDDLE, *LEAVES[:7]))
    await request.until_the_client_hangs_up()


async def sends_strangers_slowly(request: "Request") -> None:
    await request.send(
        length(10**9).replace(b"\r\n", b"\r\ncontent-type: " + CAR.encode() + b"\r\n", 1)
    )
    await request.send(HEADER + sections(ROOT, MIDDLE, *LEAVES[:7]))
    while True:
        await request.send(sections(STRANGER))
        await trio.sleep(1)


@pytest.mark.parametrize("fault", [stalls, sends_strangers_slowly])
async def test_a_car_that_does_not_go_on_is_given_up(
    fault: Callable[["Request"], Awaitable[None]],
    server: "Server",
    gateway: Gateway,
    limits: Limits,
    clock: MockClock,
) -> None:
    server.keep(*DAG)
    server.faults += [server.answer, fault]
    store = Memory()
    began = trio.current_time()
    service = BlockService(store, gateway, limits=limits)
    await service.fetch_ahead(ROOT.cid, bytes_max=2**30)
    assert trio.current_time() - began < limits.fetch_seconds_max + 2
    assert (await store.statistics()).blocks == 9
    assert await service.get(LEAVES[-1].cid) == LEAVES[-1]


async def test_absence_is_said_at_once_whoever_else_misbehaves(
    server: "Server", gateway: Gateway
) -> None:
    with pytest.raises(BlockNotFound):
        await BlockService(Memory(), gateway).get(STRANGER.cid)
    assert len(server.asked) == 1


async def test_a_store_that_is_full_keeps_nobody_from_reading(
    server: "Server", gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    server.keep(*DAG)
    service = BlockService(Full(), gateway)
    with caplog.at_level(logging.WARNING, logger="ipvm"):
        assert await service.fetch_ahead(ROOT.cid) == ROOT
        assert len(await service.get_many([block.cid for block in DAG])) == len(DAG)
    assert "is full" in caplog.text


def open_files() -> int:
    """How many this process has."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_thousand_faults_leave_nothing_behind(
    server: "Server", gateway: Gateway, limits: Limits
) -> None:
    server.keep(*DAG)
    brief = (html, hang_up, truncated_body, wrong_bytes, redirect_loop, compressed_bomb)
    service = BlockService(Memory(), gateway, limits=limits)

    async def get_all(task: int) -> None:
        for number in range(100):
            server.faults += [brief[number % len(brief)]]
            with suppress(IpvmError):
                await service.get(Cid.of(b"%d %d" % (task, number)))

    async def files() -> int:
        async with trio.open_nursery() as nursery:
            for task in range(5):
                nursery.start_soon(get_all, task)
        server.faults.clear()
        return open_files()

    before = await files()
    assert abs(await files() - before) <= 2 * limits.gateway_connections_max
    assert server.open <= limits.gateway_connections_max
    assert service._flights == {}
