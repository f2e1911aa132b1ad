"""Answer as a browser likes it: the bytes of files, pages for folders, values as they are."""

from collections.abc import AsyncGenerator
from typing import Final, final
from urllib.parse import quote

import trio

from ipvm.errors import NotFound
from ipvm.files import (
    Entry,
    FileNode,
    FileReader,
    FolderNode,
    Listing,
    NodeSource,
    ShardNode,
    SymlinkNode,
    ValueNode,
)
from ipvm.files.resolving import child
from ipvm.ipld import Cid
from ipvm.web.gateway.asked import PREFIX, Asked
from ipvm.web.gateway.caching import FOR_A_WEEK, FOR_EVER, attached, has_already, unless_known
from ipvm.web.gateway.finding import Found
from ipvm.web.gateway.page import ENTRIES_MAX, PAGE_VERSION, folder_page
from ipvm.web.gateway.ranges import wanted_span
from ipvm.web.gateway.types import SNIFFED_BYTES, content_type
from ipvm.web.gateway.values import value_answer
from ipvm.web.message import Answer

__all__ = ["Shown"]

_INDEX: Final = "index.html"
_NOTHING_ELSE: Final = (
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'",
)
"""A page needs nothing but its own style, whatever the names on it try."""
_TEXT: Final = (("Content-Type", "text/plain; charset=utf-8"),)


@final
class Shown:
    """Shows what is found.

    Args:
        nodes: Where the rest of it comes from.
    """

    def __init__(self, nodes: NodeSource) -> None:
        self._nodes = nodes

    async def answer(self, asked: Asked, found: Found) -> Answer:
        """Show something.

        Raises:
            Unsatisfiable: It has none of the bytes that are asked for.
            IpvmError: It cannot be had, or is not what it should be.
        """
        node = found.place.node
        if isinstance(node, FileNode):
            return await self._file(asked, node, found.cid)
        if isinstance(node, ValueNode):
            return value_answer(asked, node)
        if isinstance(node, SymlinkNode):
            headers = (FOR_EVER, ("Content-Type", "inode/symlink"))  # as elsewhere, not followed
            return unless_known(asked, f'"{node.cid}"', Answer(200, headers, node.target))
        return await self._folder(asked, found, node)

    async def _file(self, asked: Asked, node: FileNode, tagged: Cid) -> Answer:
        """Give a file, or a part of it.

        Args:
            asked: What is asked for.
            node: The file.
            tagged: What its tag names: the file, or the folder that it is the index of.
        """
        reader = FileReader(self._nodes, node, asked.shown)
        tag = f'"{tagged}"'
        headers = [FOR_EVER, ("Accept-Ranges", "bytes"), ("X-Content-Type-Options", "nosniff")]
        if has_already(asked, tag):
            return Answer(304, (*headers, ("Etag", tag)))
        name = _name(asked, is_index=tagged != node.cid)
        span = wanted_span(asked.headers, node.size, tag)
        begin = b""
        if content_type(name, b"\0") == "application/octet-stream":  # the name says nothing
            begin = await self._beginning(reader, span)
        headers += [("Content-Type", content_type(name, begin)), ("Etag", tag)]
        if asked.query.get("download") == "true":
            headers.append(attached(name or str(tagged)))
        elif "filename" in asked.query:
            headers.append(attached(name, kind="inline"))
        if span is None:
            return Answer(200, tuple(headers), _pieces(reader, range(node.size)), node.size)
        headers.append(("Content-Range", f"bytes {span.start}-{span.stop - 1}/{node.size}"))
        return Answer(206, tuple(headers), _pieces(reader, span), len(span))

    async def _beginning(self, reader: FileReader, span: range | None) -> bytes:
        """Give how a file begins; of a part, how the file does if that is here."""
        try:
            return await reader.read(0, SNIFFED_BYTES)
        except NotFound:
            if span is None:
                raise
            return b"\0"

    async def _folder(self, asked: Asked, found: Found, node: FolderNode | ShardNode) -> Answer:
        if not asked.is_folder:
            query = {name: value for name, value in asked.query.items() if name != "format"}
            rest = "&".join(f"{quote(name)}={quote(value)}" for name, value in query.items())
            there = f"{_location(asked)}/" + (f"?{rest}" if rest else "")
            return Answer(301, (*_TEXT, ("Location", there)), b"a folder ends with a slash\n")
        index = await child(self._nodes, found.place, _INDEX)
        if index is not None and isinstance(index.node, FileNode):
            return await self._file(asked, index.node, node.cid)
        tag = f'"DirIndex-{PAGE_VERSION}_CID-{node.cid}"'
        headers = (("Content-Type", "text/html; charset=utf-8"), _NOTHING_ELSE, FOR_A_WEEK)
        if has_already(asked, tag):
            return unless_known(asked, tag, Answer(200, headers))
        entries, has_more = await self._entries(node, asked.shown)
        steps = [str(asked.path.root), *asked.path.steps]
        pieces = []
        for piece in folder_page(steps, entries, has_more=has_more):
            pieces.append(piece)
            await trio.lowlevel.checkpoint()
        return Answer(200, (*headers, ("Etag", tag)), b"".join(pieces))

    async def _entries(self, node: FolderNode | ShardNode, path: str) -> tuple[list[Entry], bool]:
        entries: list[Entry] = []
        async for entry in Listing(self._nodes, node, path):
            if len(entries) == ENTRIES_MAX:
                return entries, True
            entries.append(entry)
        return sorted(entries), False


def _location(asked: Asked) -> str:
    steps = "".join(f"/{quote(step, safe='')}" for step in asked.path.steps)
    return f"{PREFIX}{asked.path.root}{steps}"


def _name(asked: Asked, *, is_index: bool) -> str:
    if "filename" in asked.query:
        return asked.query["filename"]
    if is_index:
        return _INDEX
    return asked.path.steps[-1] if asked.path.steps else ""


async def _pieces(reader: FileReader, span: range) -> AsyncGenerator[bytes | memoryview, None]:
    async for piece in reader.pieces(span.start, len(span)):
        yield piece
