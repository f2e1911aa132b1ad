"""Write folders: as one node with a link for each entry, or, where that would be too large, sharded.

A sharded folder is a hash array mapped trie (HAMT). The hash of a name, taken eight bits at a time,
leads from shard to shard until an entry is alone. A shard has a link for each of 256 values that is
taken, named by two hexadecimal digits, behind which stands the name if the link leads to an entry.

The order in which entries are given does not show in the CID.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from ipvm.errors import InvalidData
from ipvm.files.murmur3 import murmur3_64
from ipvm.files.nodes import (
    NO_METADATA,
    Link,
    Metadata,
    Written,
    directory_message,
    links_bytes,
    node,
    shard_message,
)
from ipvm.files.profiles import ImportProfile
from ipvm.ipld import Block, varint

__all__ = ["InvalidEntry", "directory", "entry"]

_LEVELS: Final = 8
_BITS: Final = 8
_LOW_BITS: Final = 0xFF


class InvalidEntry(InvalidData):
    """A name cannot stand in a folder."""


def entry(name: bytes, written: Written) -> Link:
    """Make the entry of a folder.

    Raises:
        InvalidEntry: Nothing can have this name.
    """
    if name in {b"", b".", b".."} or b"/" in name or b"\0" in name:
        raise InvalidEntry(f"{name.decode(errors='backslashreplace')!r} is no name of an entry")
    try:
        name.decode()
    except UnicodeDecodeError as error:
        shown = name.decode(errors="backslashreplace")
        raise InvalidEntry(f"the name '{shown}' is no UTF-8, which names are here") from error
    return Link(name, written.cid, written.dag_bytes)


def directory(
    entries: Iterable[Link], profile: ImportProfile, metadata: Metadata = NO_METADATA
) -> tuple[Written, list[Block]]:
    """Write a folder; gives its root, and its blocks, each before its parents.

    Raises:
        InvalidEntry: Two entries have the same name, or names have the same hash.
    """
    links = sorted(entries)
    for former, latter in pairwise(links):
        if former.name == latter.name:
            raise InvalidEntry(f"two entries have the name {latter.name.decode()!r}")
    message = directory_message(metadata)
    if _is_too_large(links, message, profile):
        blocks: list[Block] = []
        hashed = [(murmur3_64(link.name), link) for link in links]
        return _shard(hashed, 0, profile, metadata, blocks), blocks
    written, block = node(message, links, profile, file_bytes=0)
    return written, [block]


def _is_too_large(links: Sequence[Link], message: bytes, profile: ImportProfile) -> bool:
    if profile.folder_measure == "links":
        size = sum(len(link.name) + len(bytes(link.cid)) for link in links)
    else:
        head = 1 + len(varint.write(len(message)))
        size = links_bytes(links) + head + len(message)
    return size > profile.folder_bytes_max


def _shard(
    hashed: Sequence[tuple[int, Link]],
    level: int,
    profile: ImportProfile,
    metadata: Metadata,
    blocks: list[Block],
) -> Written:
    if level == _LEVELS:
        name = hashed[0][1].name.decode()
        raise InvalidEntry(f"the name {name!r} has the same hash as another one in its folder")
    slots: dict[int, list[tuple[int, Link]]] = {}
    for pair in hashed:
        slots.setdefault(pair[0] >> 64 - _BITS * (level + 1) & _LOW_BITS, []).append(pair)
    links: list[Link] = []
    bitfield = 0
    for slot in sorted(slots):
        bitfield |= 1 << slot
        prefix = b"%02X" % slot
        inside = slots[slot]
        if len(inside) == 1:
            link = inside[0][1]
            links.append(Link(prefix + link.name, link.cid, link.dag_bytes))
        else:
            child = _shard(inside, level + 1, profile, NO_METADATA, blocks)
            links.append(Link(prefix, child.cid, child.dag_bytes))
    written, block = node(shard_message(bitfield, metadata), links, profile, file_bytes=0)
    blocks.append(block)
    return written
