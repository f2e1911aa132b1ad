"""Guests that are valid modules and mean no good get what the spec says, and nothing worse happens."""

import math
import struct
from collections.abc import Awaitable, Callable
from typing import Final

import pytest

import ipvm
from ipvm.ipld import Cid
from ipvm.limits import FUNCTION_PARAMETERS_MAX
from ipvm.model import Profile
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]

PROFILES: Final[tuple[Profile, ...]] = ("deterministic", "fast")
KERNEL: Final = "ipvm:kernel"
"""The name of the module through whose table guests wait."""


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest) -> Profile:
    found: Profile = request.param
    return found


async def failure(function: ipvm.Function, *arguments: object) -> ipvm.GuestError:
    with pytest.raises(ipvm.GuestError) as caught:
        await function(*arguments)
    return caught.value


async def test_a_function_may_have_a_thousand_parameters_and_results(
    profile: Profile, load: Load
) -> None:
    kinds = [("i32", "i64", "f32", "f64")[n % 4] for n in range(FUNCTION_PARAMETERS_MAX)]
    types = " ".join(kinds)
    gets = " ".join(f"(local.get {n})" for n in range(len(kinds)))
    text = f'(module (func (export "f") (param {types}) (result {types}) {gets}))'
    library = Library()
    program = await load(library, library.code(text), profile=profile)
    values = [n if kind[0] == "i" else n / 2 for n, kind in enumerate(kinds)]
    for _ in range(3):
        assert await program.f(*values) == values
    with pytest.raises(ipvm.InvalidArguments):
        await program.f(*values, 1)


@pytest.mark.parametrize("where", ["params", "results"])
async def test_a_function_may_not_have_one_more(where: str, profile: Profile, load: Load) -> None:
    types = "i32 " * (FUNCTION_PARAMETERS_MAX + 1)
    text = {
        "params": f'(module (func (export "f") (param {types})))',
        "results": f'(module (func (export "f") (result {types}) (unreachable)))',
    }[where]
    library = Library()
    with pytest.raises(ipvm.LimitExceeded, match="function_parameters_max is 1000"):
        await load(library, library.code(text), profile=profile)


GROWING = """(module (memory 1) (table $t 1 funcref)
  (func (export "memory") (param $pages i32) (result i32)
    (loop $again (br_if $again (i32.ge_s (memory.grow (local.get $pages)) (i32.const 0))))
    (memory.size))
  (func (export "table") (param $elements i32) (result i32)
    (loop $again (br_if $again
      (i32.ge_s (table.grow $t (ref.null func) (local.get $elements)) (i32.const 0))))
    (table.size $t)))"""


async def test_what_grows_as_long_as_it_can_meets_its_bound(profile: Profile, load: Load) -> None:
    library = Library()
    root = library.code(GROWING)
    program = await load(library, root, memory=300 * 65_536, profile=profile)
    for _ in range(3):
        assert await program.memory(1) == 300
        assert await program.memory(64) == 257
        assert await program.memory(-1) == 1
        assert await program.table(1_000_000) == 9_000_001
        assert await program.table(-1) == 1


async def test_the_whole_memory_may_be_filled_and_copied(profile: Profile, load: Load) -> None:
    library = Library()
    text = """(module (memory 1)
      (func (export "f") (param $pages i32) (result i32) (local $end i32)
        (drop (memory.grow (local.get $pages)))
        (local.set $end (i32.mul (memory.size) (i32.const 65536)))
        (memory.fill (i32.const 0) (i32.const 7) (local.get $end))
        (memory.copy (i32.const 0) (i32.const 1) (i32.sub (local.get $end) (i32.const 1)))
        (memory.copy (i32.const 1) (i32.const 0) (i32.sub (local.get $end) (i32.const 1)))
        (i32.load (i32.sub (local.get $end) (i32.const 4))))
      (func (export "over") (param i32) (result i32)
        (memory.fill (i32.const 1) (i32.const 7) (i32.const 65536)) (i32.const 0))
      (func (export "far") (param i32) (result i32)
        (memory.copy (i32.const -1) (i32.const -1) (i32.const -1)) (i32.const 0)))"""
    program = await load(library, library.code(text), profile=profile)
    for pages in (0, 1, 100, 1000):
        assert await program.f(pages) == 0x07070707
    for name in ("over", "far"):
        assert (await failure(program[name], 0)).detail == "memory out of bounds"


async def test_tail_calls_without_end_use_up_fuel_and_no_stack(load: Load) -> None:
    library = Library()
    text = """(module (table $t funcref (elem $f)) (type $i (func (param i64) (result i64)))
      (func $f (export "f") (type $i) (return_call $g (i64.add (local.get 0) (i64.const 1))))
      (func $g (export "g") (type $i)
        (return_call_indirect (type $i) (local.get 0) (i32.const 0))))"""
    program = await load(library, library.code(text), fuel=3_000_000)
    for name in ("f", "g"):
        error = await failure(program[name], 0)
        assert (error.kind, error.fuel_used) == ("out-of-fuel", 3_000_000)


async def test_a_branch_table_of_many_targets_finds_each(profile: Profile, load: Load) -> None:
    size = 5000
    blocks = "(block " * size
    ends = "".join(f") (return (i32.const {n}))" for n in range(size))
    targets = " ".join(map(str, range(size)))
    text = f"""(module (func (export "f") (param i32) (result i32)
      {blocks} (br_table {targets} 0 (local.get 0)) {ends} (unreachable)))"""
    library = Library()
    program = await load(library, library.code(text), profile=profile)
    found = [await program.f(n) for n in (0, 1, 17, size - 1, size, -1)]
    assert found == [0, 1, 17, size - 1, 0, 0]


@pytest.mark.parametrize("kind", ["v128", "externref", "funcref"])
async def test_a_function_that_no_value_can_be_given_to_is_not_offered(
    kind: str, profile: Profile, load: Load
) -> None:
    text = f"""(module (func (export "f") (param {kind}))
      (func (export "g") (result {kind}) (unreachable)) (func (export "h")))"""
    library = Library()
    root = library.code(text)
    program = await load(library, root, profile=profile)
    assert program.functions == ("h",)
    assert await program.h() is None
    for name in ("f", "g"):
        with pytest.raises(ipvm.InvalidArguments, match=f"no value can be given for {kind}"):
            program[name]


@pytest.mark.parametrize("place", ["start", "initialize"])
async def test_a_program_that_ends_before_it_begins_says_how(
    place: str, profile: Profile, load: Load
) -> None:
    head = {"start": "(func $s {}) (start $s)", "initialize": '(func (export "_initialize") {})'}
    for body, detail in (
        ("(unreachable)", "unreachable"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "integer division by zero"),
    ):
        text = f'(module {head[place].format(body)} (func (export "f")))'
        library = Library()
        program = await load(library, library.code(text), profile=profile)
        error = await failure(program.f)
        assert (error.kind, error.detail, len(error.frames)) == ("trap", detail, 1)


@pytest.mark.parametrize("place", ["start", "initialize", "dependency"])
async def test_a_program_that_does_not_begin_uses_up_its_fuel(place: str, load: Load) -> None:
    spin = "(loop $again (br $again))"
    library = Library()
    if place == "dependency":
        leaf = library.manifest(f'(module (func $s {spin}) (start $s) (func (export "f")))')
        root = library.manifest(
            '(module (import "leaf" "f" (func $f)) (export "f" (func $f)))', {"leaf": leaf}
        )
    else:
        head = {"start": f"(func $s {spin}) (start $s)"}
        begin = head.get(place, f'(func (export "_initialize") {spin})')
        root = library.code(f'(module {begin} (func (export "f")))')
    program = await load(library, root, fuel=5_000_000)
    error = await failure(program.f)
    assert (error.kind, error.fuel_used) == ("out-of-fuel", 5_000_000)
    assert (await program.f.receipt()).cid == (await program.f.receipt()).cid


def named(name: str, text: str) -> bytes:
    """Assemble a module, and let it call itself by a name, twice."""
    library = Library()
    data = library.blocks[library.code(text)].data
    size = len(name)
    section = bytes([4]) + b"name" + bytes([0, size + 1, size]) + name.encode()
    return data + 2 * (bytes([0, len(section)]) + section)


@pytest.mark.parametrize("name", [KERNEL, str(Cid.of(b"somebody else"))])
async def test_a_guest_cannot_pass_for_another_module(
    name: str, profile: Profile, load: Load
) -> None:
    """A call through an empty table of the kernel means that a guest waits; of a guest, a trap."""
    text = """(module (table 1 1 funcref) (memory (export "memory") 1)
      (type $operation (func (param i32) (result i32)))
      (func (export "wait_for") (param i32) (result i32)
        (call_indirect (type $operation) (local.get 0) (i32.const 0))))"""
    library = Library()
    root = library.file(named(name, text))
    program = await load(library, root, profile=profile)
    for _ in range(3):
        error = await failure(program.wait_for, 16)
        assert (error.kind, error.detail) == ("trap", "indirect call to null")
        assert [(each.function, each.module) for each in error.frames] == [("wait_for", str(root))]


FLOATS: Final = """(module
  (func (export "f32") (param f32) (result f32) (local.get 0))
  (func (export "f64") (param f64) (result f64) (local.get 0))
  (func (export "make32") (param i32) (result f32) (f32.reinterpret_i32 (local.get 0)))
  (func (export "make64") (param i64) (result f64) (f64.reinterpret_i64 (local.get 0)))
  (func (export "bits32") (param f32) (result i32) (i32.reinterpret_f32 (local.get 0)))
  (func (export "bits64") (param f64) (result i64) (i64.reinterpret_f64 (local.get 0))))"""


async def test_a_number_that_is_none_stays_none_on_its_way(profile: Profile, load: Load) -> None:
    library = Library()
    program = await load(library, library.code(FLOATS), profile=profile)
    for name, bits in (
        ("make32", 0x7F800001),
        ("make32", 0x7FC00000),
        ("make32", -1),
        ("make64", 0x7FF0000000000001),
        ("make64", 0x7FF8000000000000),
        ("make64", -1),
    ):
        found = await program[name](bits)
        assert isinstance(found, float)
        assert math.isnan(found)
        receipt = await program[name].receipt(bits)
        assert receipt.record.out.ok == "NaN"
    for name, given in (("f32", math.nan), ("f64", math.inf), ("f64", -0.0), ("f32", 5e-324)):
        expected = struct.unpack("<f", struct.pack("<f", given))[0] if name == "f32" else given
        assert repr(await program[name](given)) == repr(expected)
    payload = struct.unpack("<d", struct.pack("<Q", 0xFFF8_0000_0000_1234))[0]
    assert await program.bits64(payload) == await program.bits64(math.nan) == 0x7FF8 << 48
    assert await program.bits32(math.nan) == 0x7FC00000
