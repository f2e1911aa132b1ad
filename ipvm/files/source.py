"""Get nodes of trees from where blocks come from, and say of each failure in which path it was.

A block that is missing from the middle of a tree is of little use by its CID alone: who looks for it
wants to know which file it belongs to.
"""

from collections.abc import Sequence
from typing import Final, Protocol, final

import trio

from ipvm.errors import InvalidData, IpvmError, NotFound, Unavailable
from ipvm.exchange import BlockService
from ipvm.files.decoding import InvalidNode, Node, read_node
from ipvm.ipld import BlockNotFound, Cid

__all__ = ["NodeNotFound", "NodeSource", "Nodes"]

_TOGETHER_MAX: Final = 16


class NodeNotFound(BlockNotFound):
    """A block of a tree is not here, and nobody who was asked has it.

    Attributes:
        cid: Of the block.
        path: Of the file or folder that it is a part of.
    """

    def __init__(self, cid: Cid, path: str, reason: str) -> None:
        self.path = path
        super().__init__(cid)
        self.args = (f"{path}: {reason}",)


class Nodes(Protocol):
    """Where nodes come from: a NodeSource, or what counts them besides."""

    async def get(self, cid: Cid, path: str) -> Node:
        """Give a node; see `NodeSource.get`."""
        ...


@final
class NodeSource:
    """The nodes of any tree.

    Args:
        blocks: Where their blocks come from.
    """

    def __init__(self, blocks: BlockService) -> None:
        self._blocks = blocks

    async def get(self, cid: Cid, path: str) -> Node:
        """Give a node.

        Args:
            cid: Of its block.
            path: What it is a part of, for messages.

        Raises:
            NodeNotFound, Unavailable: It cannot be had.
            InvalidNode: It is none.
        """
        try:
            return read_node(await self._blocks.get(cid))
        except NotFound as error:
            raise NodeNotFound(cid, path, str(error)) from error
        except Unavailable as error:
            raise Unavailable(f"{path}: {error}") from error
        except InvalidData as error:
            raise InvalidNode(f"{path}: {error}") from error

    async def get_together(self, cids: Sequence[Cid], path: str) -> list[Node | IpvmError]:
        """Give several nodes at the price of waiting for one, each one or why it cannot be had."""
        if len(cids) == 1:
            return [await self._attempt(cids[0], path)]
        found: list[Node | IpvmError] = [IpvmError()] * len(cids)

        places = iter(range(len(cids)))

        async def fill() -> None:
            for place in places:
                found[place] = await self._attempt(cids[place], path)

        async with trio.open_nursery() as nursery:
            for _ in range(min(len(cids), _TOGETHER_MAX)):
                nursery.start_soon(fill)
        return found

    async def _attempt(self, cid: Cid, path: str) -> Node | IpvmError:
        try:
            return await self.get(cid, path)
        except IpvmError as error:
            return error
