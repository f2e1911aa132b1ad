"""List folders, sharded or not, and look up one name without listing.

Entries come as they are stored: by name in a folder of one block, by the hash of the name in one of
shards. Of a sharded folder a lookup fetches the shards on the way to the name, a listing all of them,
many at a time; in memory are those of one way down.
"""

from itertools import islice
from typing import Final, Self, final

import trio

from ipvm.errors import IpvmError
from ipvm.files.decoding import Entry, FolderNode, InvalidNode, ShardNode
from ipvm.files.murmur3 import murmur3_64
from ipvm.files.source import Nodes, NodeSource

__all__ = ["Listing", "lookup", "shard_below"]

_HASH_BITS: Final = 64
_TOGETHER: Final = 64
"""Shards that are fetched together."""


async def lookup(
    nodes: Nodes, folder: FolderNode | ShardNode, name: str, path: str
) -> Entry | None:
    """Find a name in a folder.

    Args:
        nodes: Where shards come from.
        folder: The folder.
        name: The name.
        path: Of the folder, for messages.

    Returns:
        Its entry, or None if there is none.

    Raises:
        NodeNotFound, Unavailable, InvalidNode: A shard on the way cannot be had.
    """
    if isinstance(folder, FolderNode):
        return folder.by_name.get(name)
    hashed, used, shard = murmur3_64(_bytes(name)), 0, folder
    while True:
        found = shard.slots.get(_slot(hashed, used, shard.bits))
        if found is None or found.name:
            return found if found is not None and found.name == name else None
        used += shard.bits
        child = await nodes.get(found.cid, path)
        shard = shard_below(child, found, folder, used, path)


@final
class _Level:
    """A shard on the way down, how far it was listed, and the shards below that were fetched."""

    __slots__ = ("fetched", "prefix", "rest", "shard", "used")

    def __init__(self, shard: ShardNode, used: int, prefix: int) -> None:
        self.shard = shard
        self.used = used
        self.prefix = prefix
        self.rest = iter(shard.slots.items())
        self.fetched: dict[int, ShardNode | IpvmError] = {}

    def check(self, entry: Entry, slot: int, path: str) -> None:
        """Raise `InvalidNode` unless the hash of a name leads to the slot where it is."""
        used = self.used + self.shard.bits
        if murmur3_64(_bytes(entry.name)) >> _HASH_BITS - used != self.below(slot):
            wrong = f"{entry.name!a} in a slot of other names"
            raise InvalidNode(f"{path}: the shard {self.shard.cid} has {wrong}")

    def below(self, slot: int) -> int:
        """The bits of the hash that lead to a slot."""
        return self.prefix << self.shard.bits | slot


@final
class Listing:
    """`async for entry in Listing(...)`: the entries of a folder.

    It is a checkpoint whenever shards are fetched and at the end, not at every entry.
    """

    def __init__(self, nodes: NodeSource, folder: FolderNode | ShardNode, path: str) -> None:
        self._nodes = nodes
        self._folder = folder
        self._path = path
        self._entries = iter(folder.entries if isinstance(folder, FolderNode) else ())
        self._levels = [_Level(folder, 0, 0)] if isinstance(folder, ShardNode) else []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        for entry in self._entries:
            return entry
        while self._levels:
            level = self._levels[-1]
            for slot, entry in level.rest:
                if not entry.name:
                    await self._go_down(level, slot)
                    break
                level.check(entry, slot, self._path)
                return entry
            else:
                self._levels.pop()
        await trio.lowlevel.checkpoint()
        raise StopAsyncIteration

    async def _go_down(self, level: _Level, slot: int) -> None:
        if slot not in level.fetched:
            await self._fetch(level, slot)
        child = level.fetched.pop(slot)
        if isinstance(child, IpvmError):
            raise child
        self._levels.append(_Level(child, level.used + level.shard.bits, level.below(slot)))

    async def _fetch(self, level: _Level, slot: int) -> None:
        """Fetch the shard in a slot, and with it some of those that come next."""
        below = ((n, entry) for n, entry in level.shard.slots.items() if n >= slot)
        wanted = list(islice(((n, entry) for n, entry in below if not entry.name), _TOGETHER))
        found = await self._nodes.get_together([entry.cid for _, entry in wanted], self._path)
        used = level.used + level.shard.bits
        for (number, entry), node in zip(wanted, found, strict=True):
            try:
                level.fetched[number] = shard_below(node, entry, level.shard, used, self._path)
            except IpvmError as error:
                level.fetched[number] = error


def shard_below(node: object, link: Entry, above: ShardNode, used: int, path: str) -> ShardNode:
    """Give a node as the shard that it has to be below another one.

    Args:
        node: The node, or why it cannot be had.
        link: What leads to it.
        above: The shard that it is below.
        used: Bits of the hash that lead to it.
        path: Of the folder, for messages.

    Raises:
        InvalidNode: It is no such shard.
    """
    if isinstance(node, IpvmError):
        raise node
    if not isinstance(node, ShardNode):
        raise InvalidNode(f"{path}: {link.cid} is no shard, and stands where one belongs")
    if node.bits != above.bits:
        raise InvalidNode(f"{path}: the shard {link.cid} has another fanout than the one above")
    if used + node.bits > _HASH_BITS:
        raise InvalidNode(f"{path}: the shard {link.cid} lies deeper than a hash has bits")
    return node


def _slot(hashed: int, used: int, bits: int) -> int:
    return hashed >> _HASH_BITS - used - bits & (1 << bits) - 1


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogatepass")
