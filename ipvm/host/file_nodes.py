"""The nodes of files and folders that one invocation looks at, the last ones at hand.

What is looked at again costs less than what is looked at anew. So which nodes are at hand is no
matter of chance: it follows from what the guest looked at before, on every runner alike. The spec has
the rule.
"""

from typing import Final, final

import trio

from ipvm.engine import Store
from ipvm.files import FileNode, InvalidNode, Node, ValueNode, read_node
from ipvm.host.services import Services
from ipvm.host.work import apart, take_fuel
from ipvm.ipld import Block, Cid
from ipvm.limits import NODES_AT_HAND_BYTES_MAX, NODES_AT_HAND_MAX

__all__ = [
    "CONTENT_BYTE_FUEL",
    "NODE_AGAIN_FUEL",
    "NODE_FUEL",
    "STRUCTURE_BYTE_FUEL",
    "FileNodes",
    "NotAtHand",
]

NODE_FUEL: Final = 10_000
"""Fuel for a node that is not at hand, besides that for its bytes."""
CONTENT_BYTE_FUEL: Final = 1
"""Fuel for each byte of it that is content of a file."""
STRUCTURE_BYTE_FUEL: Final = 25
"""Fuel for each other byte of it."""
NODE_AGAIN_FUEL: Final = 1_000
"""Fuel for a node that is at hand."""

_OWED_MAX: Final = 1_000_000
"""Fuel after which it is charged, and others have their turn."""
_LINKS_INLINE: Final = 2_000
"""Links of a node that is read within some milliseconds, so that another thread is not worth it."""
_LINK_TAG: Final = b"\x12"


class NotAtHand(Exception):
    """Another node has to be got, or many have been looked at: that is done where it can wait."""


@final
class FileNodes:
    """Gives nodes to one host call after the other, and counts what they cost.

    Attributes:
        owed: Fuel that is to be charged.
        may_wait: Whether nodes can be got that are not at hand.
    """

    __slots__ = ("_bytes", "_kept", "_services", "_store", "may_wait", "owed")

    def __init__(self, store: Store, services: Services) -> None:
        self.owed = 0
        self.may_wait = True
        self._store = store
        self._services = services
        self._kept: dict[Cid, tuple[Node, int]] = {}
        self._bytes = 0

    async def get(self, cid: Cid, path: str) -> Node:
        """Give a node; see `ipvm.files.NodeSource.get`.

        Raises:
            NotAtHand: It would take longer, and must not.
            InvalidNode: It is none of a file or a folder.
            Trap: The fuel does not suffice.
        """
        del path  # what a guest learns is a number
        kept = self._kept.pop(cid, None)
        if kept is not None:
            self._kept[cid] = kept
            self.owed += NODE_AGAIN_FUEL
            if self.owed > _OWED_MAX:
                await self._pay()
            return kept[0]
        if not self.may_wait:
            raise NotAtHand
        return await self._fetch(cid)

    def forget(self) -> None:
        """Have no nodes at hand."""
        self._kept.clear()
        self._bytes = 0

    def charge(self) -> None:
        """Charge what is owed.

        Raises:
            Trap: The fuel does not suffice.
        """
        owed, self.owed = self.owed, 0
        if owed:
            take_fuel(self._store, owed)

    async def _pay(self) -> None:
        if not self.may_wait:
            raise NotAtHand
        self.charge()
        await trio.lowlevel.checkpoint()

    async def _fetch(self, cid: Cid) -> Node:
        self.owed += NODE_FUEL
        self.charge()
        block = await self._services.open(cid)
        size, content = len(block.data), 0
        try:
            node = await self._read(block)
            content = len(node.data) if isinstance(node, FileNode) else 0
        finally:  # also where it is no node
            self.owed += content * CONTENT_BYTE_FUEL + (size - content) * STRUCTURE_BYTE_FUEL
        self.charge()
        self._keep(cid, node, size)
        return node

    async def _read(self, block: Block) -> Node:
        if block.data.count(_LINK_TAG) > _LINKS_INLINE:
            node = await apart(self._store, read_node, block)
        else:
            node = read_node(block)
        if isinstance(node, ValueNode):
            raise InvalidNode(f"{block.cid} is no part of a file or a folder")
        return node

    def _keep(self, cid: Cid, node: Node, size: int) -> None:
        self._kept[cid] = node, size
        self._bytes += size
        while len(self._kept) > 1 and (
            len(self._kept) > NODES_AT_HAND_MAX or self._bytes > NODES_AT_HAND_BYTES_MAX
        ):
            self._bytes -= self._kept.pop(next(iter(self._kept)))[1]
