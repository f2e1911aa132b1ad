"""Read files by range, fetching the blocks that the range touches and no others.

A reader goes down from the root by the sizes that each node tells of its parts, and skips those that
end before the range or begin behind it. A part that is not as long as its parent says is refused
when it is met, after all that stands before it was given out.

While a long range is read, the next few parts are fetched together, so that waiting for a source is
shared. How many is bounded by their sizes: no more is held than `READ_AHEAD_BYTES` and one part.
"""

from collections import deque
from typing import Final, NamedTuple, Self, final

import trio

from ipvm.errors import IpvmError, LimitExceeded
from ipvm.files.decoding import FileNode, InvalidNode
from ipvm.files.source import NodeSource
from ipvm.ipld import Cid
from ipvm.limits import FILE_DEPTH_MAX, FILE_LINKS_HELD_MAX

__all__ = ["READ_AHEAD_BYTES", "FileReader", "Pieces"]

READ_AHEAD_BYTES: Final = 4 * 1024 * 1024
_READ_AHEAD_PARTS: Final = 16


class _Part(NamedTuple):
    """A part of the file that is still to be read, and where it begins."""

    cid: Cid
    start: int
    size: int
    depth: int


@final
class Pieces:
    """`async for piece in reader.pieces(offset, length)`: the bytes of a range, piece by piece.

    Each turn waits for blocks, or is a checkpoint. What stands before a part that cannot be had is
    given out before its failure is raised.
    """

    def __init__(self, nodes: NodeSource, root: FileNode, path: str, span: range) -> None:
        self._nodes = nodes
        self._path = path
        self._span = span
        self._ready: deque[memoryview | bytes] = deque()
        self._ahead: deque[_Part] = deque()
        self._failure: IpvmError | None = None
        self._expand(root, _Part(root.cid, 0, root.size, 0))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> memoryview | bytes:
        if self._ready:
            await trio.lowlevel.checkpoint()
            return self._ready.popleft()
        while self._ahead and self._failure is None:
            await self._advance()
            if self._ready:
                return self._ready.popleft()
        if self._failure is not None:
            raise self._failure
        await trio.lowlevel.checkpoint()
        raise StopAsyncIteration

    async def _advance(self) -> None:
        """Fetch the parts that come next, and put what they hold in the place of each."""
        parts = self._next_parts()
        found = await self._nodes.get_together([part.cid for part in parts], self._path)
        behind, self._ahead = self._ahead, deque()
        for number, (part, node) in enumerate(zip(parts, found, strict=True)):
            if self._ahead:  # a part that has parts of its own: those come before the rest
                self._ahead.extend(parts[number:])
                break
            try:
                self._expand(self._checked(node, part), part)
            except IpvmError as failure:
                self._failure = failure
                return
        if len(self._ahead) + len(behind) > FILE_LINKS_HELD_MAX:
            self._failure = LimitExceeded("FILE_LINKS_HELD_MAX", FILE_LINKS_HELD_MAX)
            return
        behind.extendleft(reversed(self._ahead))
        self._ahead = behind

    def _next_parts(self) -> list[_Part]:
        parts = [self._ahead.popleft()]
        size = parts[0].size
        while self._ahead and len(parts) < _READ_AHEAD_PARTS:
            size += self._ahead[0].size
            if size > READ_AHEAD_BYTES:
                break
            parts.append(self._ahead.popleft())
        return parts

    def _checked(self, node: object, part: _Part) -> FileNode:
        if isinstance(node, IpvmError):
            raise node
        if not isinstance(node, FileNode):
            raise InvalidNode(f"{self._path}: {part.cid} is no part of a file")
        if node.size != part.size:
            sizes = f"{node.size} bytes, and its parent says {part.size}"
            raise InvalidNode(f"{self._path}: the part {part.cid} of the file has {sizes}")
        if node.children and part.depth >= FILE_DEPTH_MAX:
            raise LimitExceeded("FILE_DEPTH_MAX", FILE_DEPTH_MAX)
        return node

    def _expand(self, node: FileNode, part: _Part) -> None:
        """Take the bytes of a node that are in the range, and note its parts that are."""
        self._take(node.data, part.start)
        start = part.start + len(node.data)
        for child, size in zip(node.children, node.sizes, strict=True):
            if start >= self._span.stop:
                break
            if start + size > self._span.start:
                self._ahead.append(_Part(child, start, size, part.depth + 1))
            start += size

    def _take(self, data: bytes, start: int) -> None:
        first = max(self._span.start - start, 0)
        end = min(self._span.stop - start, len(data))
        if first == 0 and end == len(data) and data:
            self._ready.append(data)
        elif first < end:
            self._ready.append(memoryview(data)[first:end])


@final
class FileReader:
    """Reads one file by range. Nothing is fetched before it is asked for.

    Attributes:
        root: The root of the file.
        path: Its path, for messages.
    """

    def __init__(self, nodes: NodeSource, root: FileNode, path: str) -> None:
        self._nodes = nodes
        self.root = root
        self.path = path

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.root.size

    def pieces(self, offset: int = 0, length: int | None = None) -> Pieces:
        """Give a range piece by piece, in memory of a few blocks.

        Args:
            offset: Where it begins, in bytes; behind the end, there is nothing.
            length: Bytes that it has, if there are so many; without, all that remain.
        """
        assert offset >= 0 and (length is None or length >= 0)  # noqa: PT018
        end = self.size if length is None else min(offset + length, self.size)
        return Pieces(self._nodes, self.root, self.path, range(min(offset, end), end))

    async def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Give a range as a whole; see `pieces`.

        Raises:
            NodeNotFound, Unavailable: A block cannot be had.
            InvalidNode, LimitExceeded: The file is not what it says.
        """
        return b"".join([piece async for piece in self.pieces(offset, length)])
