"""What reading a module yields: its outside, and where its parts lie."""

from functools import cached_property
from typing import NamedTuple

from msgspec import Struct

from .types import Export, GlobalType, Import, MemoryType, TableType, TagType


class Section(Struct, frozen=True, kw_only=True, gc=False, array_like=True):
    """Where the contents of one section lie, in bytes from the start of the module."""

    id: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Offset of the first byte behind the section."""
        return self.offset + self.size


class CustomSection(NamedTuple):
    """Where the contents of one custom section lie; its name is not part of them."""

    name: str
    offset: int
    size: int


class ModuleInfo(Struct, frozen=True, kw_only=True, array_like=True, dict=True):
    """A core module as others see it.

    Attributes:
        imports: In the order of the binary, as are all others.
        exports: Names are unique.
        memories: Those that the module defines; imported ones are in `imports`. So it is with
            `tables`, `globals` and `tags`.
        start: Index of the start function, imports counted first.
        function_imports: How many imports are functions: the index of the first one that the
            module defines.
        function_count: Functions that the module defines.
        function_bytes_largest: Bytes of the largest body among them.
        element_count: Element segments.
        data_count: Data segments.
        size: Bytes of the module.
    """

    imports: tuple[Import, ...]
    exports: tuple[Export, ...]
    memories: tuple[MemoryType, ...]
    tables: tuple[TableType, ...]
    globals: tuple[GlobalType, ...]
    tags: tuple[TagType, ...]
    start: int | None
    function_imports: int
    function_count: int
    function_bytes_largest: int
    element_count: int
    data_count: int
    custom: tuple[CustomSection, ...]
    sections: tuple[Section, ...]
    size: int

    def export(self, name: str) -> Export | None:
        """Return the export of that name."""
        return self._by_name.get(name)

    @cached_property
    def _by_name(self) -> dict[str, Export]:
        return {export.name: export for export in self.exports}
