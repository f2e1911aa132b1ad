"""A session keeps one instance, state and all, and runs one call at a time in it."""

import resource
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings, strategies as st
from trio.testing import wait_all_tasks_blocked

import ipvm
from ipvm.errors import InvalidArguments, LimitExceeded
from ipvm.ipld import RAW, Block, Cid
from ipvm.model import Profile
from ipvm.store import Memory
from ipvm.testing import Gated, Library

Load = Callable[..., Awaitable[ipvm.Program]]
Calling = Callable[..., str]

COUNTER = """(module
  (global $count (mut i32) (i32.const 0))
  (func (export "add") (param i32) (result i32)
    (global.set $count (i32.add (global.get $count) (local.get 0)))
    (global.get $count))
  (func (export "nothing"))
  (func (export "both") (result i32 f64) (global.get $count) (f64.const 0.5))
  (func (export "echo") (param i32 i64 f32 f64) (result i32 i64 f32 f64)
    (local.get 0) (local.get 1) (local.get 2) (local.get 3))
  (func (export "trap") (global.set $count (i32.const 1000)) (unreachable))
  (func (export "recurse") (result i32) (i32.add (call 5) (i32.const 1)))
  (func (export "spin") (loop (br 0))))"""


async def counter(load: Load, *, profile: Profile = "deterministic") -> ipvm.Program:
    library = Library()
    return await load(library, library.code(COUNTER), profile=profile)


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
async def test_a_call_finds_what_the_one_before_left(load: Load, profile: Profile) -> None:
    program = await counter(load, profile=profile)
    async with program.session() as session:
        assert [await session.add(number) for number in (1, 2, 3)] == [1, 3, 6]
        assert await session["both"]() == [6, 0.5]
        assert await session.nothing() is None
        assert await program.add(1) == 1
        async with program.session() as other:
            assert await other.add(1) == 1
        assert await session.add(1) == 7


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
async def test_a_function_may_be_called_for_the_first_time_after_others_ran_elsewhere(
    load: Load, profile: Profile
) -> None:
    program = await counter(load, profile=profile)
    async with program.session() as session, program.session() as other:
        for _ in range(3):
            with trio.move_on_after(0.01):
                await program.using(memory=2**20).spin()
        assert await other.add(2) == 2
        assert await session.add(1) == 1
        assert await other["both"]() == [2, 0.5]
        assert await session["both"]() == [1, 0.5]


@given(numbers=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20))
@settings(max_examples=20)
async def test_a_session_adds_up_like_the_sum(numbers: list[int]) -> None:
    library = Library()
    root = library.code(COUNTER)
    async with ipvm.open(store=await library.store(), cache=False) as node:
        async with node.session(root) as session:
            found = [await session.add(number) for number in numbers]
    total = 0
    for number, given_ in zip(numbers, found, strict=True):
        total = (total + number + 2**31) % 2**32 - 2**31
        assert given_ == total


ANYTHING = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.booleans(), st.text(max_size=3), st.none()
)


@given(calls=st.lists(st.lists(ANYTHING, min_size=3, max_size=5), max_size=10))
@settings(max_examples=30)
async def test_arguments_are_taken_and_refused_as_by_an_isolated_call(
    calls: list[list[object]],
) -> None:
    library = Library()
    root = library.code(COUNTER)
    async with ipvm.open(store=await library.store(), cache=False) as node:
        program = await node.load(root)
        async with program.session() as session:
            for values in calls:
                found = []
                for function in (program.echo, session.echo):
                    try:
                        found.append(repr(await function(*values)))
                    except InvalidArguments as error:
                        found.append(str(error))
                assert found[0] == found[1]


async def test_each_call_has_all_the_fuel(load: Load) -> None:
    program = (await counter(load)).using(fuel=100)
    async with program.session() as session:
        for _ in range(50):
            assert (await session.add.measured(1)).fuel == (await program.add.measured(1)).fuel
        assert await session.add(0) == 50


async def test_fuel_is_not_counted_where_the_profile_does_not(load: Load) -> None:
    program = await counter(load, profile="fast")
    async with program.session() as session:
        assert (await session.add.measured(1)) == (await program.add.measured(1))


async def test_functions_of_a_session_have_neither_receipts_nor_batches(load: Load) -> None:
    async with (await counter(load)).session() as session:
        assert not hasattr(session.add, "receipt")
        assert not hasattr(session.add, "map")


INITIALIZING = """(module
  (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
  (import "ipld" "block_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
  (import "ipld" "block_stat" (func $stat (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $opened (mut i32) (i32.const 0))
  (func (export "_initialize")
    (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
    (i32.store (i32.const 4) (i32.const 77))
    (drop (call $create (i32.const 8) (i64.const 0x55) (i32.const 4) (i32.const 4))))
  (func (export "times") (result i32) (i32.load (i32.const 0)))
  (func (export "first") (result i32)
    (drop (call $read (i32.const 16) (i32.load (i32.const 8)) (i32.const 0) (i32.const 20)
                      (i32.const 4)))
    (i32.load (i32.const 20)))
  (func (export "swap") (param $handle i32) (result i32) (local $last i32)
    (local.set $last (global.get $opened))
    (global.set $opened (local.get $handle))
    (call $stat (i32.const 32) (local.get $last)))
  (func (export "open") (param $handle i32) (param $size i32) (result i32)
    (call $create (i32.const 32) (i64.const 0x55) (i32.const 1024) (local.get $size)))
  (func (export "stat") (param $handle i32) (result i32)
    (call $stat (i32.const 32) (local.get $handle)))
  (func (export "same") (param i32) (result i32) (local.get 0)))"""
SIGNATURES = {
    "times": ipvm.Signature(params=(), results=("i32",)),
    "first": ipvm.Signature(params=(), results=("i32",)),
    "swap": ipvm.Signature(params=("bytes",), results=("i32",)),
    "open": ipvm.Signature(params=("bytes", "i32"), results=("i32",)),
    "stat": ipvm.Signature(params=("i32",), results=("i32",)),
    "same": ipvm.Signature(params=("bytes",), results=("bytes",)),
}


async def initializing(load: Load, **bounds: object) -> ipvm.Program:
    library = Library()
    return await load(library, library.manifest(INITIALIZING, exports=SIGNATURES), **bounds)


async def test_what_a_program_initialises_runs_once(load: Load) -> None:
    async with (await initializing(load)).session() as session:
        assert [await session.times() for _ in range(3)] == [1, 1, 1]


async def test_blocks_that_initialising_opened_stay_open(load: Load) -> None:
    async with (await initializing(load)).session() as session:
        for _ in range(3):
            assert await session.same(b"argument") == b"argument"
            assert await session.first() == 77


async def test_the_blocks_of_a_call_are_closed_after_it(load: Load) -> None:
    async with (await initializing(load)).session() as session:
        assert await session.stat(1) == 0  # that of the initialiser
        assert await session.open(b"", 10) == 0
        assert await session.stat(2) == 7


async def test_a_handle_that_a_guest_keeps_is_of_what_the_next_call_opens_there(load: Load) -> None:
    async with (await initializing(load)).session() as session:
        assert await session.swap(b"first") == 7
        assert await session.swap(b"second") == 0
        assert await session.swap(None) == 7


async def test_blocks_do_not_add_up_from_call_to_call(load: Load) -> None:
    program = await initializing(load, memory=2 * 65536 + 2 * 65536)
    data = bytes(65536)
    async with program.session() as session:
        for _ in range(500):
            assert await session.open(data, 65536) == 0
            assert await session.same(data) == data
        with pytest.raises(LimitExceeded, match="memory"):
            await session.same(bytes(5 * 65536))
        assert await session.same(data) == data


async def test_a_hundred_thousand_calls_take_no_more_memory_than_a_thousand(load: Load) -> None:
    program = await initializing(load, memory=2 * 65536 + 2 * 65536)
    data = bytes(65536)
    async with program.session() as session:
        for _ in range(1000):
            assert await session.open(data, 65536) == 0
        before = resident_bytes()
        for _ in range(100_000):
            assert await session.open(data, 65536) == 0
        assert resident_bytes() - before < 4 * 1024 * 1024


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def test_memory_that_grows_is_bounded_for_the_session(load: Load) -> None:
    library = Library()
    text = """(module (memory 1) (func (export "grow") (result i32)
                (memory.grow (i32.const 1))))"""
    program = await load(library, library.code(text), memory=3 * 65536)
    async with program.session() as session:
        assert [await session.grow() for _ in range(4)] == [1, 2, -1, -1]


async def test_a_block_that_a_call_made_is_stored_when_it_is_done(
    node: ipvm.Node, load: Load, making: Callable[..., str]
) -> None:
    library = Library()
    program = await load(library, library.code(making(b"made in a session", codec=RAW)))
    made = Cid.of(b"made in a session")
    async with program.session() as session:
        assert not await node.store.has(made)
        assert await session.make() == 17
        assert await node.get(made) == b"made in a session"
        assert await session.make() == 17


async def test_a_call_by_cid_is_isolated_as_always(load: Load, calling: Calling) -> None:
    library = Library()
    callee = library.code(COUNTER)
    for name, expected in (("nothing", 0), ("trap", 2), ("spin", 3)):
        root = library.code(calling(callee, name, fuel=1_000_000))
        async with (await load(library, root)).session() as session:
            assert [await session.go() for _ in range(3)] == [expected] * 3


async def test_what_a_function_says_is_passed_on() -> None:
    library = Library()
    root = library.code(LOGGING)
    said: list[tuple[Cid, str]] = []
    store = await library.store()
    async with ipvm.open(store=store, on_log=lambda cid, text: said.append((cid, text))) as node:
        async with node.session(root) as session:
            await session.say()
            await session.say()
    assert said == [(root, "working")] * 2


LOGGING = """(module
  (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 0) "working")
  (func (export "say") (drop (call $log (i32.const 0) (i32.const 7)))))"""


async def test_calls_at_once_wait_in_line(reading: Callable[..., str]) -> None:
    library = Library()
    wanted = library.keep(Block.of(b"wanted"))
    root = library.code(reading([wanted]))
    source = Gated(ipvm.StoreSource(await library.store()))
    order: list[int] = []
    async with ipvm.open(store=Memory(), sources=[source], cache=False) as node:
        await node.store.put(library.blocks[root])
        async with node.session(root) as session, trio.open_nursery() as nursery:

            async def call(number: int) -> None:
                assert await session.read(number) == 0
                order.append(number)

            nursery.start_soon(call, 1)
            await wait_all_tasks_blocked()
            nursery.start_soon(call, 0)
            await wait_all_tasks_blocked()
            nursery.start_soon(call, 1)
            await wait_all_tasks_blocked()
            assert (order, source.asked) == ([], [wanted])
            source.gate.set()
    assert order == [1, 0, 1]


async def test_short_calls_let_other_tasks_run(load: Load) -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with (await counter(load)).session() as session, trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        for _ in range(1_000_000):
            await session.nothing()
            if turns >= 5:
                break
        assert turns >= 5
        nursery.cancel_scope.cancel()


async def test_a_session_shows_itself_as_what_it_is(
    load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    program = await counter(load)
    async with program.session() as session:
        help(session.add)
        assert "add(i32) -> i32" in capsys.readouterr().out
        assert repr(session.add) == f"<function add(i32) -> i32 of a session of {program.cid}>"
        assert repr(session).startswith(f"<session of {program.cid} with ")
        assert list(session) == list(program)
        assert {"add", "spin"} <= {*dir(session)}
        assert session.add is session["add"]
        assert "add(i32) -&gt; i32" in session._repr_html_()
        with pytest.raises(AttributeError, match="has no function nope; it has"):
            _ = session.nope
        with pytest.raises(InvalidArguments, match='no function "nope"'):
            _ = session["nope"]
