"""Write the nodes that files, folders and symlinks are made of.

A node is DAG-PB, and the data in it is a protobuf message of UnixFS: what it is, the bytes of a file
or the target of a symlink, sizes, and, if they were asked for, mode and time of modification. Fields
are written in the order of their numbers, and only where they say something, as Kubo and Helia do.

Source: the UnixFS specification of ipfs/specs.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ipvm.files.message import DIRECTORY, FILE, HAMT, MURMUR3_X64_64, SYMLINK
from ipvm.files.profiles import ImportProfile
from ipvm.ipld import DAG_PB, RAW, Block, Cid, varint

__all__ = [
    "NO_METADATA",
    "Link",
    "Metadata",
    "Written",
    "directory_message",
    "file_message",
    "leaf",
    "links_bytes",
    "node",
    "shard_message",
    "symlink",
]

FANOUT: Final = 256
_NANOSECONDS: Final = 1_000_000_000
_UNSIGNED_64: Final = 2**64 - 1


class Metadata(NamedTuple):
    """What a file system knows about a file beside its content; None is not told."""

    mode: int | None = None
    mtime_nanoseconds: int | None = None


NO_METADATA: Final = Metadata()


class Written(NamedTuple):
    """A node that was written, and what its parents say about it."""

    cid: Cid
    file_bytes: int
    """Bytes of the content below it."""
    dag_bytes: int
    """Bytes of its block and of all blocks below it, counted with repetitions."""


class Link(NamedTuple):
    """A link of a node: its name in UTF-8, and where it leads."""

    name: bytes
    cid: Cid
    dag_bytes: int


def node(
    message: bytes, links: Sequence[Link], profile: ImportProfile, *, file_bytes: int
) -> tuple[Written, Block]:
    """Write a node. Its links keep their order."""
    written = b"".join([*map(_link, links), b"\x0a", varint.write(len(message)), message])
    block = Block.of(written, codec=DAG_PB, version=profile.cid_version)
    below = sum(link.dag_bytes for link in links)
    return Written(block.cid, file_bytes, len(written) + below), block


def leaf(data: bytes, profile: ImportProfile, metadata: Metadata) -> tuple[Written, Block]:
    """Write a piece of a file; metadata is for the piece that is a whole file."""
    if profile.raw_leaves:
        block = Block.of(data, codec=RAW)
        return Written(block.cid, len(data), len(data)), block
    message = file_message(data, len(data), (), metadata)
    return node(message, (), profile, file_bytes=len(data))


def symlink(target: bytes, profile: ImportProfile, metadata: Metadata) -> tuple[Written, Block]:
    """Write a symlink. Its target is bytes, whatever they are."""
    message = _number(1, SYMLINK) + _bytes(2, target) + _metadata(metadata)
    return node(message, (), profile, file_bytes=len(target))


def file_message(
    data: bytes, file_bytes: int, block_sizes: Iterable[int], metadata: Metadata
) -> bytes:
    """Write the message of a node of a file: bytes of its own, or the sizes of its children."""
    parts = [
        _number(1, FILE),
        _bytes(2, data) if data else b"",
        _number(3, file_bytes),
        *(_number(4, size) for size in block_sizes),
        _metadata(metadata),
    ]
    return b"".join(parts)


def directory_message(metadata: Metadata) -> bytes:
    """Write the message of a folder."""
    return _number(1, DIRECTORY) + _metadata(metadata)


def shard_message(bitfield: int, metadata: Metadata) -> bytes:
    """Write the message of a shard of a folder; a bit of the field is set for each link."""
    spelled = bitfield.to_bytes((bitfield.bit_length() + 7) // 8)
    return (
        _number(1, HAMT)
        + _bytes(2, spelled)
        + _number(5, MURMUR3_X64_64)
        + _number(6, FANOUT)
        + _metadata(metadata)
    )


def links_bytes(links: Iterable[Link]) -> int:
    """Count the bytes that links take in a node."""
    return sum(len(_link(link)) for link in links)


def _link(link: Link) -> bytes:
    cid = bytes(link.cid)
    written = b"".join(
        (
            b"\x0a",
            varint.write(len(cid)),
            cid,
            b"\x12",
            varint.write(len(link.name)),
            link.name,
            b"\x18",
            varint.write(link.dag_bytes),
        )
    )
    return b"\x12" + varint.write(len(written)) + written


def _metadata(metadata: Metadata) -> bytes:
    written = b""
    if metadata.mode:  # as elsewhere, a mode that allows nothing is none
        written += _number(7, metadata.mode)
    if metadata.mtime_nanoseconds is not None:
        seconds, fraction = divmod(metadata.mtime_nanoseconds, _NANOSECONDS)
        moment = _number(1, seconds & _UNSIGNED_64)
        if fraction:
            moment += b"\x15" + fraction.to_bytes(4, "little")
        written += _bytes(8, moment)
    return written


def _number(field: int, value: int) -> bytes:
    return bytes((field << 3,)) + varint.write(value)


def _bytes(field: int, content: bytes) -> bytes:
    return bytes((field << 3 | 2,)) + varint.write(len(content)) + content
