"""What a tree that somebody else wrote looks like from here, and how to ask for more of it.

The file system of a guest is synchronous: it answers from what it has, or raises `Wanted`. Whoever
called then awaits `Wanted.fetch()` and calls again. A call changes nothing before it has all that it
reads, so it can be begun any number of times; and what was fetched stays until the call is done.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeAlias, final, runtime_checkable

from ipvm.files.nodes import Written

__all__ = [
    "DIRECTORY",
    "REGULAR_FILE",
    "SYMBOLIC_LINK",
    "UNKNOWN",
    "FileOrigin",
    "FolderOrigin",
    "GivenFile",
    "GivenFolder",
    "InPieces",
    "LinkOrigin",
    "Origin",
    "Wanted",
    "type_of",
]

UNKNOWN: Final = 0
DIRECTORY: Final = 3
REGULAR_FILE: Final = 4
SYMBOLIC_LINK: Final = 7
"""File types of WASI. The first says that it takes a look to know."""


class FileOrigin(Protocol):
    """A file that nobody changes."""

    @property
    def size(self) -> int:
        """Its size in bytes."""
        ...

    async def read(self, offset: int, size: int) -> bytes:
        """Give exactly `size` bytes from `offset` on, all within the file.

        Raises:
            IpvmError: They cannot be had, or are not what the CID promises.
        """
        ...


@runtime_checkable
class InPieces(Protocol):
    """A file of pieces that are best read whole."""

    @property
    def piece_bytes(self) -> int:
        """About the size of each but the last, in bytes."""
        ...

    def at_hand(self, offset: int, size: int) -> bytes | None:
        """Give a piece for which nobody has to wait, or None."""
        ...


@runtime_checkable
class FolderOrigin(Protocol):
    """A folder that nobody changes."""

    async def lookup(self, name: bytes) -> "Origin | None":
        """Give what stands there under a name, or None."""
        ...

    async def list(self) -> Sequence[tuple[bytes, int]]:
        """Give the names, each once, in any order, with the file type of each, or `UNKNOWN`."""
        ...


@final
class LinkOrigin:
    """A symbolic link.

    Attributes:
        target: Where it leads.
        written: The node of UnixFS that it is, if it is one.
    """

    __slots__ = ("target", "written")

    def __init__(self, target: bytes, written: Written | None = None) -> None:
        self.target = target
        self.written = written


Origin: TypeAlias = FileOrigin | FolderOrigin | LinkOrigin


class Wanted(Exception):
    """More has to be fetched before the call can be answered."""

    def __init__(self, fetch: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self.fetch = fetch


@final
class GivenFile:
    """A file whose bytes are at hand."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """See `FileOrigin`."""
        return len(self._data)

    async def read(self, offset: int, size: int) -> bytes:
        """See `FileOrigin`."""
        return self._data[offset : offset + size]


@final
class GivenFolder:
    """A folder whose entries are at hand."""

    __slots__ = ("_entries",)

    def __init__(self, entries: dict[bytes, Origin]) -> None:
        self._entries = entries

    async def lookup(self, name: bytes) -> Origin | None:
        """See `FolderOrigin`."""
        return self._entries.get(name)

    async def list(self) -> Sequence[tuple[bytes, int]]:
        """See `FolderOrigin`."""
        return [(name, type_of(origin)) for name, origin in self._entries.items()]


def type_of(origin: Origin) -> int:
    """Give the file type of WASI."""
    if isinstance(origin, LinkOrigin):
        return SYMBOLIC_LINK
    return DIRECTORY if isinstance(origin, FolderOrigin) else REGULAR_FILE
