"""Fuel is counted to the unit, and the count does not depend on how a guest was run."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given

from ipvm.engine import OUT_OF_FUEL, EngineFault, Postponed, Trap

if TYPE_CHECKING:
    from tests.engine.conftest import Guest, TwoFunctions

OpenGuest = Callable[..., "Guest"]
MakeHost = type["TwoFunctions"]

TEXT = """(module $"ipvm:kernel"
  (import "host" "now" (func $now (param i32) (result i32)))
  (type $operation (func (param i32) (result i32)))
  (table (export "wait") 1 1 funcref)
  (memory 1)
  ;; Add up the numbers from n down to 1; at each multiple of `every`, ask the host.
  (func $count (param $n i32) (param $every i32) (param $waits i32) (result i32)
    (local $sum i32)
    (loop $again
      (local.set $sum (i32.add (local.get $sum) (local.get $n)))
      (if (i32.eqz (i32.rem_u (local.get $n) (local.get $every)))
        (then
          (if (local.get $waits)
            (then (drop (call_indirect (type $operation) (i32.const 0) (i32.const 0))))
            (else (drop (call $now (i32.const 0)))))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))
  (func (export "alone") (param i32) (result i32)
    (call $count (local.get 0) (i32.const 0x7fffffff) (i32.const 0)))
  (func (export "asking") (param i32 i32) (result i32)
    (call $count (local.get 0) (local.get 1) (i32.const 0)))
  (func (export "waiting") (param i32 i32) (result i32)
    (call $count (local.get 0) (local.get 1) (i32.const 1)))
  (func (export "fill") (param i32)
    (memory.fill (i32.const 0) (i32.const 1) (local.get 0)))
  (func (export "spin") (loop $again (br $again))))"""

STEPS = 500
"""Steps between two questions to the host."""
SLICED = 300_000
"""Steps that take several slices, so that the guest goes on on a worker."""


@pytest.fixture
def host(make_host: MakeHost) -> "TwoFunctions":
    async def wait(_operation: int) -> int:
        return 0

    return make_host(lambda _operation: 0, wait)


async def fuel_used(guest: "Guest", name: str, *arguments: int) -> int:
    before = guest.store.fuel
    await guest.call(name, *arguments)
    return before - guest.store.fuel


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("alone", (10,)),
        ("alone", (SLICED,)),
        ("asking", (SLICED, STEPS)),
        ("waiting", (SLICED, STEPS)),
        ("fill", (65536,)),
    ],
)
async def test_the_same_work_uses_the_same_fuel_each_time(
    open_guest: OpenGuest, host: "TwoFunctions", name: str, arguments: tuple[int, ...]
) -> None:
    used = {await fuel_used(open_guest(TEXT, host=host), name, *arguments) for _ in range(3)}
    assert len(used) == 1


@pytest.mark.parametrize("name", ["asking", "waiting"])
async def test_fuel_is_counted_alike_in_one_piece_and_in_slices(
    open_guest: OpenGuest, host: "TwoFunctions", name: str
) -> None:
    once = await fuel_used(open_guest(TEXT, host=host), name, STEPS, STEPS)
    twice = await fuel_used(open_guest(TEXT, host=host), name, 2 * STEPS, STEPS)
    sliced = await fuel_used(open_guest(TEXT, host=host), name, SLICED, STEPS)
    assert sliced == once + (twice - once) * (SLICED // STEPS - 1)
    assert sliced > 3_000_000


async def test_a_try_without_a_fiber_uses_the_fuel_that_a_fiber_does(
    open_guest: OpenGuest, host: "TwoFunctions"
) -> None:
    for name, arguments in (("alone", (100,)), ("asking", (100, 10)), ("fill", (500,))):
        used = await fuel_used(open_guest(TEXT, host=host), name, *arguments)
        tried = open_guest(TEXT, host=host, enter=False)
        before = tried.store.fuel
        tried.attempt(name, *arguments)
        assert before - tried.store.fuel == used


@pytest.mark.parametrize("steps", [10, SLICED])
async def test_what_a_guest_does_not_use_is_left_and_what_it_lacks_ends_it(
    open_guest: OpenGuest, host: "TwoFunctions", steps: int
) -> None:
    used = await fuel_used(open_guest(TEXT, host=host), "waiting", steps, STEPS)
    enough = open_guest(TEXT, host=host, fuel=used + 1)
    await enough.call("waiting", steps, STEPS)
    assert enough.store.fuel == 1
    short = open_guest(TEXT, host=host, fuel=used * 9 // 10)
    with pytest.raises(Trap) as caught:
        await short.call("waiting", steps, STEPS)
    assert caught.value.code == OUT_OF_FUEL
    assert short.store.fuel == 0


def test_whether_fuel_suffices_does_not_depend_on_the_slices(
    open_guest: OpenGuest, host: "TwoFunctions"
) -> None:
    """A slice ends where the host sets the fuel; that the fuel is too short is found all the same."""

    async def ends(fuel: int, reset: int) -> str:
        guest = open_guest(TEXT, host=host, fuel=fuel)

        def now(operation: int) -> int:
            del operation
            for _ in range(reset):
                guest.store.fuel = guest.store.fuel  # begins the slice anew
            return 0

        guest.store.host = type(host)(now)
        try:
            await guest.call("asking", 20_000, 100)
        except Trap as trap:
            return trap.code
        finally:
            guest.store.close()
        return "ok"

    async def needed() -> int:
        return await fuel_used(open_guest(TEXT, host=host), "asking", 20_000, 100)

    used = trio.run(needed)

    @given(st.integers(-300, 300), st.integers(0, 3))
    def check(more: int, reset: int) -> None:
        assert trio.run(ends, used + more, reset) == trio.run(ends, used + more, 0)

    check()


async def test_a_guest_without_fuel_does_nothing(open_guest: OpenGuest) -> None:
    with pytest.raises(Trap) as caught:
        await open_guest(TEXT, fuel=0).call("alone", 1)
    assert caught.value.code == OUT_OF_FUEL


async def test_the_host_may_take_fuel_while_the_guest_runs_or_waits(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    guest = open_guest(TEXT)
    plain = await fuel_used(open_guest(TEXT, host=make_host(lambda _: 0)), "asking", 1000, 100)

    def now(_operation: int) -> int:
        guest.store.fuel -= 7_000
        return 0

    async def wait(operation: int) -> int:
        await trio.lowlevel.checkpoint()
        return now(operation)

    guest.store.host = make_host(now, wait)
    assert await fuel_used(guest, "asking", 1000, 100) == plain + 10 * 7_000
    waiting = await fuel_used(guest, "waiting", 1000, 100)
    assert abs(waiting - plain - 10 * 7_000) < 100


@pytest.mark.parametrize("name", ["asking", "waiting"])
async def test_a_guest_whose_fuel_the_host_takes_away_ends(
    open_guest: OpenGuest, make_host: MakeHost, name: str
) -> None:
    guest = open_guest(TEXT)

    def now(_operation: int) -> int:
        guest.store.fuel = 0
        return 0

    async def wait(operation: int) -> int:
        return now(operation)

    guest.store.host = make_host(now, wait)
    with pytest.raises(Trap) as caught:
        await guest.call(name, 1000, 100)
    assert caught.value.code == OUT_OF_FUEL


async def test_fuel_given_by_the_host_lets_the_guest_go_on(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    guest = open_guest(TEXT, fuel=5_000)

    def now(_operation: int) -> int:
        guest.store.fuel += 5_000
        return 0

    guest.store.host = make_host(now)
    assert await guest.call("asking", 10_000, 100) == (10_000 * 10_001 // 2,)


async def test_a_try_that_would_take_long_is_given_up(open_guest: OpenGuest) -> None:
    with pytest.raises(Postponed):
        open_guest(TEXT, enter=False).attempt("spin")


async def test_a_try_that_would_wait_is_given_up(
    open_guest: OpenGuest, host: "TwoFunctions"
) -> None:
    with pytest.raises(Postponed):
        open_guest(TEXT, host=host, enter=False).attempt("waiting", 1, 1)


async def test_a_try_that_has_no_more_fuel_at_all_ends(open_guest: OpenGuest) -> None:
    with pytest.raises(Trap) as caught:
        open_guest(TEXT, enter=False, fuel=10_000).attempt("spin")
    assert caught.value.code == OUT_OF_FUEL


async def test_a_try_goes_on_when_host_calls_cost_more_than_a_slice(
    open_guest: OpenGuest, make_host: MakeHost
) -> None:
    guest = open_guest(TEXT, enter=False)
    before: list[int] = []

    def now(_operation: int) -> int:
        before.append(guest.store.fuel)
        guest.store.fuel -= 2_000_000
        return 0

    guest.store.host = make_host(now)
    guest.attempt("asking", 1, 1)
    assert before[-1] - guest.store.fuel > 2_000_000


async def test_the_fast_profile_counts_no_fuel(open_guest: OpenGuest) -> None:
    guest = open_guest(TEXT, profile="fast")
    with pytest.raises(EngineFault, match="fuel"):
        assert guest.store.fuel
    with pytest.raises(EngineFault, match="fuel"):
        guest.store.fuel = 1
