"""What is no record is refused with the path to where it is none."""

import copy
from typing import Any

import pytest

from ipvm import limits
from ipvm.ipld import Cid, Value
from ipvm.model import (
    Failure,
    InvalidRecord,
    Invocation,
    Manifest,
    Outcome,
    Receipt,
    Signature,
)

LINK = Cid.of(b"code")
ALL_TYPES = "i32, i64, f32, f64, bool, bytes, string, ipld, link"
MANIFEST = {
    "ipvm": "manifest/1",
    "code": LINK,
    "imports": {"math": LINK},
    "exports": {"eval": {"params": ["ipld", "f64"], "results": ["f64"], "doc": "At x."}},
}
INVOCATION = {"ipvm": "invocation/1", "run": LINK, "func": "eval", "args": [1, 2.5]}
RECEIPT = {
    "ipvm": "receipt/1",
    "ran": LINK,
    "out": {"error": {"kind": "abort", "code": 1, "message": "no"}},
    "fuel": 7,
    "reads": [LINK, LINK],
    "engine": {"name": "wasmtime"},
}
GONE = object()
LONG = limits.NAME_BYTES_MAX
INTEGERS = f"expected an integer from 1 to {limits.RECORD_INTEGER_MAX}"

SIMPLE_CASES = [
    (MANIFEST, ["code"], GONE, "manifest: code: missing"),
    (MANIFEST, ["code"], "x", "manifest: code: expected a link, got a string"),
    (MANIFEST, ["cod"], LINK, 'manifest: unknown field "cod"'),
    (MANIFEST, ["zzz"], 1, 'manifest: unknown field "zzz"'),
    (MANIFEST, ["imports"], None, "manifest: imports: expected a map, got null"),
    (MANIFEST, ["imports"], [LINK], "manifest: imports: expected a map, got a list"),
    (
        MANIFEST,
        ["imports", "math"],
        "bafy",
        'manifest: imports["math"]: expected a link, got a string',
    ),
    (
        MANIFEST,
        ["imports", 'a"\n\u202e'],
        b"",
        'manifest: imports["a\\"\\n\\u202e"]: expected a link, got bytes',
    ),
    (MANIFEST, ["exports", "eval"], 1, 'manifest: exports["eval"]: expected a map, got an integer'),
    (
        MANIFEST,
        ["exports", "eval", "params", 1],
        "i33",
        f'manifest: exports["eval"].params[1]: expected one of {ALL_TYPES}, got "i33"',
    ),
    (
        MANIFEST,
        ["exports", "eval", "params", 0],
        True,
        f'manifest: exports["eval"].params[0]: expected one of {ALL_TYPES}, got a boolean',
    ),
    (
        MANIFEST,
        ["exports", "eval", "results"],
        GONE,
        'manifest: exports["eval"].results: missing',
    ),
    (
        MANIFEST,
        ["exports", "eval", "doc"],
        7.5,
        'manifest: exports["eval"].doc: expected a string, got a float',
    ),
    (
        MANIFEST,
        ["exports", "eval", "docs"],
        "",
        'manifest: exports["eval"]: unknown field "docs"',
    ),
    (MANIFEST, ["ipvm"], GONE, "manifest: ipvm: missing"),
    (MANIFEST, ["ipvm"], 1, 'manifest: ipvm: expected "manifest/1", got an integer'),
    (MANIFEST, ["ipvm"], "receipt/2", 'manifest: ipvm: expected "manifest/1", got "receipt/2"'),
    (MANIFEST, ["ipvm"], "manifest/01", 'manifest: ipvm: expected "manifest/1", got "manifest/01"'),
    (
        MANIFEST,
        ["ipvm"],
        "manifest/2",
        'manifest: ipvm: "manifest/2" is newer than this runtime, which reads "manifest/1"',
    ),
    (INVOCATION, ["args"], {}, "invocation: args: expected a list, got a map"),
    (
        INVOCATION,
        ["profile"],
        "slow",
        'invocation: profile: expected one of deterministic, fast, got "slow"',
    ),
    (INVOCATION, ["fuel"], 0, f"invocation: fuel: {INTEGERS}"),
    (INVOCATION, ["fuel"], 1.0, "invocation: fuel: expected an integer, got a float"),
    (INVOCATION, ["fuel"], True, "invocation: fuel: expected an integer, got a boolean"),
    (INVOCATION, ["memory"], -1, f"invocation: memory: {INTEGERS}"),
    (INVOCATION, ["memory"], 2**63, f"invocation: memory: {INTEGERS}"),
    (
        INVOCATION,
        ["grants"],
        ["net", 1],
        "invocation: grants[1]: expected a string, got an integer",
    ),
    (RECEIPT, ["reads"], "x", "receipt: reads: expected a list, got a string"),
    (RECEIPT, ["reads", 1], b"", "receipt: reads[1]: expected a link, got bytes"),
    (RECEIPT, ["engine"], [], "receipt: engine: expected a map, got a list"),
    (
        RECEIPT,
        ["out", "error", "kind"],
        "panic",
        (
            "receipt: out.error.kind: expected one of trap, abort, out-of-fuel, invalid-result, "
            'got "panic"'
        ),
    ),
    (RECEIPT, ["out", "ok"], None, "receipt: out: expected either ok or error, got both"),
    (RECEIPT, ["out"], {}, "receipt: out: expected either ok or error, got neither"),
    (RECEIPT, ["fuel"], -1, f"receipt: fuel: {INTEGERS.replace('1', '0', 1)}"),
]
SURPLUS_CASES: list[tuple[dict[str, Any], list[Any], object, str]] = [
    (MANIFEST, ["imports"], {}, "imports"),
    (MANIFEST, ["exports", "eval", "doc"], None, 'exports["eval"].doc'),
    (INVOCATION, ["profile"], "deterministic", "profile"),
    (INVOCATION, ["grants"], [], "grants"),
    (INVOCATION, ["fuel"], None, "fuel"),
    (RECEIPT, ["out"], {"ok": 1, "error": None}, "out.error"),
    (RECEIPT, ["out", "error", "code"], None, "out.error.code"),
]
BOUND_CASES = [
    (
        MANIFEST,
        ["exports", "eval", "doc"],
        "é" * 2049,
        'exports["eval"].doc: 4098 bytes long, and at most 4096 are allowed',
    ),
    (
        MANIFEST,
        ["exports", "eval", "params"],
        ["i32"] * 1001,
        'exports["eval"].params: 1001 entries, and at most 1000 are allowed',
    ),
    (
        MANIFEST,
        ["imports", "x" * (LONG + 1)],
        LINK,
        f'imports["{"x" * 80}…"]: the name is 1025 bytes long, and at most 1024 are allowed',
    ),
    (
        MANIFEST,
        ["imports"],
        {str(number): LINK for number in range(10_001)},
        "imports: 10001 entries, and at most 10000 are allowed",
    ),
    (
        INVOCATION,
        ["func"],
        "f" * (LONG + 1),
        "func: 1025 bytes long, and at most 1024 are allowed",
    ),
    (INVOCATION, ["args"], [0] * 1001, "args: 1001 entries, and at most 1000 are allowed"),
    (
        INVOCATION,
        ["grants"],
        ["a", "g" * (LONG + 1)],
        "grants[1]: 1025 bytes long, and at most 1024 are allowed",
    ),
    (
        RECEIPT,
        ["out", "error", "message"],
        "m" * 65_537,
        "out.error.message: 65537 bytes long, and at most 65536 are allowed",
    ),
    (
        MANIFEST,
        ["exports", "eval", "doc"],
        "\ud800",
        'exports["eval"].doc: not Unicode text: it holds half of a surrogate pair',
    ),
    (
        MANIFEST,
        ["imports", "\ud800"],
        LINK,
        'imports["\\ud800"]: the name is not Unicode text: it holds half of a surrogate pair',
    ),
]
KINDS: dict[str, type[Manifest | Invocation | Receipt]] = {
    "manifest/1": Manifest,
    "invocation/1": Invocation,
    "receipt/1": Receipt,
}


def changed(record: dict[str, Any], path: list[Any], value: object) -> dict[str, Any]:
    whole = copy.deepcopy(record)
    part: Any = whole
    for step in path[:-1]:
        part = part[step]
    if value is GONE:
        del part[path[-1]]
    else:
        part[path[-1]] = value
    return whole


@pytest.mark.parametrize(("record", "path", "value", "message"), SIMPLE_CASES)
def test_a_part_that_does_not_fit_is_named_by_its_path(
    record: dict[str, Any], path: list[Any], value: object, message: str
) -> None:
    with pytest.raises(InvalidRecord) as caught:
        KINDS[record["ipvm"]].from_value(changed(record, path, value))
    assert str(caught.value) == message


@pytest.mark.parametrize(("record", "path", "value", "where"), SURPLUS_CASES)
def test_a_field_that_says_nothing_must_be_left_out(
    record: dict[str, Any], path: list[Any], value: object, where: str
) -> None:
    kind = record["ipvm"].partition("/")[0]
    with pytest.raises(InvalidRecord) as caught:
        KINDS[record["ipvm"]].from_value(changed(record, path, value))
    problem = "says nothing beyond its absence, and must be left out"
    assert str(caught.value) == f"{kind}: {where}: {problem}"


@pytest.mark.parametrize(("record", "path", "value", "message"), BOUND_CASES)
def test_a_part_beyond_its_bound_is_refused(
    record: dict[str, Any], path: list[Any], value: object, message: str
) -> None:
    kind = record["ipvm"].partition("/")[0]
    with pytest.raises(InvalidRecord) as caught:
        KINDS[record["ipvm"]].from_value(changed(record, path, value))
    assert str(caught.value) == f"{kind}: {message}"


@pytest.mark.parametrize("record", [MANIFEST, INVOCATION, RECEIPT])
def test_the_cases_differ_from_a_record_in_one_part_only(record: dict[str, Any]) -> None:
    assert KINDS[record["ipvm"]].from_value(record).to_value() == record


def test_a_misspelled_field_gets_the_right_name_suggested() -> None:
    value = changed(changed(MANIFEST, ["cod"], LINK), ["code"], GONE)
    with pytest.raises(InvalidRecord) as caught:
        Manifest.from_value(value)
    assert str(caught.value) == 'manifest: unknown field "cod" (did you mean "code"?)'


@pytest.mark.parametrize("value", [None, 1, "manifest/1", [], LINK])
def test_what_is_no_map_is_no_record(value: Value) -> None:
    with pytest.raises(InvalidRecord, match=r"^manifest: expected a map, got "):
        Manifest.from_value(value)


def test_a_field_name_that_is_no_unicode_is_unknown() -> None:
    with pytest.raises(InvalidRecord, match=r'unknown field "\\ud800"'):
        Manifest.from_value({"ipvm": "manifest/1", "code": LINK, "\ud800": 1})


def test_an_unknown_field_of_a_million_letters_is_shown_short() -> None:
    with pytest.raises(InvalidRecord) as caught:
        Manifest.from_value({"ipvm": "manifest/1", "code": LINK, "code" * 250_000: 1})
    assert len(str(caught.value)) < 200


def test_the_error_has_its_parts_as_attributes() -> None:
    with pytest.raises(InvalidRecord) as caught:
        Manifest.from_value(changed(MANIFEST, ["imports", "math"], 1))
    error = caught.value
    assert (error.record, error.path) == ("manifest", 'imports["math"]')
    assert error.problem == "expected a link, got an integer"


def test_records_made_in_python_are_held_to_the_same_bounds() -> None:
    with pytest.raises(InvalidRecord, match=r"^signature: doc: 4097 bytes long"):
        Signature(params=(), results=(), doc="x" * 4097)
    with pytest.raises(InvalidRecord, match=r"^invocation: fuel: expected an integer from 1 to"):
        Invocation(run=LINK, func="f", args=(), fuel=0)
    with pytest.raises(InvalidRecord, match=r"^outcome: expected either ok or error, got both"):
        Outcome(ok=1, error=Failure(kind="trap"))


def test_the_last_of_ten_thousand_exports_is_found() -> None:
    exports: dict[str, Value] = {
        str(number): {"params": [], "results": []} for number in range(9_999)
    }
    exports["last"] = {"params": ["i33"], "results": []}
    with pytest.raises(InvalidRecord, match=r'^manifest: exports\["last"\]\.params\[0\]: '):
        Manifest.from_value({"ipvm": "manifest/1", "code": LINK, "exports": exports})
