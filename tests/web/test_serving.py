"""The gateway answers on real sockets, whoever asks, however badly."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from ipvm.exchange import BlockService
from ipvm.ipld import Block, Cid
from ipvm.store import Memory
from ipvm.web import Answer, Request, gateway, serve

Serving = Callable[..., AbstractAsyncContextManager[Any]]
DATA = b"some bytes" * 30_000
BLOCK = Block.of(DATA)
RAW_URL = f"/ipfs/{BLOCK.cid}?format=raw"


@asynccontextmanager
async def served() -> AsyncIterator[tuple[str, int]]:
    store = Memory()
    await store.put(BLOCK)
    async with trio.open_nursery() as nursery:
        yield await nursery.start(partial(serve, gateway(BlockService(store))))
        nursery.cancel_scope.cancel()


async def told(address: tuple[str, int], sent: bytes) -> bytes:
    got = b""
    with trio.fail_after(10):
        async with await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(sent)
            async for piece in stream:
                got += bytes(piece)
    return got


def asking(target: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", *headers, "Connection: close", "", ""]
    return "\r\n".join(lines).encode()


async def test_a_block_is_served_byte_for_byte_and_may_be_kept_for_ever() -> None:
    async with served() as address:
        head, _, body = (await told(address, asking(RAW_URL))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"immutable" in head
    assert body == DATA


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (asking(f"/ipfs/{BLOCK.cid}", "Accept: application/vnd.ipld.raw"), 200),
        (asking(RAW_URL, f'If-None-Match: "{BLOCK.cid}.raw"'), 304),
        (asking(RAW_URL, method="HEAD"), 200),
        (asking(RAW_URL, method="DELETE"), 405),
        (asking(f"/ipfs/{BLOCK.cid}"), 200),
        (asking(f"/ipfs/{BLOCK.cid}?format=car"), 200),
        (asking(f"/ipfs/{BLOCK.cid}?format=tar"), 406),
        (asking("/ipfs/%ff%zz?format=raw"), 400),
        (asking(f"/ipfs/{Cid.of(b'absent')}?format=raw"), 404),
        (asking("/ipfs/" + "a/" * 5_000), 400),
        (asking("/else"), 404),
        (asking(f"HTTP://x{RAW_URL}"), 200),
        (asking("http://x"), 404),
        (asking(RAW_URL, "Content-Length: 3", method="POST") + b"abc", 413),
        (asking("/" + "a" * 100_000), 431),
        (b"no HTTP\r\n\r\n", 400),
    ],
)
async def test_each_request_gets_its_status(request_: bytes, status: int) -> None:
    async with served() as address:
        got = await told(address, request_)
    assert got.startswith(b"HTTP/1.1 %d" % status)


async def test_pipelined_requests_are_answered_in_turn() -> None:
    first = f"GET {RAW_URL} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    async with served() as address:
        got = await told(address, first + asking(RAW_URL))
    assert got.count(b"HTTP/1.1 200") == 2


async def test_a_connection_closed_in_the_middle_ends_only_itself() -> None:
    async with served() as address:
        for _ in range(5):
            async with await trio.open_tcp_stream(*address) as stream:
                await stream.send_all(asking(RAW_URL))
        assert (await told(address, asking(RAW_URL))).endswith(DATA)


async def test_who_has_been_silent_for_longest_makes_room() -> None:
    async with served() as address, AsyncExitStack() as stack:
        silent = [
            await stack.enter_async_context(await trio.open_tcp_stream(*address))
            for _ in range(256)
        ]
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert (await told(address, asking(RAW_URL))).startswith(b"HTTP/1.1 200")
        assert await silent[0].receive_some(1) == b""
        await silent[1].send_all(asking(RAW_URL))
        assert (await silent[1].receive_some(12)) == b"HTTP/1.1 200"


async def test_who_comes_while_all_are_being_answered_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ipvm.web.server._CONNECTIONS_MAX", 2)

    async def handler(_: Request) -> Answer:
        await trio.Event().wait()
        return Answer(200)

    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        address = await nursery.start(partial(serve, handler))
        for _ in range(2):
            stream = await stack.enter_async_context(await trio.open_tcp_stream(*address))
            await stream.send_all(asking("/"))
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert (await told(address, asking("/"))).startswith(b"HTTP/1.1 503")
        monkeypatch.setattr("ipvm.web.connection._DRAIN_SECONDS", 30)
        for _ in range(64):  # who do not close when they are told, and so hold a connection
            await stack.enter_async_context(await trio.open_tcp_stream(*address))
        await trio.testing.wait_all_tasks_blocked(0.05)
        async with await trio.open_tcp_stream(*address) as stream:
            assert await stream.receive_some(1) == b""
        nursery.cancel_scope.cancel()


async def test_those_who_take_no_answer_hold_only_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others wait for their turn, and get it when one of them is gone."""
    monkeypatch.setattr("ipvm.web.server._ANSWERS_MAX", 1)
    large = Block.of(bytes(4 * 1024 * 1024))
    store = Memory()
    await store.put_many([large, BLOCK])
    async with trio.open_nursery() as nursery:
        address = await nursery.start(partial(serve, gateway(BlockService(store))))
        slow = await trio.open_tcp_stream(*address)
        await slow.send_all(asking(f"/ipfs/{large.cid}?format=raw"))
        await slow.receive_some(1)
        got: list[bytes] = []

        async def ask() -> None:
            got.append(await told(address, asking(RAW_URL)))

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert got == []
        assert (await told(address, asking("/else"))).startswith(b"HTTP/1.1 404")  # a small one
        await slow.aclose()
        while not got:
            await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert got[0].startswith(b"HTTP/1.1 200")


async def broken() -> AsyncGenerator[bytes, None]:
    yield b"some"
    raise ValueError


@pytest.mark.parametrize("length", [None, 10])
async def test_an_answer_that_fails_midway_shows_that_it_is_not_whole(
    length: int | None, serving: Serving
) -> None:
    async def handler(_: Request) -> Answer:
        return Answer(200, (), broken(), length)

    async with serving(handler) as ask:
        got = await ask("GET", "/")
    assert (got.status, got.body, got.is_whole) == (200, b"some", False)


async def test_who_knows_no_chunks_sees_an_answer_end_with_an_error() -> None:
    async def handler(_: Request) -> Answer:
        return Answer(200, (), broken())

    async with trio.open_nursery() as nursery:
        address = await nursery.start(partial(serve, handler))
        with pytest.raises(trio.BrokenResourceError):
            await told(address, b"GET / HTTP/1.0\r\n\r\n")
        nursery.cancel_scope.cancel()


async def test_a_handler_cannot_be_made_to_write_a_header_of_its_own(serving: Serving) -> None:
    async def handler(_: Request) -> Answer:
        return Answer(200, (("X-Name", "a\r\nX-Evil: 1\n\0\u2028b"),))

    async with serving(handler) as ask:
        got = await ask("GET", "/")
    assert got.headers["x-name"] == "aX-Evil: 1b"
    assert "x-evil" not in got.headers


async def test_a_body_is_taken_in_up_to_a_bound_and_the_next_request_read() -> None:
    async def handler(request: Request) -> Answer:
        return Answer(200, (), request.body[::-1])

    async with trio.open_nursery() as nursery:
        address = await nursery.start(partial(serve, handler, body_bytes_max=lambda _: 4))
        posted = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        got = await told(
            address, posted % 4 + b"abcd" + chunked + b"2\r\nef\r\n0\r\n\r\n" + asking("/")
        )
        assert got.count(b"HTTP/1.1 200") == 3
        assert b"\r\n\r\ndcba" in got
        assert b"\r\n\r\nfe" in got
        for too_large in (posted % 5 + b"abcde", chunked + b"5\r\nabcde\r\n0\r\n\r\n"):
            assert b"HTTP/1.1 413" in await told(address, too_large)
        nursery.cancel_scope.cancel()
