"""Words become arguments as the signature wants them."""

import contextlib
import json
import math

import pytest
from hypothesis import given, strategies as st

from ipvm.cli.arguments import parse_arguments
from ipvm.cli.inputs import Given
from ipvm.errors import InvalidArguments
from ipvm.ipld import Cid, Value
from ipvm.model import Signature, Type, arguments

CID = Cid.of(b"something")


def parse(type_: Type, text: str, content: bytes | None = None) -> Value:
    signature = Signature(params=(type_,), results=())
    (value,) = parse_arguments(signature, [Given(text, content)], name="f")
    return value


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_integer_is_read_as_it_is_printed(number: int) -> None:
    assert parse("i64", str(number)) == number


@given(st.floats())
def test_a_float_is_read_as_json_prints_it(number: float) -> None:
    value = parse("f64", json.dumps(number))
    assert isinstance(value, float)
    assert value == number or (math.isnan(value) and math.isnan(number))


@given(st.text())
def test_any_text_can_be_passed_in_quotes(text: str) -> None:
    assert parse("string", json.dumps(text)) == text


@given(st.text().filter(lambda text: not text.startswith('"') and text != "null"))
def test_text_without_quotes_is_itself(text: str) -> None:
    assert parse("string", text) == text


@given(st.binary())
def test_any_bytes_can_be_passed_in_hexadecimal_and_by_a_file(data: bytes) -> None:
    assert parse("bytes", f"hex:{data.hex()}") == data
    assert parse("bytes", "@file", data) == data


TYPES = ["i32", "i64", "f32", "f64", "bool", "bytes", "string", "ipld", "link"]


@given(st.sampled_from(TYPES), st.text(), st.none() | st.binary(max_size=40))
def test_any_word_and_any_file_is_an_argument_or_refused(
    type_: Type, text: str, content: bytes | None
) -> None:
    with contextlib.suppress(InvalidArguments):
        value = parse(type_, text, content)
        arguments(Signature(params=(type_,), results=()), [value], name="f")


@pytest.mark.parametrize("type_", [each for each in TYPES if each != "string"])
def test_a_word_that_is_refused_is_told_what_to_type_instead(type_: Type) -> None:
    with pytest.raises(InvalidArguments, match=f"argument 1 is of type {type_}: give .*not valid"):
        parse(type_, "{nonsense", None)


@pytest.mark.parametrize("type_", ["bytes", "string", "ipld", "link"])
def test_null_is_nothing_where_a_block_goes(type_: Type) -> None:
    assert parse(type_, "null") is None


@pytest.mark.parametrize("text", [f"cid:{CID}", str(CID), f"ipfs://{CID}", f'{{"/":"{CID}"}}'])
def test_a_link_is_written_in_four_ways(text: str) -> None:
    assert parse("link", text) == CID


def test_a_word_that_could_mean_many_bytes_means_none() -> None:
    with pytest.raises(InvalidArguments, match=r"give @FILE, - for standard input, text:TEXT"):
        parse("bytes", '"abc"')


@pytest.mark.parametrize("text", ["[" * 100_000, "[" * 127 + "]" * 127, "9" * 5000, ""])
def test_json_that_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(InvalidArguments):
        arguments(Signature(params=("ipld",), results=()), [parse("ipld", text)], name="f")
