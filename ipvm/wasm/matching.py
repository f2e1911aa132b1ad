"""Say whether an export can serve an import, before anything is compiled.

This is the import matching of the core specification, with one gap left open on purpose: typed
references and the reference types of garbage collection have a subtyping that spans modules, which
only the engine knows. Between two such types the answer is yes, so a no is always final and a yes
is confirmed by the engine when it instantiates.
"""

from .types import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    Bounds,
    ExternType,
    FuncType,
    GlobalType,
    MemoryType,
    TableType,
    TagType,
    ValType,
)

_NUMBERS = frozenset({I32, I64, F32, F64, V128})
_PLAIN = _NUMBERS | {FUNCREF, EXTERNREF}


def satisfies(wanted: ExternType, found: ExternType) -> bool:
    """Say whether an export of type `found` may serve an import of type `wanted`.

    Memories and tables are judged by their declared bounds; one that has grown by the time it is
    imported may fit although this says no.
    """
    match wanted, found:
        case FuncType(), FuncType():
            return _same_signature(wanted, found)
        case TagType(), TagType():
            return _same_signature(wanted.type, found.type)
        case MemoryType(), MemoryType():
            return _within(wanted.bounds, found.bounds)
        case TableType(), TableType():
            return _same_value(wanted.element, found.element) and _within(
                wanted.bounds, found.bounds
            )
        case GlobalType(), GlobalType():
            return wanted.mutable == found.mutable and _same_value(wanted.value, found.value)
        case _:
            return False


def _same_signature(wanted: FuncType, found: FuncType) -> bool:
    if wanted == found:
        return True
    return _same_values(wanted.params, found.params) and _same_values(wanted.results, found.results)


def _same_values(wanted: tuple[ValType, ...], found: tuple[ValType, ...]) -> bool:
    return len(wanted) == len(found) and all(map(_same_value, wanted, found))


def _same_value(wanted: ValType, found: ValType) -> bool:
    if wanted == found:
        return True
    if wanted in _NUMBERS or found in _NUMBERS:
        return False
    return wanted not in _PLAIN or found not in _PLAIN


def _within(wanted: Bounds, found: Bounds) -> bool:
    same_kind = (
        wanted.is_64 == found.is_64
        and wanted.shared == found.shared
        and wanted.page_bytes == found.page_bytes
    )
    if not same_kind or found.minimum < wanted.minimum:
        return False
    if wanted.maximum is None:
        return True
    return found.maximum is not None and found.maximum <= wanted.maximum
