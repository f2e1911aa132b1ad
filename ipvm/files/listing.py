"""List folders, sharded or not, and look up one name without listing.

Entries come as they are stored: by name in a folder of one block, by the hash of the name in one of
shards. Of a sharded folder a lookup fetches the shards on the way to the name, a listing all of them,
many at a time; in memory are those of one way down.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, NamedTuple, Self, TypeAlias, final

import trio

from ipvm.errors import IpvmError
from ipvm.files.decoding import Entry, FolderNode, InvalidNode, Node, ShardNode
from ipvm.files.murmur3 import murmur3_64, murmur3_64_each
from ipvm.files.source import Nodes, NodeSource
from ipvm.ipld import Cid

__all__ = ["Below", "Listing", "Spot", "lookup", "shard_below"]

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
        below = Below(found.cid, shard.bits, Spot(used, 0))
        shard = shard_below(await nodes.get(found.cid, path), below, path)


class Spot(NamedTuple):
    """Where a shard is: how many bits of a hash lead to it, and which."""

    used: int
    prefix: int


class Below(NamedTuple):
    """A shard that is still to be listed, and the bits of the one above."""

    cid: Cid
    bits: int
    place: Spot


_Ahead: TypeAlias = Entry | Below | IpvmError


@final
class Listing:
    """`async for entry in Listing(...)`: the entries of a folder.

    It is a checkpoint whenever shards are fetched and at the end, not at every entry. What stands
    before a shard that cannot be had is given out before its failure is raised.
    """

    def __init__(self, nodes: NodeSource, folder: FolderNode | ShardNode, path: str) -> None:
        self._nodes = nodes
        self._path = path
        self._entries: Iterator[Entry] = iter(())
        self._ahead: deque[_Ahead] = deque()
        if isinstance(folder, FolderNode):
            self._entries = iter(folder.entries)
        else:
            self._ahead.extend(_opened([(folder, Spot(0, 0))], path)[0])

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Entry:
        for entry in self._entries:
            return entry
        while self._ahead:
            self._entries = self._taken()
            for entry in self._entries:
                return entry
            first = self._ahead[0]
            if isinstance(first, IpvmError):
                raise first
            await self._advance()
        await trio.lowlevel.checkpoint()
        raise StopAsyncIteration

    def _taken(self) -> Iterator[Entry]:
        """Take the entries that come next."""
        while self._ahead and isinstance(entry := self._ahead[0], Entry):
            self._ahead.popleft()
            yield entry

    async def _advance(self) -> None:
        """Fetch the shards that come next, and put what they hold in the place of each."""
        coming: list[_Ahead] = []
        shards: list[Below] = []
        for item in self._ahead:
            coming.append(item)
            if isinstance(item, Below):
                shards.append(item)
                if len(shards) == _TOGETHER:
                    break
        cids = [shard.cid for shard in shards]
        nodes = await self._nodes.get_together(cids, [self._path] * len(cids))
        for _ in coming:
            self._ahead.popleft()
        opened = iter(self._opened(shards, nodes))
        items = [next(opened) if isinstance(item, Below) else (item,) for item in coming]
        self._ahead.extendleft(reversed(list(chain.from_iterable(items))))

    def _opened(
        self, shards: Sequence[Below], nodes: Sequence[Node | IpvmError]
    ) -> Sequence[Sequence[_Ahead]]:
        failed: dict[int, IpvmError] = {}
        found: list[tuple[ShardNode, Spot]] = []
        for number, (below, node) in enumerate(zip(shards, nodes, strict=True)):
            try:
                found.append((shard_below(node, below, self._path), below.place))
            except IpvmError as error:
                failed[number] = error
        opened = iter(_opened(found, self._path))
        return [[failed[n]] if n in failed else next(opened) for n in range(len(shards))]


def _opened(shards: Sequence[tuple[ShardNode, Spot]], path: str) -> Sequence[Sequence[_Ahead]]:
    """Give what is in each of some shards, and a failure for a name that belongs elsewhere."""
    names = [
        _bytes(entry.name) for shard, _ in shards for entry in shard.slots.values() if entry.name
    ]
    hashes = iter(murmur3_64_each(names))  # together, which is much faster
    return [list(_items(shard, place, hashes, path)) for shard, place in shards]


def _items(shard: ShardNode, place: Spot, hashes: Iterator[int], path: str) -> Iterator[_Ahead]:
    used = place.used + shard.bits
    for slot, entry in shard.slots.items():
        prefix = place.prefix << shard.bits | slot
        if not entry.name:
            yield Below(entry.cid, shard.bits, Spot(used, prefix))
        elif next(hashes) >> _HASH_BITS - used == prefix:
            yield entry
        else:
            wrong = f"{entry.name!a} in a slot of other names"
            yield InvalidNode(f"{path}: the shard {shard.cid} has {wrong}")


def shard_below(node: object, below: Below, path: str) -> ShardNode:
    """Give a node as the shard that it has to be below another one.

    Args:
        node: The node, or why it cannot be had.
        below: What leads to it.
        path: Of the folder, for messages.

    Raises:
        InvalidNode: It is no such shard.
    """
    if isinstance(node, IpvmError):
        raise node
    if not isinstance(node, ShardNode):
        raise InvalidNode(f"{path}: {below.cid} is no shard, and stands where one belongs")
    if node.bits != below.bits:
        raise InvalidNode(f"{path}: the shard {below.cid} has another fanout than the one above")
    if below.place.used + node.bits > _HASH_BITS:
        raise InvalidNode(f"{path}: the shard {below.cid} lies deeper than a hash has bits")
    return node


def _slot(hashed: int, used: int, bits: int) -> int:
    return hashed >> _HASH_BITS - used - bits & (1 << bits) - 1


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogatepass")
