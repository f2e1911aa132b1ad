"""What bytes are taken for."""

import pytest
from wasmtime import wat2wasm

from ipvm.wasm import InvalidModule, kind_of, read_module


def test_modules_and_components_are_told_apart() -> None:
    assert kind_of(bytes(wat2wasm("(module)"))) == "module"
    assert kind_of(bytes(wat2wasm("(component)"))) == "component"


@pytest.mark.parametrize("data", [b"", b"\0asm", b"\0asm\x02\0\0\0", b"\0asm\x01\0\0", b"(module)"])
def test_anything_else_is_other(data: bytes) -> None:
    assert kind_of(data) == "other"


def test_a_component_is_refused_as_one() -> None:
    with pytest.raises(InvalidModule, match="this is a component, and a core module is needed"):
        read_module(bytes(wat2wasm("(component)")))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "it is empty"),
        (b"\0asm", "the version of the binary format is absent"),
        (b"\0asm\x02\0\0\0", "the version of the binary format is 02 00 00 00"),
        (b"(module (func))", "it looks like WebAssembly text; translate it with wat2wasm first"),
        (b"\xef\xbb\xbf\n ;; a comment\n(module)", "it looks like WebAssembly text"),
        (b"\x1f\x8b\x08\x00", "it looks like gzip; unpack it first"),
        (b"\x7fELF\x02\x01", "it looks like a native object file (ELF)"),
        (b'{"ipvm": 1}', "it looks like JSON"),
        (b"<!DOCTYPE html>", "it looks like HTML or XML"),
        (b"\x12\x34\x56\x78\x9a", "it starts with 12 34 56 78 where 00 61 73 6d is expected"),
    ],
)
def test_what_is_no_module_is_named(data: bytes, problem: str) -> None:
    with pytest.raises(InvalidModule, match="at byte") as caught:
        read_module(data)
    assert problem in str(caught.value)
