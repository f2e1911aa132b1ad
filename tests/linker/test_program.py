"""How the modules of a program become instances, and what they share."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import ipvm
from ipvm.ipld import Cid
from ipvm.testing import Library

Opened = Callable[..., AbstractAsyncContextManager[ipvm.Program]]

COUNTER = """(module
  (global $n (mut i32) (i32.const 0))
  (func (export "next") (result i32)
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (global.get $n)))"""
COUNT = """(module (import "counter" "next" (func $next (result i32)))
  (export "next" (func $next)))"""
PAIR = """(module
  (import "left" "next" (func $left (result i32)))
  (import "right" "next" (func $right (result i32)))
  (func (export "both") (result i32)
    (drop (call $left))
    (i32.add (i32.mul (i32.const 10) (call $left)) (call $right))))"""


def pair(library: Library, left: Cid, right: Cid) -> Cid:
    """A root that counts twice with `left` and once with `right`: 23 if they are one, else 21."""
    return library.manifest(PAIR, {"left": left, "right": right})


async def test_a_diamond_shares_one_instance(opened: Opened) -> None:
    library = Library()
    counter = library.manifest(COUNTER)
    left = library.manifest(COUNT, {"counter": counter})
    right = library.manifest(COUNT.replace("(module", "(module $right"), {"counter": counter})
    async with opened(library, pair(library, left, right)) as program:
        assert await program.both() == 23


async def test_the_same_manifest_twice_is_one_instance(opened: Opened) -> None:
    library = Library()
    counter = library.manifest(COUNTER)
    async with opened(library, pair(library, counter, counter)) as program:
        assert await program.both() == 23


async def test_the_same_code_with_other_imports_is_another_instance(opened: Opened) -> None:
    library = Library()
    first = library.manifest(COUNTER)
    second = library.manifest(COUNTER.replace("(module", "(module $second"))
    assert first != second
    wrapped = [library.manifest(COUNT, {"counter": cid}) for cid in (first, second)]
    async with opened(library, pair(library, *wrapped)) as program:
        assert await program.both() == 21


async def test_the_same_code_in_another_manifest_is_another_instance(opened: Opened) -> None:
    library = Library()
    plain = library.manifest(COUNTER)
    typed = library.manifest(COUNTER, exports={"next": ipvm.Signature(params=(), results=("i32",))})
    async with opened(library, pair(library, plain, typed)) as program:
        assert await program.both() == 21


async def test_the_same_code_bare_and_with_a_manifest_are_two_instances(opened: Opened) -> None:
    library = Library()
    async with opened(
        library, pair(library, library.code(COUNTER), library.manifest(COUNTER))
    ) as program:
        assert await program.both() == 21


async def test_bare_code_that_is_named_in_two_ways_is_one_instance(opened: Opened) -> None:
    library = Library()
    counter = library.code(COUNTER)
    text = PAIR.replace('"left"', f'"{counter}"').replace('"right"', f'"ipfs://{counter}"')
    async with opened(library, library.code(text)) as program:
        assert await program.both() == 23


async def test_each_call_gets_instances_of_its_own(opened: Opened) -> None:
    library = Library()
    async with opened(library, library.manifest(COUNTER)) as program:
        assert [await program.next() for _ in range(3)] == [1, 1, 1]


async def test_a_memory_is_shared_by_those_who_import_it(opened: Opened) -> None:
    library = Library()
    owner = library.manifest("""(module (memory (export "shared") 1)
      (func (export "peek") (param i32) (result i32) (i32.load8_u (local.get 0))))""")
    writer = library.manifest(
        """(module (import "owner" "shared" (memory 1))
      (data (i32.const 3) "\\07")
      (func (export "poke") (param i32 i32) (i32.store8 (local.get 0) (local.get 1))))""",
        {"owner": owner},
    )
    root = library.manifest(
        """(module
      (import "owner" "peek" (func $peek (param i32) (result i32)))
      (import "writer" "poke" (func $poke (param i32 i32)))
      (func (export "test") (result i32)
        (call $poke (i32.const 5) (i32.const 40))
        (i32.add (call $peek (i32.const 3)) (call $peek (i32.const 5)))))""",
        {"owner": owner, "writer": writer},
    )
    async with opened(library, root) as program:
        assert await program.test() == 47


async def test_a_table_is_shared_by_those_who_import_it(opened: Opened) -> None:
    library = Library()
    owner = library.manifest("""(module
      (type $op (func (param i32) (result i32)))
      (table (export "ops") 2 funcref)
      (func (export "apply") (param i32 i32) (result i32)
        (call_indirect (type $op) (local.get 1) (local.get 0))))""")
    plugin = """(module (import "owner" "ops" (table 2 funcref))
      (func $op (param i32) (result i32) ({} (local.get 0) (i32.const 3)))
      (global (export "on") i32 (i32.const 1))
      (elem (i32.const {}) func $op))"""
    add = library.manifest(plugin.format("i32.add", 0), {"owner": owner})
    multiply = library.manifest(plugin.format("i32.mul", 1), {"owner": owner})
    root = library.manifest(
        """(module
      (import "owner" "apply" (func $apply (param i32 i32) (result i32)))
      (import "add" "on" (global i32)) (import "multiply" "on" (global i32))
      (export "apply" (func $apply)))""",
        {"owner": owner, "add": add, "multiply": multiply},
    )
    async with opened(library, root) as program:
        assert (await program.apply(0, 4), await program.apply(1, 4)) == (7, 12)


async def test_a_module_that_nothing_is_imported_from_is_not_instantiated(opened: Opened) -> None:
    library = Library()
    owner = library.manifest('(module (global (export "n") (mut i32) (i32.const 1)))')
    meddler = library.manifest(
        """(module (import "owner" "n" (global $n (mut i32)))
      (func (global.set $n (i32.const 2))) (start 0))""",
        {"owner": owner},
    )
    text = """(module (import "owner" "n" (global $n (mut i32))) {}
      (func (export "n") (result i32) (global.get $n)))"""
    links = {"owner": owner, "meddler": meddler}
    async with opened(library, library.manifest(text.format(""), links)) as program:
        assert await program.n() == 1


async def test_globals_are_shared_and_may_initialise_others(opened: Opened) -> None:
    library = Library()
    owner = library.manifest("""(module
      (global (export "base") i32 (i32.const 40))
      (global $v (export "variable") (mut i64) (i64.const 0))
      (func (export "read") (result i64) (global.get $v)))""")
    root = library.manifest(
        """(module
      (import "owner" "base" (global $base i32))
      (import "owner" "variable" (global $variable (mut i64)))
      (import "owner" "read" (func $read (result i64)))
      (global $next i32 (i32.add (global.get $base) (i32.const 2)))
      (func (export "test") (result i64)
        (global.set $variable (i64.extend_i32_u (global.get $next)))
        (call $read)))""",
        {"owner": owner},
    )
    async with opened(library, root) as program:
        assert await program.test() == 42


async def test_what_is_imported_can_be_exported_again(opened: Opened) -> None:
    library = Library()
    everything = [
        ("func $f (result i32)", "func $f"),
        ("memory $m 1", "memory $m"),
        ("table $t 1 funcref", "table $t"),
        ("global $g (mut i32)", "global $g"),
    ]
    last = library.manifest("""(module
      (memory $m (export "memory") 1) (table (export "table") 1 funcref)
      (global (export "global") (mut i32) (i32.const 5))
      (func (export "func") (result i32) (i32.load $m (i32.const 8))))""")
    passing = "".join(
        f'(import "s" "{type_.split()[0]}" ({type_}))' for type_, _ in everything
    ) + "".join(f'(export "{name.split()[0]}" ({name}))' for _, name in everything)
    for number in range(5):
        last = library.manifest(f"(module $m{number} {passing})", {"s": last})
    root = library.manifest(
        f"""(module {passing} (func (export "test") (result i32)
      (i32.store $m (i32.const 8) (i32.const 9))
      (i32.add (call $f) (global.get $g))))""",
        {"s": last},
    )
    async with opened(library, root) as program:
        assert await program.test() == 14


async def test_a_host_call_that_is_exported_again_works_on_the_memory_of_its_importer(
    opened: Opened,
) -> None:
    library = Library()
    owner = library.manifest("""(module
      (import "ipvm" "fuel" (func $fuel (param i32) (result i32)))
      (memory (export "memory") 1)
      (export "fuel" (func $fuel))
      (func (export "read") (param i32) (result i64) (i64.load (local.get 0))))""")
    root = library.manifest(
        """(module
      (import "owner" "fuel" (func $fuel (param i32) (result i32)))
      (import "owner" "read" (func $read (param i32) (result i64)))
      (func (export "test") (result i64)
        (drop (call $fuel (i32.const 16)))
        (call $read (i32.const 16))))""",
        {"owner": owner},
    )
    async with opened(library, root) as program:
        assert 0 < await program.test() < 10**12  # type: ignore[operator]


async def test_two_guests_make_host_calls_each_on_its_own_memory(opened: Opened) -> None:
    library = Library()
    text = """(module {name}
      (import "ipvm" "self" (func $self (param i32 i32 i32) (result i32)))
      {imports}
      (memory (export "memory") 1)
      (func $length (export "length") (result i32)
        (drop (call $self (i32.const 0) (i32.const 4) (i32.const 160)))
        (i32.load (i32.const 0)))
      (func (export "own") (result i32) (call $length))
      {exports})"""
    helper = library.code(text.format(name="$a", imports="", exports=""))
    root = library.manifest(
        text.format(
            name="$b",
            imports='(import "h" "length" (func $other (result i32)))',
            exports="""(func (export "untouched") (result i32)
              (drop (call $other)) (i32.load (i32.const 0)))""",
        ),
        {"h": helper},
    )
    async with opened(library, root) as program:
        assert await program.own() == len(bytes(root))
        assert await program.untouched() == 0


async def test_a_module_may_import_the_memory_that_its_host_calls_work_on(opened: Opened) -> None:
    library = Library()
    owner = library.manifest('(module (memory (export "m") 1))')
    root = library.manifest(
        """(module
      (import "owner" "m" (memory 1))
      (import "ipvm" "fuel" (func $fuel (param i32) (result i32)))
      (func (export "test") (result i64)
        (drop (call $fuel (i32.const 0))) (i64.load (i32.const 0))))""",
        {"owner": owner},
    )
    async with opened(library, root) as program:
        assert 0 < await program.test() < 10**12  # type: ignore[operator]
