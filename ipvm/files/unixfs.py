"""Read files whole, as code needs them, from the tree of nodes that IPFS makes of them.

Nodes are read in every form that Kubo and Helia have written: raw leaves, leaves wrapped in DAG-PB,
data beside links.

Source: the UnixFS specification of ipfs/specs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ipvm.errors import InvalidData, LimitExceeded
from ipvm.ipld import DAG_PB, RAW, Block, Cid

__all__ = ["FileGathering", "InvalidFile"]

NODES_MAX: Final = 65_536
"""Nodes of one file that is read whole, counted with repetitions."""

_HOW: Final = "raise it with --limit module_bytes_max=VALUE or ipvm.open(limits=...)"
_TYPE_RAW: Final = 0
_TYPE_FILE: Final = 2
# Fields of the protobuf message, as field number << 3 | wire type.
_TYPE_FIELD: Final = 0x08
_DATA_FIELD: Final = 0x12
_WIRE_BYTES: Final = 2
_LOW_BITS: Final = 0x7F


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
    if block.cid.codec == RAW:
        return _FileNode(block.data, ())
    if block.cid.codec != DAG_PB:
        raise InvalidFile(f"{block.cid} is neither raw nor DAG-PB, so it is no part of a file")
    node = block.decode()
    assert isinstance(node, dict)
    meta = node.get("Data")
    if not isinstance(meta, bytes):
        raise InvalidFile(f"{block.cid} has no UnixFS data")
    kind, data = _read_meta(meta, block.cid)
    if kind not in {_TYPE_RAW, _TYPE_FILE}:
        raise InvalidFile(f"{block.cid} is a UnixFS {_kind_name(kind)}, and a file was expected")
    return _FileNode(data, tuple(_children(node["Links"], block.cid)))


def _children(links: object, parent: Cid) -> Iterator[Cid]:
    assert isinstance(links, Iterable)
    for link in links:
        assert isinstance(link, Mapping)
        child = link["Hash"]
        if child.codec not in {RAW, DAG_PB}:
            raise InvalidFile(f"{parent} links to {child}, which is no part of a file")
        yield child


def _kind_name(kind: int) -> str:
    names = {1: "directory", 3: "metadata node", 4: "symlink", 5: "HAMT directory"}
    return names.get(kind, f"node of unknown type {kind}")


def _read_meta(meta: bytes, cid: Cid) -> tuple[int, bytes]:
    """Read type and inline data of the UnixFS protobuf message; other fields are skipped."""
    kind, data, at = -1, b"", 0
    try:
        while at < len(meta):
            tag, at = _read_varint(meta, at)
            if tag & 7 == 0:
                value, at = _read_varint(meta, at)
                kind = value if tag == _TYPE_FIELD else kind
            elif tag & 7 == _WIRE_BYTES:
                size, at = _read_varint(meta, at)
                if at + size > len(meta):
                    raise InvalidFile(f"{cid}: the UnixFS data is cut off")
                data = meta[at : at + size] if tag == _DATA_FIELD else data
                at += size
            else:
                raise InvalidFile(f"{cid}: the UnixFS data has an unknown field")
    except IndexError:
        raise InvalidFile(f"{cid}: the UnixFS data is cut off") from None
    return kind, data


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & _LOW_BITS) << shift
        if byte <= _LOW_BITS:
            return value, at
    raise InvalidFile("a number in the UnixFS data does not end")
