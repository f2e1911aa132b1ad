"""Make UnixFS of what a guest wrote: the tree that `ipvm add` would make of the same files on a disk.

What was given and not changed keeps its CID, and is not read. Bytes are read from the ledger, or from
where they were given, piece by piece. Nothing is kept before everything below it.
"""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar, final

import trio

from ipvm.errors import LimitExceeded
from ipvm.files.adding import Importer
from ipvm.files.balanced import small_file
from ipvm.files.cutting import Keep
from ipvm.files.directory import directory, entry
from ipvm.files.nodes import NO_METADATA, Written, symlink
from ipvm.files.profiles import V1_2025
from ipvm.host.wasi.folder import Folder, Node
from ipvm.host.wasi.nodes import File, Link
from ipvm.host.wasi.origin import Wanted
from ipvm.host.wasi.unixfs import UnixFile, UnixFolder
from ipvm.host.wasi.window import READ_BYTES_MAX
from ipvm.ipld import Block
from ipvm.limits import TREE_DEPTH_MAX

__all__ = ["publish_file", "publish_folder"]

_T = TypeVar("_T")
_BATCH_BYTES: Final = 8 * 1024 * 1024
_BATCH_BLOCKS: Final = 4096
_AT_ONCE_BYTES: Final = 64 * 1024
_AT_ONCE_ENTRIES: Final = 256
"""What is hashed on the spot; more is, in a thread."""


async def publish_folder(folder: Folder, keep: Keep) -> Written:
    """Make UnixFS of a folder of a guest that runs no more.

    Args:
        folder: The folder.
        keep: Takes the blocks, each after those below it.

    Returns:
        Its root; the one that was given, if nothing has changed.

    Raises:
        LimitExceeded: There are more than `TREE_DEPTH_MAX` folders in each other.
        IpvmError: What was given cannot be had any more; and what `keep` raises.
    """
    return await _Publishing(keep).root(folder)


async def publish_file(pieces: AsyncIterable[bytes], keep: Keep) -> Written:
    """Make a file of UnixFS of bytes that come in pieces, as a guest's output does.

    Raises:
        IpvmError: What `keep` raises; and what the source raises.
    """
    return await Importer(keep).stream(pieces, "")


@dataclass(slots=True)
class _Visit:
    """A folder, those in it that are still to be visited, and what the others became.

    Attributes:
        folder: The folder.
        name: Its name.
        changes: What was put under a name in it, or None.
        below: Folders in it.
        entries: What stands in it and is not as it was given in this place, by its name.
    """

    folder: Folder
    name: bytes
    changes: Mapping[bytes, Node | None]
    below: Iterator[tuple[bytes, Folder]]
    entries: dict[bytes, Written] = field(default_factory=dict)


@final
class _Publishing:
    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._blocks: list[Block] = []
        self._bytes = 0
        self._named_twice: dict[File, Written] = {}

    async def root(self, folder: Folder) -> Written:
        way = [await self._enter(b"", folder)]
        while True:
            below = next(way[-1].below, None)
            if below is not None:
                if len(way) == TREE_DEPTH_MAX:
                    raise LimitExceeded("TREE_DEPTH_MAX", TREE_DEPTH_MAX)
                way.append(await self._enter(*below))
                continue
            left = way.pop()
            written = await self._leave(left)
            if not way:
                await self._flush()
                return written
            if left.name in way[-1].changes or _given(left.folder) != written.cid:
                way[-1].entries[left.name] = written

    async def _enter(self, name: bytes, folder: Folder) -> _Visit:
        """Begin with a folder: make what it holds besides folders."""
        changes = folder.changes
        inside = await _inside(folder, changes)
        folders = [(each, node) for each, node in inside if isinstance(node, Folder)]
        visit = _Visit(folder, name, changes, iter(folders))
        for each, node in inside:
            if isinstance(node, Folder):
                continue
            if each in changes or not _is_given(node):
                visit.entries[each] = await self._written(node)
        return visit

    async def _leave(self, visit: _Visit) -> Written:
        origin = visit.folder.origin
        links = [entry(name, written) for name, written in visit.entries.items()]
        if isinstance(origin, UnixFolder):
            if not links and not visit.changes:
                await trio.lowlevel.checkpoint()
                return origin.written
            others = await origin.links()
            replaced = visit.entries.keys() | visit.changes.keys()
            links += [link for link in others if link.name not in replaced]
        written, blocks = await _work(
            len(links) > _AT_ONCE_ENTRIES, lambda: directory(links, V1_2025)
        )
        await self._take(blocks)
        return written

    async def _written(self, node: File | Link) -> Written:
        if isinstance(node, Link):
            written = node.origin.written
            if written is None:
                written, block = symlink(node.target, V1_2025, NO_METADATA)
                await self._take([block])
            return written
        if isinstance(node.given, UnixFile):
            return node.given.written
        if node not in self._named_twice:
            made = await self._file(node)
            if node.links == 1:
                return made
            self._named_twice[node] = made
        return self._named_twice[node]

    async def _file(self, file: File) -> Written:
        if file.size > V1_2025.chunk_bytes:
            return await publish_file(_pieces(file), self._keep)
        data = b"".join([piece async for piece in _pieces(file)])
        written, blocks = await _work(len(data) > _AT_ONCE_BYTES, lambda: small_file(data, V1_2025))
        await self._take(blocks)
        return written

    async def _take(self, blocks: list[Block]) -> None:
        self._blocks += blocks
        self._bytes += sum(len(block.data) for block in blocks)
        if self._bytes >= _BATCH_BYTES or len(self._blocks) >= _BATCH_BLOCKS:
            await self._flush()

    async def _flush(self) -> None:
        blocks, self._blocks, self._bytes = self._blocks, [], 0
        await self._keep(blocks)


async def _inside(folder: Folder, changes: Mapping[bytes, Node | None]) -> list[tuple[bytes, Node]]:
    """Give what stands in a folder, as far as it may have changed since it was given."""
    if folder.origin is not None and not isinstance(folder.origin, UnixFolder):
        names = await _ask(folder.names)
        return [(name, await _stands(folder, name)) for name in names]
    kept = [name for name in folder.kept if name not in changes]
    stands = [(name, await _stands(folder, name)) for name in kept]
    return stands + [(name, node) for name, node in changes.items() if node is not None]


async def _stands(folder: Folder, name: bytes) -> Node:
    node = await _ask(lambda: folder.get(name))
    assert node is not None
    return node


def _is_given(node: File | Link) -> bool:
    if isinstance(node, Link):
        return node.origin.written is not None
    return isinstance(node.given, UnixFile)


def _given(folder: Folder) -> object:
    return folder.origin.written.cid if isinstance(folder.origin, UnixFolder) else None


async def _ask(question: Callable[[], _T]) -> _T:
    """Ask until there is an answer, fetching what is wanted."""
    while True:
        try:
            return question()
        except Wanted as wanted:
            await wanted.fetch()


async def _pieces(file: File) -> AsyncIterator[bytes]:
    offset = 0
    while offset < file.size:
        start = offset
        piece = await _ask(lambda: file.read(start, READ_BYTES_MAX))  # noqa: B023 - asked at once
        offset += len(piece)
        await trio.lowlevel.checkpoint()
        yield bytes(piece)


async def _work(is_long: bool, work: Callable[[], _T]) -> _T:  # noqa: FBT001 - said by the name
    """Do what hashes: on the spot, or beside others."""
    if is_long:
        return await trio.to_thread.run_sync(work)
    await trio.lowlevel.checkpoint()
    return work()
