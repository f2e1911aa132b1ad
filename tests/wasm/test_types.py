"""How types print, and which export may serve which import."""

import pytest

from ipvm.wasm import (
    EXTERNREF,
    F64,
    FUNCREF,
    I32,
    I64,
    Bounds,
    ExternType,
    FuncType,
    GlobalType,
    MemoryType,
    TableType,
    TagType,
    ValType,
    satisfies,
)

NODE = ValType("(ref null $3)")
TO_I32 = FuncType(params=(I32,), results=(I32,))
PAIR = FuncType(params=(), results=(I32, I64))


def memory(minimum: int, maximum: int | None = None, **flags: int) -> MemoryType:
    bounds = Bounds(
        minimum=minimum,
        maximum=maximum,
        is_64=bool(flags.get("is_64")),
        shared=bool(flags.get("shared")),
        page_bytes=flags.get("page_bytes", 65_536),
    )
    return MemoryType(bounds=bounds)


def table(element: ValType, minimum: int, maximum: int | None = None) -> TableType:
    return TableType(element=element, bounds=Bounds(minimum=minimum, maximum=maximum))


def constant(value: ValType) -> GlobalType:
    return GlobalType(value=value, mutable=False)


def variable(value: ValType) -> GlobalType:
    return GlobalType(value=value, mutable=True)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (FuncType(params=(I32, I64), results=(F64,)), "func (i32, i64) -> f64"),
        (FuncType(params=(), results=()), "func () -> ()"),
        (PAIR, "func () -> (i32, i64)"),
        (memory(1, 16), "memory 1..16"),
        (memory(1), "memory 1.."),
        (memory(1, 2, is_64=1, shared=1, page_bytes=1), "memory i64 1..2 shared pagesize 1"),
        (table(FUNCREF, 2, 10), "table funcref 2..10"),
        (variable(I32), "global mut i32"),
        (constant(NODE), "global (ref null $3)"),
        (TagType(type=TO_I32), "tag (i32) -> i32"),
    ],
)
def test_a_type_prints_itself_for_people(type_: ExternType, text: str) -> None:
    assert str(type_) == text


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (TO_I32, TO_I32),
        (memory(1), memory(1)),
        (memory(1), memory(2, 3)),
        (memory(1, 4), memory(1, 4)),
        (memory(1, 4), memory(4, 4)),
        (table(FUNCREF, 1, 4), table(FUNCREF, 2, 3)),
        (constant(I32), constant(I32)),
        (variable(F64), variable(F64)),
        (TagType(type=TO_I32), TagType(type=TO_I32)),
    ],
)
def test_an_export_that_is_at_least_what_is_wanted_serves(
    wanted: ExternType, found: ExternType
) -> None:
    assert satisfies(wanted, found)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (TO_I32, PAIR),
        (TO_I32, FuncType(params=(I64,), results=(I32,))),
        (TO_I32, TagType(type=TO_I32)),
        (TO_I32, constant(I32)),
        (memory(2), memory(1)),
        (memory(1, 4), memory(1)),
        (memory(1, 4), memory(1, 5)),
        (memory(1), memory(1, is_64=1)),
        (memory(1, 2), memory(1, 2, shared=1)),
        (memory(1), memory(1, page_bytes=1)),
        (table(FUNCREF, 1), table(EXTERNREF, 1)),
        (table(FUNCREF, 2), table(FUNCREF, 1)),
        (constant(I32), variable(I32)),
        (variable(I32), constant(I32)),
        (constant(I32), constant(I64)),
        (constant(FUNCREF), constant(EXTERNREF)),
        (constant(I32), constant(NODE)),
        (TagType(type=TO_I32), TagType(type=PAIR)),
    ],
)
def test_an_export_that_differs_or_is_less_does_not_serve(
    wanted: ExternType, found: ExternType
) -> None:
    assert not satisfies(wanted, found)


def test_between_typed_references_the_engine_decides() -> None:
    found = ValType("(ref $7)")
    assert satisfies(constant(NODE), constant(found))
    assert satisfies(constant(FUNCREF), constant(found))
    assert satisfies(FuncType(params=(NODE,), results=()), FuncType(params=(found,), results=()))
    assert not satisfies(
        FuncType(params=(NODE,), results=()), FuncType(params=(found, found), results=())
    )
