"""Find the names that a compiler left for the functions of a module.

They stand in the custom section `name`, which promises nothing: it may be absent, cut short or
full of nonsense. Then a function goes by the name that it is exported under, or by none.
"""

from collections.abc import Iterator
from typing import Final, final

from ipvm.limits import NAME_BYTES_MAX

from .info import ModuleInfo
from .reader import Allowance, InvalidModule, Reader
from .types import FuncType

NAME_SECTION: Final = "name"
MODULE_NAME: Final = 0

_FUNCTION_NAMES: Final = 1
_SUBSECTIONS_MAX: Final = 256


@final
class FunctionNames:
    """Names of functions by index. Of the module only the name section is kept, and read lazily."""

    __slots__ = ("_exported", "_functions", "_places", "_section")

    def __init__(self, section: bytes, exported: dict[int, str], functions: int) -> None:
        self._section = section
        self._exported = exported
        self._functions = functions
        self._places: dict[int, tuple[int, int]] | None = None

    def get(self, index: int) -> str | None:
        """Return the name of a function, cut to 1024 bytes; what is not UTF-8 in it is replaced."""
        if self._places is None:
            self._places = dict(self._read())
        if index not in self._places:
            return self._exported.get(index)
        start, end = self._places[index]
        return self._section[start : min(end, start + NAME_BYTES_MAX)].decode(errors="replace")

    def _read(self) -> Iterator[tuple[int, tuple[int, int]]]:
        try:
            for kind, contents in subsections(self._section, 0, len(self._section)):
                if kind == _FUNCTION_NAMES:
                    yield from self._read_map(contents)
        except InvalidModule:
            return

    def _read_map(self, reader: Reader) -> Iterator[tuple[int, tuple[int, int]]]:
        least = 0
        for _ in range(reader.length("names", 2)):
            index = reader.u32()
            if not least <= index < self._functions:
                reader.fail(f"function {index} is out of order, or does not exist")
            least = index + 1
            size = reader.u32()
            start = reader.offset
            reader.skip(size)
            yield index, (start, reader.offset)


def read_names(data: bytes, info: ModuleInfo) -> FunctionNames:
    """Prepare to look up names of functions; `info` is what `read_module` gave for `data`."""
    exported: dict[int, str] = {}
    for export in info.exports:
        if isinstance(export.type, FuncType):
            exported.setdefault(export.index, export.name)
    places = [entry for entry in info.custom if entry.name == NAME_SECTION]
    section = data[places[0].offset : places[0].offset + places[0].size] if places else b""
    return FunctionNames(section, exported, info.function_imports + info.function_count)


def subsections(data: bytes, offset: int, end: int) -> Iterator[tuple[int, Reader]]:
    """Walk the parts of a name section: the number of each, and a cursor over its contents.

    Raises:
        InvalidModule: a part runs past the end, or there are more than have a meaning.
    """
    reader = Reader(data, offset, end, allowance=Allowance(0), where="the name section")
    for _ in range(_SUBSECTIONS_MAX):
        if reader.offset == reader.end:
            return
        kind = reader.byte()
        yield kind, reader.within(reader.u32(), reader.where)
    reader.fail("too many parts")
