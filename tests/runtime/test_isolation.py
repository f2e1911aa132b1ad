"""No call sees what another one left, however the memory of guests is reused.

A guest leaves a mark wherever it can write, or looks for one: in all pages of its memory, in those
that it grows, in its table, its global, and the blocks that it may open. Calls that leave marks and
calls that look for them take turns, in every way in which a call may run and end.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import pytest
import trio

import ipvm
from ipvm.model import Profile
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]

PROFILES: Final[tuple[Profile, ...]] = ("deterministic", "fast")

TEXT: Final = """(module
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
  (import "ipld" "block_stat" (func $stat (param i32 i32) (result i32)))
  (memory (export "memory") {pages}) {data}
  (table $t 100 funcref) (elem declare func $mark)
  (global $g (mut i64) (i64.const 0))
  (func $fill (param $from i32) (param $to i32)
    (memory.fill (local.get $from) (i32.const 0xa5)
      (i32.sub (local.get $to) (local.get $from))))
  ;; Leave marks, then end as told: 0 return, 1 trap, 2 wait, 3 compute for ever.
  (func $mark (export "mark") (param $end i32) (result i32)
    (call $fill (i32.const 0) (i32.mul (memory.size) (i32.const 65536)))
    (drop (memory.grow (i32.const 7)))
    (call $fill (i32.const {end}) (i32.mul (memory.size) (i32.const 65536)))
    (table.fill $t (i32.const 0) (ref.func $mark) (i32.const 100))
    (drop (table.grow $t (ref.func $mark) (i32.const 50)))
    (global.set $g (i64.const -1))
    (drop (call $create (i32.const 0) (i64.const 0x55) (i32.const 4096) (i32.const 60000)))
    (if (i32.eq (local.get $end) (i32.const 1)) (then (unreachable)))
    (if (i32.eq (local.get $end) (i32.const 2))
      (then (drop (call $open (i32.const 0) (i32.const 64)))))
    (if (i32.eq (local.get $end) (i32.const 3)) (then (loop $again (br $again))))
    (i32.const 0))
  ;; Tell how many words from an address to another are not zero.
  (func $count (param $at i32) (param $to i32) (result i32) (local $found i32)
    (block $done (loop $again
      (br_if $done (i32.ge_u (local.get $at) (local.get $to)))
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
        (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
      (local.set $at (i32.add (local.get $at) (local.get $step)))
      (br $again)))
    (local.get $found))
  ;; Tell what stands where nobody has written, as a sum of what is found where.
  (func (export "look") (param $wait i32) (result i32)
    (local $found i32) (local $n i32)
    (if (local.get $wait)
      (then (drop (call $open (i32.const 0) (i32.const 64)))
        (memory.fill (i32.const 0) (i32.const 0) (i32.const 16))))
    (local.set $found (call $count (i32.const 8) (i32.const {end})))
    (drop (memory.grow (i32.const 7)))
    (local.set $found (i32.add (local.get $found)
      (call $count (i32.const {end}) (i32.mul (memory.size) (i32.const 65536)))))
    (if (i64.ne (global.get $g) (i64.const 0))
      (then (local.set $found (i32.add (local.get $found) (i32.const 1000000)))))
    (if (i32.eqz (call $stat (i32.const 0) (i32.const 1)))
      (then (local.set $found (i32.add (local.get $found) (i32.const 2000000)))))
    (drop (table.grow $t (ref.null func) (i32.const 50)))
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $t (local.get $n))))
        (then (local.set $found (i32.add (local.get $found) (i32.const 10000000)))))
      (br_if $next
        (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 150))))
    (local.get $found)))"""


def guest(pages: int, *, data: str = "", step: int = 8) -> str:
    text = TEXT.replace("(local.get $step)", f"(i32.const {step})")
    return text.format(pages=pages, data=data, end=pages * 65_536)


async def mark(program: ipvm.Program, end: int) -> None:
    """Leave marks. A call that would go on for ever is cancelled."""
    with trio.move_on_after(0.002 if end == 3 else 20), suppress(ipvm.GuestError):
        await program.mark(end)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("pages", [1, 2, 3, 20])
async def test_a_call_finds_nothing_that_another_left(
    pages: int, profile: Profile, load: Load
) -> None:
    library = Library()
    program = await load(library, library.code(guest(pages)), profile=profile)
    for round_ in range(8):
        for end in range(4 if round_ < 4 else 2):
            await mark(program, end)
            assert await program.look(0) == 0
            assert await program.look(round_ // 4) == 0


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_program_finds_nothing_that_another_program_left(
    profile: Profile, load: Load
) -> None:
    """Whether their memories are of the same size, and whether they have data in them."""
    library = Library()
    texts = [
        guest(1),
        guest(2),
        guest(33, step=4096),
        guest(5, data='(data (i32.const 0) "12345678")'),
    ]
    texts.append(guest(1, data='(data (i32.const 65528) "12345678")'))
    programs = [await load(library, library.code(text), profile=profile) for text in texts]
    expected = [0, 0, 0, 0, 1]
    for round_ in range(4):
        for marking in programs:
            await mark(marking, round_)
            for looking, found in zip(programs, expected, strict=True):
                assert await looking.look(0) == found


@pytest.mark.parametrize("profile", PROFILES)
async def test_data_stands_as_in_the_module_however_calls_before_have_changed_it(
    profile: Profile, load: Load
) -> None:
    library = Library()
    text = """(module (memory 3)
      (data (i32.const 65532) "over the edge") (data (i32.const 196600) "the end!")
      (func $sum (result i64) (local $at i32) (local $sum i64)
        (loop $again
          (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31))
            (i64.load (local.get $at))))
          (br_if $again (i32.lt_u
            (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 196608))))
        (local.get $sum))
      (func (export "sum") (result i64) (local $sum i64)
        (local.set $sum (call $sum))
        (memory.fill (i32.const 0) (i32.const 7) (i32.const 196608))
        (local.get $sum)))"""
    program = await load(library, library.code(text), profile=profile)
    assert len({await program.sum() for _ in range(20)}) == 1


@pytest.mark.parametrize("profile", PROFILES)
async def test_arguments_and_results_of_calls_at_the_same_time_stay_apart(
    profile: Profile, load: Load
) -> None:
    """Of many functions with as many types, some of which wait."""
    library = Library()
    text = """(module
      (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "swap") (param i64 f64) (result f64 i64) (local.get 1) (local.get 0))
      (func (export "later") (param i64 f64) (result f64 i64)
        (drop (call $open (i32.const 0) (i32.const 0)))
        (local.get 1) (local.get 0))
      (func (export "turn") (param i32 i32 i32) (result i32 i32 i32)
        (local.get 1) (local.get 2) (local.get 0)))"""
    program = await load(library, library.code(text), profile=profile)
    wrong = []

    async def call(number: int) -> None:
        for n in range(number * 100, number * 100 + 20):
            found = [
                await program.swap(n, n / 8),
                await program.later(n + 1, n / 4),
                await program.turn(n, n + 1, n + 2),
            ]
            if found != [[n / 8, n], [n / 4, n + 1], [n + 1, n + 2, n]]:
                wrong.append((n, found))

    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(call, number)
    assert wrong == []
