"""What a host raises reaches the call whose guest asked for it, and no other."""

import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
import trio

from ipvm.engine import Trap

if TYPE_CHECKING:
    from tests.engine.conftest import Guest, TwoFunctions

OpenGuest = Callable[..., "Guest"]
MakeHost = type["TwoFunctions"]

TEXT = """(module
  (import "host" "now" (func $now (param i32) (result i32)))
  (type $operation (func (param i32) (result i32)))
  (table (export "wait") 1 1 funcref)
  (func (export "now") (param i32) (result i32) (call $now (local.get 0)))
  (func (export "wait_for") (param i32) (result i32)
    (call_indirect (type $operation) (local.get 0) (i32.const 0)))
  ;; Compute for some slices, then ask; so `now` is called on a worker.
  (func (export "later") (param i32) (result i32) (local $n i32)
    (local.set $n (i32.const 1000000))
    (loop $again
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (call $now (local.get 0))))"""

THREADS = 8
CALLS = 20_000


class Planned(Exception):
    """Carries the number of the call that it belongs to."""


def raise_planned(operation: int) -> int:
    raise Planned(operation)


async def wait_and_raise(operation: int) -> int:
    await trio.lowlevel.checkpoint()
    return raise_planned(operation)


@pytest.mark.parametrize("name", ["now", "wait_for", "later"])
@pytest.mark.parametrize("profile", ["deterministic", "fast"])
async def test_an_exception_of_the_host_is_raised_by_the_call(
    open_guest: OpenGuest, make_host: MakeHost, name: str, profile: str
) -> None:
    guest = open_guest(TEXT, host=make_host(raise_planned, wait_and_raise), profile=profile)
    with pytest.raises(Planned) as caught:
        await guest.call(name, 5)
    assert caught.value.args == (5,)


async def test_an_exception_of_the_host_has_the_guest_s_frames_in_its_cause(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    guest = open_guest(TEXT, host=make_host(raise_planned))
    with pytest.raises(Planned) as caught:
        await guest.call("now", 5)
    assert isinstance(caught.value.__cause__, Trap)
    assert caught.value.__cause__.code == "interrupt"
    assert len(caught.value.__cause__.frames) == 1


@pytest.mark.parametrize("condition", [KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError])
@pytest.mark.parametrize("name", ["now", "wait_for", "later"])
async def test_any_exception_passes(
    open_guest: OpenGuest, make_host: MakeHost, name: str, condition: type[BaseException]
) -> None:
    def now(_operation: int) -> int:
        raise condition

    async def wait(operation: int) -> int:
        return now(operation)

    with pytest.raises(condition):
        await open_guest(TEXT, host=make_host(now, wait)).call(name, 1)


async def test_an_answer_that_is_no_number_is_a_bug_that_shows(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    guest = open_guest(TEXT, host=make_host(lambda _: "text"))  # type: ignore[arg-type, return-value]  # the bug
    with pytest.raises(TypeError):
        await guest.call("now", 1)


async def test_a_host_that_raised_once_can_answer_the_next_guest(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    with pytest.raises(Planned):
        await open_guest(TEXT, host=make_host(raise_planned)).call("now", 1)
    assert await open_guest(TEXT, host=make_host(lambda n: n + 1)).call("now", 1) == (2,)


async def test_a_store_keeps_no_exception_for_its_next_call(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    guest = open_guest(TEXT, host=make_host(raise_planned))
    with pytest.raises(Planned):
        await guest.call("now", 1)
    guest.store.host = make_host(lambda n: n)
    assert await guest.call("now", 7) == (7,)


async def test_no_exception_reaches_another_task_s_call(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    crossed: list[int] = []

    async def run(number: int) -> None:
        guest = open_guest(TEXT, host=make_host(raise_planned, wait_and_raise))
        try:
            await guest.call(("now", "wait_for", "later")[number % 3], number)
        except Planned as planned:
            if planned.args != (number,):
                crossed.append(number)
        else:
            crossed.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(run, number)
    assert not crossed


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns a hundred times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_no_exception_reaches_another_thread_s_call(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    crossed: list[BaseException] = []
    start = threading.Barrier(THREADS)

    async def raise_each(first: int) -> None:
        guest = open_guest(TEXT, host=make_host(raise_planned, wait_and_raise))
        for number in range(first, first + CALLS // THREADS):
            with pytest.raises(Planned) as caught:
                await guest.call("now" if number % 4 else "wait_for", number)
            if caught.value.args != (number,):
                crossed.append(caught.value)

    def work(first: int) -> None:
        start.wait()
        try:
            trio.run(raise_each, first)
        except BaseException as failure:  # noqa: BLE001 - the thread that waits looks at it
            crossed.append(failure)

    threads = [threading.Thread(target=work, args=(index * CALLS,)) for index in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not crossed
