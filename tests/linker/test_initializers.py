"""Start functions and `_initialize` run once, in the order of the program."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
import trio

import ipvm
from ipvm.ipld import Block
from ipvm.testing import Library

Opened = Callable[..., AbstractAsyncContextManager[ipvm.Program]]

LOG = """(module
  (global $log (mut i64) (i64.const 0))
  (func (export "note") (param i64)
    (global.set $log (i64.add (i64.mul (global.get $log) (i64.const 10)) (local.get 0))))
  (func (export "read") (result i64) (global.get $log)))"""


def noting(start: int, initialize: int = 0, *, imports: str = "", body: str = "") -> str:
    """A module that notes a digit when it starts, and another when it is initialised."""
    text = '(module (import "log" "note" (func $note (param i64)))' + imports
    if initialize:
        text += f'(func (export "_initialize") (call $note (i64.const {initialize})))'
    if start:
        text += f"(func $start (call $note (i64.const {start}))) (start $start)"
    return f'{text} (global (export "on") i32 (i32.const 1)) {body})'


def needs(*names: str) -> str:
    return "".join(f'(import "{name}" "on" (global i32))' for name in names)


async def test_each_runs_once_after_those_that_its_module_needs(opened: Opened) -> None:
    library = Library()
    log = library.manifest(LOG)
    first = library.manifest(noting(1, 2), {"log": log})
    second = library.manifest(noting(3, imports=needs("a")), {"log": log, "a": first})
    third = library.manifest(noting(0, 4, imports=needs("a")), {"log": log, "a": first})
    root = library.manifest(
        noting(
            5,
            6,
            imports=needs("b", "c") + '(import "log" "read" (func $read (result i64)))',
            body='(func (export "order") (result i64) (call $read))',
        ),
        {"log": log, "b": third, "c": second},
    )
    async with opened(library, root) as program:
        assert [await program.order() for _ in range(2)] == [124356, 124356]


async def test_a_start_function_may_be_an_import_and_may_be_exported(opened: Opened) -> None:
    library = Library()
    counter = library.manifest("""(module (global $n (mut i32) (i32.const 0))
      (func (export "up") (global.set $n (i32.add (global.get $n) (i32.const 1))))
      (func (export "n") (result i32) (global.get $n)))""")
    root = library.manifest(
        """(module (import "c" "up" (func $up)) (import "c" "n" (func $n (result i32)))
      (export "up" (func $up)) (export "n" (func $n)) (start $up))""",
        {"c": counter},
    )
    async with opened(library, root) as program:
        assert await program.n() == 1
        assert program.functions == ("n", "up")


async def test_an_initializer_of_another_type_is_an_ordinary_function(opened: Opened) -> None:
    library = Library()
    root = library.code(
        '(module (func (export "_initialize") (param i32) (unreachable)) (func (export "f")))'
    )
    async with opened(library, root) as program:
        assert await program.f() is None


async def test_modules_that_come_after_an_initializer_are_whole(opened: Opened) -> None:
    """Once guest code has run, instances are made another way; every kind of import goes there."""
    library = Library()
    early = library.manifest("""(module
      (memory (export "memory") 1) (table (export "table") 4 funcref)
      (global $ran (export "global") (mut i32) (i32.const 0))
      (func (export "func") (result i32) (i32.load8_u (i32.const 1)))
      (func $start (global.set $ran (i32.const 30))) (start $start))""")
    late = library.manifest(
        """(module
      (import "early" "memory" (memory $theirs 1))
      (import "early" "table" (table $table 4 funcref))
      (import "early" "global" (global $ran (mut i32)))
      (import "early" "func" (func $func (result i32)))
      (import "ipvm" "self" (func $self (param i32 i32 i32) (result i32)))
      (memory $own (export "memory") 1)
      (data (memory $theirs) (i32.const 1) "\\05")
      (data (memory $own) (i32.const 1) "\\06")
      (elem (table $table) (i32.const 2) func $in_table)
      (func $in_table (result i32) (i32.const 100))
      (func $start
        (if (call $self (i32.const 8) (i32.const 16) (i32.const 160)) (then (unreachable))))
      (start $start)
      (func (export "sum") (result i32)
        (i32.add (call $func) (global.get $ran))
        (i32.add (i32.load8_u $own (i32.const 1)))
        (i32.add (call_indirect (result i32) (i32.const 2)))
        (i32.add (i32.load $own (i32.const 8)))))""",
        {"early": early},
    )
    root = library.manifest(
        """(module (import "late" "sum" (func $sum (result i32)))
      (import "ipvm" "self" (func $self (param i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "\\09\\00\\00\\00")
      (func (export "test") (result i32)
        (i32.add (call $sum) (i32.load (i32.const 0)))))""",
        {"late": late},
    )
    async with opened(library, root) as program:
        assert await program.test() == 5 + 30 + 6 + 100 + len(bytes(late)) + 9


TRAPS = {
    "a start function": "(func $boom (unreachable)) (start $boom)",
    "_initialize": '(func $boom (export "_initialize") (unreachable))',
}


@pytest.mark.parametrize("text", TRAPS.values(), ids=TRAPS)
async def test_a_trap_while_initialising_is_the_answer(text: str, opened: Opened) -> None:
    library = Library()
    bad = library.manifest(f'(module {text} (global (export "on") i32 (i32.const 1)))')
    root = library.manifest(f'(module {needs("bad")} (func (export "f")))', {"bad": bad})
    async with opened(library, root) as program:
        with pytest.raises(ipvm.GuestError, match="unreachable") as caught:
            await program.f()
        assert [frame.function for frame in caught.value.frames] == ["boom"]
        assert caught.value.frames[0].linked_as == (str(bad),)
        receipt = await program.f.receipt()
        assert receipt.error is not None
        assert receipt.error.kind == "trap"


@pytest.mark.parametrize(
    "text",
    [
        '(memory 1) (data (i32.const 65536) "x")',
        "(table 1 funcref) (func $f) (elem (i32.const 1) func $f)",
    ],
)
async def test_a_segment_that_does_not_fit_is_a_trap(text: str, opened: Opened) -> None:
    library = Library()
    bad = library.manifest(f'(module {text} (global (export "on") i32 (i32.const 1)))')
    early = library.manifest('(module (global (export "on") i32 (i32.const 1)) (func) (start 0))')
    body = '(func (export "f"))'
    for names in (("bad",), ("early", "bad")):
        root = library.manifest(f"(module {needs(*names)} {body})", {"bad": bad, "early": early})
        async with opened(library, root) as program:
            with pytest.raises(ipvm.GuestError, match="out of bounds") as caught:
                await program.f()
            assert caught.value.kind == "trap"


async def test_a_start_function_that_does_not_end_runs_out_of_fuel_or_is_cancelled(
    opened: Opened,
) -> None:
    library = Library()
    root = library.code('(module (func $spin (loop (br 0))) (start $spin) (func (export "f")))')
    async with opened(library, root) as program:
        with pytest.raises(ipvm.GuestError) as caught:
            await program.using(fuel=5_000_000).f()
        assert caught.value.kind == "out-of-fuel"
        with trio.move_on_after(0.05) as scope:
            await program.f()
        assert scope.cancelled_caught


async def test_a_start_function_may_wait_for_a_block(opened: Opened) -> None:
    library = Library()
    wanted = library.keep(Block.of(b"seven bytes"[:7]))
    data = "".join(f"\\{byte:02x}" for byte in bytes(wanted))
    text = """(module
      (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 64) "{}")
      (global $size (mut i32) (i32.const 0))
      (func $start
        (if (call $open (i32.const 0) (i32.const 64)) (then (unreachable)))
        (global.set $size (i32.load (i32.const 12))))
      (start $start)
      (func (export "size") (result i32) (global.get $size)))"""
    inner = library.manifest(text.format(data))
    root = library.manifest(
        '(module (import "in" "size" (func $size (result i32))) (export "size" (func $size)))',
        {"in": inner},
    )
    async with opened(library, root) as program:
        assert await program.size() == 7
        assert (await program.size.receipt()).reads == (wanted,)


async def test_a_module_cannot_take_the_name_of_the_start_export(opened: Opened) -> None:
    library = Library()
    root = library.code('(module (func (export "ipvm:start") (unreachable)) (func (export "f")))')
    with pytest.raises(ipvm.InvalidData, match="stands for the start function"):
        async with opened(library, root):
            pass
