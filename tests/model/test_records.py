"""A record is its bytes: reading and writing are inverse, and nothing else is a record."""

import contextlib
import math
from typing import TypeAlias

import pytest
from hypothesis import given, strategies as st
from msgspec import UNSET

from ipvm import limits
from ipvm.errors import IpvmError
from ipvm.ipld import DAG_CBOR, DAG_JSON, RAW, Block, Cid, Value
from ipvm.model import (
    Failure,
    InvalidRecord,
    Invocation,
    Manifest,
    Outcome,
    Receipt,
    Signature,
)

TYPES = ("i32", "i64", "f32", "f64", "bool", "bytes", "string", "ipld", "link")
CODE = Cid.of(b"code")
MATH = Cid.of(b"math")

AnyRecord: TypeAlias = Manifest | Invocation | Receipt

names = st.text(max_size=12).filter(lambda name: name != "/")  # reserved in DAG-JSON
cids = st.binary(max_size=8).map(Cid.of)
types = st.lists(st.sampled_from(TYPES), max_size=4).map(tuple)
values: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | cids,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
amounts = st.none() | st.integers(1, 2**63 - 1)
signatures = st.builds(Signature, params=types, results=types, doc=st.none() | names)
failures = st.builds(
    Failure,
    kind=st.sampled_from(("trap", "abort", "out-of-fuel")),
    code=st.none() | st.integers(0, 2**32 - 1),
    message=st.none() | names,
)
records = st.one_of(
    st.builds(
        Manifest,
        code=cids,
        imports=st.dictionaries(names, cids, max_size=3),
        exports=st.dictionaries(names, signatures, max_size=3),
    ),
    st.builds(
        Invocation,
        run=cids,
        func=names,
        args=st.lists(values, max_size=3).map(tuple),
        profile=st.sampled_from(("deterministic", "fast")),
        memory=amounts.filter(lambda amount: amount != limits.MEMORY_DEFAULT),
        grants=st.lists(names, max_size=3).map(tuple),
    ),
    st.builds(
        Invocation,
        run=cids,
        func=names,
        args=st.just(()),
        fuel=amounts.filter(lambda amount: amount != limits.FUEL_DEFAULT),
    ),
    st.builds(
        Receipt,
        ran=cids,
        out=values.map(lambda value: Outcome(ok=value))
        | failures.map(lambda failure: Outcome(error=failure)),
        fuel=amounts,
        reads=cids | st.lists(cids, max_size=3).map(tuple),
        engine=st.dictionaries(names, values, max_size=3),
    ),
)
POLY = Manifest(
    code=CODE,
    imports={"math": MATH},
    exports={"eval": Signature(params=("ipld", "f64"), results=("f64",))},
)


@given(records)
def test_a_record_is_read_from_the_value_that_it_is_written_as(record: AnyRecord) -> None:
    assert type(record).from_value(record.to_value()) == record


@given(records, st.sampled_from((DAG_CBOR, DAG_JSON)))
def test_a_record_is_read_from_a_block_of_either_codec(record: AnyRecord, codec: int) -> None:
    assert type(record).from_block(Block.encode(record.to_value(), codec=codec)) == record


@given(records)
def test_a_record_has_one_encoding(record: AnyRecord) -> None:
    block = record.to_block()
    assert type(record).from_block(block).to_block() == block
    assert Block.encode(block.decode()) == block


@given(values)
def test_any_value_is_a_record_or_refused_as_one(value: Value) -> None:
    for kind in (Manifest, Invocation, Receipt, Signature, Outcome, Failure):
        with contextlib.suppress(InvalidRecord):
            kind.from_value(value)


@given(records, st.data())
def test_a_record_with_one_part_replaced_is_a_record_or_refused_as_one(
    record: AnyRecord, data: st.DataObject
) -> None:
    value = part = record.to_value()
    while True:
        name = data.draw(st.sampled_from(sorted(part)))
        inner = part[name]
        if not isinstance(inner, dict) or not inner or data.draw(st.booleans()):
            break
        part = inner
    part[name] = data.draw(values)
    try:
        again = type(record).from_value(value)
    except InvalidRecord:
        return
    assert again.to_block() == Block.encode(value)


def test_fields_that_say_nothing_are_left_out() -> None:
    assert Manifest(code=CODE).to_value() == {"ipvm": "manifest/1", "code": CODE}
    invocation = Invocation(run=CODE, func="f", args=(None,), profile="deterministic")
    assert invocation.to_value() == {
        "ipvm": "invocation/1",
        "run": CODE,
        "func": "f",
        "args": [None],
    }


def test_a_null_result_is_a_result() -> None:
    receipt = Receipt(ran=CODE, out=Outcome(ok=None), reads=(), engine={})
    value = receipt.to_value()
    assert value["out"] == {"ok": None}
    again = Receipt.from_value(value)
    assert again.out.ok is None
    assert again.out.error is None


def test_a_failure_has_no_result() -> None:
    value: Value = {"error": {"kind": "abort", "code": 7, "message": "no"}}
    outcome = Outcome.from_value(value)
    assert outcome.ok is UNSET
    assert outcome.error == Failure(kind="abort", code=7, message="no")


def test_a_negative_zero_in_a_record_stays_one() -> None:
    receipt = Receipt(ran=CODE, out=Outcome(ok=-0.0), reads=(), engine={})
    ok = Receipt.from_block(receipt.to_block()).out.ok
    assert isinstance(ok, float)
    assert math.copysign(1, ok) == -1


def test_a_signature_prints_as_types() -> None:
    assert str(Signature(params=("ipld", "f64"), results=("f64",))) == "(ipld, f64) -> f64"
    assert str(Signature(params=(), results=())) == "() -> ()"
    assert str(Signature(params=("i32",), results=("i32", "link"))) == "(i32) -> (i32, link)"


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        POLY.code = MATH  # type: ignore[misc]


def test_a_raw_block_is_no_record() -> None:
    with pytest.raises(InvalidRecord, match=r"^manifest: expected a block of DAG-CBOR or DAG-JSON"):
        Manifest.from_block(Block.of(b"\x00asm", codec=RAW))


def test_a_block_that_is_not_what_its_codec_says_is_no_record() -> None:
    with pytest.raises(IpvmError, match="not valid dag-cbor"):
        Manifest.from_block(Block.of(b"\xff", codec=DAG_CBOR))


def test_an_error_in_a_block_names_the_block() -> None:
    block = Block.encode({**POLY.to_value(), "code": "x"})
    with pytest.raises(InvalidRecord) as caught:
        Manifest.from_block(block)
    assert str(caught.value) == (f"manifest: code: expected a link, got a string (in {block.cid})")


def test_a_record_that_holds_no_ipld_is_not_encoded() -> None:
    nothing: Value = math.nan
    with pytest.raises(IpvmError):
        Invocation(run=CODE, func="f", args=(nothing,)).to_block()


@pytest.mark.parametrize("size", [0, limits.NAME_BYTES_MAX])
def test_a_name_may_be_empty_or_as_long_as_allowed(size: int) -> None:
    manifest = Manifest(code=CODE, imports={"é" * (size // 2): MATH})
    assert Manifest.from_block(manifest.to_block()) == manifest


def test_as_many_imports_as_allowed_are_read() -> None:
    imports = {str(number): MATH for number in range(limits.RECORD_ENTRIES_MAX)}
    manifest = Manifest(code=CODE, imports=imports)
    assert Manifest.from_block(manifest.to_block()) == manifest
