"""The fast profile counts no fuel, and its guests still share the machine and can be stopped."""

import threading
from collections.abc import Awaitable, Callable

import pytest
import trio

import ipvm
from ipvm.engine import engine_for
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]

LOOP = """(module
  (func $count (export "count") (param i64) (result i64) (local i64)
    (loop $again
      (local.set 1 (i64.add (local.get 1) (i64.const 1)))
      (br_if $again (i64.lt_u (local.get 1) (local.get 0))))
    (local.get 1))
  (func (export "spin") (loop (br 0))))"""


async def test_both_profiles_give_the_same_result(load: Load) -> None:
    library = Library()
    root = library.code(LOOP)
    for profile in ("deterministic", "fast"):
        program = await load(library, root, profile=profile)
        assert [await program.count(number) for number in (10, 10_000_000)] == [10, 10_000_000]


async def test_the_fast_profile_counts_no_fuel(load: Load) -> None:
    library = Library()
    root = library.code("""(module
      (import "ipvm" "fuel" (func $fuel (param i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "left") (result i64)
        (drop (call $fuel (i32.const 0))) (i64.load (i32.const 0))))""")
    program = await load(library, root, profile="fast", fuel=1)
    assert await program.left() == -1
    receipt = await program.left.receipt()
    assert receipt.fuel is None
    assert receipt.record.engine["profile"] == "fast"


async def test_fast_guests_that_spin_can_all_be_stopped_and_others_go_on(load: Load) -> None:
    library = Library()
    program = await load(library, library.code(LOOP), profile="fast")
    metered = await load(library, library.code(LOOP))
    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(program.spin)
        for _ in range(20):
            assert await program.count(10) == 10
            assert await metered.count(10) == 10
        nursery.cancel_scope.cancel()


async def test_the_clock_of_the_fast_profile_stops_when_nobody_computes(load: Load) -> None:
    library = Library()
    program = await load(library, library.code(LOOP), profile="fast")
    with trio.move_on_after(0.01):
        await program.spin()
    for thread in threading.enumerate():
        if thread.name == "ipvm ticker":
            await trio.to_thread.run_sync(thread.join)
    assert not engine_for("fast").ticker.ticking
    with trio.move_on_after(0.01) as scope:
        await program.spin()
    assert scope.cancelled_caught


async def test_a_program_with_initializers_runs_in_the_fast_profile(load: Load) -> None:
    library = Library()
    early = library.manifest("""(module (memory (export "m") 1)
      (func $start (i32.store (i32.const 0) (i32.const 40))) (start $start))""")
    root = library.manifest(
        """(module (import "early" "m" (memory 1)) (data (i32.const 4) "\\02")
      (func (export "f") (result i32) (i32.add (i32.load (i32.const 0)) (i32.load (i32.const 4)))))""",
        {"early": early},
    )
    program = await load(library, root, profile="fast")
    assert await program.f() == 42


async def test_a_profile_that_is_not_there_is_refused(load: Load) -> None:
    library = Library()
    with pytest.raises(ipvm.InvalidArguments, match='no profile "slow"; there are determin'):
        await load(library, library.code(LOOP), profile="slow")


@pytest.mark.parametrize("options", [{"fuel": 0}, {"fuel": 2**63}, {"memory": 0}, {"memory": -1}])
async def test_a_bound_that_is_no_amount_is_refused(options: dict[str, int], load: Load) -> None:
    library = Library()
    program = await load(library, library.code(LOOP))
    with pytest.raises(ipvm.InvalidArguments, match=f"{next(iter(options))} is a number"):
        program.using(**options)
    with pytest.raises(ipvm.InvalidArguments):
        await load(library, library.code(LOOP), **options)
