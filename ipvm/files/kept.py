"""Keep the nodes that were used last, up to a bound on the bytes of their blocks."""

from typing import final

from ipvm.files.decoding import Node
from ipvm.ipld import Cid

__all__ = ["Kept"]


@final
class Kept:
    """Nodes by their CIDs, of which those go first that were not used for longest.

    Args:
        bytes_max: Bytes of their blocks; a node that is larger by itself is not kept.

    Attributes:
        bytes_max: The same.
    """

    def __init__(self, bytes_max: int) -> None:
        self._nodes: dict[Cid, tuple[Node, int]] = {}
        self._bytes = 0
        self.bytes_max = bytes_max

    def get(self, cid: Cid) -> Node | None:
        """Give a node, if it is here."""
        found = self._nodes.pop(cid, None)
        if found is None:
            return None
        self._nodes[cid] = found  # it is the last that has to go now
        return found[0]

    def put(self, cid: Cid, node: Node, size: int) -> None:
        """Keep a node, of a block of so many bytes."""
        if size > self.bytes_max or cid in self._nodes:
            return
        self._bytes += size
        while self._bytes > self.bytes_max:
            self._bytes -= self._nodes.pop(next(iter(self._nodes)))[1]
        self._nodes[cid] = node, size
