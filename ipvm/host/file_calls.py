"""The host calls about files: what a path leads to, a range of a file, an entry of a folder.

A path goes through folders only, and is no other than those of `ipvm cat` otherwise. What a guest gives
and gets goes through the kernel's memory where the next block would stand, and nothing of it stays.
"""

from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, final

from ipvm.errors import InvalidArguments
from ipvm.files import (
    FileNode,
    FolderNode,
    Node,
    ShardNode,
    SymlinkNode,
    TreePath,
    entry_from,
    read_range,
    resolve,
)
from ipvm.host.error_number import ErrorNumber
from ipvm.host.file_nodes import FileNodes, NotAtHand
from ipvm.host.kernel import Kernel
from ipvm.ipld import Cid, InvalidCid

__all__ = ["FILE", "FOLDER", "SYMLINK", "FileCalls"]

FILE: Final = 1
FOLDER: Final = 2
SYMLINK: Final = 3
"""What there may be, as `file_stat` tells."""

_UNUSABLE: Final = {"", ".", ".."}


@final
class FileCalls:
    """Answers the calls about files of one store.

    Attributes:
        nodes: Where nodes come from, and what is owed for them.
    """

    __slots__ = ("_kernel", "nodes")

    def __init__(self, kernel: Kernel, nodes: FileNodes) -> None:
        self._kernel = kernel
        self.nodes = nodes

    async def serve(self, words: tuple[int, ...]) -> int:
        """Answer a request, whose word 6 is the operation, and charge what is owed.

        Raises:
            NotAtHand: It has to wait, and must not.
            IpvmError: What the guest learns by a number.
            Trap: The fuel does not suffice.
        """
        try:
            return await self._actions[words[6]](self, words)
        except NotAtHand:
            self.nodes.owed = 0
            raise
        finally:
            self.nodes.charge()

    async def _stat(self, words: tuple[int, ...]) -> int:
        node = await self._found(words)
        if isinstance(node, FileNode):
            kind, size = FILE, node.size
        elif isinstance(node, SymlinkNode):
            kind, size = SYMLINK, len(node.target)
        else:
            kind, size = FOLDER, 0
        return self._give(node.cid, words[5], size, kind)

    async def _read(self, words: tuple[int, ...]) -> int:
        node = await self._found(words)
        at, offset, most = words[1], words[3], words[4]
        if isinstance(node, SymlinkNode):
            node = FileNode(cid=node.cid, data=node.target, size=len(node.target))
        if not isinstance(node, FileNode):
            return ErrorNumber.ILLEGAL_ARGUMENT
        span = range(min(offset, node.size), min(offset + most, node.size))
        await read_range(self.nodes, node, span, _Writer(self._kernel, at).write)
        self.nodes.owed += len(span)
        self._kernel.reply(len(span))
        return ErrorNumber.OK

    async def _entry(self, words: tuple[int, ...]) -> int:
        node = await self._found(words)
        at, cursor, name_max = words[1], words[3], words[4]
        if not isinstance(node, FolderNode | ShardNode):
            return ErrorNumber.ILLEGAL_ARGUMENT
        entry, following = await entry_from(self.nodes, node, cursor)
        if entry is None:
            self._kernel.reply(0, 0, 0)
            return ErrorNumber.OK
        name = entry.name.encode()
        if len(name) > name_max:
            return ErrorNumber.BUFFER_TOO_SMALL
        self._kernel.write(at, name)
        return self._give(entry.cid, words[5], following, len(name))

    def _give(self, cid: Cid, room: int, *words: int) -> int:
        """Answer with two numbers and, if there is to be one, a CID."""
        data = bytes(cid)
        if 0 < room < len(data):
            return ErrorNumber.BUFFER_TOO_SMALL
        self._kernel.reply_bytes(data)
        self._kernel.reply(words[0], words[1] | len(data) << 32, len(data) if room else 0)
        return ErrorNumber.OK

    async def _found(self, words: tuple[int, ...]) -> Node:
        """Give what the path of a request leads to; without one, the CID itself, unfollowed."""
        try:
            cid = Cid.read(self._kernel.guest_cid(words[0]))[0]
            path = self._kernel.bytes_at(words[1], words[2]).decode()
        except (InvalidCid, UnicodeDecodeError) as error:
            raise InvalidArguments(f"no place: {error}") from error
        if not path:
            return await self.nodes.get(cid, path)
        steps = tuple(path.split("/"))
        if not _UNUSABLE.isdisjoint(steps):
            raise InvalidArguments("a path has no step that is empty, . or ..")
        return (await resolve(self.nodes, TreePath(cid, steps))).node

    _actions: ClassVar[dict[int, Callable[["FileCalls", tuple[int, ...]], Awaitable[int]]]] = {
        21: _stat,
        22: _read,
        23: _entry,
    }


@final
class _Writer:
    """Writes pieces into the kernel's memory, each behind the last."""

    __slots__ = ("_at", "_kernel")

    def __init__(self, kernel: Kernel, at: int) -> None:
        self._kernel = kernel
        self._at = at

    def write(self, piece: memoryview) -> None:
        self._kernel.write(self._at, piece)
        self._at += len(piece)
