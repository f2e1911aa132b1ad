"""Decode one section after the other into what a module shows to others.

Each function takes a cursor over the contents of its section and what the sections before it have
yielded. That every byte was used is checked by the caller.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from ipvm.errors import LimitExceeded
from ipvm.limits import Limits

from .decode import (
    function_type,
    global_type,
    memory_type,
    table_type,
    tag_type,
    type_section,
)
from .expression import skip_expression
from .info import CustomSection
from .reader import HOW_TO_RAISE, Reader
from .types import (
    Export,
    ExternType,
    FuncType,
    GlobalType,
    Import,
    MemoryType,
    TableType,
    TagType,
)

_Kind: TypeAlias = Literal["function", "table", "memory", "global", "tag"]
_KINDS: Final[tuple[_Kind, ...]] = ("function", "table", "memory", "global", "tag")
_NO_VALUES: Final = FuncType(params=(), results=())
_INITIALIZED_TABLE: Final = 0x40
_CONTINUED: Final = 0x80


@dataclass(slots=True, kw_only=True)
class Outside:
    """What is known so far. From `types` to `tags` it is index spaces, imports first."""

    limits: Limits
    imports: list[Import] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    types: list[FuncType | None] = field(default_factory=list)
    functions: list[FuncType] = field(default_factory=list)
    tables: list[TableType] = field(default_factory=list)
    memories: list[MemoryType] = field(default_factory=list)
    globals: list[GlobalType] = field(default_factory=list)
    tags: list[TagType] = field(default_factory=list)
    custom: list[CustomSection] = field(default_factory=list)
    start: int | None = None
    defined_functions: int = 0
    bodies: int = 0
    body_bytes_largest: int = 0
    elements: int = 0
    data: int = 0
    data_announced: int | None = None

    def space(self, kind: _Kind) -> Sequence[ExternType]:
        """Return the index space of one kind."""
        match kind:
            case "function":
                return self.functions
            case "table":
                return self.tables
            case "memory":
                return self.memories
            case "global":
                return self.globals
            case "tag":
                return self.tags


def at_most(maximum: int, found: int, limit: str) -> None:
    """Refuse more than `maximum`.

    Raises:
        LimitExceeded: `found` is above it.
    """
    if found > maximum:
        raise LimitExceeded(limit, maximum, found=found, how=HOW_TO_RAISE)


def _custom_section(reader: Reader, outside: Outside) -> None:
    name = reader.name("the section")
    start = reader.offset
    reader.skip_rest()
    outside.custom.append(CustomSection(name, start, reader.end - start))


def _type_section(reader: Reader, outside: Outside) -> None:
    outside.types = type_section(reader)


def _import_section(reader: Reader, outside: Outside) -> None:
    count = reader.count("imports", 4)
    at_most(outside.limits.module_imports_max, count, "module_imports_max")
    for _ in range(count):
        module = reader.name("a module")
        name = reader.name("an import")
        outside.imports.append(Import(module=module, name=name, type=_import(reader, outside)))


def _import(reader: Reader, outside: Outside) -> ExternType:
    entry: ExternType
    match _kind(reader, "import"):
        case "function":
            outside.functions.append(entry := function_type(reader, outside.types))
        case "table":
            outside.tables.append(entry := table_type(reader, len(outside.types)))
        case "memory":
            outside.memories.append(entry := memory_type(reader))
        case "global":
            outside.globals.append(entry := global_type(reader, len(outside.types)))
        case "tag":
            outside.tags.append(entry := tag_type(reader, outside.types))
    return entry


def _kind(reader: Reader, what: str) -> _Kind:
    start = reader.offset
    kind = reader.byte()
    if kind >= len(_KINDS):
        reader.fail(f"unknown kind of {what} 0x{kind:02x}", start)
    return _KINDS[kind]


def _function_section(reader: Reader, outside: Outside) -> None:
    count = reader.length("functions")
    at_most(outside.limits.module_functions_max, count, "module_functions_max")
    one_byte = dict(enumerate(outside.types[:_CONTINUED]))
    start = reader.offset
    functions = [one_byte.get(byte) for byte in reader.data[start : start + count]]
    if None in functions:  # an index takes more bytes, or names no function type
        functions = [function_type(reader, outside.types) for _ in range(count)]
    else:
        reader.skip(count)
    outside.functions += [function for function in functions if function is not None]
    outside.defined_functions = count


def _table_section(reader: Reader, outside: Outside) -> None:
    known = len(outside.types)
    for _ in range(reader.count("tables", 3)):
        start = reader.offset
        initialized = reader.peek() == _INITIALIZED_TABLE
        if initialized:
            reader.byte()
            if reader.byte() != 0:
                reader.fail("unknown form of a table", start)
        outside.tables.append(table_type(reader, known))
        if initialized:
            skip_expression(reader)


def _memory_section(reader: Reader, outside: Outside) -> None:
    outside.memories += [memory_type(reader) for _ in range(reader.count("memories", 2))]


def _tag_section(reader: Reader, outside: Outside) -> None:
    outside.tags += [tag_type(reader, outside.types) for _ in range(reader.count("tags", 2))]


def _global_section(reader: Reader, outside: Outside) -> None:
    known = len(outside.types)
    for _ in range(reader.count("globals", 3)):
        outside.globals.append(global_type(reader, known))
        skip_expression(reader)


def _export_section(reader: Reader, outside: Outside) -> None:
    names = set()
    for _ in range(reader.count("exports", 3)):
        start = reader.offset
        name = reader.name("an export")
        if name in names:
            reader.fail(f"a second export named {name!r}", start)
        names.add(name)
        kind = _kind(reader, "export")
        space = outside.space(kind)
        index = reader.index(kind, len(space))
        outside.exports.append(Export(name=name, index=index, type=space[index]))


def _start_section(reader: Reader, outside: Outside) -> None:
    start = reader.offset
    outside.start = reader.index("function", len(outside.functions))
    if (found := outside.functions[outside.start]) != _NO_VALUES:
        reader.fail(f"the start function must be {_NO_VALUES}, not {found}", start)


def _element_section(reader: Reader, outside: Outside) -> None:
    outside.elements = reader.length("segments")
    reader.skip_rest()


def _data_count_section(reader: Reader, outside: Outside) -> None:
    outside.data_announced = reader.u32()


def _data_section(reader: Reader, outside: Outside) -> None:
    outside.data = reader.length("segments")
    reader.skip_rest()


def _code_section(reader: Reader, outside: Outside) -> None:
    outside.bodies = reader.length("functions")
    data, offset, end = reader.data, reader.offset, reader.end
    largest = 0
    for _ in range(outside.bodies):
        # The fast path of Reader.u32 written out: a module has many small functions.
        if offset >= end or (size := data[offset]) >= _CONTINUED:
            reader.offset = min(offset, end)
            size = reader.u32()
            offset = reader.offset
        else:
            offset += 1
        if size > largest:  # noqa: PLR1730 - max() would take most of the time
            largest = size
        offset += size
    reader.offset = min(offset, end)
    if offset > end:
        reader.fail("unexpected end")
    outside.body_bytes_largest = largest
    at_most(outside.limits.function_bytes_max, largest, "function_bytes_max")


SECTIONS: Final[Mapping[int, tuple[str, Callable[[Reader, Outside], None]]]] = {
    0: ("custom", _custom_section),
    1: ("type", _type_section),
    2: ("import", _import_section),
    3: ("function", _function_section),
    4: ("table", _table_section),
    5: ("memory", _memory_section),
    13: ("tag", _tag_section),
    6: ("global", _global_section),
    7: ("export", _export_section),
    8: ("start", _start_section),
    9: ("element", _element_section),
    12: ("data count", _data_count_section),
    10: ("code", _code_section),
    11: ("data", _data_section),
}
"""Name and reader of each section by its number, in the order in which they must stand."""
