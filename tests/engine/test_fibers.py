"""Guests wait by the thousand without threads, and compute on workers, each on a stack of its own."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from ipvm.engine import Trap, engine_for

if TYPE_CHECKING:
    from tests.engine.conftest import Guest, TwoFunctions

OpenGuest = Callable[..., "Guest"]
MakeHost = type["TwoFunctions"]

TEXT = """(module
  (type $operation (func (param i32) (result i32)))
  (table (export "wait") 1 1 funcref)
  (func (export "spin") (loop $again (br $again)))
  (func (export "wait_for") (param i32) (result i32)
    (call_indirect (type $operation) (local.get 0) (i32.const 0))))"""
PROFILES = ("deterministic", "fast")


async def test_a_guest_that_held_up_the_loop_once_is_kept_away_from_it(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    """No slice ends within an instruction, and this one takes long."""
    guest = open_guest("""(module
      (import "host" "now" (func $now (param i32) (result i32)))
      (type $operation (func (param i32) (result i32)))
      (table (export "wait") 1 1 funcref)
      (memory 6000)
      (func (export "fill") (param $rounds i32) (result i32)
        (loop $again
          (drop (call $now (i32.const 0)))
          (memory.fill (i32.const 0) (local.get $rounds) (i32.const 390000000))
          (drop (call_indirect (type $operation) (i32.const 0) (i32.const 0)))
          (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
        (i32.const 0)))""")
    threads = []

    def now(operation: int) -> int:
        threads.append(threading.current_thread())
        return operation

    async def wait(operation: int) -> int:
        return operation

    guest.store.host = make_host(now, wait)
    await guest.call("fill", 4)
    assert [thread is threading.main_thread() for thread in threads] == [True, False, False, False]


async def test_two_thousand_guests_wait_at_once(open_guest: OpenGuest, make_host: MakeHost) -> None:
    release, waiting, results = trio.Event(), 0, []

    async def wait(operation: int) -> int:
        nonlocal waiting
        waiting += 1
        await release.wait()
        return operation + 1

    async def run(number: int) -> None:
        guest = open_guest(TEXT, host=make_host(wait=wait))
        results.append((number, *await guest.call("wait_for", number)))
        guest.store.close()

    before = threading.active_count()
    async with trio.open_nursery() as nursery:
        for number in range(2000):
            nursery.start_soon(run, number)
        await trio.testing.wait_all_tasks_blocked()
        assert waiting == 2000
        assert threading.active_count() == before
        release.set()
    assert sorted(results) == [(number, number + 1) for number in range(2000)]


async def test_a_stack_overflow_is_a_trap_on_the_trio_thread_and_on_a_worker(
    open_guest: OpenGuest,
) -> None:
    text = """(module
      (func $deep (param i32) (result i32)
        (i32.add (call $deep (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))
      (func (export "now") (result i32) (call $deep (i32.const 0)))
      (func (export "later") (result i32) (local $n i32)
        (local.set $n (i32.const 2000000))
        (loop $again
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (call $deep (i32.const 0))))"""
    for profile in PROFILES:
        for name in ("now", "later"):
            with pytest.raises(Trap) as caught:
                await open_guest(text, profile=profile).call(name)
            assert caught.value.code == "stack-overflow"
    with pytest.raises(Trap) as caught:
        open_guest(text, enter=False).attempt("now")
    assert caught.value.code == "stack-overflow"


async def test_the_clock_of_the_fast_profile_ticks_no_longer_than_it_must(
    open_guest: OpenGuest,
) -> None:
    with trio.move_on_after(0.01):
        await open_guest(TEXT, profile="fast").call("spin")
    assert engine_for("fast").ticker.ticking
    (thread,) = (each for each in threading.enumerate() if each.name == "ipvm ticker")
    await trio.to_thread.run_sync(thread.join, 20)
    assert not engine_for("fast").ticker.ticking
    with trio.move_on_after(0.01) as scope:
        await open_guest(TEXT, profile="fast").call("spin")
    assert scope.cancelled_caught
