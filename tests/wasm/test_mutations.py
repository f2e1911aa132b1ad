"""Held against the engine on modules that were damaged at random.

What the engine accepts, the reader accepts, and both see the same imports and exports. The reader
does not look into bodies and segments, so it may accept what the engine refuses.
"""

from collections.abc import Callable
from typing import TypeAlias

import pytest
import wasmtime
from hypothesis import given, settings, strategies as st

from ipvm.errors import LimitExceeded
from ipvm.wasm import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    ExternType,
    FuncType,
    GlobalType,
    InvalidModule,
    MemoryType,
    ModuleInfo,
    TableType,
    TagType,
    ValType,
    prepare,
    read_module,
    read_names,
)

# The bindings of the engine end the process when they are asked for any other type.
SHOWN = {I32: "i32", I64: "i64", F32: "f32", F64: "f64", FUNCREF: "funcref", EXTERNREF: "anyref"}
UNBOUNDED_32 = 0xFFFF_FFFF

Mutation: TypeAlias = tuple[str, int, bytes]
Shown: TypeAlias = (
    wasmtime.FuncType
    | wasmtime.GlobalType
    | wasmtime.MemoryType
    | wasmtime.TableType
    | wasmtime.TagType
)

MUTATIONS: st.SearchStrategy[list[Mutation]] = st.lists(
    st.tuples(
        st.sampled_from(["nudge", "nudge", "nudge", "set", "insert", "delete", "copy"]),
        st.integers(min_value=0, max_value=2**32),
        st.binary(min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=2,
)


def damaged(data: bytes, mutations: list[Mutation]) -> bytes:
    result = bytearray(data)
    for kind, place, patch in mutations:
        at = place % len(result)
        if kind == "nudge":
            result[at] = (result[at] + patch[0] % 5 - 2) % 256
        elif kind == "set":
            result[at : at + 1] = patch[:1]
        elif kind == "insert":
            result[at:at] = patch
        elif kind == "delete":
            del result[at : at + len(patch)]
        else:
            result[at:at] = result[patch[0] : patch[0] + len(patch)]
    return bytes(result)


def read(data: bytes) -> ModuleInfo | None:
    try:
        return read_module(data)
    except (InvalidModule, LimitExceeded):
        return None


def compiled(engine: wasmtime.Engine, data: bytes) -> wasmtime.Module | None:
    try:
        return wasmtime.Module(engine, data)
    except wasmtime.WasmtimeError:
        return None


def check_same(ours: ExternType, theirs: Shown) -> None:
    match ours:
        case FuncType():
            assert isinstance(theirs, wasmtime.FuncType)
            check_values(ours.params, lambda: theirs.params)
            check_values(ours.results, lambda: theirs.results)
        case GlobalType():
            assert isinstance(theirs, wasmtime.GlobalType)
            assert ours.mutable == theirs.mutable
            check_values((ours.value,), lambda: [theirs.content])
        case MemoryType(bounds=bounds):
            assert isinstance(theirs, wasmtime.MemoryType)
            assert (bounds.minimum, bounds.maximum) == (theirs.limits.min, theirs.limits.max)
            assert (bounds.is_64, bounds.shared) == (theirs.is_64, theirs.is_shared)
            assert bounds.page_bytes == theirs.page_size
        case TableType(bounds=bounds):
            assert isinstance(theirs, wasmtime.TableType)
            check_values((ours.element,), lambda: [theirs.element])
            if max(bounds.minimum, bounds.maximum or 0) < UNBOUNDED_32:
                assert (bounds.minimum, bounds.maximum) == (theirs.limits.min, theirs.limits.max)
        case TagType():
            assert isinstance(theirs, wasmtime.TagType)


def check_values(ours: tuple[ValType, ...], theirs: Callable[[], list[wasmtime.ValType]]) -> None:
    if all(value in SHOWN for value in ours):
        assert [SHOWN[value] for value in ours] == [str(value) for value in theirs()]


def check_against_engine(engine: wasmtime.Engine, data: bytes) -> None:
    info, module = read(data), compiled(engine, data)
    if module is None:
        return
    assert info is not None
    assert [(entry.module, entry.name) for entry in info.imports] == [
        (entry.module, entry.name) for entry in module.imports
    ]
    assert [entry.name for entry in info.exports] == [entry.name for entry in module.exports]
    for ours, theirs in zip(info.imports, module.imports, strict=True):
        check_same(ours.type, theirs.type)
    for export, found in zip(info.exports, module.exports, strict=True):
        check_same(export.type, found.type)
    read_names(data, info).get(0)
    if info.export("ipvm:start") is None:
        wasmtime.Module.validate(engine, prepare(data, info, module_name="bafy"))


@pytest.mark.parametrize("name", ["plain", "managed", "wide", "many", "empty"])
def test_a_valid_module_looks_the_same_to_the_engine(
    name: str, modules: dict[str, bytes], engine: wasmtime.Engine
) -> None:
    assert read(modules[name]) is not None
    assert compiled(engine, modules[name]) is not None
    check_against_engine(engine, modules[name])


@settings(max_examples=10 * settings().max_examples)
@given(name=st.sampled_from(["plain", "managed", "wide"]), mutations=MUTATIONS)
def test_a_damaged_module_that_the_engine_takes_is_read_alike(
    name: str, mutations: list[Mutation], modules: dict[str, bytes], engine: wasmtime.Engine
) -> None:
    check_against_engine(engine, damaged(modules[name], mutations))


@given(tail=st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(tail: bytes) -> None:
    read(tail)
    read(b"\0asm\x01\0\0\0" + tail)
