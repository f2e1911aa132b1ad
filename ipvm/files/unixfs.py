"""Read files whole, as code needs them, from the tree of nodes that IPFS makes of them.

Nodes are read in every form that Kubo and Helia have written: raw leaves, leaves wrapped in DAG-PB,
data beside links.

Source: the UnixFS specification of ipfs/specs.
"""

from dataclasses import dataclass
from typing import Final

from ipvm.errors import InvalidData, LimitExceeded
from ipvm.files.message import FILE, KINDS, RAW_PIECE, read_message
from ipvm.ipld import DAG_PB, RAW, Block, Cid, dag_pb

__all__ = ["FileGathering", "InvalidFile"]

NODES_MAX: Final = 65_536
"""Nodes of one file that is read whole, counted with repetitions."""

_HOW: Final = "raise it with --limit module_bytes_max=VALUE or ipvm.open(limits=...)"


class InvalidFile(InvalidData):
    """A node is not part of a UnixFS file."""


@dataclass(frozen=True, slots=True)
class _FileNode:
    data: bytes
    children: tuple[Cid, ...]


class FileGathering:
    """Gathers the blocks of one file, in any order, and then gives its bytes.

    It never asks twice for the same CID. What is wrong with a node is raised by `content`.
    """

    def __init__(self, root: Cid) -> None:
        self.root = root
        self._nodes: dict[Cid, _FileNode | InvalidData] = {}
        self._wanted: set[Cid] = {root}
        self._too_many = False

    @property
    def wanted(self) -> frozenset[Cid]:
        """The CIDs whose blocks it has not been given yet."""
        return frozenset(self._wanted)

    @property
    def complete(self) -> bool:
        """Whether it has been given all that it wanted."""
        return not self._wanted

    def feed(self, block: Block) -> tuple[Cid, ...]:
        """Take a block that was wanted and give the CIDs that are wanted because of it."""
        self._wanted.discard(block.cid)
        try:
            node = _read_node(block)
        except InvalidData as error:
            self._nodes[block.cid] = error
            return ()
        self._nodes[block.cid] = node
        news = tuple(
            cid
            for cid in dict.fromkeys(node.children)
            if cid not in self._nodes and cid not in self._wanted
        )
        if len(self._nodes) + len(self._wanted) + len(news) > NODES_MAX:
            self._too_many = True  # what is left out here, `content` never comes to
            return ()
        self._wanted.update(news)
        return news

    def content(self, *, bytes_max: int) -> bytes:
        """Put the file together.

        Raises:
            InvalidFile: A node is no part of a file.
            LimitExceeded: The file is longer than `bytes_max`, or has too many nodes.
        """
        if self._too_many:
            raise LimitExceeded("unixfs_nodes", NODES_MAX)
        parts: list[bytes] = []
        size = count = 0
        stack = [self.root]
        while stack:
            node = self._nodes[stack.pop()]
            if isinstance(node, InvalidData):
                raise node
            count += 1
            size += len(node.data)
            if count > NODES_MAX:
                raise LimitExceeded("unixfs_nodes", NODES_MAX)
            if size > bytes_max:
                raise LimitExceeded("module_bytes_max", bytes_max, how=_HOW)
            parts.append(node.data)
            stack.extend(reversed(node.children))
            if len(stack) > NODES_MAX:
                raise LimitExceeded("unixfs_nodes", NODES_MAX)
        return b"".join(parts)


def _read_node(block: Block) -> _FileNode:
    """Read what a block holds of a file. What it says of sizes is not needed, and not believed."""
    cid = block.cid
    if cid.codec == RAW:
        return _FileNode(block.data, ())
    if cid.codec != DAG_PB:
        raise InvalidFile(f"{cid} is neither raw nor DAG-PB, so it is no part of a file")
    content, links = dag_pb.read(block.data)
    if content is None:
        raise InvalidFile(f"{cid} has no UnixFS data")
    try:
        message = read_message(content)
    except InvalidData as error:
        raise InvalidFile(f"{cid}: {error}") from error
    if message.kind not in {RAW_PIECE, FILE}:
        raise InvalidFile(f"{cid} is a UnixFS {_kind_name(message.kind)}, and a file was expected")
    for link in links:
        if link.cid.codec not in {RAW, DAG_PB}:
            raise InvalidFile(f"{cid} links to {link.cid}, which is no part of a file")
    return _FileNode(message.data, tuple(link.cid for link in links))


def _kind_name(kind: int) -> str:
    return KINDS[kind] if kind < len(KINDS) else f"node of unknown type {kind}"
