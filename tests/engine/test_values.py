"""Numbers come out of a guest as they went in, whatever the shape of the function."""

import math
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
import trio
from hypothesis import given

from ipvm.engine import CallShape, Trap

if TYPE_CHECKING:
    from tests.engine.conftest import Guest

OpenGuest = Callable[..., "Guest"]

KINDS = ("i32", "i64", "f32", "f64")
VALUES: dict[str, st.SearchStrategy[int | float]] = {
    "i32": st.integers(-(2**31), 2**31 - 1),
    "i64": st.integers(-(2**63), 2**63 - 1),
    "f32": st.floats(width=32, allow_nan=False),
    "f64": st.floats(allow_nan=False),
}
EXTREMES = {
    "i32": (0, 1, -1, 2**31 - 1, -(2**31)),
    "i64": (0, 1, -1, 2**63 - 1, -(2**63)),
    "f32": (0.0, -0.0, math.inf, -math.inf, 2.0**-149, -(2.0**-126), (2 - 2**-23) * 2.0**127),
    "f64": (
        0.0,
        -0.0,
        math.inf,
        -math.inf,
        5e-324,
        -2.2250738585072014e-308,
        1.7976931348623157e308,
    ),
}
FLOAT_FORMATS = {"f32": "<f", "f64": "<d"}


def echo_text(kinds: tuple[str, ...]) -> str:
    """A function that gives back its arguments in reverse."""
    values = " ".join(f"(local.get {index})" for index in reversed(range(len(kinds))))
    params, results = " ".join(kinds), " ".join(reversed(kinds))
    return f'(module (func (export "f") (param {params}) (result {results}) {values}))'


def bits(value: float) -> bytes:
    if isinstance(value, int):
        return b"%d" % value
    return struct.pack("<d", value)


@pytest.mark.parametrize("profile", ["deterministic", "fast"])
@pytest.mark.parametrize("kind", KINDS)
async def test_the_extremes_of_each_type_survive_the_trip(
    open_guest: OpenGuest, kind: str, profile: str
) -> None:
    guest = open_guest(echo_text((kind,)), profile=profile)
    for value in EXTREMES[kind]:
        (found,) = await guest.call("f", value)
        assert (type(found), bits(found)) == (type(value), bits(value))


def test_any_values_in_any_shape_survive_the_trip(open_guest: OpenGuest) -> None:
    @given(st.lists(st.sampled_from(KINDS), max_size=12), st.data())
    def check(kinds: list[str], data: st.DataObject) -> None:
        values = [data.draw(VALUES[kind]) for kind in kinds]
        guest = open_guest(echo_text(tuple(kinds)))
        found = trio.run(guest.call, "f", *values)
        guest.store.close()
        assert [bits(value) for value in reversed(found)] == [bits(value) for value in values]

    check()


@pytest.mark.parametrize("kind", ["f32", "f64"])
async def test_a_nan_that_is_computed_has_the_canonical_bits(
    open_guest: OpenGuest, kind: str
) -> None:
    text = f"""(module
      (func (export "divide") (param {kind} {kind}) (result {kind})
        ({kind}.div (local.get 0) (local.get 1))))"""
    guest = open_guest(text)
    expected = {"f32": b"\0\0\xc0\x7f", "f64": b"\0\0\0\0\0\0\xf8\x7f"}[kind]
    for numerator, denominator in ((0.0, 0.0), (math.inf, math.inf), (math.nan, 1.0)):
        (found,) = await guest.call("divide", numerator, denominator)
        assert struct.pack(FLOAT_FORMATS[kind], found) == expected


async def test_a_function_may_have_a_thousand_parameters_and_results(open_guest: OpenGuest) -> None:
    kinds = tuple(KINDS[index % 4] for index in range(1000))
    guest = open_guest(echo_text(kinds))
    values = [index if index % 4 < 2 else float(index) for index in range(1000)]
    assert await guest.call("f", *values) == tuple(reversed(values))


async def test_a_function_may_have_no_parameters_and_no_results(open_guest: OpenGuest) -> None:
    guest = open_guest('(module (func (export "f")))')
    assert await guest.call("f") == ()


async def test_one_instance_keeps_its_state_from_call_to_call(open_guest: OpenGuest) -> None:
    guest = open_guest("""(module
      (global $count (mut i64) (i64.const 0))
      (func (export "next") (result i64)
        (global.set $count (i64.add (global.get $count) (i64.const 1)))
        (global.get $count)))""")
    assert [await guest.call("next") for _ in range(3)] == [(1,), (2,), (3,)]


@pytest.mark.parametrize(
    ("code", "body"),
    [
        ("unreachable", "unreachable"),
        ("memory-out-of-bounds", "(drop (i32.load (i32.const 65533)))"),
        ("memory-out-of-bounds", "(memory.fill (i32.const 65535) (i32.const 0) (i32.const 2))"),
        ("table-out-of-bounds", "(call_indirect (type $f) (i32.const 3))"),
        ("table-out-of-bounds", "(drop (table.get (i32.const 3)))"),
        ("indirect-call-to-null", "(call_indirect (type $f) (i32.const 0))"),
        ("bad-signature", "(call_indirect (type $g) (i64.const 0) (i32.const 1))"),
        ("integer-division-by-zero", "(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        ("integer-division-by-zero", "(drop (i64.rem_s (i64.const 1) (i64.const 0)))"),
        ("integer-overflow", "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))"),
        ("integer-overflow", "(drop (i32.trunc_f64_s (f64.const 1e10)))"),
        ("bad-conversion-to-integer", "(drop (i64.trunc_f32_u (f32.const nan)))"),
        ("stack-overflow", "(call $deep)"),
        ("null-reference", "(call_ref $f (ref.null $f))"),
    ],
)
@pytest.mark.parametrize("profile", ["deterministic", "fast"])
async def test_a_trap_has_a_name(open_guest: OpenGuest, code: str, body: str, profile: str) -> None:
    text = f"""(module $named
      (type $f (func)) (type $g (func (param i64)))
      (memory 1) (table 3 funcref) (elem (i32.const 1) $quiet)
      (func $quiet)
      (func $deep (call $deep))
      (func $main (export "f") {body}))"""
    guest = open_guest(text, profile=profile)
    with pytest.raises(Trap) as caught:
        await guest.call("f")
    assert caught.value.code == code
    assert caught.value.frames[-1].module == "named" or code == "stack-overflow"
    assert len(caught.value.frames) <= 64


async def test_the_frames_of_a_trap_name_functions_innermost_first(open_guest: OpenGuest) -> None:
    guest = open_guest("""(module $m
      (func $inner unreachable)
      (func $outer (call $inner))
      (func (export "f") (call $outer)))""")
    with pytest.raises(Trap) as caught:
        await guest.call("f")
    frames = [(frame.module, frame.function_index) for frame in caught.value.frames]
    assert frames == [("m", 0), ("m", 1), ("m", 2)]
    assert caught.value.frames[0].function == "inner"


def test_a_shape_knows_only_numbers() -> None:
    with pytest.raises(KeyError):
        CallShape(("externref",), ())
