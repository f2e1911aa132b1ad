"""The names of given folders, as far as they are in memory.

They can be asked for again at any time, so those of the folders that were listed last are enough.
"""

from bisect import bisect_left
from collections.abc import Iterable
from typing import Final, Generic, TypeVar, final

__all__ = ["Names", "NamesInMemory"]

NAMES_MAX: Final = 262_144
"""Names of given folders that are in memory, besides those of the folder that was listed last."""

_Key = TypeVar("_Key")


@final
class Names:
    """The names of a given folder, by their bytes.

    Attributes:
        names: They.
        types: The file type of each; 0 if it is not known yet.
    """

    __slots__ = ("names", "types")

    def __init__(self, entries: Iterable[tuple[bytes, int]]) -> None:
        ordered = sorted(entries)
        self.names = [name for name, _ in ordered]
        self.types = bytearray(type_ for _, type_ in ordered)

    def find(self, name: bytes) -> int | None:
        """Give the place of a name, or None if it is not there."""
        place = bisect_left(self.names, name)
        return place if place < len(self.names) and self.names[place] == name else None


@final
class NamesInMemory(Generic[_Key]):
    """The names of the folders that were listed last."""

    def __init__(self) -> None:
        self._names: dict[_Key, Names] = {}
        self._count = 0

    def get(self, folder: _Key) -> Names | None:
        """Give those of a folder, if they are here."""
        return self._names.get(folder)

    def put(self, folder: _Key, names: Names) -> None:
        """Keep those of a folder, in the place of some others."""
        while self._names and self._count + len(names.names) > NAMES_MAX:
            self._count -= len(self._names.pop(next(iter(self._names))).names)
        self._count += len(names.names)
        self._names[folder] = names
