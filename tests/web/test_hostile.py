"""What the gateway does about those who mean it harm, and about content that was made to."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from ipvm.exchange import BlockService
from ipvm.exchange.gateway import Gateway
from ipvm.files import Files, file_blocks
from ipvm.files.directory import directory
from ipvm.files.nodes import NO_METADATA, Link, file_message, node
from ipvm.files.profiles import PROFILES
from ipvm.ipld import Block
from ipvm.store import Memory
from ipvm.web import Answer, Request, gateway, serve

Serving = Callable[..., AbstractAsyncContextManager[Any]]
PROFILE = PROFILES["unixfs-v1-2025"]
HELLO = Block.of(b"hello")
LONG = Block.of(b"a" * 1000)
DEEP = "/ipfs/" + str(HELLO.cid) + "/a" * 1900
SHA_1 = "f01551114aabbccddeeff00112233445566778899aabbccdd"
MURMUR = "f01552208aabbccddeeff0011"

HOSTILE = [
    ("/ipfs/", {}, 400),
    ("/ipfs/..%2f..%2fetc%2fpasswd", {}, 400),
    (f"/ipfs/{HELLO.cid}/../../etc/passwd", {}, 400),
    (f"/ipfs/{HELLO.cid}%2f..", {}, 400),
    (f"/ipfs/{HELLO.cid}%00", {}, 400),
    (f"/ipfs/{HELLO.cid}/%00", {}, 404),
    (f"/ipfs/{HELLO.cid}/%ff", {}, 400),
    (f"/ipfs/{HELLO.cid}#part", {}, 400),
    (DEEP, {}, 404),
    (DEEP + "/a" * 2000, {}, 400),
    (f"/ipfs/b{'a' * 3000}?format=raw", {}, 400),
    (f"/ipfs/{SHA_1}?format=raw", {}, 400),
    (f"/ipfs/{SHA_1}?format=car", {}, 400),
    (f"/ipfs/{MURMUR}", {}, 400),
    ("/ipfs/f01550081000" + "61" * 128, {}, 400),
    (f"/ipfs/{HELLO.cid}", {"Range": "bytes=9999999999999999-"}, 416),
    (f"/ipfs/{HELLO.cid}", {"Range": "bytes=" + "0-1," * 3000 + "0-1"}, 206),
    (f"/ipfs/{HELLO.cid}", {"Range": "bytes=" + "9" * 9000 + "-"}, 200),
    (f"/ipfs/{HELLO.cid}", {"Accept": "a/b;q=0.1," * 1500}, 200),
    (f"/ipfs/{HELLO.cid}", {"Accept": ";;;,,,q=;=;q=nan, */*;q=1e999"}, 200),
    (f"/ipfs/{HELLO.cid}?format=car&entity-bytes=-{'9' * 19}:{'9' * 19}", {}, 200),
    (f"/ipfs/{HELLO.cid}?format=car&entity-bytes={'9' * 9000}:*", {}, 400),
    (f"/ipfs/{HELLO.cid}?" + "&".join(["format=raw"] * 1000), {}, 400),
    ("/ipns/example.org/", {}, 501),
    ("*", {}, 404),
    ("//ipfs/x", {}, 404),
]


@pytest.mark.parametrize("row", HOSTILE, ids=lambda row: row[0][-40:])
async def test_what_nobody_should_ask_gets_its_status(
    row: tuple[str, dict[str, str], int], serving: Serving
) -> None:
    target, headers, status = row
    store = Memory()
    await store.put(HELLO)
    async with serving(store) as ask:
        got = await ask("GET", target, headers)
        again = await ask("GET", f"/ipfs/{HELLO.cid}?format=raw")
    assert (got.status, got.is_whole) == (status, True)
    assert again.body == b"hello"


def parent(children: list[Block], sizes: list[int], data: bytes = b"") -> Block:
    links = [Link(b"", child.cid, 0) for child in children]
    size = sum(sizes) + len(data)
    return node(file_message(data, size, sizes, NO_METADATA), links, PROFILE, file_bytes=size)[1]


LYING = {
    "a part shorter than told": (parent([HELLO], [2**60]), 422),
    "a part longer than told": (parent([HELLO], [1]), 422),
    "a lie behind the beginning": (parent([LONG, HELLO], [1000, 9]), None),
    "more sizes than parts": (parent([HELLO], [5, 5]), 422),
    "sizes beyond all numbers": (parent([HELLO, HELLO], [2**63, 2**63]), 422),
    "no UnixFS at all": (Block.of(b"\xff\xff", codec=0x70), 422),
    "a codec that nobody knows": (Block.of(b"x", codec=0x55AA), 422),
}


@pytest.mark.parametrize("kind", LYING)
async def test_a_tree_that_lies_is_refused_or_breaks_off(kind: str, serving: Serving) -> None:
    root, status = LYING[kind]
    store = Memory()
    await store.put_many([root, HELLO, LONG])
    async with serving(store) as ask:
        got = await ask("GET", f"/ipfs/{root.cid}")
        raw = await ask("GET", f"/ipfs/{root.cid}?format=raw")
    if status is None:
        assert (got.status, got.body, got.is_whole) == (200, LONG.data, False)
    else:
        assert (got.status, got.is_whole) == (status, True)
    assert raw.body == root.data


async def test_a_tree_that_unfolds_without_end_costs_what_its_reader_takes(
    serving: Serving,
) -> None:
    """Sixty blocks, each twice below the one above: 2^60 times the same bytes."""
    blocks = [HELLO]
    for level in range(59):
        blocks.append(parent([blocks[-1]] * 2, [5 * 2**level] * 2))
    store = Memory()
    await store.put_many(blocks)
    root = blocks[-1].cid
    async with serving(store) as ask:
        once = await ask("GET", f"/ipfs/{root}?format=car")
        part = await ask("GET", f"/ipfs/{root}", {"Range": f"bytes={2**60 - 1}-{2**60 + 8}"})
        dups = await ask("GET", f"/ipfs/{root}?format=car&car-dups=y&entity-bytes=0:9")
    assert once.is_whole
    assert len(once.body) < 10_000
    assert part.body == b"hello" * 2
    assert dups.is_whole


async def test_a_folder_of_a_hundred_thousand_is_shown_in_part(serving: Serving) -> None:
    entries = [Link(f"file {number:06} <&>".encode(), HELLO.cid, 5) for number in range(100_000)]
    written, blocks = directory(entries, PROFILE)
    store = Memory()
    await store.put_many([HELLO, *blocks])
    async with serving(store) as ask:
        got = await ask("GET", f"/ipfs/{written.cid}/")
        one = await ask("GET", f"/ipfs/{written.cid}/file%20099999%20%3C%26%3E")
    assert (got.status, got.is_whole) == (200, True)
    assert b"there are more" in got.body
    assert len(got.body) < 8 * 1024 * 1024
    assert one.body == b"hello"


async def test_who_takes_nothing_of_an_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipvm.web.connection._PIECE_SECONDS", 0.05)
    told: list[tuple[int, int]] = []

    async def handler(_: Request) -> Answer:
        return Answer(200, (), bytes(64 * 1024 * 1024))

    def note(_: Request, status: int, sent: int, __: float) -> None:
        told.append((status, sent))

    async with trio.open_nursery() as nursery:
        address = await nursery.start(partial(serve, handler, on_answered=note))
        async with await trio.open_tcp_stream(*address) as slow:
            await slow.send_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            with trio.fail_after(10):
                while not told:
                    await trio.testing.wait_all_tasks_blocked(0.01)
        nursery.cancel_scope.cancel()
    assert told == [(200, 0)]


async def test_who_sends_a_request_byte_by_byte_is_told_or_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ipvm.web.connection._REQUEST_SECONDS", 0.05)
    async with trio.open_nursery() as nursery:
        address = await nursery.start(partial(serve, gateway(BlockService(Memory()))))
        async with await trio.open_tcp_stream(*address) as slow:
            await slow.send_all(b"GET / HT")
            with trio.fail_after(10):
                assert await slow.receive_some(1) == b""
        nursery.cancel_scope.cancel()


async def test_our_own_client_reads_a_tree_through_it_and_keeps_nothing_of_a_lie() -> None:
    data = bytes(range(256)) * 12_000
    root, blocks = file_blocks(data)
    far, near = Memory(), Memory()
    await far.put_many(blocks)
    folder, made = directory([Link(b"data.bin", root, 1)], PROFILE)
    await far.put_many(made)
    async with trio.open_nursery() as nursery:
        host, port = await nursery.start(partial(serve, gateway(BlockService(far))))
        async with Gateway(f"http://{host}:{port}") as source:
            service = BlockService(near, source)
            await service.fetch_ahead(folder.cid)
            files = Files(BlockService(near))  # all came in one go: nothing else is asked for
            assert await files.read(f"{folder.cid}/data.bin") == data
        nursery.cancel_scope.cancel()
