"""Names of functions, from a section that promises nothing."""

from hypothesis import given, strategies as st
from wasmtime import wat2wasm

from ipvm.wasm import read_module, read_names


def with_name_section(contents: bytes) -> bytes:
    """A module of two functions, the second exported as `out`, with a name section."""
    data = bytes(wat2wasm('(module (func) (func (export "out")))'))
    section = b"\x04name" + contents
    return data + b"\x00" + bytes([len(section)]) + section


def names_of(data: bytes) -> list[str | None]:
    names = read_names(data, read_module(data))
    return [names.get(index) for index in range(3)]


def test_names_come_from_the_name_section_and_count_imports_first(
    modules: dict[str, bytes],
) -> None:
    names = read_names(modules["plain"], read_module(modules["plain"]))
    assert [names.get(index) for index in range(5)] == ["log", "compute", "main", "pair", None]


def test_without_a_name_section_the_first_export_names_a_function() -> None:
    text = '(module (func (export "a") (export "b")) (func) (memory (export "m") 1))'
    assert names_of(bytes(wat2wasm(text))) == ["a", None, None]


def test_the_name_section_wins_over_the_export() -> None:
    assert names_of(with_name_section(b"\x01\x05\x01\x01\x02in")) == [None, "in", None]


def test_what_stands_before_a_fault_is_kept() -> None:
    cut_short = with_name_section(b"\x01\x0a\x02\x00\x05first\x01\x7f")
    assert names_of(cut_short) == ["first", "out", None]
    names_no_function = with_name_section(b"\x01\x0b\x02\x00\x05first\x09\x01x")
    assert names_of(names_no_function) == ["first", "out", None]


def test_a_name_that_is_not_utf_8_is_shown_with_a_replacement() -> None:
    assert names_of(with_name_section(b"\x01\x05\x01\x00\x02a\xff")) == ["a\ufffd", "out", None]


def test_a_name_is_cut_to_1024_bytes() -> None:
    data = bytes(wat2wasm(f"(module (func ${'x' * 2000}))"))
    assert names_of(data)[0] == "x" * 1024


@given(contents=st.binary(max_size=60))
def test_no_name_section_makes_reading_fail(contents: bytes) -> None:
    assert all(
        name is None or isinstance(name, str) for name in names_of(with_name_section(contents))
    )
