"""A batch gives what a loop over its values gives, in their order, sooner."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

import pytest
import trio
from hypothesis import given, settings, strategies as st
from trio.testing import wait_all_tasks_blocked

import ipvm
from ipvm.engine.store import stores_by_context
from ipvm.errors import GuestError, InvalidArguments
from ipvm.ipld import Block
from ipvm.store import Memory
from ipvm.testing import Gated, Library

Load = Callable[..., Awaitable[ipvm.Program]]

TEXT = """(module
  (global $count (mut i32) (i32.const 0))
  (func (export "divide") (param i32 i32) (result i32)
    (i32.div_s (local.get 0) (local.get 1)))
  (func (export "count") (param i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get 0)))
    (global.get $count))
  (func (export "spin") (param $n i32) (result i32) (local $i i32)
    (loop $again
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $n))
  (func (export "nothing")))"""


async def counting(load: Load) -> ipvm.Program:
    library = Library()
    return await load(library, library.code(TEXT))


async def test_awaiting_it_gives_a_list_in_order(load: Load) -> None:
    program = await counting(load)
    assert await program.count.map(range(100)) == list(range(100))
    assert await program.count.map([]) == []
    assert await program.divide.map([(6, 2), [9, 3]]) == [3, 3]
    assert await program.nothing.map([()] * 3) == [None] * 3


async def test_one_result_after_the_other_comes_in_order(load: Load) -> None:
    program = await counting(load)
    # What takes long comes first.
    values = [20_000_000, 1, 10_000_000, 2, 3]
    async with program.spin.map(values, concurrency=5) as results:
        assert [value async for value in results] == values


Outcome = tuple[list[object], tuple[str, ...]]
PAIRS = st.lists(st.tuples(st.integers(-3, 3), st.integers(-1, 3)), max_size=20)


async def one_by_one(function: ipvm.Function, pairs: Sequence[tuple[int, int]]) -> Outcome:
    found: list[object] = []
    try:
        for pair in pairs:
            found.append(await function(*pair))  # noqa: PERF401 - what came before counts
    except GuestError as error:
        return found, (error.kind, error.detail)
    return found, ()


async def mapped(
    function: ipvm.Function, pairs: Sequence[tuple[int, int]], concurrency: int
) -> Outcome:
    found: list[object] = []
    try:
        async with function.map(iter(pairs), concurrency=concurrency) as results:
            async for value in results:
                found.append(value)  # noqa: PERF401 - the same
    except GuestError as error:
        return found, (error.kind, error.detail)
    return found, ()


@given(pairs=PAIRS, concurrency=st.integers(1, 30))
@settings(max_examples=50)
async def test_it_gives_what_a_loop_gives_up_to_the_first_failure(
    pairs: list[tuple[int, int]], concurrency: int
) -> None:
    library = Library()
    root = library.code(TEXT)
    async with ipvm.open(store=await library.store(), cache=False) as node:
        function = (await node.load(root)).divide
        assert await mapped(function, pairs, concurrency) == await one_by_one(function, pairs)


async def test_a_failure_says_at_which_item(load: Load) -> None:
    program = await counting(load)
    for batch in (
        program.divide.map([(1, 1), (2, 0), (3, 0)]),
        program.divide.map(iter([(1, 1), (2, 0), (3, 0)]), concurrency=1),
    ):
        with pytest.raises(GuestError) as caught:
            await batch
        assert caught.value.__notes__ == [
            "That was item 1 of the batch, counted from 0: (2, 0)",
        ]


@pytest.mark.parametrize(
    ("name", "item", "message"),
    [
        ("divide", 1, "divide takes 2 arguments: an item is a tuple of them, got an integer"),
        ("divide", "ab", "an item is a tuple of them, got a string"),
        ("divide", (1,), "divide takes 2 arguments"),
        ("nothing", 1, "nothing takes no arguments: an item is a tuple of them"),
        ("count", (1,), "argument 1: expected i32, got an object of class tuple"),
        ("count", "x" * 1000, "argument 1: expected i32, got a string"),
    ],
)
async def test_an_item_that_does_not_fit_is_refused(
    load: Load, name: str, item: object, message: str
) -> None:
    program = await counting(load)
    with pytest.raises(InvalidArguments, match=message) as caught:
        await program[name].map([item])
    assert len(caught.value.__notes__[0]) < 300


async def test_a_number_of_calls_that_makes_no_sense_is_refused(load: Load) -> None:
    program = await counting(load)
    with pytest.raises(InvalidArguments, match="concurrency is a number of calls from 1, not 0"):
        await program.count.map([1], concurrency=0)


async def test_there_may_be_more_calls_at_a_time_than_values(load: Load) -> None:
    program = await counting(load)
    assert await program.count.map([1, 2], concurrency=10**9) == [1, 2]


async def test_values_are_taken_when_they_are_needed(load: Load) -> None:
    program = await counting(load)
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            yield taken
            taken += 1

    async with program.count.map(endless(), concurrency=3) as results:
        assert [await anext(results) for _ in range(10)] == list(range(10))
        await wait_all_tasks_blocked()
        assert taken < 10 + 3


async def test_values_may_come_as_they_become_known(load: Load) -> None:
    program = await counting(load)
    send, receive = trio.open_memory_channel[int](0)
    async with send, program.count.map(receive) as results:
        for number in range(20):
            await send.send(number)
            assert await anext(results) == number
        await send.aclose()
        assert [value async for value in results] == []


async def test_what_the_values_raise_comes_out_in_its_place(load: Load) -> None:
    program = await counting(load)

    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise ZeroDivisionError

    async def failing_later() -> AsyncIterator[int]:
        for value in failing():
            await trio.lowlevel.checkpoint()
            yield value

    for values in (failing(), failing_later()):
        async with program.count.map(values) as results:
            assert [await anext(results), await anext(results)] == [1, 2]
            with pytest.raises(ZeroDivisionError):
                await anext(results)
            assert [value async for value in results] == []


async def test_leaving_the_block_ends_the_calls(load: Load) -> None:
    before = len(stores_by_context())
    program = await counting(load)
    async with program.spin.map([1] + [-1] * 100, concurrency=5) as results:
        async for value in results:
            assert value == 1
            break
    assert len(stores_by_context()) == before


async def test_a_failure_ends_the_calls_after_it_and_not_those_before(load: Load) -> None:
    before = len(stores_by_context())
    program = await counting(load)
    endless = 2**31 - 1
    pairs = [10_000_000, endless, endless]

    async def values() -> AsyncIterator[object]:
        for value in pairs[:1]:
            yield value
        yield "no number"
        for value in pairs[1:]:
            yield value

    async with program.spin.map(values(), concurrency=4) as results:
        assert await anext(results) == 10_000_000
        with pytest.raises(InvalidArguments, match="expected i32"):
            await anext(results)
    assert len(stores_by_context()) == before


async def test_cancelling_it_ends_the_calls(load: Load) -> None:
    before = len(stores_by_context())
    program = await counting(load)
    with trio.move_on_after(0.05) as scope:
        await program.spin.map([-1] * 10)
    assert scope.cancelled_caught
    assert len(stores_by_context()) == before


async def test_an_error_in_the_block_comes_out_as_it_is(load: Load) -> None:
    program = await counting(load)

    async def fail() -> None:
        async with program.spin.map([1] + [-1] * 10) as results:
            async for _value in results:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


async def test_a_loop_without_a_block_is_refused(load: Load) -> None:
    program = await counting(load)
    with pytest.raises(TypeError, match="async with batch as results"):
        aiter(program.count.map([1]))


async def test_receipts_are_those_of_single_calls_also_where_one_fails(load: Load) -> None:
    program = await counting(load)
    pairs = [(6, 2), (1, 0), (9, 3)]
    receipts = await program.divide.receipts(pairs)
    assert [receipt.cid for receipt in receipts] == [
        (await program.divide.receipt(*pair)).cid for pair in pairs
    ]
    assert receipts[1].error is not None
    assert [receipts[0].value, receipts[2].value] == [3, 3]


async def test_calls_wait_at_the_same_time(reading: Callable[..., str]) -> None:
    library = Library()
    wanted = [library.keep(Block.of(b"%d" % number)) for number in range(10)]
    root = library.code(reading(wanted))
    source = Gated(ipvm.StoreSource(await library.store()))
    async with ipvm.open(store=Memory(), sources=[source], cache=False) as node:
        await node.store.put(library.blocks[root])
        program = await node.load(root)
        async with program.read.map(range(1, 11), concurrency=4) as results:
            await wait_all_tasks_blocked()
            assert source.waiting == 4
            source.gate.set()
            assert [value async for value in results] == [0] * 10


async def test_a_batch_may_run_again_if_its_values_may(load: Load) -> None:
    program = await counting(load)
    batch = program.count.map([1, 2, 3])
    assert await batch == await batch == [1, 2, 3]
