"""Read a range of a file, and the entries of a folder, in steps that need no memory of the last one.

For guests, who are charged for each node that is looked at: one is asked for at a time, and none ahead.

A step through a folder begins where the last one ended. In a folder of one block that is the number of
an entry. In a sharded one it is a hash: entries lie in the order of their hashes, so what comes next is
found from the root as fast as a name is.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import Final, final

from ipvm.errors import LimitExceeded
from ipvm.files.decoding import Entry, FileNode, FolderNode, InvalidNode, ShardNode
from ipvm.files.listing import Below, Spot, shard_below
from ipvm.files.murmur3 import murmur3_64
from ipvm.files.source import Nodes
from ipvm.limits import FILE_DEPTH_MAX

__all__ = ["entry_from", "read_range"]

_HASH_BITS: Final = 64
_HASHES: Final = 1 << _HASH_BITS


async def read_range(
    nodes: Nodes, root: FileNode, span: range, take: Callable[[memoryview], object], path: str = ""
) -> None:
    """Read a range of a file, piece by piece.

    Args:
        nodes: Where its parts come from.
        root: The file.
        span: The range, which lies within the file.
        take: Takes the pieces.
        path: Of the file, for messages.

    Raises:
        NotFound, Unavailable: A part cannot be had.
        InvalidNode, LimitExceeded: A part is not what it should be.
    """
    way = [_Level(root, 0, span, take)] if span else []
    while way:
        level = way[-1]
        node, number = level.node, level.next
        begin = level.start + (node.ends[number - 1] if number else len(node.data))
        if number == level.count or begin >= span.stop:
            way.pop()
            continue
        level.next += 1
        cid, size = node.children[number], level.start + node.ends[number] - begin
        part = await nodes.get(cid, path)
        if not isinstance(part, FileNode) or part.size != size:
            raise InvalidNode(f"{path}: {cid} is no part of a file that has {size} bytes")
        if part.children and len(way) >= FILE_DEPTH_MAX:
            raise LimitExceeded("FILE_DEPTH_MAX", FILE_DEPTH_MAX)
        way.append(_Level(part, begin, span, take))


@final
class _Level:
    """A node on the way down, and the number of its child that comes next."""

    __slots__ = ("count", "next", "node", "start")

    def __init__(
        self, node: FileNode, start: int, span: range, take: Callable[[memoryview], object]
    ) -> None:
        first, end = max(span.start - start, 0), min(span.stop - start, len(node.data))
        if first < end:
            take(memoryview(node.data)[first:end])
        self.node = node
        self.start = start
        self.count = len(node.children)
        self.next = bisect_right(node.ends, span.start - start)


async def entry_from(
    nodes: Nodes, folder: FolderNode | ShardNode, cursor: int, path: str = ""
) -> tuple[Entry | None, int]:
    """Give an entry of a folder, and the cursor of the next one.

    Args:
        nodes: Where shards come from.
        folder: The folder.
        cursor: 0 for the first entry, and then what came with the last one.
        path: Of the folder, for messages.

    Returns:
        The entry, or None if no more come; and the next cursor, which is 0 where the folder ends.

    Raises:
        NotFound, Unavailable: A shard cannot be had.
        InvalidNode: It is none that could be there.
    """
    if isinstance(folder, ShardNode):
        return await _entry_of_shards(nodes, folder, cursor, path)
    count = len(folder.entries)
    if cursor >= count:
        return None, 0
    return folder.entries[cursor], (cursor + 1) % count


async def _entry_of_shards(
    nodes: Nodes, root: ShardNode, cursor: int, path: str
) -> tuple[Entry | None, int]:
    way = [(root, 0, 0)]  # each with the bits of the hash that lead to it: their number, and they
    while way:
        shard, used, prefix = way[-1]
        width = _HASH_BITS - used - shard.bits
        order = tuple(shard.slots)
        at = bisect_left(order, (cursor >> width) - (prefix << shard.bits))
        if at == len(order):
            cursor = prefix + 1 << _HASH_BITS - used
            way.pop()
            continue
        entry = shard.slots[order[at]]
        below = prefix << shard.bits | order[at]
        if not entry.name:
            child = await nodes.get(entry.cid, path)
            used += shard.bits
            link = Below(entry.cid, shard.bits, Spot(used, below))
            way.append((shard_below(child, link, path), used, below))
        elif below << width < cursor:  # the cursor lies behind it, in its slot
            cursor = below + 1 << width
        elif murmur3_64(entry.name.encode()) >> width != below:
            raise InvalidNode(f"{path}: {shard.cid} has {entry.name!a} where it does not belong")
        else:
            return entry, (below + 1 << width) % _HASHES
    return None, 0
