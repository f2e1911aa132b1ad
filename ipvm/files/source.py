"""Get nodes of trees from where blocks come from, and say of each failure in which path it was.

A block that is missing from the middle of a tree is of little use by its CID alone: who looks for it
wants to know which file it belongs to.
"""

from collections.abc import Sequence
from typing import Final, Protocol, final

import trio

from ipvm.errors import InvalidData, IpvmError, NotFound, Unavailable
from ipvm.files.decoding import FileNode, InvalidNode, Node, read_node
from ipvm.ipld import Block, BlockNotFound, Cid

__all__ = ["Blocks", "NodeNotFound", "NodeSource"]

_TOGETHER_MAX: Final = 16


class Blocks(Protocol):
    """Where blocks come from: a BlockService, or what stands before one and sees what is read."""

    async def get(self, cid: Cid) -> Block:
        """Give a block that matches its CID.

        Raises:
            NotFound, Unavailable, InvalidData: It cannot be had.
        """
        ...


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


@final
class NodeSource:
    """The nodes of any tree.

    Args:
        blocks: Where their blocks come from.
        kept_bytes_max: Bytes of the blocks whose nodes are kept, so that who goes through a tree step
            by step does not read its folders again and again. Pieces of files are not kept.
    """

    def __init__(self, blocks: Blocks, *, kept_bytes_max: int = 0) -> None:
        self._blocks = blocks
        self._kept: dict[Cid, tuple[Node, int]] = {}
        self._kept_bytes = 0
        self._kept_bytes_max = kept_bytes_max

    async def get(self, cid: Cid, path: str) -> Node:
        """Give a node.

        Args:
            cid: Of its block.
            path: What it is a part of, for messages.

        Raises:
            NodeNotFound, Unavailable: It cannot be had.
            InvalidNode: It is none.
        """
        kept = self._kept.pop(cid, None)
        if kept is not None:
            self._kept[cid] = kept  # it is the last that has to go now
            await trio.lowlevel.checkpoint()
            return kept[0]
        try:
            block = await self._blocks.get(cid)
            node = read_node(block)
        except NotFound as error:
            raise NodeNotFound(cid, path, str(error)) from error
        except Unavailable as error:
            raise Unavailable(f"{path}: {error}") from error
        except InvalidData as error:
            raise InvalidNode(f"{path}: {error}") from error
        if not isinstance(node, FileNode) or node.children:
            self._keep(cid, node, len(block.data))
        return node

    def _keep(self, cid: Cid, node: Node, size: int) -> None:
        if size > self._kept_bytes_max or cid in self._kept:
            return
        self._kept_bytes += size
        while self._kept_bytes > self._kept_bytes_max:
            self._kept_bytes -= self._kept.pop(next(iter(self._kept)))[1]
        self._kept[cid] = node, size

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
