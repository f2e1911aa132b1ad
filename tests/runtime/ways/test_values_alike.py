"""A value goes in and out alike by the short way and by the one that records take."""

import enum
import math
import struct
from typing import Final, get_args

import pytest
from hypothesis import given, strategies as st

import ipvm
from ipvm.ipld import Cid
from ipvm.model import Signature, Type
from ipvm.testing import Library

TYPES: Final[tuple[Type, ...]] = get_args(Type)
WASM: Final = {"i64": "i64", "f32": "f32", "f64": "f64"}


class Colour(enum.IntEnum):
    RED = 1


class Text(str):
    __slots__ = ()


class Data(bytes):
    pass


EDGES: Final = [
    sign * 2**power + more for power in (31, 32, 63, 64) for sign in (1, -1) for more in (-1, 0, 1)
]
ODD: Final[list[object]] = [
    *(True, False, None, Colour.RED, Text("text"), Data(b"data"), bytearray(b"array")),
    *(0.0, -0.0, math.nan, -math.nan, math.inf, -math.inf, 1e39, 1e-46, 16_777_217.0),
    *(memoryview(b"view"), bytes(1000), "x" * 1000),
    *(Cid.of(b""), Cid.of(b"x" * 100, hash_code=0), Cid.of(b"y", codec=0x71), "\ud800", "a\0"),
    *([], {}, [1, b"2", Cid.of(b"3")], {"a": None, "b": 1.5}, {1: 2}, [[[]]], object, 10**400),
]
VALUES: Final = st.one_of(
    st.sampled_from(EDGES), st.sampled_from(ODD), st.integers(), st.floats(), st.text(), st.binary()
)


@pytest.fixture(scope="module")
def same() -> tuple[Library, dict[Type, Cid]]:
    """Functions that give what they get, for each type."""
    library = Library()
    roots: dict[Type, Cid] = {}
    for type_ in TYPES:
        wasm = WASM.get(type_, "i32")
        text = f'(module (func (export "f") (param {wasm}) (result {wasm}) (local.get 0)))'
        exports = {"f": Signature(params=(type_,), results=(type_,))}
        roots[type_] = library.manifest(text, exports=exports)
    return library, roots


def told(value: object) -> object:
    """Give what two equal results have in common, and two others have not."""
    if isinstance(value, float):
        return ("float", struct.pack("<d", value))
    return (type(value), value)


@given(value=VALUES)
async def test_any_value_comes_back_alike_from_a_call_and_from_a_receipt(
    same: tuple[Library, dict[Type, Cid]], value: object
) -> None:
    library, roots = same
    async with ipvm.open(store=await library.store()) as node:
        for type_, root in roots.items():
            function = (await node.load(root))["f"]
            ways: list[object] = []
            for call in (function, function.receipt):
                try:
                    result = await call(value)
                    ways.append(told(result.value if isinstance(result, ipvm.Receipt) else result))
                except ipvm.IpvmError as condition:
                    ways.append((type(condition), str(condition)))
            assert ways[0] == ways[1], type_
