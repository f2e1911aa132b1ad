"""Files that are read by methods that wait."""

from collections.abc import Iterator
from typing import final

from ipvm.files import FileReader
from ipvm.ipld import Cid
from ipvm.model import File
from ipvm.node import Node
from ipvm.sync.loop import Loop

__all__ = ["SyncFile", "SyncFiles"]


@final
class SyncFile:
    """One file, to be read by range, or in a loop piece by piece; see `ipvm.files.FileReader`."""

    def __init__(self, loop: Loop, reader: FileReader) -> None:
        self._loop = loop
        self._reader = reader

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._reader.size

    def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Give a range, or all that remains, as a whole."""
        return self._loop.wait(lambda: self._reader.read(offset, length))

    def pieces(self, offset: int = 0, length: int | None = None) -> Iterator[memoryview | bytes]:
        """Give a range piece by piece, in memory of a few blocks."""
        pieces = self._reader.pieces(offset, length)
        while True:
            piece = self._loop.wait(lambda: anext(pieces, None))
            if piece is None:
                return
            yield piece


@final
class SyncFiles:
    """Files by path; see `ipvm.files.Files` for what each method does and raises."""

    def __init__(self, loop: Loop, node: Node) -> None:
        self._loop = loop
        self._files = node.files

    def open(self, path: Cid | str | File) -> SyncFile:
        """Give a file, to be read by range."""
        return SyncFile(self._loop, self._loop.wait(lambda: self._files.open(path)))
