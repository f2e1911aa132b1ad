"""Get nodes of trees from where blocks come from, and say of each failure in which path it was.

A block that is missing from the middle of a tree is of little use by its CID alone: who looks for it
wants to know which file it belongs to.
"""

from collections.abc import Sequence
from typing import Final, Protocol, final, runtime_checkable

import trio

from ipvm.errors import InvalidData, IpvmError, NotFound, Unavailable
from ipvm.files.decoding import FileNode, InvalidNode, Node, read_node
from ipvm.files.kept import Kept
from ipvm.ipld import Block, BlockNotFound, Cid

__all__ = ["Blocks", "BlocksAhead", "BlocksTogether", "NodeNotFound", "NodeSource", "Nodes"]

_TOGETHER_MAX: Final = 16


class Blocks(Protocol):
    """Where blocks come from: a BlockService, or what stands before one and sees what is read."""

    async def get(self, cid: Cid) -> Block:
        """Give a block that matches its CID.

        Raises:
            NotFound, Unavailable, InvalidData: It cannot be had.
        """
        ...


@runtime_checkable
class BlocksTogether(Protocol):
    """Where blocks come from, which knows what is at hand, and is faster if asked for many."""

    async def get_present(self, cids: Sequence[Cid]) -> Sequence[Block | None]:
        """Give blocks in the order of `cids`; None where `get` has to be asked. A checkpoint."""
        ...


@runtime_checkable
class BlocksAhead(Protocol):
    """Where blocks come from, which likes to know what will be asked for next."""

    def expect(self, cids: Sequence[Cid]) -> None:
        """Say what will be asked for next, most likely. It costs nothing to be wrong now and then."""
        ...

    def at_hand(self, cid: Cid) -> Block | None:
        """Give a block for which nobody has to wait, or None."""
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


class Nodes(Protocol):
    """Where nodes come from: a NodeSource, or what counts them besides."""

    async def get(self, cid: Cid, path: str) -> Node:
        """Give a node; see `NodeSource.get`."""
        ...


@final
class NodeSource:
    """The nodes of any tree.

    Args:
        blocks: Where their blocks come from. Many are asked for together if it is BlocksTogether.
        kept_bytes_max: Bytes of the blocks whose nodes are kept, so that who goes through a tree step
            by step does not read its folders again and again, nor the inner nodes of a file.
        pieces_bytes_max: The same for pieces of files, so that a few bytes at a time can be read.
    """

    def __init__(
        self, blocks: Blocks, *, kept_bytes_max: int = 0, pieces_bytes_max: int = 0
    ) -> None:
        self._blocks = blocks
        self._together = blocks if isinstance(blocks, BlocksTogether) else None
        self._ahead = blocks if isinstance(blocks, BlocksAhead) else None
        self._kept = Kept(kept_bytes_max)
        self._pieces = Kept(pieces_bytes_max)

    def expect(self, cids: Sequence[Cid]) -> None:
        """Say what will be asked for next, to where blocks come from."""
        if self._ahead is not None:
            self._ahead.expect(cids)

    def block_at_hand(self, cid: Cid) -> Block | None:
        """Give a block that was expected, and for which nobody has to wait."""
        return None if self._ahead is None else self._ahead.at_hand(cid)

    @property
    def keeps_pieces(self) -> bool:
        """Whether pieces of files are kept."""
        return self._pieces.bytes_max > 0

    def at_hand(self, cid: Cid) -> Node | None:
        """Give a node that is kept, or None."""
        return self._kept.get(cid) or self._pieces.get(cid)

    async def get(self, cid: Cid, path: str) -> Node:
        """Give a node.

        Args:
            cid: Of its block.
            path: What it is a part of, for messages.

        Raises:
            NodeNotFound, Unavailable: It cannot be had.
            InvalidNode: It is none.
        """
        kept = self._kept.get(cid)
        if kept is not None:
            await trio.lowlevel.checkpoint()
            return kept
        try:
            block = await self._blocks.get(cid)
        except NotFound as error:
            raise NodeNotFound(cid, path, str(error)) from error
        except Unavailable as error:
            raise Unavailable(f"{path}: {error}") from error
        except InvalidData as error:
            raise InvalidNode(f"{path}: {error}") from error
        node = _read(block, path)
        if isinstance(node, IpvmError):
            raise node
        if not isinstance(node, FileNode) or node.children:
            self._kept.put(cid, node, len(block.data))
        return node

    async def get_together(
        self, cids: Sequence[Cid], paths: Sequence[str], *, keep: bool = False
    ) -> list[Node | IpvmError]:
        """Give several nodes at the price of waiting for one, each one or why it cannot be had.

        Args:
            cids: Of their blocks.
            paths: What each is a part of, for messages.
            keep: Whether pieces of files among them are kept.
        """
        found: list[Node | IpvmError | None] = [self.at_hand(cid) for cid in cids]
        absent = [place for place, node in enumerate(found) if node is None]
        if absent and self._together is not None:
            blocks = await self._together.get_present([cids[place] for place in absent])
            for place, block in zip(absent, blocks, strict=True):
                if block is not None:
                    found[place] = self._taken(block, paths[place])
        else:
            await trio.lowlevel.checkpoint()
        await self._fill(found, cids, paths)
        nodes = [node for node in found if node is not None]
        for node in nodes if keep else ():
            if isinstance(node, FileNode) and not node.children:
                self._pieces.put(node.cid, node, len(node.data))
        return nodes

    async def _fill(
        self, found: list[Node | IpvmError | None], cids: Sequence[Cid], paths: Sequence[str]
    ) -> None:
        """Ask for each that was not found."""
        absent = [place for place, node in enumerate(found) if node is None]
        places = iter(absent)

        async def fill() -> None:
            for place in places:
                found[place] = await self._attempt(cids[place], paths[place])

        if len(absent) == 1:
            await fill()
        elif absent:
            async with trio.open_nursery() as nursery:
                for _ in range(min(len(absent), _TOGETHER_MAX)):
                    nursery.start_soon(fill)

    def _taken(self, block: Block, path: str) -> Node | IpvmError:
        node = _read(block, path)
        if isinstance(node, FileNode) and node.children:
            self._kept.put(node.cid, node, len(block.data))
        return node

    async def _attempt(self, cid: Cid, path: str) -> Node | IpvmError:
        try:
            return await self.get(cid, path)
        except IpvmError as error:
            return error


def _read(block: Block, path: str) -> Node | IpvmError:
    try:
        return read_node(block)
    except InvalidData as error:
        invalid = InvalidNode(f"{path}: {error}")
        invalid.__cause__ = error
        return invalid
