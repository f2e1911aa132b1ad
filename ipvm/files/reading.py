"""Read files by range, fetching the blocks that the range touches and no others.

A reader goes down from the root by the sizes that each node tells of its parts, and skips those that
end before the range or begin behind it. A part that is not as long as its parent says is refused
when it is met, after all that stands before it was given out.

While a long range is read, the next few parts are fetched together, so that waiting for a source is
shared, and several cores verify them. How many is bounded by their sizes: no more is held than
`READ_AHEAD_BYTES` and one part. Who reads one short range behind the other gets the same, if the
source of nodes keeps pieces: what comes next is then fetched with what is asked for.
"""

from bisect import bisect_right
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
_READ_AHEAD_PARTS: Final = 64


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

    Args:
        nodes: Where the parts come from.
        root: The root of the file.
        path: Its path, for messages.
        span: The range.
        kept_end: Where what is fetched ends, and kept for who comes next; nothing is kept without.
    """

    def __init__(
        self, nodes: NodeSource, root: FileNode, path: str, span: range, kept_end: int | None = None
    ) -> None:
        self._nodes = nodes
        self._path = path
        self._span = span
        self._end = max(span.stop, kept_end or 0)
        self._keep = kept_end is not None
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
        while self._failure is None and self._ahead and self._ahead[0].start < self._span.stop:
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
        cids = [part.cid for part in parts]
        found = await self._nodes.get_together(cids, [self._path] * len(cids), keep=self._keep)
        behind, self._ahead = self._ahead, deque()
        for number, (part, node) in enumerate(zip(parts, found, strict=True)):
            if part.start >= self._span.stop:  # it is kept, for who comes next
                break
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
        first = bisect_right(node.ends, self._span.start - part.start)
        start = part.start + (node.ends[first - 1] if first else len(node.data))
        for child, below in zip(node.children[first:], node.ends[first:], strict=True):
            if start >= self._end:
                break
            end = part.start + below
            self._ahead.append(_Part(child, start, end - start, part.depth + 1))
            start = end

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
        self._end = -1
        """Where the last read ended."""

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
        return Pieces(self._nodes, self.root, self.path, self._span(offset, length))

    async def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Give a range as a whole; see `pieces`.

        Raises:
            NodeNotFound, Unavailable: A block cannot be had.
            InvalidNode, LimitExceeded: The file is not what it says.
        """
        span = self._span(offset, length)
        data = self._at_hand(span)
        if data is None:
            kept_end = span.stop if span.start != self._end else span.start + READ_AHEAD_BYTES
            kept = kept_end if self._nodes.keeps_pieces else None
            pieces = Pieces(self._nodes, self.root, self.path, span, kept)
            data = b"".join([piece async for piece in pieces])
        else:
            await trio.lowlevel.checkpoint()
        self._end = span.stop
        return data

    def _span(self, offset: int, length: int | None) -> range:
        assert offset >= 0 and (length is None or length >= 0)  # noqa: PT018
        end = self.size if length is None else min(offset + length, self.size)
        return range(min(offset, end), end)

    def _at_hand(self, span: range) -> bytes | None:
        """Give a range if it lies in one piece that is kept."""
        node, start, stop = self.root, span.start, span.stop
        for _ in range(FILE_DEPTH_MAX + 1):
            if stop <= len(node.data) or start == stop:
                return node.data[start:stop]
            place = bisect_right(node.ends, start)
            if start < len(node.data) or stop > node.ends[place]:
                return None
            begin = node.ends[place - 1] if place else len(node.data)
            child = self._nodes.at_hand(node.children[place])
            if not isinstance(child, FileNode) or child.size != node.ends[place] - begin:
                return None
            node, start, stop = child, start - begin, stop - begin
        return None
