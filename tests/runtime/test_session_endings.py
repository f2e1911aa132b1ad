"""What ends a session, what does not, and what is told to whom."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

import ipvm
from ipvm.engine.store import stores_by_context
from ipvm.errors import GuestError, InvalidArguments, LimitExceeded
from ipvm.ipld import Block
from ipvm.model import Profile
from ipvm.runtime.session import Session, SessionClosed
from ipvm.store import Memory
from ipvm.testing import Gated, Library

Load = Callable[..., Awaitable[ipvm.Program]]
Reading = Callable[..., str]

TEXT = """(module
  (import "ipvm" "abort" (func $abort (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global $count (mut i32) (i32.const 0))
  (func $next (export "next") (result i32)
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.get $count))
  (func (export "abort") (drop (call $next))
    (drop (call $abort (i32.const 7) (i32.const 0) (i32.const 0))))
  (func (export "trap") (param i32) (drop (i32.div_s (i32.const 1) (local.get 0))))
  (func $recurse (export "recurse") (result i32)
    (i32.add (call $recurse) (i32.const 1)))
  (func (export "wrong") (result i32) (call $next))
  (func (export "spin") (loop (br 0))))"""
SIGNATURES = {
    "next": ipvm.Signature(params=(), results=("i32",)),
    "abort": ipvm.Signature(params=(), results=()),
    "trap": ipvm.Signature(params=("i32",), results=()),
    "recurse": ipvm.Signature(params=(), results=("i32",)),
    "wrong": ipvm.Signature(params=(), results=("bytes",)),
    "spin": ipvm.Signature(params=(), results=()),
}
PROFILES = pytest.mark.parametrize("profile", ["deterministic", "fast"])


async def failing(load: Load, *, profile: Profile = "deterministic") -> ipvm.Program:
    library = Library()
    root = library.manifest(TEXT, exports=SIGNATURES)
    return await load(library, root, profile=profile)


@asynccontextmanager
async def waiting(reading: Reading) -> AsyncIterator[tuple[Session, Gated]]:
    """A session whose function waits for a block until the gate opens."""
    library = Library()
    wanted = library.keep(Block.of(b"wanted"))
    root = library.code(reading([wanted]))
    source = Gated(ipvm.StoreSource(await library.store()))
    async with ipvm.open(store=Memory(), sources=[source], cache=False) as node:
        await node.store.put(library.blocks[root])
        async with node.session(root) as session:
            yield session, source


async def assert_ended(session: Session, message: str) -> None:
    for _ in range(2):
        with pytest.raises(SessionClosed, match=message) as caught:
            await session.next()
        assert "open another session to go on" in str(caught.value)


@PROFILES
async def test_arguments_that_do_not_fit_do_not_end_it(load: Load, profile: Profile) -> None:
    async with (await failing(load, profile=profile)).session() as session:
        for wrong in ((), ("1",), (1, 2), (2**31,)):
            with pytest.raises(InvalidArguments):
                await session.trap(*wrong)
        assert await session.next() == 1


@PROFILES
async def test_an_abort_does_not_end_it(load: Load, profile: Profile) -> None:
    async with (await failing(load, profile=profile)).session() as session:
        for count in range(1, 10, 2):
            with pytest.raises(GuestError) as caught:
                await session.abort()
            assert (caught.value.kind, caught.value.code) == ("abort", 7)
            assert await session.next() == count + 1


async def test_a_result_that_is_none_does_not_end_it(load: Load) -> None:
    async with (await failing(load)).session() as session:
        with pytest.raises(GuestError) as caught:
            await session.wrong()
        assert caught.value.kind == "invalid-result"
        assert await session.next() == 2


@PROFILES
async def test_a_trap_ends_it(load: Load, profile: Profile) -> None:
    async with (await failing(load, profile=profile)).session() as session:
        with pytest.raises(GuestError) as caught:
            await session.trap(0)
        assert caught.value.kind == "trap"
        assert [frame.function for frame in caught.value.frames] == ["trap"]
        await assert_ended(session, r"ended when trap trapped \(integer division by zero\)")


async def test_running_out_of_fuel_ends_it(load: Load) -> None:
    program = (await failing(load)).using(fuel=100_000)
    async with program.session() as session:
        with pytest.raises(GuestError) as caught:
            await session.spin()
        assert (caught.value.kind, caught.value.fuel_used) == ("out-of-fuel", 100_000)
        await assert_ended(session, "ended when spin ran out of fuel")


@PROFILES
async def test_a_stack_overflow_ends_it(load: Load, profile: Profile) -> None:
    async with (await failing(load, profile=profile)).session() as session:
        with pytest.raises(LimitExceeded, match="wasm_stack_bytes"):
            await session.recurse()
        await assert_ended(session, r"ended when recurse was stopped \(the limit wasm_stack_bytes")


@PROFILES
async def test_cancelling_a_call_that_computes_ends_it(load: Load, profile: Profile) -> None:
    async with (await failing(load, profile=profile)).session() as session:
        with trio.move_on_after(0.02) as scope:
            await session.spin()
        assert scope.cancelled_caught
        await assert_ended(session, "ended when a call of spin was cancelled")


async def test_a_call_that_is_cancelled_before_it_begins_does_not_end_it(load: Load) -> None:
    async with (await failing(load)).session() as session:
        with trio.CancelScope() as scope:
            scope.cancel()
            await session.next()
        assert scope.cancelled_caught
        assert await session.next() == 1


async def test_cancelling_who_waits_in_line_does_not_end_it(reading: Reading) -> None:
    async with waiting(reading) as (session, source), trio.open_nursery() as nursery:
        nursery.start_soon(session.read, 1)
        await wait_all_tasks_blocked()
        with trio.move_on_after(0.01) as scope:
            await session.read(1)
        assert scope.cancelled_caught
        source.gate.set()
        assert await session.read(1) == 0


async def test_cancelling_a_call_that_waits_ends_it_for_all_in_line(reading: Reading) -> None:
    async with waiting(reading) as (session, source), trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def give_up() -> None:
            with scope:
                await session.read(1)

        nursery.start_soon(give_up)
        await wait_all_tasks_blocked()
        for _ in range(3):
            nursery.start_soon(expect_closed, session, "a call of read was cancelled")
        await wait_all_tasks_blocked()
        scope.cancel()
    assert source.waiting == 0


async def expect_closed(session: Session, message: str) -> None:
    with pytest.raises(SessionClosed, match=message):
        await session.read(1)


async def test_leaving_the_block_ends_the_call_that_runs_and_those_in_line(
    reading: Reading,
) -> None:
    before = len(stores_by_context())
    async with trio.open_nursery() as nursery:
        async with waiting(reading) as (session, source):
            nursery.start_soon(expect_closed, session, "the session was closed while the call ran")
            await wait_all_tasks_blocked()
            for _ in range(3):
                nursery.start_soon(expect_closed, session, "the session is closed")
            await wait_all_tasks_blocked()
        assert source.waiting == 0
        assert len(stores_by_context()) == before


async def test_leaving_the_block_ends_a_call_that_computes(load: Load) -> None:
    async with trio.open_nursery() as nursery:
        async with (await failing(load)).session() as session:

            async def spin() -> None:
                with pytest.raises(SessionClosed, match="was closed while the call ran"):
                    await session.spin()

            nursery.start_soon(spin)
            await wait_all_tasks_blocked()


@PROFILES
async def test_after_the_block_it_takes_no_calls(load: Load, profile: Profile) -> None:
    program = await failing(load, profile=profile)
    async with program.session() as session:
        assert await session.next() == 1
    for function in (session.next, session.abort):
        with pytest.raises(SessionClosed, match="the session is closed: open another session"):
            await function()
    assert "next" in session.functions
    assert "next() -> i32" in repr(session["next"])


async def test_an_error_in_the_block_comes_out_as_it_is_and_frees_the_instance(load: Load) -> None:
    before = len(stores_by_context())
    program = await failing(load)

    async def fail(error: type[Exception]) -> None:
        async with program.session() as session:
            await session.next()
            raise error

    for error in (ZeroDivisionError, SessionClosed):
        with pytest.raises(error):
            await fail(error)
    with trio.CancelScope() as scope:
        async with program.session() as session:
            scope.cancel()
            await session.spin()
    assert scope.cancelled_caught
    assert len(stores_by_context()) == before


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("(unreachable)", GuestError, "trap: unreachable"),
        ("(loop (br 0))", GuestError, "out-of-fuel"),
    ],
)
async def test_a_program_that_fails_to_initialise_has_no_session(
    load: Load, body: str, error: type[Exception], message: str
) -> None:
    before = len(stores_by_context())
    library = Library()
    text = f"""(module (func $begin {body}) (start $begin) (func (export "nothing")))"""
    program = await load(library, library.code(text), fuel=1_000_000)
    with pytest.raises(error, match=message):
        async with program.session():
            pass
    assert len(stores_by_context()) == before


async def test_a_program_that_does_not_fit_has_no_session(load: Load) -> None:
    library = Library()
    program = await load(library, library.code("(module (memory 2))"), memory=65536)
    with pytest.raises(LimitExceeded, match="memory"):
        async with program.session():
            pass


async def test_a_session_cannot_be_called_from_what_it_says() -> None:
    library = Library()
    text = """(module
      (import "ipvm" "log" (func $log (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "work") (local $n i32)
        (loop $again
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $n) (i32.const 20000000))))
        (drop (call $log (i32.const 0) (i32.const 0)))))"""
    root = library.code(text)
    found: list[BaseException] = []

    def listen(_cid: ipvm.Cid, _text: str) -> None:
        try:
            trio.from_thread.run(sessions[0].work)
        except BaseException as error:  # noqa: BLE001 - whatever it is
            found.append(error)

    sessions: list[Session] = []
    async with ipvm.open(store=await library.store(), on_log=listen, cache=False) as node:
        async with node.session(root) as session:
            sessions.append(session)
            await session.work()
            await session.work()
    assert [type(error) for error in found] == [ipvm.Refused] * 2
    assert "from within a call of its own" in str(found[0])
