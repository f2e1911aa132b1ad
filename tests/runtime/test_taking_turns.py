"""The loop beats on while guests compute, and whoever calls gives others their turn.

How fast it beats is measured in `benchmarks/`; here it beats at all, and guests come to an end.
"""

import itertools
import threading
from collections.abc import Awaitable, Callable
from typing import Final

import pytest
import trio
from trio.testing import assert_checkpoints

import ipvm
from ipvm.model import Profile
from ipvm.runtime import turns
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]

PROFILES: Final[tuple[Profile, ...]] = ("deterministic", "fast")
GUESTS = 4
ROUNDS = 150_000_000

TEXT: Final = """(module
  (func (export "one") (result i32) (i32.const 1))
  (func (export "count") (param $n i64) (result i64) (local $sum i64)
    (loop $again
      (local.set $sum (i64.add (local.get $sum) (local.get $n)))
      (br_if $again
        (i32.wrap_i64 (local.tee $n (i64.sub (local.get $n) (i64.const 1))))))
    (local.get $sum))
  (func (export "trap") (unreachable)))"""


@pytest.mark.parametrize("profile", PROFILES)
async def test_the_loop_beats_while_guests_compute_on_all_cores(
    profile: Profile, load: Load
) -> None:
    library = Library()
    program = await load(library, library.code(TEXT), profile=profile)
    results: list[object] = []
    beats = 0

    async def compute() -> None:
        results.append(await program.count(ROUNDS))

    async def beat() -> None:
        nonlocal beats
        while len(results) < GUESTS:
            await trio.sleep(0.001)
            beats += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(beat)
        for _ in range(GUESTS):
            nursery.start_soon(compute)
    assert results == [ROUNDS * (ROUNDS + 1) // 2] * GUESTS
    assert beats >= 10


async def test_a_hundred_guests_that_compute_take_no_more_threads_than_a_few(load: Load) -> None:
    library = Library()
    program = await load(library, library.code(TEXT))
    results: list[object] = []
    most = threading.active_count()

    async def compute(number: int) -> None:
        results.append(await program.count(1_000_000 + number))

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(compute, number)
        while len(results) < 100:
            await trio.sleep(0.001)
            most = max(most, threading.active_count())
    assert set(results) == {n * (n + 1) // 2 for n in range(1_000_000, 1_000_100)}
    assert most <= 64


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_call_is_a_checkpoint_when_it_is_time_for_one(
    profile: Profile, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_SECONDS", -1.0)
    library = Library()
    program = await load(library, library.code(TEXT), profile=profile)
    for _ in range(10):
        with assert_checkpoints():
            assert await program.one() == 1
        with assert_checkpoints(), pytest.raises(ipvm.GuestError):
            await program.trap()
        with assert_checkpoints():
            await program.one.measured()
        with assert_checkpoints():
            await program.one.receipt()
        with assert_checkpoints(), pytest.raises(ipvm.InvalidArguments):
            await program.one(1)


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_task_that_makes_one_brief_call_after_the_other_lets_others_work(
    profile: Profile, load: Load
) -> None:
    library = Library()
    program = await load(library, library.code(TEXT), profile=profile)
    callers: list[int] = []

    async def call(number: int) -> None:
        until = trio.current_time() + 0.1
        while trio.current_time() < until:
            await program.one()
            callers.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(call, number)
    heard = [number for number, _ in itertools.groupby(callers)]
    assert min(heard.count(number) for number in range(3)) >= 5
