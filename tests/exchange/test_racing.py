"""Several sources as one. The clock of these tests jumps to whatever is waited for."""

# ruff: noqa: ARG001 - a test gets that clock by naming it

import logging
from typing import NoReturn, final

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from ipvm.errors import IpvmError, LimitExceeded, NotFound, Refused, Unavailable
from ipvm.exchange import Answer, BlockService, Offline, Source, SourceBusy, StoreSource
from ipvm.exchange.standing import Standing
from ipvm.ipld import RAW, Block, BlockMismatch, BlockNotFound, Cid, UnknownHash
from ipvm.limits import BLOCK_BYTES_MAX, Limits
from ipvm.store import Memory
from ipvm.testing import Failing, Gated, Lying, Slow

BLOCKS = [Block.of(b"%d" % number) for number in range(40)]
BLOCK = BLOCKS[0]
NEVER = 1e9


@final
class Faulty:
    """A source with a fault."""

    async def fetch(self, cid: Cid) -> NoReturn:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError(cid)


@pytest.fixture
async def full() -> StoreSource:
    store = Memory()
    await store.put_many(BLOCKS)
    return StoreSource(store, name="full")


FAILURES: list[tuple[Source, type[Exception]]] = [
    (Failing(Unavailable("it is down")), Unavailable),
    (Failing(SourceBusy("later", rest_seconds=60)), Unavailable),
    (Failing(Refused("it is not in the mood")), Refused),
    (Failing(BlockNotFound(BLOCKS[1].cid)), BlockNotFound),
    (Failing(NotFound("nothing")), NotFound),
    (Lying(), BlockMismatch),
    (Faulty(), ZeroDivisionError),
    (Slow(Offline(), seconds=NEVER), Unavailable),
    (Offline(), BlockNotFound),
]


@pytest.mark.parametrize(("bad", "error"), FAILURES)
async def test_whatever_one_source_does_the_next_is_asked(
    bad: Source, error: type[Exception], full: StoreSource, autojump_clock: MockClock
) -> None:
    store = Memory()
    service = BlockService(store, bad, full)
    assert await service.get(BLOCK.cid) == BLOCK
    assert len(await service.get_many([each.cid for each in BLOCKS])) == len(BLOCKS)
    assert (await store.statistics()).blocks == len(BLOCKS)
    with pytest.raises(error):
        await BlockService(Memory(), bad).get(BLOCK.cid)


@pytest.mark.parametrize("order", [1, -1])
async def test_one_that_may_have_it_counts_more_than_one_that_has_not(
    order: int, autojump_clock: MockClock
) -> None:
    sources: tuple[Source, ...] = (Offline(), Failing(Unavailable("it is down")))
    with pytest.raises(Unavailable, match="it is down"):
        await BlockService(Memory(), *sources[::order]).get(BLOCK.cid)


async def test_when_several_fail_all_of_them_are_named(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    down = Slow(Failing(Unavailable("it is down")), seconds=0, name="one")
    with pytest.raises(Unavailable) as caught:
        await BlockService(Memory(), down, Lying(), Offline()).get(BLOCK.cid)
    assert "one: it is down\nLying: the data does not match" in str(caught.value)


async def test_a_fault_in_a_source_is_reported_and_ends_nothing(
    full: StoreSource, caplog: pytest.LogCaptureFixture, autojump_clock: MockClock
) -> None:
    with caplog.at_level(logging.ERROR, logger="ipvm"):
        assert await BlockService(Memory(), Faulty(), full).get(BLOCK.cid) == BLOCK
    assert "the source Faulty has a fault" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_the_next_is_asked_when_the_first_is_slower_than_usual(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    first, second = Slow(full, seconds=0.01, name="first"), Slow(full, seconds=0.01, name="second")
    service = BlockService(Memory(), first, second)
    for block in BLOCKS[:20]:
        await service.get(block.cid)
    assert second.asked == []
    first.seconds = 10
    began = trio.current_time()
    assert await service.get(BLOCKS[20].cid) == BLOCKS[20]
    assert trio.current_time() - began < 0.1
    assert second.asked == [BLOCKS[20].cid]
    assert first.cancelled == 1


async def test_a_slow_first_answer_may_still_win(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    first, second = Slow(full, seconds=1), Slow(full, seconds=10)
    assert await BlockService(Memory(), first, second).get(BLOCK.cid) == BLOCK
    assert (len(first.asked), len(second.asked), second.cancelled) == (1, 1, 1)


async def test_one_that_is_always_beaten_is_not_asked_first(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    stuck, quick = Slow(full, seconds=NEVER), Slow(full, seconds=0.01)
    service = BlockService(Memory(), stuck, quick)
    for block in BLOCKS[:6]:
        await service.get(block.cid)
    assert len(stuck.asked) == stuck.cancelled == 3


@pytest.mark.parametrize(("fault", "seconds"), [(Failing(Unavailable("down")), 1), (Lying(), 60)])
async def test_one_that_fails_rests_for_a_while(
    fault: Source, seconds: float, full: StoreSource, autojump_clock: MockClock
) -> None:
    first = Slow(fault, seconds=0)
    service = BlockService(Memory(), first, full)
    await service.get(BLOCKS[0].cid)
    await service.get(BLOCKS[1].cid)
    assert len(first.asked) == 1
    await trio.sleep(seconds * 2)
    await service.get(BLOCKS[2].cid)
    assert len(first.asked) == 2


async def test_one_that_rests_is_asked_when_nobody_else_has_it(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    back = Slow(Failing(Unavailable("down")), seconds=0)
    service = BlockService(Memory(), back, Offline())
    with pytest.raises(Unavailable):
        await service.get(BLOCK.cid)
    back._source = full
    assert await service.get(BLOCK.cid) == BLOCK


async def test_a_source_has_so_many_seconds_for_a_block(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    limits = Limits(fetch_seconds_max=3)
    stuck = Slow(full, seconds=NEVER)
    began = trio.current_time()
    with pytest.raises(Unavailable, match="slow did not answer within 3 s"):
        await BlockService(Memory(), stuck, limits=limits).get(BLOCK.cid)
    assert trio.current_time() - began == pytest.approx(3)
    assert stuck.cancelled == 1


@pytest.mark.parametrize("excess", [0, 1])
@pytest.mark.parametrize("maximum", [1000, Limits().fetched_block_bytes_max])
async def test_a_block_from_others_has_so_many_bytes(
    maximum: int, excess: int, autojump_clock: MockClock
) -> None:
    block, store = Block.of(bytes(maximum + excess)), Memory()
    await store.put(block)
    limits = Limits(fetched_block_bytes_max=maximum)
    service = BlockService(Memory(), StoreSource(store), limits=limits)
    if excess:
        with pytest.raises(LimitExceeded, match="--limit fetched_block_bytes_max=VALUE"):
            await service.get(block.cid)
    else:
        assert await service.get(block.cid) == block


async def test_no_limit_takes_more_than_a_block_may_have(autojump_clock: MockClock) -> None:
    data = bytes(BLOCK_BYTES_MAX + 1)
    limits = Limits(fetched_block_bytes_max=10 * len(data))
    with pytest.raises(IpvmError, match="at most"):
        await BlockService(Memory(), Lying(data), limits=limits).get(Cid.of(data))


async def test_nobody_is_asked_for_what_cannot_be_verified(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    source = Slow(full, seconds=0)
    with pytest.raises(UnknownHash):
        await BlockService(Memory(), source).get(Cid(bytes(20), codec=RAW, hash_code=0x11))
    assert source.asked == []


async def test_it_is_told_who_was_asked_and_what_came_of_it(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    answers: list[Answer] = []
    sources: list[Source] = [
        Lying(),
        Offline(),
        Slow(full, seconds=9, name="late"),
        Slow(full, seconds=1),
    ]
    service = BlockService(Memory(), *sources, on_answer=answers.append)
    await service.get(BLOCK.cid)
    assert [(each.source, each.outcome) for each in answers] == [
        ("Lying", "failed"),
        ("Offline", "absent"),
        ("slow", "block"),
        ("late", "late"),
    ]
    assert {each.cid for each in answers} == {BLOCK.cid}
    assert answers[2].block_bytes == len(BLOCK.data)
    assert 0.9 < answers[2].seconds < 1.1
    assert "does not match" in answers[0].problem


async def test_a_thousand_tasks_that_want_one_block_are_one_fetch(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    source = Gated(full)
    service = BlockService(Memory(), Offline(), source)
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(service.get, BLOCK.cid)
        await wait_all_tasks_blocked(0.001)
        source.gate.set()
    assert source.asked == [BLOCK.cid]


@pytest.mark.parametrize("number", [3, 4])
async def test_so_many_blocks_are_fetched_together_and_waiting_for_a_turn_costs_no_time(
    number: int, full: StoreSource, autojump_clock: MockClock
) -> None:
    limits = Limits(fetches_together_max=3, fetch_seconds_max=5)
    source = Gated(Slow(full, seconds=4))
    source.gate.set()
    service = BlockService(Memory(), source, limits=limits)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for block in BLOCKS[:number]:
            nursery.start_soon(service.get, block.cid)
    assert source.waiting_max == 3
    assert trio.current_time() - began == pytest.approx(4 if number == 3 else 8)


async def test_cancelling_a_get_cancels_all_that_are_asked(
    full: StoreSource, autojump_clock: MockClock
) -> None:
    sources = [Slow(full, seconds=NEVER) for _ in range(5)]
    with trio.move_on_after(5):
        await BlockService(Memory(), *sources).get(BLOCK.cid)
    assert [each.cancelled for each in sources] == [1] * 5


def test_a_source_that_mostly_lacks_what_it_is_asked_for_is_waited_for_less() -> None:
    good, bad = Standing(), Standing()
    for _ in range(50):
        good.served(0.2)
        bad.lacked(0.2)
    assert bad.patience_seconds < good.patience_seconds / 5


def test_rests_grow_and_end() -> None:
    standing = Standing()
    ends = []
    for _ in range(30):
        standing.failed(0)
        ends.append(next(second for second in range(1000) if not standing.rests(second)))
    assert ends[:4] == [1, 2, 4, 8]
    assert ends[-1] == 300
    standing.failed(0, rest_seconds=1e9)
    assert not standing.rests(301)
    standing.served(1)
    assert not standing.rests(0)
