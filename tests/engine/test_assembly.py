"""Modules become linked instances of a store, whether guest code has run in it or not."""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from ipvm.engine import (
    Assembly,
    Attempt,
    CallShape,
    EngineFault,
    InstanceExport,
    Part,
    Store,
    StoreBounds,
    Trap,
    call,
    compile_now,
    engine_for,
    text_to_module,
)
from ipvm.model import Profile

if TYPE_CHECKING:
    from tests.engine.conftest import Guest

OpenGuest = Callable[..., "Guest"]

PAGE = 65_536
FUEL = 10**12
BOUNDS = StoreBounds(memory_bytes=3 * PAGE, table_elements=10, instances=2, tables=2, memories=2)

LATE = """(module $late
  (import "early" "memory" (memory 1))
  (import "early" "add" (func $add (param i32 i32) (result i32)))
  (import "early" "add" (func $same (param i32 i32) (result i32)))
  (import "early" "table" (table 1 funcref))
  (import "early" "base" (global $base i32))
  (data (i32.const 8) "late")
  (elem (i32.const 0) $sum)
  (func $sum (export "sum") (param i32) (result i32)
    (call $same (call $add (local.get 0) (global.get $base)) (i32.load8_u (i32.const 8)))))"""
EARLY = """(module
  (memory (export "memory") 1)
  (table (export "table") 1 funcref)
  (global (export "base") i32 (i32.const 1000))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "through_table") (param i32) (result i32)
    (call_indirect (param i32) (result i32) (local.get 0) (i32.const 0))))"""
NAMES = ("memory", "add", "add", "table", "base")


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
@pytest.mark.parametrize("entered", [False, True])
async def test_a_module_may_be_instantiated_before_and_after_guest_code_ran(
    profile: Profile, *, entered: bool
) -> None:
    engine = engine_for(profile)
    early, late = (compile_now(engine, text_to_module(text)) for text in (EARLY, LATE))
    imports = tuple(InstanceExport(0, name.encode()) for name in NAMES)
    names = tuple((b"early", name.encode()) for name in NAMES)
    assembly = Assembly(engine, [Part(early), Part(late, imports, names)])
    shape = CallShape(("i32",), ("i32",))
    with contextlib.closing(Store(engine)) as store:
        if engine.metered:
            store.fuel = FUEL
        assembly.build(store, 0, 1)
        if entered:
            store.enter()
            add = assembly.export(store, 0, b"add")
            assert await call(store, add, CallShape(("i32", "i32"), ("i32",)), (1, 2)) == (3,)
            await assembly.build_late(store, 1)
        else:
            assembly.build(store, 1)
            store.enter()
        result = (5 + 1000 + ord("l"),)
        assert await call(store, assembly.export(store, 1, b"sum"), shape, (5,)) == result
        through = assembly.export(store, 0, b"through_table")
        assert await call(store, through, shape, (5,)) == result


@pytest.mark.parametrize("entered", [False, True])
async def test_a_module_that_does_not_fit_is_refused_before_and_after_guest_code_ran(
    open_guest: OpenGuest, *, entered: bool
) -> None:
    guest = open_guest("(module)", bounds=BOUNDS, enter=entered)
    for text, failure in (
        ('(module (memory 1) (data (i32.const 65536) "x"))', Trap),
        ("(module (memory 4))", EngineFault),
    ):
        module = compile_now(guest.store.engine, text_to_module(text))
        assembly = Assembly(guest.store.engine, [Part(module)])
        if entered:
            with pytest.raises(failure):
                await assembly.build_late(guest.store, 0)
        else:
            with pytest.raises(failure):
                assembly.build(guest.store)


def test_an_assembly_serves_one_store_after_the_other() -> None:
    engine = engine_for("deterministic")
    counting = """(module (global $n (mut i32) (i32.const 0)) (func (export "f") (result i32)
      (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"""
    assembly = Assembly(engine, [Part(compile_now(engine, text_to_module(counting)))])
    function = Attempt(CallShape((), ("i32",)))
    for _ in range(3):
        with contextlib.closing(Store(engine, outcome=assembly.outcome)) as store:
            store.ration(FUEL)
            assembly.build(store)
            assembly.export_into(store, 0, b"f", function.extern)
            assert [function.call(store, ()) for _ in range(2)] == [(1,), (2,)]
