"""Rewrite the two places of a module that the runtime must own before an engine sees it.

The engine prints the module name of each frame of a backtrace, so that name becomes the CID: only
one section may say it, and it says it first. The engine runs a start function while it
instantiates, where nothing can be waited for, so the start becomes an export that is called right
after. All other bytes stay as they are. Code may move, as a whole, so an offset that the engine
reports is off by the distance between the two code sections.
"""

from typing import Final

from .info import ModuleInfo, Section
from .kinds import HEADER_BYTES
from .names import MODULE_NAME, NAME_SECTION, subsections
from .reader import Allowance, InvalidModule, Reader

PREPARATION_VERSION: Final = 1
"""Raise it when `prepare` gives other bytes for a module: machine code is kept by this number."""

_CUSTOM, _EXPORT, _START = 0, 7, 8
_FUNCTION: Final = b"\0"
_LOW_BITS, _CONTINUED = 0x7F, 0x80


def prepare(
    data: bytes, info: ModuleInfo, *, module_name: str, start_export: str = "ipvm:start"
) -> bytes:
    """Name a module, and turn its start function into an export.

    Args:
        data: The binary.
        info: What `read_module` gave for it.
        module_name: What backtraces print. Names of functions are kept, unless the name section
            is too malformed to be taken apart.
        start_export: Under this name the start function is exported, if there is one.

    Raises:
        InvalidModule: The module has an export of that name.
    """
    if info.export(start_export) is not None:
        problem = f"the export {start_export!r} stands for the start function and cannot be taken"
        raise InvalidModule(problem)
    rewritten = {info.size: b""}  # by the offset of the section; the last is what comes behind all
    rewritten |= _names(data, info, module_name)
    rewritten |= _exports(data, info, start_export)
    view = memoryview(data)
    parts: list[bytes | memoryview] = [view[:HEADER_BYTES]]
    begin = HEADER_BYTES
    for section in info.sections:
        parts.append(rewritten.get(section.offset, view[begin : section.end]))
        begin = section.end
    parts.append(rewritten[info.size])
    return b"".join(parts)


def _names(data: bytes, info: ModuleInfo, module_name: str) -> dict[int, bytes]:
    customs = [section for section in info.sections if section.id == _CUSTOM]
    found = [
        (section, entry.offset)
        for section, entry in zip(customs, info.custom, strict=True)
        if entry.name == NAME_SECTION
    ]
    kept = _kept_names(data, found[0][1], found[0][0].end) if found else b""
    named = _section(
        _CUSTOM,
        _sized(NAME_SECTION.encode()),
        bytes([MODULE_NAME]) + _sized(_sized(module_name.encode())),
        kept,
    )
    if not found:
        return {info.size: named}
    # A second section of names would overrule the first.
    return {section.offset: b"" for section, _ in found} | {found[0][0].offset: named}


def _kept_names(data: bytes, offset: int, end: int) -> bytes:
    kept = []
    begin = offset
    try:
        for kind, contents in subsections(data, offset, end):
            if kind != MODULE_NAME:
                kept.append(data[begin : contents.end])
            begin = contents.end
    except InvalidModule:
        return b""
    return b"".join(kept)


def _exports(data: bytes, info: ModuleInfo, start_export: str) -> dict[int, bytes]:
    if info.start is None:
        return {}
    entry = _sized(start_export.encode()) + _FUNCTION + _u32(info.start)
    places = {section.id: section for section in info.sections}
    start, exports = places[_START], places.get(_EXPORT)
    if exports is None:  # the start section stands where the export section would end
        return {start.offset: _section(_EXPORT, _u32(1), entry)}
    count = _u32(len(info.exports) + 1)
    return {
        start.offset: b"",
        exports.offset: _section(_EXPORT, count, _entries(data, exports), entry),
    }


def _entries(data: bytes, exports: Section) -> bytes:
    reader = Reader(
        data, exports.offset, exports.end, allowance=Allowance(0), where="the export section"
    )
    reader.u32()
    return data[reader.offset : exports.end]


def _section(section_id: int, *parts: bytes) -> bytes:
    return bytes([section_id]) + _sized(b"".join(parts))


def _sized(contents: bytes) -> bytes:
    return _u32(len(contents)) + contents


def _u32(value: int) -> bytes:
    encoded = bytearray()
    while value > _LOW_BITS:
        encoded.append(value & _LOW_BITS | _CONTINUED)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
