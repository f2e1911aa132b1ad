"""What something that pretends to be a Kubo may do to us: it costs little, and is one of our errors."""

# ruff: noqa: ARG001 - a test gets the clock that jumps by naming it

import json
from typing import TYPE_CHECKING

import pytest
from trio.testing import MockClock

from ipvm.errors import IpvmError, LimitExceeded, Unavailable
from ipvm.exchange import BlockService, OfflineBlockNotFound, StoreSource
from ipvm.exchange.kubo import Kubo, KuboUnavailable
from ipvm.ipld import Block, BlockMismatch, BlockNotFound
from ipvm.limits import Limits
from ipvm.store import Memory
from ipvm.store.car import Write, car_header, car_section

if TYPE_CHECKING:
    from tests.exchange.kubo.conftest import Pretender

BLOCK = Block.of(b"a block" * 1000)
LEAVES = [Block.of(b"%d" % number) for number in range(20)]
ROOT = Block.encode([leaf.cid for leaf in LEAVES])
ABSENT = f"block was not found locally (offline): ipld: could not find {BLOCK.cid}"


async def html(kubo: "Pretender") -> None:
    await kubo.say(500, b"<html>" * 1000, "text/html")


async def good_html(kubo: "Pretender") -> None:
    await kubo.say(200, b"<html>", "text/html")


async def not_here(kubo: "Pretender") -> None:
    await kubo.say(404, b"404 page not found", "text/plain")


async def forbidden(kubo: "Pretender") -> None:
    await kubo.say(403, b"403 - Forbidden", "text/plain")


async def elsewhere(kubo: "Pretender") -> None:
    await kubo.send(b"HTTP/1.1 307 So\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")


async def deep(kubo: "Pretender") -> None:
    await kubo.say(500, b"[" * 60_000)


async def no_message(kubo: "Pretender") -> None:
    await kubo.say(500, b'{"Message": {"Message": 1}}')


async def an_endless_error(kubo: "Pretender") -> None:
    await kubo.send(b"HTTP/1.1 500 So\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await kubo.send(b"10000\r\n" + b"a" * 65536 + b"\r\n")


async def a_long_message(kubo: "Pretender") -> None:
    await kubo.fail("\x1b[31m" + "a" * 60_000)


async def no_http(kubo: "Pretender") -> None:
    await kubo.send(b"SSH-2.0-so\r\n\r\n")


async def hanging_up(kubo: "Pretender") -> None:
    assert kubo.stream is not None
    await kubo.stream.aclose()


async def a_block_and_an_error(kubo: "Pretender") -> None:
    await kubo.stream_out(BLOCK.data, "it burns")


@pytest.mark.parametrize(
    "answer",
    [
        html, good_html, not_here, forbidden, elsewhere, deep, no_message, an_endless_error,
        a_long_message, no_http, hanging_up, a_block_and_an_error,
    ],
)  # fmt: skip
async def test_whatever_is_no_answer_is_unavailable_and_said_in_short(
    pretender: "Pretender", pretended: Kubo, answer: object
) -> None:
    pretender.answer = answer  # type: ignore[assignment]
    with pytest.raises(Unavailable) as caught:
        await pretended.fetch(BLOCK.cid)
    assert len(str(caught.value)) < 1000
    with pytest.raises(Unavailable):
        await pretended.keep(write_pack)
    for work in (pretended.pin(ROOT.cid, name="x"), pretended.provide(ROOT.cid)):
        with pytest.raises(Unavailable):
            await work


async def write_pack(write: Write) -> None:
    await write(car_header([ROOT.cid]))
    for block in (ROOT, *LEAVES):
        await write(car_section(block))


async def test_what_it_has_not_is_not_found_and_asked_for_with_offline(
    pretender: "Pretender", pretended: Kubo
) -> None:
    async def absent(kubo: "Pretender") -> None:
        await kubo.fail(ABSENT)

    pretender.answer = absent
    with pytest.raises(BlockNotFound):
        await pretended.fetch(BLOCK.cid)
    with pytest.raises(BlockNotFound):
        async with pretended.fetch_dag(BLOCK.cid):
            raise AssertionError
    with pytest.raises(KuboUnavailable, match="could not find"):
        await pretended.pin(BLOCK.cid, name="x")
    assert [each.split()[1] for each in pretender.asked] == [
        f"/api/v0/block/get?arg={BLOCK.cid}&offline=true",
        f"/api/v0/dag/export?arg={BLOCK.cid}&offline=true",
        f"/api/v0/pin/add?arg={BLOCK.cid}&name=x&timeout=600s",
    ]


async def test_who_lets_it_search_gives_it_the_time_of_a_fetch(pretender: "Pretender") -> None:
    async def late(kubo: "Pretender") -> None:
        await kubo.fail("context deadline exceeded")

    pretender.answer = late
    async with Kubo(f"{pretender.url}/api/v0", searches=True) as kubo:
        with pytest.raises(KuboUnavailable):
            await kubo.fetch(BLOCK.cid)
    assert pretender.asked[0].split()[1] == f"/api/v0/block/get?arg={BLOCK.cid}&timeout=30s"


@pytest.mark.parametrize("data", [b"", BLOCK.data[:-1] + b"!", BLOCK.data + b"!"])
async def test_wrong_bytes_are_never_stored(
    pretender: "Pretender", pretended: Kubo, data: bytes
) -> None:
    async def lie(kubo: "Pretender") -> None:
        await kubo.stream_out(data)

    pretender.answer = lie if data else good_html
    store = Memory()
    with pytest.raises(IpvmError) as caught:
        await BlockService(store, pretended).get(BLOCK.cid)
    assert isinstance(caught.value, BlockMismatch if data else Unavailable)
    assert not await store.has(BLOCK.cid)


async def test_an_endless_block_ends(pretender: "Pretender", pretended: Kubo) -> None:
    async def endless(kubo: "Pretender") -> None:
        await kubo.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await kubo.send(b"10000\r\n" + bytes(65536) + b"\r\n")

    pretender.answer = endless
    with pytest.raises(LimitExceeded):
        await pretended.fetch(BLOCK.cid)


async def test_a_dag_that_it_has_in_part_comes_as_far_as_it_has_it(
    pretender: "Pretender", pretended: Kubo
) -> None:
    async def part(kubo: "Pretender") -> None:
        if "dag/export" in kubo.asked[-1]:
            sections = [car_section(block) for block in (ROOT, *LEAVES[:5])]
            car = car_header([ROOT.cid]) + b"".join(sections)
            await kubo.stream_out(car, ABSENT)
        elif str(ROOT.cid) in kubo.asked[-1]:
            await kubo.stream_out(ROOT.data)
        else:
            await kubo.fail(ABSENT)

    pretender.answer = part
    store = Memory()
    blocks = BlockService(store, pretended)
    await blocks.fetch_ahead(ROOT.cid)
    assert [await store.has(leaf.cid) for leaf in LEAVES] == [True] * 5 + [False] * 15
    with pytest.raises(BlockNotFound):
        await blocks.get(LEAVES[5].cid)


async def test_one_that_is_not_there_says_what_to_do() -> None:
    async with Kubo("/ip4/127.0.0.1/tcp/1") as kubo:
        for work in (kubo.fetch(ROOT.cid), kubo.keep(write_pack)):
            with pytest.raises(KuboUnavailable, match="Connection refused; `ipfs daemon` starts"):
                await work


async def test_a_root_that_it_does_not_pin_is_an_error(
    pretender: "Pretender", pretended: Kubo
) -> None:
    reports = [
        json.dumps({"Root": {"Cid": {"/": str(ROOT.cid)}, "PinErrorMsg": ABSENT}}).encode(),
        json.dumps({"Root": {"Cid": {"/": str(ROOT.cid)}, "PinErrorMsg": 1}}).encode(),
        b"",
        b"[" * 60_000 + b"\nnull\n1\n",
    ]

    async def report(kubo: "Pretender") -> None:
        await kubo.say(200, reports[0])

    pretender.answer = report
    while reports:
        with pytest.raises(KuboUnavailable):
            await pretended.keep(write_pack)
        reports.pop(0)


async def test_what_it_says_before_it_has_read_all_is_heard(
    pretender: "Pretender", pretended: Kubo
) -> None:
    async def refuse(kubo: "Pretender") -> None:
        await kubo.fail("the disk is full")
        assert kubo.stream is not None
        await kubo.stream.aclose()

    async def write_for_ever(write: Write) -> None:
        while True:
            await write(bytes(100_000))

    pretender.reads_bodies, pretender.answer = False, refuse
    with pytest.raises(Unavailable):
        await pretended.keep(write_for_ever)


async def test_one_that_stands_still_is_given_up(
    clock: MockClock, pretender: "Pretender", pretended: Kubo
) -> None:
    async def still(kubo: "Pretender") -> None:
        assert kubo.stream is not None
        while await kubo.stream.receive_some(65536):
            pass

    pretender.answer = still
    for work in (
        pretended.keep(write_pack),
        pretended.pin(ROOT.cid, name="x"),
        pretended.provide(ROOT.cid),
    ):
        with pytest.raises(KuboUnavailable, match="did not get on with it"):
            await work


async def test_a_writer_that_fails_is_what_is_told(pretender: "Pretender", pretended: Kubo) -> None:
    async def fail(write: Write) -> None:
        await write(car_header([ROOT.cid]))
        raise OfflineBlockNotFound(ROOT.cid)

    with pytest.raises(OfflineBlockNotFound):
        await pretended.keep(fail)
    del pretender


async def test_sources_that_have_a_fault_do_not_end_the_run(pretender: "Pretender") -> None:
    pretender.answer = html
    other = Memory()
    await other.put(BLOCK)
    async with Kubo(pretender.url) as kubo:
        blocks = BlockService(
            Memory(), kubo, StoreSource(other), limits=Limits(fetch_seconds_max=5)
        )
        assert await blocks.get(BLOCK.cid) == BLOCK
