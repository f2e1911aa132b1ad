"""The open files, folders and streams of a guest, by their numbers."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, final

from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder
from ipvm.host.wasi.ledger import Ledger
from ipvm.host.wasi.nodes import File
from ipvm.host.wasi.rights import READ, SEEK, WRITE

__all__ = ["DESCRIPTORS_MAX", "Descriptor", "Descriptors", "Sink"]

DESCRIPTORS_MAX: Final = 1024
"""Descriptors that a guest may have open."""

Sink: TypeAlias = Callable[[bytes], None]
"""Takes what a guest writes to standard output or standard error."""


@final
class Descriptor:
    """One of them.

    Attributes:
        node: The file or folder; for standard input a file that is read in order; for an output the
            sink.
        rights: What it may be used for.
        inheriting: What those that are opened by it may be used for.
        flags: As WASI has them: 1 to append, and others that change nothing here.
        position: Where the file is read and written next.
        readable: The file, if it may be read.
        writable: The file, if it may be written.
        seekable: The file, if it may be sought.
        sink: The output, if it may be written.
        is_stream: Whether it is standard input or output, which cannot be sought.
        preopened: The path under which a guest finds the folder, if it was given to it.
        has_names: Whether the folder was read from the start.
        names: Its names, as they were then; None if they were those that it was given.
    """

    __slots__ = (
        "flags",
        "has_names",
        "inheriting",
        "is_stream",
        "names",
        "node",
        "position",
        "preopened",
        "readable",
        "rights",
        "seekable",
        "sink",
        "writable",
    )

    def __init__(
        self,
        node: File | Folder | Sink,
        rights: int,
        inheriting: int = 0,
        *,
        flags: int = 0,
        is_stream: bool = False,
        preopened: bytes | None = None,
    ) -> None:
        self.node = node
        self.is_stream = is_stream
        self.limit(rights, inheriting)
        self.flags = flags
        self.position = 0
        self.preopened = preopened
        self.has_names = False
        self.names: Sequence[bytes] | None = None

    def limit(self, rights: int, inheriting: int) -> None:
        """Set what it, and what is opened by it, may be used for."""
        self.rights = rights
        self.inheriting = inheriting
        node = self.node
        self.readable = node if isinstance(node, File) and rights & READ else None
        self.writable = node if isinstance(node, File) and rights & WRITE else None
        may_seek = rights & SEEK and not self.is_stream
        self.seekable = node if isinstance(node, File) and may_seek else None
        self.sink: Sink | None = None
        if not isinstance(node, (File, Folder)) and rights & WRITE:
            self.sink = node

    def need(self, rights: int) -> None:
        """Make sure that it may be used for something.

        Raises:
            Failed: It may not.
        """
        missing = rights & ~self.rights
        if missing:
            raise Failed(Errno.BADF if missing & (READ | WRITE) else Errno.NOTCAPABLE)

    def file(self, rights: int) -> File:
        """Give the file that it is, if it can be sought and used for something.

        Raises:
            Failed: It is no such file.
        """
        errno = self.trouble(rights)
        if errno:
            raise Failed(errno)
        assert isinstance(self.node, File)
        return self.node

    def trouble(self, rights: int) -> Errno:
        """Tell why it is no file that can be sought and used for something; 0 if it is one."""
        if isinstance(self.node, Folder):
            return Errno.ISDIR if rights & (READ | WRITE) else Errno.BADF
        missing = rights & ~self.rights
        if missing:
            return Errno.BADF if missing & (READ | WRITE) else Errno.NOTCAPABLE
        return Errno.SPIPE if self.is_stream else Errno.SUCCESS

    def folder(self, rights: int) -> Folder:
        """Give the folder that it is, if it may be used for something.

        Raises:
            Failed: It is no such folder.
        """
        if not isinstance(self.node, Folder):
            raise Failed(Errno.NOTDIR)
        self.need(rights)
        return self.node


@final
class Descriptors:
    """All of them.

    Attributes:
        open: They by their numbers.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.open: dict[int, Descriptor] = {}
        self._lowest = 0
        """No number below this one is free."""

    def __getitem__(self, number: int) -> Descriptor:
        """Give one by its number.

        Raises:
            Failed: There is none.
        """
        found = self.open.get(number)
        if found is None:
            raise Failed(Errno.BADF)
        return found

    def check_room(self) -> None:
        """Make sure that there is room for another one.

        Raises:
            Failed: There is none.
        """
        if len(self.open) >= DESCRIPTORS_MAX:
            raise Failed(Errno.MFILE)

    def add(self, descriptor: Descriptor) -> int:
        """Give it the lowest number that is free."""
        while self._lowest in self.open:
            self._lowest += 1
        self.open[self._lowest] = descriptor
        if isinstance(descriptor.node, File):
            descriptor.node.opened += 1
        return self._lowest

    def insert(self, number: int, descriptor: Descriptor) -> None:
        """Give a folder a number; what has it, and all behind that, moves up by one."""
        for other in sorted((each for each in self.open if each >= number), reverse=True):
            self.open[other + 1] = self.open.pop(other)
        self.open[number] = descriptor

    def close(self, number: int) -> None:
        """Close one.

        Raises:
            Failed: There is none.
        """
        closed = self[number]
        node = closed.node
        self._forget_names(closed)
        del self.open[number]
        self._lowest = min(self._lowest, number)
        if isinstance(node, File):
            node.opened -= 1
            node.forget()

    def list(self, d: Descriptor, folder: Folder) -> None:
        """Have a descriptor hold the names of its folder as they are now.

        Raises:
            Wanted: They are not known.
            LimitExceeded: The guest holds too many.
        """
        names = folder.names()
        self._forget_names(d)
        if folder.is_changed:
            self._ledger.charge(_names_bytes(names))
            d.names = names
        d.has_names = True

    def _forget_names(self, d: Descriptor) -> None:
        if d.names is not None:
            self._ledger.charge(-_names_bytes(d.names))
            d.names = None

    def renumber(self, number: int, to: int) -> None:
        """Give one the number of another one, which is closed.

        Raises:
            Failed: One of them is not there.
        """
        moved = self[number]
        if self[to] is moved:
            return
        self.close(to)
        self.open[to] = moved
        del self.open[number]
        self._lowest = min(self._lowest, number)


def _names_bytes(names: Sequence[bytes]) -> int:
    """Count about what it takes to hold names."""
    return sum(map(len, names)) + 64 * len(names)
