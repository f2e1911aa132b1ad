"""`ipvm.toml` is read strictly, and what is wrong with it is said with file and place."""

import pytest
from hypothesis import given, strategies as st

from ipvm import limits
from ipvm.ipld import Cid
from ipvm.model import Manifest, Signature
from ipvm.registry import Description, InvalidDescription, parse_description

POLY = """
code = "poly.wat"              # .wasm or .wat beside this file
[imports]
math = "../math"
[exports.eval]
params = ["ipld", "f64"]
results = ["f64"]
doc = "Evaluate the polynomial with these coefficients at x."
"""
MINIMAL = 'code = "a.wasm"\n'
ALL_TYPES = "i32, i64, f32, f64, bool, bytes, string, ipld, link"


def parse(text: str) -> Description:
    return parse_description(text.encode(), file="poly/ipvm.toml")


def refusal(data: bytes) -> str:
    with pytest.raises(InvalidDescription) as caught:
        parse_description(data, file="poly/ipvm.toml")
    assert caught.value.file == "poly/ipvm.toml"
    file, _, problem = str(caught.value).partition(": ")
    assert file == "poly/ipvm.toml"
    return problem


def test_a_description_says_what_the_manifest_will_hold() -> None:
    doc = "Evaluate the polynomial with these coefficients at x."
    eval_ = Signature(params=("ipld", "f64"), results=("f64",), doc=doc)
    found = parse(POLY)
    assert found == Description(
        code="poly.wat", imports={"math": "../math"}, exports={"eval": eval_}
    )
    manifest = Manifest(code=Cid.of(b""), exports=found.exports)
    assert Manifest.from_block(manifest.to_block()) == manifest


def test_only_the_code_is_required() -> None:
    assert parse(MINIMAL) == parse(MINIMAL + "[imports]\n[exports]\n") == Description(code="a.wasm")


@pytest.mark.parametrize("code", ["a.wat", "./a.wasm", "build/a.wasm", "a b/c.d.wat"])
def test_code_lies_in_the_folder(code: str) -> None:
    assert parse(f'code = "{code}"').code == code


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "code: missing"),
        ("code = 1", "code: expected a string, got an integer"),
        ('code = "a.c"', "code: expected a file that ends in .wasm or .wat"),
        ('code = ""', "code: expected a file that ends in .wasm or .wat"),
        ('code = "../a.wat"', "code: expected a path inside the folder of this file"),
        ('code = "/a.wat"', "code: expected a path inside the folder of this file"),
        ('coed = "a.wat"', 'unknown field "coed" (did you mean "code"?)'),
        (MINIMAL + "import.m = 'x'", 'unknown field "import" (did you mean "imports"?)'),
        (MINIMAL + "imports = []", "imports: expected a map, got a list"),
        (MINIMAL + "imports.m = 1", 'imports["m"]: expected a string, got an integer'),
        (
            MINIMAL + "imports.m = 2020-01-01",
            'imports["m"]: expected a string, got an object of class date',
        ),
        (MINIMAL + "exports.f = 1", 'exports["f"]: expected a map, got an integer'),
        (
            POLY.replace('"f64"]\nres', '"i33"]\nres'),
            f'exports["eval"].params[1]: expected one of {ALL_TYPES}, got "i33"',
        ),
        (
            POLY.replace("doc =", "docs ="),
            'exports["eval"]: unknown field "docs" (did you mean "doc"?)',
        ),
        (
            MINIMAL + f"imports.{'m' * 1025} = 'x'",
            f'imports["{"m" * 80}…"]: the name is 1025 bytes long, and at most 1024 are allowed',
        ),
        ("code", "not TOML: Expected '=' after a key in a key/value pair (at end of document)"),
        (MINIMAL * 2, "not TOML: Cannot overwrite a value (at line 2, column 16)"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(text: str, problem: str) -> None:
    assert refusal(text.encode()) == problem


def test_a_file_that_is_not_text_is_refused() -> None:
    assert refusal(b'code = "\xff"') == "not UTF-8 at byte 8"


def test_a_description_of_the_largest_size_is_read() -> None:
    text = MINIMAL + "#" * (limits.DESCRIPTION_BYTES_MAX - len(MINIMAL))
    assert parse(text).code == "a.wasm"
    assert refusal(text.encode() + b"#") == "1048577 bytes, and at most 1048576 are allowed"


@pytest.mark.parametrize("key", ["a", '"a.b"', "'a'", r'"\"a\""', "a "])
@pytest.mark.parametrize("form", ["{} = 1", "[{}]", "a = {{ {} = 1 }}", "[[ {} ]]"])
def test_a_key_with_too_many_parts_is_refused_before_it_takes_time(key: str, form: str) -> None:
    parts = 50_000 // len(key)
    problem = refusal(form.format(".".join([key] * parts)).encode())
    assert problem == "not TOML: a key has more than 64 parts"


def test_dots_in_text_are_no_key() -> None:
    doc = "Wait... " * 100 + "See a.b.c for d. " * 100
    text = MINIMAL + f'exports.f = {{ params = [], results = [], doc = "{doc}" }}'
    assert parse(text).exports["f"].doc == doc


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 100_000, "a = " + "{a=" * 100_000, "a = " + "9" * 100_000, '"\\"' * 300_000],
)
def test_hostile_toml_is_refused(text: str) -> None:
    refusal(text.encode())


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_a_description_or_refused(data: bytes) -> None:
    try:
        parse_description(data, file="f")
    except InvalidDescription:
        return
    raise AssertionError(data)


@given(st.data())
def test_a_description_with_a_slice_cut_out_is_one_or_refused(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(POLY)))
    end = data.draw(st.integers(start, len(POLY)))
    try:
        parse(POLY[:start] + POLY[end:])
    except InvalidDescription:
        return


def test_an_export_may_leave_out_the_parameters_and_results_that_it_has_not() -> None:
    described = parse_description(b'code = "a.wat"\n[exports.tick]\n', file="ipvm.toml")
    assert described.exports["tick"] == Signature(params=(), results=())
