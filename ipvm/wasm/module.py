"""Read the outside of a core module without compiling it.

Every section is checked for its place, its size and its counts, and those that decide what others
see are decoded: types, imports, functions, tables, memories, tags, globals, exports and the start.
Of code only the sizes are walked; element and data segments are only counted. So a module that is
read here may still be invalid, but one that is refused here is invalid for the engine too.
"""

from collections import Counter
from typing import Final

from ipvm.limits import Limits

from .info import ModuleInfo, Section
from .kinds import HEADER_BYTES, require_module
from .reader import Allowance, InvalidModule, Reader
from .sections import SECTIONS, Outside, at_most
from .types import FuncType, GlobalType, MemoryType, TableType, TagType

_DEFAULT_LIMITS: Final = Limits()
_PLACES: Final = {section_id: place for place, section_id in enumerate(SECTIONS)}


def read_module(data: bytes, *, limits: Limits = _DEFAULT_LIMITS) -> ModuleInfo:
    """Read a core module.

    Args:
        data: The binary.
        limits: Bounds on its size, its imports, its functions and its entries.

    Raises:
        InvalidModule: The bytes are not a well-formed core module.
        LimitExceeded: The module is larger than the limits allow.
    """
    at_most(limits.module_bytes_max, len(data), "module_bytes_max")
    require_module(data)
    allowance = Allowance(limits.module_entries_max)
    reader = Reader(data, HEADER_BYTES, len(data), allowance=allowance, where="the module")
    outside = Outside(limits=limits)
    sections = _read_sections(reader, outside)
    _check_counts(outside, len(data))
    imported = Counter(type(entry.type) for entry in outside.imports)
    return ModuleInfo(
        imports=tuple(outside.imports),
        exports=tuple(outside.exports),
        memories=tuple(outside.memories[imported[MemoryType] :]),
        tables=tuple(outside.tables[imported[TableType] :]),
        globals=tuple(outside.globals[imported[GlobalType] :]),
        tags=tuple(outside.tags[imported[TagType] :]),
        start=outside.start,
        function_imports=imported[FuncType],
        function_count=len(outside.functions) - imported[FuncType],
        function_bytes_largest=outside.body_bytes_largest,
        element_count=outside.elements,
        data_count=outside.data,
        custom=tuple(outside.custom),
        sections=tuple(sections),
        size=len(data),
    )


def _read_sections(reader: Reader, outside: Outside) -> list[Section]:
    sections: list[Section] = []
    place = 0
    while reader.offset < reader.end:
        start = reader.offset
        reader.allowance.spend(1)
        section_id = reader.byte()
        if section_id not in SECTIONS:
            reader.fail(f"unknown section {section_id}", start)
        name, read = SECTIONS[section_id]
        if section_id != 0:
            if _PLACES[section_id] <= place:
                reader.fail(f"the {name} section comes too late, or a second time", start)
            place = _PLACES[section_id]
        contents = reader.within(reader.u32(), f"the {name} section")
        sections.append(
            Section(id=section_id, offset=contents.offset, size=reader.offset - contents.offset)
        )
        read(contents, outside)
        contents.finish()
    return sections


def _check_counts(outside: Outside, end: int) -> None:
    functions = outside.defined_functions
    if functions != outside.bodies:
        problem = f"{functions} functions are declared, and {outside.bodies} have code"
        raise InvalidModule(problem, end)
    announced = outside.data_announced
    if announced not in (None, outside.data):
        problem = f"{announced} data segments are announced, and there are {outside.data}"
        raise InvalidModule(problem, end)
