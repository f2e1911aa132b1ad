"""Read WebAssembly binaries, and rewrite a little of them, without compiling.

`read_module` gives the imports, the exports and the measures of a core module in microseconds where
a compiler takes seconds; `inspect`, the planner and the type check of the linker stand on it.
"""

from .info import CustomSection, ModuleInfo, Section
from .kinds import kind_of
from .matching import satisfies
from .module import read_module
from .names import FunctionNames, read_names
from .prepare import PREPARATION_VERSION, prepare
from .reader import HOW_TO_RAISE, InvalidModule
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
    Export,
    ExternType,
    FuncType,
    GlobalType,
    Import,
    MemoryType,
    TableType,
    TagType,
    ValType,
)

__all__ = [
    "EXTERNREF",
    "F32",
    "F64",
    "FUNCREF",
    "HOW_TO_RAISE",
    "I32",
    "I64",
    "PAGE_BYTES",
    "PREPARATION_VERSION",
    "V128",
    "Bounds",
    "CustomSection",
    "Export",
    "ExternType",
    "FuncType",
    "FunctionNames",
    "GlobalType",
    "Import",
    "InvalidModule",
    "MemoryType",
    "ModuleInfo",
    "Section",
    "TableType",
    "TagType",
    "ValType",
    "kind_of",
    "prepare",
    "read_module",
    "read_names",
    "satisfies",
]
