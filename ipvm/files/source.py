"""Get nodes of trees from where blocks come from, and say of each failure in which path it was.

A block that is missing from the middle of a tree is of little use by its CID alone: who looks for it
wants to know which file it belongs to.
"""

from collections.abc import Sequence
from typing import Final, final

import trio

from ipvm.errors import InvalidData, IpvmError, NotFound, Unavailable
from ipvm.exchange import BlockService
from ipvm.files.decoding import InvalidNode, Node, read_node
from ipvm.ipld import Block, BlockNotFound, Cid

__all__ = ["NodeNotFound", "NodeSource"]

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
            raise _invalid(error, path) from error

    async def get_together(self, cids: Sequence[Cid], path: str) -> list[Node | IpvmError]:
        """Give several nodes at the price of waiting for one, each one or why it cannot be had."""
        found: list[Node | IpvmError | None] = [
            None if block is None else _read(block, path)
            for block in await self._blocks.get_present(cids)
        ]
        places = iter([place for place, node in enumerate(found) if node is None])

        async def fill() -> None:
            for place in places:
                found[place] = await self._attempt(cids[place], path)

        absent = found.count(None)
        if absent == 1:
            await fill()
        elif absent:
            async with trio.open_nursery() as nursery:
                for _ in range(min(absent, _TOGETHER_MAX)):
                    nursery.start_soon(fill)
        return [node for node in found if node is not None]

    async def _attempt(self, cid: Cid, path: str) -> Node | IpvmError:
        try:
            return await self.get(cid, path)
        except IpvmError as error:
            return error


def _read(block: Block, path: str) -> Node | IpvmError:
    try:
        return read_node(block)
    except InvalidData as error:
        return _invalid(error, path)


def _invalid(error: InvalidData, path: str) -> InvalidNode:
    invalid = InvalidNode(f"{path}: {error}")
    invalid.__cause__ = error
    return invalid
