"""Calls in the pool, and without it: a full pool, no room for one, and programs that it is not for."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

import pytest

import ipvm
from ipvm.engine import (
    POOL_TABLE_ELEMENTS_MAX,
    Assembly,
    EngineFault,
    Part,
    Store,
    pooled_engine_for,
)
from ipvm.engine.store import stores_by_context
from ipvm.linker import CompiledProgram
from ipvm.model import Profile
from ipvm.testing import Library

PROFILES: Final[tuple[Profile, ...]] = ("deterministic", "fast")
WARM_CALLS: Final = 10

COUNTING: Final = """(module
  (import "ipvm" "self" (func $self (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "count") (result i32)
    (drop (call $self (i32.const 0) (i32.const 64) (i32.const 160)))
    (i32.store (i32.const 1000) (i32.add (i32.const 1) (i32.load (i32.const 1000))))
    (i32.load (i32.const 1000))))"""

MARKING: Final = """(module
  (import "ipld" "block_create" (func $create (param i32 i64 i32 i32) (result i32)))
  (import "ipld" "block_stat" (func $stat (param i32 i32) (result i32)))
  (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
  (import "ipld" "block_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") {pages} {most}) (table $t 100 100 funcref) (elem declare func $mark)
  (global $g (mut i64) (i64.const 0))
  (func $each (param $mark i32) (result i32) (local $at i32) (local $found i32)
    (loop $again
      (if (i64.ne (i64.load (local.get $at)) (i64.const 0))
        (then (local.set $found (i32.add (local.get $found) (i32.const 1)))))
      (if (local.get $mark) (then (i64.store (local.get $at) (i64.const -1))))
      (local.set $at (i32.add (local.get $at) (i32.const 2040)))
      (br_if $again (i32.lt_u (local.get $at)
        (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)))))
    (local.get $found))
  ;; Leave marks in memory that was there and that was not, in the table, a global and the kernel.
  (func $mark (export "mark") (param $end i32) (result i32) (local $found i32)
    (local.set $found (call $look))
    (drop (call $each (i32.const 1)))
    (table.fill $t (i32.const 0) (ref.func $mark) (i32.const 100))
    (global.set $g (i64.const -1))
    (drop (call $create (i32.const 0) (i64.const 0x55) (i32.const 4096) (i32.const 60000)))
    (drop (call $create (i32.const 0) (i64.const 0x55) (i32.const 4096) (i32.const 60000)))
    (if (i32.eq (local.get $end) (i32.const 1)) (then (unreachable)))
    (if (i32.eq (local.get $end) (i32.const 2))
      (then (drop (call $open (i32.const 0) (i32.const 64)))))
    (local.get $found))
  ;; Tell how much is there that nobody has written in this call.
  (func $look (result i32) (local $found i32) (local $n i32)
    (local.set $found (call $each (i32.const 0)))
    (drop (memory.grow (i32.const 3)))
    (local.set $found (i32.add (local.get $found) (call $each (i32.const 0))))
    (if (i64.ne (global.get $g) (i64.const 0))
      (then (local.set $found (i32.add (local.get $found) (i32.const 1000000)))))
    (if (i32.eqz (call $stat (i32.const 8) (i32.const 1)))
      (then (local.set $found (i32.add (local.get $found) (i32.const 2000000)))))
    ;; A block that is made of bytes of this guest has these bytes.
    (drop (call $create (i32.const 8) (i64.const 0x55) (i32.const 5000) (i32.const 100)))
    (drop (call $read (i32.const 8) (i32.const 1) (i32.const 0) (i32.const 6000) (i32.const 200)))
    (local.set $found (i32.add (local.get $found) (call $each (i32.const 0))))
    (i32.store (i32.const 8) (i32.const 0))
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $t (local.get $n))))
        (then (local.set $found (i32.add (local.get $found) (i32.const 10000000)))))
      (br_if $next
        (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100))))
    (local.get $found)))"""


def program_of(program: ipvm.Program) -> CompiledProgram:
    return program._loaded.program


@contextmanager
def occupied(profile: Profile, program: CompiledProgram) -> Iterator[int]:
    """Fill the pool of a profile; gives how many stores that took."""
    assert program.pooled is not None
    engine = pooled_engine_for(profile)
    assert engine is not None
    with ExitStack() as stack:
        held: list[Store] = []
        while len(held) < 10_000:
            store = Store(engine)
            stack.callback(store.close)
            try:
                Assembly(engine, [_memory_part(program.pooled)]).build(store)
            except EngineFault:
                break
            held.append(store)
        yield len(held)


def _memory_part(pooled: CompiledProgram) -> Part:
    """Give the first part of a program, its kernel, which has a memory and no imports."""
    return pooled.layout(blocks=True, is_brief=True)._parts[0]


@pytest.mark.parametrize("profile", PROFILES)
async def test_a_call_finds_room_elsewhere_when_the_pool_is_full(profile: Profile) -> None:
    library = Library()
    root = library.code(COUNTING)
    async with ipvm.open(store=await library.store()) as node:
        program = await node.load(root, profile=profile)
        before = await program.count.receipt()
        for _ in range(WARM_CALLS):
            assert await program.count() == 1
        with occupied(profile, program_of(program)) as stores:
            assert 0 < stores < 10_000
            for _ in range(3):
                assert await program.count() == 1
            assert (await program.count.receipt()).cid == before.cid
        assert await program.count() == 1
        assert stores_by_context() == {}


@pytest.mark.parametrize("room", [0, 1])
async def test_a_call_finds_room_elsewhere_when_the_pool_has_too_little(room: int) -> None:
    """So that the kernel finds a place, and the guest none."""
    library = Library()
    root = library.code(COUNTING)
    async with ipvm.open(store=await library.store()) as node:
        program = await node.load(root)
        for _ in range(WARM_CALLS):
            assert await program.count() == 1
        held = program_of(program)
        with ExitStack() as stack:
            with occupied("deterministic", held) as most:
                pass
            assert held.pooled is not None
            for _ in range(most - room):
                store = Store(held.pooled.engine)
                stack.callback(store.close)
                Assembly(held.pooled.engine, [_memory_part(held.pooled)]).build(store)
            assert await program.count() == 1
            assert (await program.count.receipt()).value == 1


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("pages", [1, 2, 3, 20, 40])
async def test_a_call_in_the_pool_finds_nothing_that_another_left_there(
    pages: int, profile: Profile
) -> None:
    library = Library()
    others = [library.code(MARKING.format(pages=n, most=n + 3)) for n in (1, 2, 5, 21)]
    root = library.code(MARKING.format(pages=pages, most=pages + 3))
    async with ipvm.open(store=await library.store()) as node:
        programs = [await node.load(cid, profile=profile) for cid in (root, *others)]
        for program in programs:
            program_of(program).load_into_pool()
            assert program_of(program).pooled is not None
        for round_ in range(12):
            for program in programs:
                end = round_ % 3
                if end == 1:
                    with pytest.raises(ipvm.GuestError):
                        await program.mark(end)
                else:
                    assert await program.mark(end) == 0
        receipt = await programs[0].mark.receipt(0)
        assert receipt.value == 0
        if profile == "deterministic":  # else a slow machine may have ended a try
            assert programs[0]._loaded.entry("mark").brief


@pytest.mark.parametrize(
    ("table", "pooled"),
    [
        ("(table 10 10 funcref)", True),
        ("(table 10 funcref)", False),
        (f"(table 10 {POOL_TABLE_ELEMENTS_MAX} funcref)", True),
        (f"(table 10 {POOL_TABLE_ELEMENTS_MAX + 1} funcref)", False),
        ("(memory 1) " * 17, False),
        ("(table 1 1 funcref) " * 17, False),
        ("(func $start) (start $start)", False),
    ],
)
async def test_what_has_no_room_in_the_pool_is_run_as_ever(table: str, pooled: bool) -> None:  # noqa: FBT001
    library = Library()
    grow = (
        "(table.grow (ref.null func) (i32.const 30000))"
        if "(table 10 f" in table
        else "(i32.const 1)"
    )
    root = library.code(f'(module {table} (func (export "f") (result i32) {grow}))')
    async with ipvm.open(store=await library.store()) as node:
        program = await node.load(root)
        results = [await program.f() for _ in range(WARM_CALLS)]
        assert results == [10 if "table.grow" in grow else 1] * WARM_CALLS
        assert (program_of(program).pooled is not None) == pooled


LIMITED: Final = """
import resource, sys, trio, ipvm
from ipvm.testing import Library
TEXT = '''{text}'''
async def main(room):
    library = Library()
    root = library.code(TEXT)
    async with ipvm.open(store=await library.store()) as node:
        program = await node.load(root)
        assert await program.count() == 1
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))
        for _ in range(20):
            assert await program.count() == 1
        print((await program.count.receipt()).cid, program._loaded.program.pooled is not None)
trio.run(main, int(sys.argv[1]))
"""


def limited(room: int) -> Sequence[str]:
    command = [sys.executable, "-c", LIMITED.format(text=COUNTING), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (room, done.stderr)
    return done.stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="needs a bound on address space")
def test_a_process_without_room_for_a_pool_calls_without_it() -> None:
    """Whatever the room is: a little, all but enough for a pool, just enough, or more."""
    gigabyte = 2**30
    seen = {
        room: limited(room * gigabyte) for room in (20, 700, 799, 800, 801, 802, 810, 830, 1000)
    }
    assert len({cid for cid, _ in seen.values()}) == 1
    assert (seen[20][1], seen[1000][1]) == ("False", "True")
