"""Arguments and results have one form in records, and what has none is refused with its path."""

import enum
import math
import struct
from typing import Any

import pytest
from hypothesis import given, strategies as st

from ipvm import limits
from ipvm.errors import InvalidArguments
from ipvm.ipld import Cid, Value
from ipvm.model import (
    InvalidResult,
    Invocation,
    Signature,
    Type,
    arguments,
    from_record,
    from_result,
    result,
    to_argument,
    wasm_type,
)

LINK = Cid.of(b"content")
TYPES: tuple[Type, ...] = (
    "i32", "i64", "f32", "f64", "bool", "bytes", "string", "ipld", "link",
)  # fmt: skip
I32 = "i32, -2147483648 to 2147483647"
I64 = "i64, -9223372036854775808 to 9223372036854775807"
NO_UNICODE = "the text is not Unicode: it holds half of a surrogate pair"


class Colour(enum.IntEnum):
    RED = 1


class Shade(str, enum.Enum):  # noqa: UP042 -- `str` of it is not its text, and must not be used
    DARK = "dark"


FORMS: list[tuple[Type, object, Value]] = [
    ("i32", -(2**31), -(2**31)),
    ("i32", 2**31 - 1, 2**31 - 1),
    ("i32", Colour.RED, 1),
    ("i64", -(2**63), -(2**63)),
    ("i64", 2**63 - 1, 2**63 - 1),
    ("f64", 3, 3.0),
    ("f64", 0.1, 0.1),
    ("f32", 0.1, 0.10000000149011612),
    ("f32", 16_777_217, 16_777_216.0),
    ("f32", 1e-60, 0.0),
    ("f32", math.nan, "NaN"),
    ("f64", math.inf, "Infinity"),
    ("f64", -math.inf, "-Infinity"),
    ("f32", "NaN", "NaN"),
    ("f64", "-Infinity", "-Infinity"),
    ("bool", True, True),
    ("bytes", b"a", b"a"),
    ("bytes", bytearray(b"a"), b"a"),
    ("bytes", memoryview(b"abcd")[::2], b"ac"),
    ("string", "é\0", "é\0"),
    ("string", Shade.DARK, "dark"),
    ("link", LINK, LINK),
    ("link", str(LINK), LINK),
    ("bytes", None, None),
    ("string", None, None),
    ("link", None, None),
    ("ipld", None, None),
    ("ipld", True, True),
    ("ipld", (1, [2.5, (b"x", bytearray(b"y"))]), [1, [2.5, [b"x", b"y"]]]),
    ("ipld", {"a": {"b": LINK}, "": (None,)}, {"a": {"b": LINK}, "": [None]}),
    ("ipld", [2**64 - 1, -(2**64)], [2**64 - 1, -(2**64)]),
    ("ipld", [Colour.RED, Shade.DARK, {Shade.DARK: 1}], [1, "dark", {"dark": 1}]),
    ("ipld", "NaN", "NaN"),
]
REFUSALS: list[tuple[Type, object, str]] = [
    ("i32", 2**31, f": 2147483648 is out of the range of {I32}"),
    ("i32", -(2**31) - 1, f": -2147483649 is out of the range of {I32}"),
    ("i64", 2**63, f": 9223372036854775808 is out of the range of {I64}"),
    ("i64", 1 << 1000, f": an integer of 1001 bits is out of the range of {I64}"),
    ("i32", True, ": expected i32, got a boolean"),
    ("i32", 1.0, ": expected i32, got a float"),
    ("i64", "1", ": expected i64, got a string"),
    ("f32", 3.5e38, ": the number is out of the range of f32"),
    ("f64", 2**1024, ": the number is out of the range of f64"),
    ("f64", False, ": expected f64, got a boolean"),
    ("f64", "1.5", ": expected f64, got a string"),
    ("f64", None, ": expected f64, got null"),
    ("bool", 1, ": expected bool, got an integer"),
    ("bytes", "a", ": expected bytes, got a string"),
    ("bool", None, ": expected bool, got null"),
    ("bytes", [1], ": expected bytes, got a list"),
    ("string", b"a", ": expected string, got bytes"),
    ("string", "\ud800", f": {NO_UNICODE}"),
    ("link", b"a", ": expected link, got bytes"),
    (
        "ipld",
        {"a": [0, 1, 2, {1}]},
        '["a"][3]: expected a value of IPLD, got an object of class set',
    ),
    ("ipld", [[math.nan]], "[0][0]: nan is no value of IPLD"),
    ("ipld", {"x": -math.inf}, '["x"]: -inf is no value of IPLD'),
    ("ipld", math.inf, ": inf is no value of IPLD"),
    (
        "ipld",
        [2**64],
        "[0]: 18446744073709551616 is more than IPLD has a place for, which is 64 bits",
    ),
    ("ipld", {"k": {1: 2}}, '["k"]: the keys of a map are strings, got an integer'),
    ("ipld", ["\ud800"], f"[0]: {NO_UNICODE}"),
    ("ipld", {"\ud800": 1}, f": {NO_UNICODE}"),
]


@pytest.mark.parametrize(("type_", "value", "form"), FORMS)
def test_a_value_has_a_form_of_exactly_its_type(type_: Type, value: object, form: Value) -> None:
    found = to_argument(value, type_, path="argument 1")
    assert found == form
    assert type(found) is type(form)


@pytest.mark.parametrize(("type_", "form"), [(type_, form) for type_, _, form in FORMS])
def test_the_form_of_a_form_is_itself(type_: Type, form: Value) -> None:
    assert to_argument(form, type_, path="argument 1") == form


@pytest.mark.parametrize(("type_", "value", "message"), REFUSALS)
def test_a_value_that_does_not_fit_is_named_by_its_path(
    type_: Type, value: object, message: str
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        to_argument(value, type_, path="argument 1")
    assert str(caught.value) == f"argument 1{message}"


def test_text_that_is_no_cid_is_no_link() -> None:
    with pytest.raises(InvalidArguments, match=r"^argument 2: expected link: 'bafy' is no CID: "):
        to_argument("bafy", "link", path="argument 2")


anything: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.binary().map(bytearray)
    | st.complex_numbers()
    | st.binary(max_size=4).map(Cid.of),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(anything, st.sampled_from(TYPES))
def test_any_python_value_has_a_form_or_is_refused(value: object, type_: Type) -> None:
    try:
        form = to_argument(value, type_, path="argument 1")
    except InvalidArguments:
        return
    assert to_argument(form, type_, path="argument 1") == form
    invocation = Invocation(run=LINK, func="f", args=(form,))
    assert Invocation.from_block(invocation.to_block()) == invocation


@given(st.floats())
def test_a_float_comes_back_as_it_went_in(number: float) -> None:
    form = to_argument(number, "f64", path="argument 1")
    again = from_record(form, "f64")
    assert isinstance(again, float)
    assert math.isnan(again) if math.isnan(number) else again == number
    assert math.isnan(number) or math.copysign(1, again) == math.copysign(1, number)


@given(st.floats(width=32, allow_nan=False))
def test_a_single_float_is_not_rounded(number: float) -> None:
    assert from_record(to_argument(number, "f32", path="argument 1"), "f32") == number


@given(st.floats(-3.4e38, 3.4e38))
def test_a_double_becomes_the_nearest_single(number: float) -> None:
    (nearest,) = struct.unpack("<f", struct.pack("<f", number))
    assert to_argument(number, "f32", path="argument 1") == nearest


def nested(levels: int) -> list[object]:
    value: list[object] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def test_the_deepest_value_fits_into_an_invocation() -> None:
    form = to_argument(nested(limits.IPLD_DEPTH_MAX - 2), "ipld", path="argument 1")
    invocation = Invocation(run=LINK, func="f", args=(form,))
    assert Invocation.from_block(invocation.to_block()) == invocation


@pytest.mark.parametrize("levels", [limits.IPLD_DEPTH_MAX - 1, 100_000])
def test_a_deeper_value_is_refused(levels: int) -> None:
    with pytest.raises(InvalidArguments, match=r"\[0\]: nested deeper than 126 levels$"):
        to_argument(nested(levels), "ipld", path="argument 1")


def test_a_value_that_contains_itself_is_refused() -> None:
    value: list[object] = []
    value.append(value)
    with pytest.raises(InvalidArguments, match="nested deeper"):
        to_argument(value, "ipld", path="argument 1")


def test_siblings_do_not_count_as_depth() -> None:
    value: list[object] = [[] for _ in range(1000)]
    assert to_argument(value, "ipld", path="argument 1") == value


def test_a_value_that_repeats_itself_without_end_is_refused_in_bounded_time() -> None:
    value: list[object] = ["x" * 100_000]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(InvalidArguments, match="larger than a block, which holds 4194304 bytes"):
        to_argument(value, "ipld", path="argument 1")


def test_a_value_larger_than_a_block_is_refused() -> None:
    with pytest.raises(InvalidArguments, match=r"^argument 1\[1\]: larger than a block"):
        to_argument([b"", bytes(limits.BLOCK_BYTES_MAX)], "ipld", path="argument 1")


EVAL = Signature(params=("ipld", "f64"), results=("f64",))


def test_arguments_are_brought_into_form_in_order() -> None:
    assert arguments(EVAL, ((1, 2), 3), name="eval") == [[1, 2], 3.0]


@pytest.mark.parametrize(
    ("signature", "name", "values", "message"),
    [
        (EVAL, "eval", [1, 2, 3], "eval takes 2 arguments (ipld, f64), got 3"),
        (Signature(params=("i32",), results=()), "f", [], "f takes 1 argument (i32), got 0"),
        (Signature(params=(), results=()), "a b\n", [1], '"a b\\n" takes no arguments, got 1'),
    ],
)
def test_a_wrong_number_of_arguments_is_refused(
    signature: Signature, name: str, values: list[object], message: str
) -> None:
    with pytest.raises(InvalidArguments) as caught:
        arguments(signature, values, name=name)
    assert str(caught.value) == message


def test_arguments_are_counted_from_one() -> None:
    with pytest.raises(
        InvalidArguments, match=r'^argument 1\["a"\]\[3\]: expected a value of IPLD'
    ):
        arguments(EVAL, [{"a": [0, 0, 0, object()]}, 1.0], name="eval")
    with pytest.raises(InvalidArguments, match=r"^argument 2: expected f64, got null"):
        arguments(EVAL, [None, None], name="eval")


RESULTS: list[tuple[tuple[Type, ...], list[object], Value]] = [
    ((), [], None),
    (("f64",), [1.5], 1.5),
    (("ipld",), [[]], []),
    (("ipld",), [None], None),
    (("i32", "bool"), [1, True], [1, True]),
]


@pytest.mark.parametrize(("types", "values", "value"), RESULTS)
def test_results_are_one_value(types: tuple[Type, ...], values: list[object], value: Value) -> None:
    signature = Signature(params=(), results=types)
    assert result(signature, values) == value
    assert from_result(signature, value) == value


def test_a_result_that_is_no_number_comes_back_as_a_float() -> None:
    signature = Signature(params=(), results=("f64", "string", "f32"))
    value = result(signature, [math.inf, "NaN", -math.inf])
    assert value == ["Infinity", "NaN", "-Infinity"]
    assert from_result(signature, value) == [math.inf, "NaN", -math.inf]


@pytest.mark.parametrize(
    ("types", "values", "message"),
    [
        (("f64",), [], "expected 1 result, got 0"),
        ((), [1], "expected no results, got 1"),
        (("string",), [b""], "result 1: expected string, got bytes"),
        (("i32", "ipld"), [1, [{1}]], "result 2[0]: expected a value of IPLD"),
    ],
)
def test_results_that_the_signature_does_not_promise_are_refused(
    types: tuple[Type, ...], values: list[object], message: str
) -> None:
    with pytest.raises(InvalidResult) as caught:
        result(Signature(params=(), results=types), values)
    assert str(caught.value).startswith(message)


@given(anything, st.lists(st.sampled_from(TYPES), max_size=3))
def test_a_receipt_that_lies_about_its_result_is_refused(value: Value, types: list[Type]) -> None:
    signature = Signature(params=(), results=tuple(types))
    try:
        found = from_result(signature, value)
    except InvalidResult:
        return
    assert isinstance(found, list) or len(types) < 2


def test_a_type_is_a_number_or_a_handle_to_the_module() -> None:
    assert [wasm_type(type_) for type_ in TYPES] == [
        "i32", "i64", "f32", "f64", "i32", "i32", "i32", "i32", "i32",
    ]  # fmt: skip
