"""Trees of UnixFS, as a guest is given them: nothing is fetched before the guest comes to it.

What is read of a tree goes through `Blocks.get`, so whoever passes that in learns what a run has read.
A block of DAG-CBOR or DAG-JSON is no file; it stands in a folder as a file of its bytes, so that who
lists the folder can read it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, TypeAlias, final

from ipvm.files import FileReader, InvalidNode, Listing, NodeSource
from ipvm.files.decoding import FileNode, FolderNode, Node, ShardNode, SymlinkNode, ValueNode
from ipvm.files.listing import lookup
from ipvm.files.nodes import Link, Written
from ipvm.files.profiles import V0_2015, V1_2025
from ipvm.host.wasi.origin import REGULAR_FILE, UNKNOWN, LinkOrigin
from ipvm.ipld import DAG_PB, RAW, Cid
from ipvm.limits import CHUNK_BYTES_MAX

__all__ = ["UnixFile", "UnixFolder", "UnixOrigin", "folder_origin", "origin_of"]

_DAG_BYTES_UNKNOWN: Final = 0
_PIECE_BYTES_MIN: Final = 64 * 1024
_AHEAD: Final = 15
"""Parts of a file that are expected to be read, when it is read in order."""


@final
class UnixFile:
    """A file of a tree.

    Attributes:
        written: Its root, and its size.
        piece_bytes: See `InPieces`.
    """

    __slots__ = ("_next", "_nodes", "_path", "_root", "piece_bytes", "written")

    def __init__(self, nodes: NodeSource, written: Written, path: str, *, piece_bytes: int) -> None:
        self._nodes = nodes
        self._next = 0
        self._root: FileNode | None = None
        self._path = path
        self.piece_bytes = max(piece_bytes, _PIECE_BYTES_MIN)
        self.written = written

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnixFile) and other.written.cid == self.written.cid

    def __hash__(self) -> int:
        return hash(self.written.cid)

    @property
    def size(self) -> int:
        """See `FileOrigin`."""
        return self.written.file_bytes

    def at_hand(self, offset: int, size: int) -> bytes | None:
        """See `InPieces`."""
        root = self._root
        if root is None or root.data:
            return None
        place = bisect_right(root.ends, offset)
        begin = root.ends[place - 1] if place else 0
        if begin != offset or root.ends[place] - begin != size:
            return None
        leaf = root.children[place]
        block = self._nodes.block_at_hand(leaf) if leaf.codec == RAW else None
        if block is None or len(block.data) != size:
            return None
        self._next = offset + size
        return block.data

    async def read(self, offset: int, size: int) -> bytes:
        """See `FileOrigin`."""
        node = await self._nodes.get(self.written.cid, self._path)
        if isinstance(node, ValueNode):
            return node.block.data[offset : offset + size]
        assert isinstance(node, FileNode)
        self._root = node
        if offset == self._next:
            place = bisect_right(node.ends, offset)
            self._nodes.expect(node.children[place + 1 : place + 1 + _AHEAD])
        self._next = offset + size
        return await FileReader(self._nodes, node, self._path).read(offset, size)


@final
class UnixFolder:
    """A folder of a tree.

    Attributes:
        written: Its root.
    """

    __slots__ = ("_nodes", "_path", "written")

    def __init__(self, nodes: NodeSource, written: Written, path: str) -> None:
        self._nodes = nodes
        self._path = path
        self.written = written

    async def lookup(self, name: bytes) -> "UnixOrigin | None":
        """See `FolderOrigin`."""
        found = await lookup(self._nodes, await self._node(), name.decode(), self._path)
        if found is None:
            return None
        path = f"{self._path}/{found.name}"
        node = await self._nodes.get(found.cid, path)
        return origin_of(self._nodes, node, path, dag_bytes=found.dag_bytes)

    async def list(self) -> Sequence[tuple[bytes, int]]:
        """See `FolderOrigin`. Only of raw blocks it is known without fetching them that they are files."""
        listing = Listing(self._nodes, await self._node(), self._path)
        return [
            (entry.name.encode(), UNKNOWN if entry.cid.codec == DAG_PB else REGULAR_FILE)
            async for entry in listing
        ]

    async def links(self) -> Sequence[Link]:
        """Give all entries."""
        listing = Listing(self._nodes, await self._node(), self._path)
        return [Link(e.name.encode(), e.cid, e.dag_bytes or 0) async for e in listing]

    async def _node(self) -> FolderNode | ShardNode:
        node = await self._nodes.get(self.written.cid, self._path)
        assert isinstance(node, FolderNode | ShardNode)
        return node


UnixOrigin: TypeAlias = UnixFile | UnixFolder | LinkOrigin


def origin_of(
    nodes: NodeSource, node: Node, path: str, *, dag_bytes: int | None = None
) -> UnixOrigin:
    """Give a node of a tree as a guest is given it.

    Args:
        nodes: Where what is below it comes from.
        node: The node.
        path: Its path, for messages.
        dag_bytes: Bytes of all blocks below it, as its parent tells.
    """
    below = _DAG_BYTES_UNKNOWN if dag_bytes is None else dag_bytes
    if isinstance(node, FileNode):
        written = Written(node.cid, node.size, below)
        return UnixFile(nodes, written, path, piece_bytes=_piece_bytes(node))
    if isinstance(node, ValueNode):
        written = Written(node.cid, len(node.block.data), below)
        return UnixFile(nodes, written, path, piece_bytes=written.file_bytes)
    written = Written(node.cid, 0, below)
    if isinstance(node, SymlinkNode):
        return LinkOrigin(node.target, written)
    return UnixFolder(nodes, written, path)


def _piece_bytes(node: FileNode) -> int:
    """Guess the size of the leaves of a file: what its root tells of them, or the usual one."""
    first = node.ends[0] if node.ends else node.size
    if first <= CHUNK_BYTES_MAX:
        return first
    return (V1_2025 if node.cid.version else V0_2015).chunk_bytes


async def folder_origin(nodes: NodeSource, cid: Cid, path: str = "") -> UnixFolder:
    """Give a folder as a guest is given it.

    Args:
        nodes: Where its blocks come from.
        cid: Its root.
        path: Its path, for messages; the CID if it is empty.

    Raises:
        NodeNotFound, Unavailable: Its root cannot be had.
        InvalidNode: It is no folder.
    """
    path = path or str(cid)
    node = await nodes.get(cid, path)
    if not isinstance(node, FolderNode | ShardNode):
        raise InvalidNode(f"{path} is no folder")
    return UnixFolder(nodes, Written(cid, 0, _DAG_BYTES_UNKNOWN), path)
