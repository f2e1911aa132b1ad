"""Read the nodes of UnixFS into records that can be trusted.

A record that exists is whole: a file node has one end for each child, in order, the entries
of a folder have names that can be names and each is there once, and each link of a shard is in a
slot of its own that the shard says is taken. What only the children could show (that a child is as
long as its parent says, that a name is in the slot of its hash) is checked where they are met.

Fields of the protobuf message that are not known are skipped, as protobuf demands.

Source: the UnixFS specification of ipfs/specs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import accumulate, pairwise
from typing import Final, NamedTuple, TypeAlias

from ipvm.errors import InvalidData
from ipvm.files.message import (
    DIRECTORY,
    FILE,
    HAMT,
    MURMUR3_X64_64,
    RAW_PIECE,
    SYMLINK,
    Message,
    read_message,
)
from ipvm.ipld import CODECS, RAW, Block, Cid, InvalidEncoding, dag_pb
from ipvm.limits import FILE_BYTES_MAX, HAMT_FANOUT_MAX, NAME_BYTES_MAX, SYMLINK_BYTES_MAX

__all__ = [
    "Entry",
    "FileNode",
    "FolderNode",
    "InvalidNode",
    "Node",
    "ShardNode",
    "SymlinkNode",
    "ValueNode",
    "read_node",
]

_FANOUT_MIN: Final = 8
_DAG_PB: Final = CODECS["dag-pb"]


class InvalidNode(InvalidData):
    """A block is no node of a UnixFS tree, or one that cannot be where it is."""


class Entry(NamedTuple):
    """A name in a folder, and where it leads.

    Attributes:
        name: The name.
        cid: The root of what has the name.
        dag_bytes: Bytes of all blocks below, as the folder tells; nothing verifies it.
    """

    name: str
    cid: Cid
    dag_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNode:
    """A file, or a part of one: bytes of its own, and behind them those of its children.

    Attributes:
        cid: Of the block.
        data: Its own bytes.
        children: Where the others are, in order; none that is empty.
        ends: Where each child ends, in bytes from where this node begins.
        size: Bytes of all together.
        mode: Permissions, if they are told.
        mtime_nanoseconds: Time of the last change since 1970, if it is told.
    """

    cid: Cid
    data: bytes
    children: tuple[Cid, ...] = ()
    ends: tuple[int, ...] = ()
    size: int
    mode: int | None = None
    mtime_nanoseconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderNode:
    """A folder in one block.

    Attributes:
        cid: Of the block.
        entries: Its entries as stored.
        by_name: The same by name.
        mode: Permissions, if they are told.
        mtime_nanoseconds: Time of the last change since 1970, if it is told.
    """

    cid: Cid
    entries: tuple[Entry, ...]
    by_name: Mapping[str, Entry] = field(repr=False)
    mode: int | None = None
    mtime_nanoseconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardNode:
    """A shard of a folder. A slot holds an entry, or, by an empty name, another shard.

    Attributes:
        cid: Of the block.
        bits: Bits of the hash that choose a slot.
        slots: What is in the slots that are taken, by number, in ascending order.
        mode: Permissions, if they are told.
        mtime_nanoseconds: Time of the last change since 1970, if it is told.
    """

    cid: Cid
    bits: int
    slots: dict[int, Entry]
    mode: int | None = None
    mtime_nanoseconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SymlinkNode:
    """A name for another path."""

    cid: Cid
    target: bytes
    mode: int | None = None
    mtime_nanoseconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueNode:
    """A block of DAG-CBOR or DAG-JSON, which paths may lead through, and which is no file."""

    cid: Cid
    block: Block


Node: TypeAlias = FileNode | FolderNode | ShardNode | SymlinkNode | ValueNode


def read_node(block: Block) -> Node:
    """Read the node that a block is.

    Raises:
        InvalidNode: It is none.
    """
    cid = block.cid
    if cid.codec == RAW:
        return FileNode(cid=cid, data=block.data, size=len(block.data))
    if cid.codec != _DAG_PB:
        if cid.codec not in CODECS.values():
            raise InvalidNode(f"{cid} has a codec that is not known here")
        return ValueNode(cid=cid, block=block)
    try:
        content, links = dag_pb.read(block.data)
    except InvalidEncoding as error:
        raise InvalidNode(f"{cid} is no node: {error}") from error
    if content is None:
        raise InvalidNode(f"{cid} has no UnixFS data")
    try:
        message = read_message(content)
        return _READERS[message.kind](cid, message, links)
    except KeyError:
        raise InvalidNode(f"{cid} is a UnixFS node of an unknown type") from None
    except InvalidData as error:
        raise InvalidNode(f"{cid}: {error}") from error


def _file(cid: Cid, message: Message, links: Sequence[dag_pb.Link]) -> FileNode:
    if len(message.block_sizes) != len(links):
        told = len(message.block_sizes)
        raise InvalidData(f"a file of {len(links)} parts tells the sizes of {told}")
    size = len(message.data) + sum(message.block_sizes)
    if message.file_size not in {None, size}:
        raise InvalidData(f"a file of {message.file_size} bytes has parts of {size}")
    if size > FILE_BYTES_MAX:
        raise InvalidData(f"a file has at most {FILE_BYTES_MAX} bytes, not {size}")
    # Nothing is to be had from a part without bytes.
    parts = [(link.cid, n) for link, n in zip(links, message.block_sizes, strict=True) if n]
    return FileNode(
        cid=cid,
        data=message.data,
        children=tuple(part[0] for part in parts),
        ends=tuple(accumulate((part[1] for part in parts), initial=len(message.data)))[1:],
        size=size,
        mode=message.mode,
        mtime_nanoseconds=message.mtime_nanoseconds,
    )


def _folder(cid: Cid, message: Message, links: Sequence[dag_pb.Link]) -> FolderNode:
    entries = tuple(Entry(_checked(link.name or ""), link.cid, link.tsize) for link in links)
    by_name = {entry.name: entry for entry in entries}
    if len(by_name) != len(entries):
        twice = _first_twice(entries)
        raise InvalidData(f"two entries of a folder have the name {twice!a}")
    return FolderNode(
        cid=cid,
        entries=entries,
        by_name=by_name,
        mode=message.mode,
        mtime_nanoseconds=message.mtime_nanoseconds,
    )


def _first_twice(entries: Sequence[Entry]) -> str:
    names = sorted(entry.name for entry in entries)
    return next(former for former, latter in pairwise(names) if former == latter)


def _shard(cid: Cid, message: Message, links: Sequence[dag_pb.Link]) -> ShardNode:
    fanout = message.fanout or 0
    if not _FANOUT_MIN <= fanout <= HAMT_FANOUT_MAX or fanout & (fanout - 1):
        bounds = f"from {_FANOUT_MIN} to {HAMT_FANOUT_MAX}"
        raise InvalidData(f"the fanout of a shard is a power of two {bounds}, not {fanout}")
    if message.hash_type != MURMUR3_X64_64:
        raise InvalidData(f"the names of a shard have an unknown hash, {message.hash_type}")
    prefixes = _prefixes(fanout)
    digits = len(f"{fanout - 1:x}")
    slots: dict[int, Entry] = {}
    last, taken = -1, 0
    for target, link_name, size in links:
        name = link_name or ""
        slot = prefixes.get(name[:digits], -1)
        if slot <= last:
            raise InvalidData(f"{name[:digits]!a} is no slot of a shard, or out of order")
        rest = name[digits:]
        slots[slot] = Entry(_checked(rest) if rest else "", target, size)
        last, taken = slot, taken | 1 << slot
    if int.from_bytes(message.data) != taken:
        raise InvalidData("the bits of a shard do not match its links")
    return ShardNode(
        cid=cid,
        bits=fanout.bit_length() - 1,
        slots=slots,
        mode=message.mode,
        mtime_nanoseconds=message.mtime_nanoseconds,
    )


@cache
def _prefixes(fanout: int) -> Mapping[str, int]:
    """The slots by what the names of links in them begin with."""
    digits = len(f"{fanout - 1:x}")
    return {f"{slot:0{digits}X}": slot for slot in range(fanout)}


def _symlink(cid: Cid, message: Message, links: Sequence[dag_pb.Link]) -> SymlinkNode:
    if links or not 0 < len(message.data) <= SYMLINK_BYTES_MAX or b"\0" in message.data:
        raise InvalidData(f"the target of a symlink is 1 to {SYMLINK_BYTES_MAX} bytes, none zero")
    return SymlinkNode(
        cid=cid,
        target=message.data,
        mode=message.mode,
        mtime_nanoseconds=message.mtime_nanoseconds,
    )


def _checked(name: str) -> str:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise InvalidData(f"{name!a} is no name for an entry of a folder")
    if len(name) > NAME_BYTES_MAX:
        raise InvalidData(f"the name of an entry has at most {NAME_BYTES_MAX} letters")
    return name


_READERS: Final[Mapping[int, Callable[[Cid, Message, Sequence[dag_pb.Link]], Node]]] = {
    RAW_PIECE: _file,
    FILE: _file,
    DIRECTORY: _folder,
    HAMT: _shard,
    SYMLINK: _symlink,
}
