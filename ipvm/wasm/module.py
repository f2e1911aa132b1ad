"""Read the outside of a core module without compiling it.

Every section is checked for its place, its size and its counts, and those that decide what others
see are decoded: types, imports, functions, tables, memories, tags, globals, exports and the start.
Of code only the sizes are walked; element and data segments are only counted. So a module that is
read here may still be invalid, but one that is refused here is invalid for every engine.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, final

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
from .info import CustomSection, ModuleInfo, Section
from .kinds import HEADER_BYTES, require_module
from .reader import HOW_TO_RAISE, Allowance, InvalidModule, Reader
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

_NAMES: Final = {
    0: "custom",
    1: "type",
    2: "import",
    3: "function",
    4: "table",
    5: "memory",
    13: "tag",
    6: "global",
    7: "export",
    8: "start",
    9: "element",
    12: "data count",
    10: "code",
    11: "data",
}
_PLACES: Final = {section: place for place, section in enumerate(_NAMES)}
_KINDS: Final = ("function", "table", "memory", "global", "tag")
_NO_PARAMETERS: Final = FuncType(params=(), results=())
_DEFAULT_LIMITS: Final = Limits()


def read_module(data: bytes, *, limits: Limits = _DEFAULT_LIMITS) -> ModuleInfo:
    """Read a core module.

    Args:
        data: The binary.
        limits: Bounds on its size, imports, functions and entries.

    Raises:
        InvalidModule: The bytes are not a well-formed core module.
        LimitExceeded: The module is well formed as far as it was read, and too large.
    """
    _require(limits.module_bytes_max, len(data), "module_bytes_max")
    require_module(data)
    return _ModuleReader(data, limits).read()


def _require(maximum: int, found: int, limit: str) -> None:
    if found > maximum:
        raise LimitExceeded(limit, maximum, found=found, how=HOW_TO_RAISE)
