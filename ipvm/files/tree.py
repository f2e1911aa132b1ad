"""Look at files and folders by path: what a shell, a gateway or a virtual file system asks for.

Nothing is fetched before it is asked for, and of a file only the blocks that a range touches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias, final

import trio

from ipvm.errors import LimitExceeded
from ipvm.files.decoding import (
    Entry,
    FileNode,
    FolderNode,
    InvalidNode,
    ShardNode,
    SymlinkNode,
    ValueNode,
)
from ipvm.files.entering import Contents
from ipvm.files.listing import Listing
from ipvm.files.reading import READ_AHEAD_BYTES, FileReader
from ipvm.files.resolving import Place, TreePath, child, parse_tree_path, resolve
from ipvm.files.source import Blocks, NodeSource
from ipvm.ipld import Cid
from ipvm.limits import TREE_DEPTH_MAX
from ipvm.model import File

__all__ = ["Files", "Kind", "Stat", "Walk"]

_KEPT_BYTES_MAX: Final = 2 * READ_AHEAD_BYTES
"""Bytes of the nodes that are kept, and of pieces of files, so that few are fetched twice."""

Kind: TypeAlias = Literal["file", "directory", "symlink", "value"]
"""What a path may lead to; a value is a block of DAG-CBOR or DAG-JSON, or a part of one."""

Where: TypeAlias = "Cid | str | File | Place"
"""A CID, a path as text, what a function is given as a file, or a place that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """What is known of something without reading it.

    Attributes:
        path: The path, with symlinks followed.
        cid: Of its root; of a part of a value, the CID of the block that it stands in.
        kind: What it is.
        size: Bytes of a file, of the target of a symlink, or of the block of a value; None for a
            folder.
        links: Links in the block of its root: parts of a file that have bytes, entries of a folder
            or of its first shard.
        mode: Permissions, if they are told.
        mtime_nanoseconds: Time of the last change since 1970, if it is told.
    """

    path: str
    cid: Cid
    kind: Kind
    size: int | None
    links: int
    mode: int | None = None
    mtime_nanoseconds: int | None = None


@final
class Files:
    """Files and folders by path.

    A path is a CID, `CID/a/b`, `/ipfs/CID/a/b` or `ipfs://CID/a/b`. Every method raises NotFound,
    Unavailable or InvalidData for what cannot be had or is not what it should be.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._nodes = NodeSource(
            blocks, kept_bytes_max=_KEPT_BYTES_MAX, pieces_bytes_max=_KEPT_BYTES_MAX
        )

    async def resolve(self, path: Cid | str | File | TreePath, *, follow: bool = True) -> Place:
        """Give what a path leads to; unless `follow`, a symlink at its end stays one."""
        await trio.lowlevel.checkpoint()
        if isinstance(path, str):
            path = parse_tree_path(path)
        elif isinstance(path, File):
            path = path.cid
        return await resolve(
            self._nodes, TreePath(path) if isinstance(path, Cid) else path, follow=follow
        )

    async def child(self, folder: Place, name: str) -> Place | None:
        """Give what a name in a folder leads to, without listing it; None if it is not there."""
        await trio.lowlevel.checkpoint()
        return await child(self._nodes, folder, name)

    async def open(self, path: Where) -> FileReader:
        """Give a file, to be read by range.

        Raises:
            InvalidNode: It is no file.
        """
        place = await self._found(path)
        if not isinstance(place.node, FileNode):
            raise InvalidNode(f"{place.path} is no file, but a {_kind(place)}")
        return FileReader(self._nodes, place.node, place.path)

    async def read(self, path: Where, offset: int = 0, length: int | None = None) -> bytes:
        """Give a range of a file, or all of it, in memory."""
        return await (await self.open(path)).read(offset, length)

    async def listing(self, path: Where) -> Listing:
        """Give a folder, to be listed: `async for entry in await files.listing(path)`.

        Raises:
            InvalidNode: It is no folder.
        """
        place = await self._found(path)
        if not isinstance(place.node, FolderNode | ShardNode):
            raise InvalidNode(f"{place.path} is no folder, but a {_kind(place)}")
        return Listing(self._nodes, place.node, place.path)

    async def contents(self, path: Where) -> Contents:
        """Give a folder, to be entered: `async for entry, place in await files.contents(path)`.

        Raises:
            InvalidNode: It is no folder.
        """
        place = await self._found(path)
        return Contents(self._nodes, await self.listing(place), place.path)

    async def entries(self, path: Where) -> Sequence[Entry]:
        """List a folder at once; it may be long (see `listing`)."""
        return [entry async for entry in await self.listing(path)]

    async def stat(self, path: Where, *, follow: bool = True) -> Stat:
        """Tell what something is; unless `follow`, a symlink at the end of a path stays one."""
        place = await self._found(path, follow=follow)
        node = place.node
        if isinstance(node, ValueNode):
            size, links = len(node.block.data), len(node.block.links())
            return Stat(path=place.path, cid=node.cid, kind="value", size=size, links=links)
        size_known = None
        links = 0
        if isinstance(node, FileNode):
            size_known, links = node.size, len(node.children)
        elif isinstance(node, SymlinkNode):
            size_known = len(node.target)
        else:
            links = len(node.entries if isinstance(node, FolderNode) else node.slots)
        return Stat(
            path=place.path,
            cid=node.cid,
            kind=_kind(place),
            size=size_known,
            links=links,
            mode=node.mode,
            mtime_nanoseconds=node.mtime_nanoseconds,
        )

    async def walk(self, path: Where) -> "Walk":
        """Give all that is below something: `async for place in await files.walk(path)`."""
        return Walk(self, await self._found(path))

    async def _found(self, path: Where, *, follow: bool = True) -> Place:
        if isinstance(path, Place):
            await trio.lowlevel.checkpoint()
            return path
        return await self.resolve(path, follow=follow)


@final
class Walk:
    """`async for place in walk`: something, and all that is below it, folders before their entries.

    Symlinks are given, and not followed; values are given, and not entered.
    """

    def __init__(self, files: Files, root: Place) -> None:
        self._files = files
        self._next: Place | None = root
        self._open: list[Contents] = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Place:
        place = self._next
        self._next = None
        while place is None and self._open:
            entered = await anext(self._open[-1], None)
            if entered is None:
                self._open.pop()
            else:
                place = entered[1]
        if place is None:
            await trio.lowlevel.checkpoint()
            raise StopAsyncIteration
        if isinstance(place.node, FolderNode | ShardNode):
            if len(self._open) >= TREE_DEPTH_MAX:
                raise LimitExceeded("TREE_DEPTH_MAX", TREE_DEPTH_MAX)
            self._open.append(await self._files.contents(place))
        return place


def _kind(place: Place) -> Kind:
    if isinstance(place.node, FileNode):
        return "file"
    if isinstance(place.node, SymlinkNode):
        return "symlink"
    return "value" if isinstance(place.node, ValueNode) else "directory"
