"""Decode types.

Types of garbage collection, of stack switching and typed references are walked, so that what comes
behind them is read right, and kept only as far as an import or an export can show them: a type that
is not a function is None. Whether the engine has these features switched on is its own business.
Proposals that it cannot have at all are refused here by name.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from ipvm.errors import LimitExceeded
from ipvm.limits import FUNCTION_PARAMETERS_MAX

from .reader import Reader
from .types import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    PAGE_BYTES,
    V128,
    Bounds,
    FuncType,
    GlobalType,
    MemoryType,
    TableType,
    TagType,
    ValType,
)

TypeSpace: TypeAlias = Sequence[FuncType | None]

_NUMBERS: Final = {0x7F: I32, 0x7E: I64, 0x7D: F32, 0x7C: F64, 0x7B: V128}
_HEAPS: Final = {
    0x75: "nocont",
    0x74: "noexn",
    0x73: "nofunc",
    0x72: "noextern",
    0x71: "none",
    0x70: "func",
    0x6F: "extern",
    0x6E: "any",
    0x6D: "eq",
    0x6C: "i31",
    0x6B: "struct",
    0x6A: "array",
    0x69: "exn",
    0x68: "cont",
}
_BOTTOM_NAMES: Final = {
    "nocont": "nullcontref",
    "noexn": "nullexnref",
    "nofunc": "nullfuncref",
    "noextern": "nullexternref",
    "none": "nullref",
}
_ONE_BYTE: Final = {
    **_NUMBERS,
    **{byte: ValType(_BOTTOM_NAMES.get(heap, f"{heap}ref")) for byte, heap in _HEAPS.items()},
    0x70: FUNCREF,
    0x6F: EXTERNREF,
}
_REFERENCE_NULL, _REFERENCE = 0x63, 0x64
_GROUP: Final = 0x4E
_SUBTYPES: Final = (0x50, 0x4F)  # open and final
_FUNCTION, _STRUCT, _ARRAY, _CONTINUATION = 0x60, 0x5F, 0x5E, 0x5D
_PACKED: Final = (0x78, 0x77)  # i8 and i16
_UNSUPPORTED: Final = {
    0x4C: "custom descriptors",
    0x4D: "custom descriptors",
    0x62: "custom descriptors",
    0x65: "shared-everything threads",
}

_HAS_MAXIMUM, _IS_SHARED, _IS_64, _HAS_PAGE_SIZE = 1, 2, 4, 8


def type_section(reader: Reader) -> list[FuncType | None]:
    """Decode the type section; a type that is not a function is None."""
    types: list[FuncType | None] = []
    for _ in range(reader.count("types")):
        if reader.peek() == _GROUP:
            reader.byte()
            group = reader.count("types", 2)
        else:
            group = 1
        known = len(types) + group
        types.extend([_sub_type(reader, known) for _ in range(group)])
    return types


def _sub_type(reader: Reader, known: int) -> FuncType | None:
    if reader.peek() in _SUBTYPES:
        reader.byte()
        for _ in range(reader.count("supertypes")):
            reader.index("type", known)
    if reader.peek() != _FUNCTION:
        _skip_type(reader, known)
        return None
    reader.byte()
    return FuncType(
        params=_value_types(reader, known, "parameters"),
        results=_value_types(reader, known, "results"),
    )


def _skip_type(reader: Reader, known: int) -> None:
    start = reader.offset
    form = reader.byte()
    if form == _STRUCT:
        for _ in range(reader.count("fields", 2)):
            _skip_field(reader, known)
    elif form == _ARRAY:
        _skip_field(reader, known)
    elif form == _CONTINUATION:
        _heap_type(reader, known)
    elif form in _UNSUPPORTED:
        reader.unsupported(_UNSUPPORTED[form], start)
    else:
        reader.fail(f"unknown form of type 0x{form:02x}", start)


def _value_types(reader: Reader, known: int, what: str) -> tuple[ValType, ...]:
    count = reader.count(what)
    if count > FUNCTION_PARAMETERS_MAX:
        raise LimitExceeded("function_parameters_max", FUNCTION_PARAMETERS_MAX, found=count)
    offset = reader.offset
    try:
        types = tuple([_ONE_BYTE[byte] for byte in reader.data[offset : offset + count]])
    except KeyError:
        return tuple([value_type(reader, known) for _ in range(count)])
    reader.skip(count)
    return types


def _skip_field(reader: Reader, known: int) -> None:
    if reader.peek() in _PACKED:
        reader.byte()
    else:
        value_type(reader, known)
    _flag(reader, "mutability")


def _flag(reader: Reader, what: str) -> bool:
    start = reader.offset
    flag = reader.byte()
    if flag > 1:
        reader.fail(f"the {what} must be 0 or 1, not {flag}", start)
    return flag == 1


def value_type(reader: Reader, known: int) -> ValType:
    """Decode the type of a value; `known` types exist that a reference may name."""
    start = reader.offset
    byte = reader.byte()
    if (plain := _ONE_BYTE.get(byte)) is not None:
        return plain
    if byte not in (_REFERENCE, _REFERENCE_NULL):
        reader.fail(f"unknown value type 0x{byte:02x}", start)
    heap = reader.peek()
    if byte == _REFERENCE_NULL and heap in _HEAPS:
        reader.byte()
        return _ONE_BYTE[heap]
    null = "null " if byte == _REFERENCE_NULL else ""
    return ValType(f"(ref {null}{_heap_type(reader, known)})")


def _heap_type(reader: Reader, known: int) -> str:
    start = reader.offset
    byte = reader.peek()
    if byte in _HEAPS:
        reader.byte()
        return _HEAPS[byte]
    if byte in _UNSUPPORTED:
        reader.unsupported(_UNSUPPORTED[byte], start)
    index = reader.signed(33)
    if not 0 <= index < known:
        reader.fail(f"type {index} does not exist", start)
    return f"${index}"


def reference_type(reader: Reader, known: int) -> ValType:
    """Decode the type of a reference."""
    start = reader.offset
    value = value_type(reader, known)
    if value in _NUMBERS.values():
        reader.fail(f"a table holds references, not {value}", start)
    return value


def function_type(reader: Reader, types: TypeSpace) -> FuncType:
    """Decode the index of a function type, and look it up."""
    start = reader.offset
    found = types[reader.index("type", len(types))]
    if found is None:
        reader.fail("the type is not that of a function", start)
    return found


def memory_type(reader: Reader) -> MemoryType:
    """Decode the type of a memory."""
    start = reader.offset
    bounds = _bounds(reader, flags_known=_HAS_MAXIMUM | _IS_SHARED | _IS_64 | _HAS_PAGE_SIZE)
    if bounds.shared and bounds.maximum is None:
        reader.fail("a shared memory needs a maximum", start)
    address_space = 1 << (64 if bounds.is_64 else 32)
    if max(bounds.minimum, bounds.maximum or 0) * bounds.page_bytes > address_space:
        reader.fail("the memory is larger than its addresses reach", start)
    return MemoryType(bounds=bounds)


def table_type(reader: Reader, known: int) -> TableType:
    """Decode the type of a table."""
    element = reference_type(reader, known)
    return TableType(element=element, bounds=_bounds(reader, flags_known=_HAS_MAXIMUM | _IS_64))


def _bounds(reader: Reader, *, flags_known: int) -> Bounds:
    start = reader.offset
    flags = reader.byte()
    if flags & ~flags_known:
        reader.fail(f"unknown flags 0x{flags:02x} of bounds", start)
    is_64 = bool(flags & _IS_64)
    bits = 64 if is_64 else 32
    minimum = reader.unsigned(bits)
    maximum = reader.unsigned(bits) if flags & _HAS_MAXIMUM else None
    if maximum is not None and maximum < minimum:
        reader.fail(f"the minimum {minimum} is above the maximum {maximum}", start)
    return Bounds(
        minimum=minimum,
        maximum=maximum,
        is_64=is_64,
        shared=bool(flags & _IS_SHARED),
        page_bytes=_page_bytes(reader) if flags & _HAS_PAGE_SIZE else PAGE_BYTES,
    )


def _page_bytes(reader: Reader) -> int:
    start = reader.offset
    exponent = reader.u32()
    if exponent not in (0, 16):
        reader.fail(f"the page size must be 1 or 65536, not 2 to the power of {exponent}", start)
    return 1 << exponent


def global_type(reader: Reader, known: int) -> GlobalType:
    """Decode the type of a global."""
    value = value_type(reader, known)
    return GlobalType(value=value, mutable=_flag(reader, "mutability"))


def tag_type(reader: Reader, types: TypeSpace) -> TagType:
    """Decode the type of a tag."""
    start = reader.offset
    if reader.byte() != 0:
        reader.fail("the attribute of a tag must be 0", start)
    return TagType(type=function_type(reader, types))
