"""Values of every type go in and come out as they were; what does not fit is refused in time."""

import math
import struct
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

import ipvm
from ipvm.errors import GuestError, InvalidArguments
from ipvm.ipld import DAG_CBOR, DAG_JSON, DAG_PB, RAW, Block, Cid
from ipvm.limits import BLOCK_BYTES_MAX
from ipvm.model import Type, wasm_type
from ipvm.store import Memory
from ipvm.testing import Library

Load = Callable[..., Awaitable[ipvm.Program]]

TYPES: tuple[Type, ...] = (
    "i32", "i64", "f32", "f64", "bool", "bytes", "string", "ipld", "link",
)  # fmt: skip
LINK = Cid.of(b"content")


def identity(*types: Type) -> tuple[str, dict[str, ipvm.Signature]]:
    """Code that returns what it is given, and its signature."""
    wasm = " ".join(wasm_type(each) for each in types)
    body = " ".join(f"(local.get {place})" for place in range(len(types)))
    text = f'(module (func (export "f") (param {wasm}) (result {wasm}) {body}))'
    return text, {"f": ipvm.Signature(params=types, results=types)}


class Identities:
    """Functions that return what they are given, by their types; callable without trio."""

    def __init__(self, node: ipvm.sync.SyncNode, store: Memory) -> None:
        self._node = node
        self._store = store

    def __call__(self, *types: Type) -> ipvm.sync.SyncFunction:
        library = Library()
        text, exports = identity(*types)
        root = library.manifest(text, exports=exports)
        for cid, block in library.blocks.items():
            self._node.put(block.data, codec=cid.codec)
        return self._node.load(root)["f"]


@pytest.fixture(scope="module")
def identities() -> Iterator[Identities]:
    store = Memory()
    with ipvm.sync.open(store=store) as node:
        yield Identities(node, store)


VALUES: dict[Type, st.SearchStrategy[Any]] = {
    "i32": st.integers(-(2**31), 2**31 - 1),
    "i64": st.integers(-(2**63), 2**63 - 1),
    "f32": st.floats(width=32),
    "f64": st.floats(),
    "bool": st.booleans(),
    "bytes": st.none() | st.binary(),
    "string": st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    "link": st.none() | st.binary(max_size=20).map(Cid.of),
    "ipld": st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**64), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"]))
        | st.binary()
        | st.just(LINK),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab\0é"), inner),
        max_leaves=8,
    ),
}


def same(found: object, given_: object) -> bool:
    if isinstance(given_, float) and isinstance(found, float):
        return struct.pack("<d", found) == struct.pack("<d", given_) or (
            math.isnan(found) and math.isnan(given_)
        )
    return found == given_ and type(found) is type(given_)


@pytest.mark.parametrize("type_", TYPES)
@given(data=st.data())
def test_a_value_comes_back_as_it_went_in(
    type_: Type, data: st.DataObject, identities: Identities
) -> None:
    value = data.draw(VALUES[type_])
    assert same(identities(type_)(value), value)


@given(data=st.data())
def test_several_values_come_back_in_order(data: st.DataObject, identities: Identities) -> None:
    types = data.draw(st.lists(st.sampled_from(TYPES), min_size=2, max_size=6))
    values = [data.draw(VALUES[each]) for each in types]
    found = identities(*types)(*values)
    assert isinstance(found, list)
    assert all(map(same, found, values))


@given(data=st.data())
def test_a_receipt_holds_the_value_that_a_call_gives(
    data: st.DataObject, identities: Identities
) -> None:
    type_ = data.draw(st.sampled_from(TYPES))
    value = data.draw(VALUES[type_])
    receipt = identities(type_).receipt(value)
    assert same(receipt.value, value)


def test_what_is_left_out_is_nothing(identities: Identities) -> None:
    assert identities()() is None
    assert identities().receipt().value is None


REFUSED: list[tuple[Type, object, str]] = [
    ("i32", 2**31, "out of the range"),
    ("i64", -(2**63) - 1, "out of the range"),
    ("i32", 1.0, "expected i32, got a float"),
    ("i32", True, "expected i32, got a boolean"),
    ("i32", None, "expected i32, got null"),
    ("f32", 1e39, "out of the range"),
    ("f64", "1", "expected f64, got a string"),
    ("bool", 1, "expected bool, got an integer"),
    ("bytes", "text", "expected bytes, got a string"),
    ("bytes", bytes(BLOCK_BYTES_MAX + 1), "larger than a block"),
    ("string", b"bytes", "expected string, got bytes"),
    ("string", "\ud800", "half of a surrogate pair"),
    ("string", "é" * (BLOCK_BYTES_MAX // 2 + 1), "larger than a block"),
    ("link", "no cid", "expected link"),
    ("ipld", {1}, "expected a value of IPLD"),
    ("ipld", bytes(BLOCK_BYTES_MAX + 1), "larger than a block"),
]


@pytest.mark.parametrize(("type_", "value", "message"), REFUSED)
def test_an_argument_that_does_not_fit_is_refused(
    type_: Type, value: object, message: str, identities: Identities
) -> None:
    for call in (identities(type_), identities(type_).receipt):
        with pytest.raises(InvalidArguments, match=f"argument 1: .*{message}"):
            call(value)


@pytest.mark.parametrize("given_", [(), (1,), (1, 2, 3)])
def test_the_wrong_number_of_arguments_is_refused(
    given_: tuple[int, ...], identities: Identities
) -> None:
    function = identities("i32", "i32")
    for call in (function, function.receipt):
        with pytest.raises(
            InvalidArguments, match=rf"takes 2 arguments \(i32, i32\), got {len(given_)}"
        ):
            call(*given_)


async def test_arguments_are_looked_at_before_anything_is_instantiated(load: Load) -> None:
    library = Library()
    text = '(module (func $no (unreachable)) (start $no) (func (export "f") (param i32)))'
    program = await load(library, library.code(text))
    with pytest.raises(InvalidArguments):
        await program.f("one")
    with pytest.raises(GuestError):
        await program.f(1)


def test_the_largest_values_that_fit_are_passed(identities: Identities) -> None:
    data = bytes(BLOCK_BYTES_MAX)
    assert identities("bytes")(data) == data
    assert identities("string")("x" * BLOCK_BYTES_MAX) == "x" * BLOCK_BYTES_MAX
    deep: Any = 1
    for _ in range(126):
        deep = [deep]
    assert identities("ipld")(deep) == deep
    assert identities("ipld").receipt(deep).value == deep
    with pytest.raises(InvalidArguments, match="nested deeper than 126 levels"):
        identities("ipld")([deep])


def returning(type_: Type, codec: int, data: bytes) -> tuple[str, dict[str, ipvm.Signature]]:
    """Code that opens a block that lies in its CID, and returns its handle as that type."""
    cid = Block.of(data, codec=codec, hash_code=0).cid
    escaped = "".join(f"\\{byte:02x}" for byte in bytes(cid))
    text = f"""(module
      (import "ipld" "block_open" (func $open (param i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 64) "{escaped}")
      (func (export "f") (result i32)
        (if (call $open (i32.const 0) (i32.const 64)) (then (unreachable)))
        (i32.load (i32.const 8))))"""
    return text, {"f": ipvm.Signature(params=(), results=(type_,))}


NODE = Block.encode({"Links": []}, codec=DAG_PB).data
RETURNED: list[tuple[Type, int, bytes, object]] = [
    ("bytes", RAW, b"abc", b"abc"),
    ("bytes", DAG_CBOR, b"\x43abc", b"abc"),
    ("string", RAW, "é".encode(), "é"),
    ("string", DAG_CBOR, b"\x61a", "a"),
    ("string", DAG_JSON, b'"a"', "a"),
    ("link", RAW, bytes(LINK), LINK),
    ("link", DAG_CBOR, Block.encode(LINK).data, LINK),
    ("ipld", RAW, b"abc", b"abc"),
    ("ipld", DAG_JSON, b'{"a":[1,null]}', {"a": [1, None]}),
    ("ipld", DAG_PB, NODE, {"Links": []}),
    ("ipld", DAG_CBOR, b"\xf6", None),
    ("bytes", DAG_CBOR, b"\xf6", None),
]


@pytest.mark.parametrize(("type_", "codec", "data", "value"), RETURNED)
async def test_a_block_that_holds_the_promised_type_is_a_result(
    type_: Type, codec: int, data: bytes, value: object, load: Load
) -> None:
    library = Library()
    text, exports = returning(type_, codec, data)
    program = await load(library, library.manifest(text, exports=exports))
    assert await program.f() == value
    assert (await program.f.receipt()).value == value


MISPLACED: list[tuple[Type, int, bytes, str]] = [
    ("bytes", DAG_CBOR, b"\x61a", "expected bytes, got a string"),
    ("string", RAW, b"\xff", "a block is no string"),
    ("string", DAG_CBOR, b"\x01", "expected string, got an integer"),
    ("link", RAW, b"no cid", "a block is no link"),
    ("link", RAW, bytes(LINK) + b"\0", "a block is no link"),
    ("link", DAG_CBOR, b"\x61a", "expected link"),
    ("ipld", DAG_CBOR, b"\xff", "a block is no ipld"),
    ("ipld", DAG_CBOR, b"\x01\x01", "a block is no ipld"),
    ("ipld", DAG_CBOR, b"\x18\x01", "a block is no ipld"),
    ("ipld", DAG_CBOR, b"", "a block is no ipld"),
    ("ipld", DAG_JSON, b"{", "a block is no ipld"),
    ("ipld", DAG_PB, b"\xff", "a block is no ipld"),
    ("ipld", 0x1234, b"abc", "a block is no ipld"),
    ("ipld", DAG_CBOR, b"\x81" * 127 + b"\x01", "nested deeper than 126 levels"),
]


@pytest.mark.parametrize(("type_", "codec", "data", "message"), MISPLACED)
async def test_a_block_that_holds_something_else_is_an_invalid_result(
    type_: Type, codec: int, data: bytes, message: str, load: Load
) -> None:
    library = Library()
    text, exports = returning(type_, codec, data)
    program = await load(library, library.manifest(text, exports=exports))
    with pytest.raises(GuestError, match=message) as caught:
        await program.f()
    assert caught.value.kind == "invalid-result"
    receipt = await program.f.receipt()
    assert receipt.error is not None
    assert receipt.error.kind == "invalid-result"
    with pytest.raises(GuestError, match=message):
        _ = receipt.value


@pytest.mark.parametrize("handle", [1, 2, 1_048_576, -1, -(2**31)])
async def test_a_handle_of_no_block_is_an_invalid_result(handle: int, load: Load) -> None:
    library = Library()
    text = f'(module (func (export "f") (result i32) (i32.const {handle})))'
    exports = {"f": ipvm.Signature(params=(), results=("bytes",))}
    program = await load(library, library.manifest(text, exports=exports))
    with pytest.raises(GuestError, match=f"the handle {handle % 2**32} is of no block") as caught:
        await program.f()
    assert caught.value.kind == "invalid-result"


async def test_a_function_without_a_signature_takes_and_gives_numbers(load: Load) -> None:
    library = Library()
    root = library.code("""(module
      (func (export "add") (param i32 i64 f32 f64) (result f64)
        (f64.add (f64.add (f64.convert_i32_s (local.get 0)) (f64.convert_i64_s (local.get 1)))
                 (f64.add (f64.promote_f32 (local.get 2)) (local.get 3))))
      (func (export "lanes") (param v128)) (func (export "reference") (result funcref)
        (ref.null func)))""")
    program = await load(library, root)
    assert program.functions == ("add",)
    assert await program.add(-1, 2**40, 0.5, 0.25) == 2**40 - 0.25
    for name in ("lanes", "reference"):
        with pytest.raises(InvalidArguments, match=f'"{name}" has the type .* no value can be'):
            _ = program[name]


async def test_a_bool_is_whatever_is_not_zero(load: Load) -> None:
    library = Library()
    exports = {"f": ipvm.Signature(params=("i32",), results=("bool",))}
    text = '(module (func (export "f") (param i32) (result i32) (local.get 0)))'
    program = await load(library, library.manifest(text, exports=exports))
    assert [await program.f(number) for number in (0, 1, 2, -1)] == [False, True, True, True]
