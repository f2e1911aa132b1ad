"""What the reader says about valid modules."""

from wasmtime import wat2wasm

from ipvm.wasm import (
    EXTERNREF,
    F64,
    FUNCREF,
    I32,
    I64,
    Bounds,
    Export,
    FuncType,
    GlobalType,
    Import,
    MemoryType,
    TableType,
    ValType,
    read_module,
)


def test_imports_are_listed_in_order_with_their_types(modules: dict[str, bytes]) -> None:
    log = FuncType(params=(I32,), results=())
    assert read_module(modules["plain"]).imports == (
        Import(module="host", name="log", type=log),
        Import(
            module="host",
            name="table",
            type=TableType(element=FUNCREF, bounds=Bounds(minimum=1, maximum=8)),
        ),
        Import(module="host", name="memory", type=MemoryType(bounds=Bounds(minimum=1, maximum=4))),
        Import(module="host", name="base", type=GlobalType(value=I32, mutable=False)),
        Import(module="host", name="counter", type=GlobalType(value=I64, mutable=True)),
    )


def test_exports_are_resolved_through_index_spaces_that_begin_with_the_imports(
    modules: dict[str, bytes],
) -> None:
    info = read_module(modules["plain"])
    compute = FuncType(params=(I32, I64), results=(F64,))
    assert info.export("compute") == Export(name="compute", index=1, type=compute)
    assert info.export("log") == Export(name="log", index=0, type=info.imports[0].type)
    assert info.export("scratch") == Export(
        name="scratch", index=1, type=MemoryType(bounds=Bounds(minimum=3))
    )
    assert info.export("own") == Export(
        name="own", index=1, type=TableType(element=EXTERNREF, bounds=Bounds(minimum=2))
    )
    assert info.export("next") == Export(
        name="next", index=3, type=GlobalType(value=I32, mutable=True)
    )
    assert info.export("käse") is not None
    assert info.export("absent") is None


def test_what_a_module_defines_is_told_apart_from_what_it_imports(
    modules: dict[str, bytes],
) -> None:
    info = read_module(modules["plain"])
    assert info.memories == (MemoryType(bounds=Bounds(minimum=3)),)
    assert info.tables == (TableType(element=EXTERNREF, bounds=Bounds(minimum=2)),)
    assert [str(entry) for entry in info.globals] == [
        "global f32",
        "global mut i32",
        "global f64",
        "global funcref",
    ]
    assert (info.function_imports, info.function_count) == (1, 3)
    assert (info.element_count, info.data_count) == (1, 2)
    assert info.start == 2


def test_sections_are_given_by_the_place_of_their_contents(modules: dict[str, bytes]) -> None:
    data = modules["plain"]
    info = read_module(data)
    assert [section.id for section in info.sections] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11, 0]
    assert info.sections[-1].end == info.size == len(data)
    start = next(section for section in info.sections if section.id == 8)
    assert data[start.offset : start.end] == b"\x02"


def test_custom_sections_are_found_anywhere_and_any_number_of_times() -> None:
    custom = b"\x00\x06\x03tagXY"
    data = b"\0asm\x01\0\0\0" + custom + b"\x01\x04\x01\x60\x00\x00" + custom
    info = read_module(data)
    assert [entry.name for entry in info.custom] == ["tag", "tag"]
    assert all(data[at : at + size] == b"XY" for _, at, size in info.custom)


def test_the_largest_body_counts_its_locals_and_its_end(modules: dict[str, bytes]) -> None:
    assert read_module(modules["empty"]).function_bytes_largest == 0
    small = wat2wasm("(module (func) (func (nop) (nop)) (func (nop)))")
    assert read_module(bytes(small)).function_bytes_largest == 4


def test_more_types_than_one_byte_can_number_are_resolved(modules: dict[str, bytes]) -> None:
    info = read_module(modules["many"])
    export = info.export("f139")
    assert export is not None
    assert export.type == FuncType(params=(I32,) * 139, results=())


def test_types_of_garbage_collection_do_not_hide_what_comes_behind_them(
    modules: dict[str, bytes],
) -> None:
    info = read_module(modules["managed"])
    assert {export.name: str(export.type) for export in info.exports} == {
        "one": "global (ref $0)",
        "tree": "global (ref $2)",
        "small": "global (ref i31)",
        "plain": "global structref",
        "nodes": "table (ref $0) 3..",
        "visit": "func ((ref $0), (ref null $1), anyref, i31ref) -> eqref",
    }
    assert info.imports[0].type == GlobalType(value=ValType("(ref null $0)"), mutable=False)


def test_wide_memories_and_tags_are_read(modules: dict[str, bytes]) -> None:
    info = read_module(modules["wide"])
    assert {export.name: str(export.type) for export in info.exports} == {
        "large": "memory i64 1..1048576",
        "fine": "memory 1..70000 pagesize 1",
        "common": "memory 1..2 shared",
        "far": "table funcref i64 1..200",
        "failure": "tag (i32, i64) -> ()",
        "lanes": "global v128",
        "add": "func (v128, exnref) -> v128",
        "noop": "func () -> ()",
    }
    assert info.tags == (info.exports[4].type,)
