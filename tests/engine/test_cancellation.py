"""A guest ends with the scope that it runs in, whatever it does, and never holds up the loop.

Bounds of time here are generous: what they tell apart is "soon" from "never".
"""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

if TYPE_CHECKING:
    from tests.engine.conftest import Guest, TwoFunctions

OpenGuest = Callable[..., "Guest"]
MakeHost = type["TwoFunctions"]

TEXT = """(module
  (import "host" "now" (func $now (param i32) (result i32)))
  (type $operation (func (param i32) (result i32)))
  (table (export "wait") 1 1 funcref)
  (memory 1)
  (func (export "spin") (loop $again (br $again)))
  (func (export "spin_asking") (loop $again (drop (call $now (i32.const 0))) (br $again)))
  (func (export "spin_waiting")
    (loop $again
      (drop (call_indirect (type $operation) (i32.const 0) (i32.const 0))) (br $again)))
  (func (export "spin_filling")
    (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $again)))
  (func (export "wait_for") (param i32) (result i32)
    (call_indirect (type $operation) (local.get 0) (i32.const 0)))
  (func (export "compute") (param i32) (result i32) (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (local.get 0)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum)))"""

SPINNING = ("spin", "spin_asking", "spin_waiting", "spin_filling")
PROFILES = ("deterministic", "fast")


def costly(guest: "Guest", make_host: MakeHost) -> "Guest":
    """Give a guest a host that takes fuel for each question, which begins a slice anew."""

    def now(operation: int) -> int:
        if guest.store.engine.metered:
            guest.store.fuel -= 500
        return operation

    async def wait(operation: int) -> int:
        return now(operation)

    guest.store.host = make_host(now, wait)
    return guest


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", SPINNING)
async def test_a_guest_that_spins_is_cancelled_and_does_not_stop_the_loop(
    open_guest: OpenGuest, make_host: MakeHost, name: str, profile: str
) -> None:
    guest = costly(open_guest(TEXT, profile=profile), make_host)
    beats = 0

    async def beat(scope: trio.CancelScope) -> None:
        nonlocal beats
        while beats < 20:
            await trio.sleep(0.001)
            beats += 1
        scope.cancel()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(beat, nursery.cancel_scope)
            await guest.call(name)
    assert beats == 20


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_scope_that_was_cancelled_before_ends_a_guest_that_spins(
    open_guest: OpenGuest, profile: str
) -> None:
    with trio.move_on_after(0) as scope:
        await open_guest(TEXT, profile=profile).call("spin")
    assert scope.cancelled_caught


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_guest_that_is_done_at_once_is_not_cancelled(
    open_guest: OpenGuest, profile: str
) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        assert await open_guest(TEXT, profile=profile).call("compute", 10) == (55,)


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_guest_that_waits_is_cancelled_with_its_host_call(
    open_guest: OpenGuest, make_host: MakeHost, profile: str
) -> None:
    ended: list[str] = []

    async def wait(_operation: int) -> int:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("host call")

    guest = open_guest(TEXT, host=make_host(wait=wait), profile=profile)
    with trio.move_on_after(0.01) as scope:
        await guest.call("wait_for", 1)
    assert scope.cancelled_caught
    assert ended == ["host call"]


async def test_a_host_call_may_shield_itself(open_guest: OpenGuest, make_host: MakeHost) -> None:
    release, answered = trio.Event(), []

    async def wait(operation: int) -> int:
        with trio.CancelScope(shield=True):
            await release.wait()
        answered.append(operation)
        return operation

    guest = open_guest(TEXT, host=make_host(wait=wait))
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(guest.call, "wait_for", 1)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
            release.set()
    assert answered == [1]


async def test_a_guest_that_was_cancelled_leaves_others_alone(open_guest: OpenGuest) -> None:
    results: list[object] = []

    async def compute() -> None:
        results.append(await open_guest(TEXT).call("compute", 3_000_000))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(compute)
        with trio.move_on_after(0.005):
            await open_guest(TEXT).call("spin")
        nursery.start_soon(compute)
    assert results == [((3_000_000 * 3_000_001 // 2) % 2**32 - 2**32,)] * 2


async def test_more_guests_than_cores_compute_in_turn(open_guest: OpenGuest) -> None:
    done: list[int] = []

    async def compute(number: int) -> None:
        await open_guest(TEXT).call("compute", 3_000_000)
        done.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(12):
            nursery.start_soon(compute, number)
    assert sorted(done) == list(range(12))


async def test_the_host_answers_at_once_on_a_worker_and_waits_on_the_loop(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    for name in ("spin_asking", "spin_waiting"):
        guest = open_guest(TEXT)
        threads: set[threading.Thread] = set()

        def now(operation: int) -> int:
            threads.add(threading.current_thread())  # noqa: B023 - one set for each guest
            guest.store.fuel -= 500  # noqa: B023
            return operation

        async def wait(operation: int) -> int:
            return now(operation)

        guest.store.host = make_host(now, wait)
        with trio.move_on_after(0.1):
            await guest.call(name)
        assert threading.main_thread() in threads
        assert (len(threads) > 1) == (name == "spin_asking")


SPIN_UNTIL_INTERRUPTED = """
import sys, trio
sys.path.insert(0, sys.argv[1])
from conftest import Guest, TwoFunctions

started = False

def now(operation):
    global started
    if not started:
        print("started", flush=True)
        started = True
    guest.store.fuel -= 500
    return 0

async def wait(operation):
    return now(operation)

guest = Guest(sys.argv[2], host=TwoFunctions(now, wait))
try:
    trio.run(guest.call, sys.argv[3])
except KeyboardInterrupt:
    guest.store.close()
    print("interrupted")
"""


@pytest.mark.parametrize("name", ["spin_asking", "spin_waiting"])
def test_an_interrupt_from_the_keyboard_ends_a_guest_that_spins(name: str) -> None:
    command = [sys.executable, "-c", SPIN_UNTIL_INTERRUPTED, str(Path(__file__).parent), TEXT, name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "interrupted\n"
    assert process.returncode == 0
