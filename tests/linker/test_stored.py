"""A plan that was written down is read back as it was."""

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from ipvm.ipld import DAG_JSON, Cid
from ipvm.limits import Limits
from ipvm.linker import (
    LinkPlan,
    Planner,
    UnreadablePlan,
    plan,
    plan_form,
    read_plan,
    recipe_of,
    write_plan,
)
from ipvm.model import Signature
from ipvm.testing import Library

Planned = Callable[[Library, Cid], LinkPlan]

ONE = '(module (func (export "f") (result i32) (i32.const 1)))'
ALL_KINDS = """(module $named
  (import "m" "memory" (memory 1 3)) (import "m" "table" (table 2 funcref))
  (import "m" "global" (global i64)) (import "m" "mut" (global (mut f32)))
  (import "ipvm" "fuel" (func $fuel (param i32) (result i32)))
  (import "ipld" "block_read" (func $read (param i32 i32 i32 i32 i32) (result i32)))
  (func $start) (start $start)
  (func (export "f") (param i32 v128 externref) (result i32 i64) (i32.const 1) (i64.const 2))
  (table (export "own") 0 10 externref))"""
SERVING = """(module
  (memory (export "memory") 1 2) (memory 0) (table (export "table") 2 2 funcref)
  (global (export "global") i64 (i64.const 1)) (global (export "mut") (mut f32) (f32.const 1))
  (func $f) (elem (i32.const 0) $f) (data (i32.const 0) "abc") (func (export "_initialize")))"""


def kinds(library: Library) -> Cid:
    """Imports and exports of all kinds, host calls, and a start function."""
    return library.manifest(ALL_KINDS, {"m": library.code(SERVING)})


def diamond(library: Library) -> Cid:
    """Two nodes with the same code, one by its code's CID, and signatures."""
    code = library.code(ONE)
    other = library.manifest(code, {"unused": code}, codec=DAG_JSON)
    text = f"""(module (import "{code}" "f" (func (result i32)))
      (import "b" "f" (func (result i32))) (import "é" "f" (func (result i32)))
      (func (export "g") (param i64 f64)))"""
    signature = Signature(params=("i64", "f64"), results=(), doc="Adds\nnothing.")
    return library.manifest(text, {"b": other, "é": code}, {"g": signature})


PROGRAMS = [lambda library: library.code(ONE), lambda library: library.code("(module)")]


@pytest.mark.parametrize("make", [*PROGRAMS, kinds, diamond])
def test_a_plan_is_read_as_it_was_written(make: Callable[[Library], Cid], planned: Planned) -> None:
    library = Library()
    linked = planned(library, make(library))
    read, recipe = read_plan(write_plan(linked, recipe_of(linked)))
    assert read.root == linked.root
    assert read == linked
    assert recipe == recipe_of(linked) == recipe_of(read)
    assert list(read.code) == list(linked.code)
    assert [node.servers for node in read.nodes] == [node.servers for node in linked.nodes]
    assert read.root.info.export("f") == linked.root.info.export("f")
    assert write_plan(read, recipe) == write_plan(linked, recipe)


@given(st.lists(st.lists(st.integers(0, 100), max_size=3), min_size=1, max_size=12))
def test_a_plan_of_any_shape_is_read_as_it_was_written(shape: list[list[int]]) -> None:
    library = Library()
    made: list[Cid] = []
    for number, picks in enumerate(shape):
        served = {f"i{each}": made[each % len(made)] for each in picks if made}
        wanted = "".join(f'(import "{name}" "f" (func (result i32)))' for name in served)
        text = f'(module {wanted} (func (export "f") (result i32) (i32.const {number % 3})))'
        made.append(library.manifest(text, served))
    planner = Planner(made[-1], limits=Limits())
    while missing := planner.missing():
        for cid in missing:
            planner.feed(library.blocks[cid])
    linked = plan(planner)
    assert read_plan(write_plan(linked, recipe_of(linked))) == (linked, recipe_of(linked))


def test_what_was_cut_off_is_no_plan(planned: Planned) -> None:
    library = Library()
    linked = planned(library, kinds(library))
    written = write_plan(linked, recipe_of(linked))
    for size in range(len(written)):
        with pytest.raises(UnreadablePlan):
            read_plan(written[:size])


def test_a_host_call_that_is_not_known_makes_no_plan(planned: Planned) -> None:
    library = Library()
    linked = planned(library, kinds(library))
    written = write_plan(linked, recipe_of(linked))
    with pytest.raises(UnreadablePlan, match=r"no host call ipvm\.fool"):
        read_plan(written.replace(b"fuel", b"fool"))


def test_the_version_is_raised_when_plans_are_written_another_way(planned: Planned) -> None:
    library = Library()
    plans = [planned(library, make(library)) for make in (kinds, diamond)]
    written = b"".join(write_plan(linked, recipe_of(linked)) for linked in plans)
    assert plan_form().startswith(b"(2, ")
    assert hashlib.sha256(written).hexdigest() == WRITTEN


WRITTEN = "c38be7d1e4e5821e7f975b5856fdec7b74c85076230b49700a68da2124eadd7d"
