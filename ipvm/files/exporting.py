"""Write a tree to the disk.

The tree may be a stranger's: names are checked where folders are read, symlinks that lead out of what
is written are refused, and all writing is below one open folder (`target`).
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Final, final

import trio

from ipvm.errors import InvalidData, LimitExceeded
from ipvm.files import target
from ipvm.files.decoding import FileNode, FolderNode, InvalidNode, ShardNode, SymlinkNode
from ipvm.files.entering import Contents
from ipvm.files.pouring import Piece, pour
from ipvm.files.resolving import Place
from ipvm.files.tree import Files
from ipvm.limits import TREE_DEPTH_MAX

__all__ = ["Exported", "UnsafeSymlink", "export"]

_THREAD_BYTES: Final = 64 * 1024
"""Files from this size on are written in a thread; less is written before one would start."""


class UnsafeSymlink(InvalidData):
    """A symlink leads out of the tree that is written, so it is not."""


@dataclass(slots=True)
class Exported:
    """What was written so far."""

    files: int = 0
    folders: int = 0
    symlinks: int = 0
    content_bytes: int = 0


@final
@dataclass(slots=True)
class _Open:
    """A folder that is being written."""

    place: Place
    contents: Contents
    descriptor: int
    path: str


async def export(
    files: Files,
    place: Place,
    path: str,
    *,
    force: bool = False,
    progress: Callable[[Exported], None] = lambda _: None,
) -> Exported:
    """Write a file, or a folder with all that is below it, to a path of the disk.

    Each file is there whole or not at all; after a failure, those that were finished stay.

    Args:
        files: Where the tree is read.
        place: What to write.
        path: The path that it gets. The folder of it has to be there.
        force: Replace files that are there, and write into folders that are there.
        progress: Called with what was written, after each piece.

    Raises:
        Refused: Something is already there, or cannot be written.
        UnsafeSymlink: A symlink leads out of the tree.
        NotFound, Unavailable, InvalidData: A part of the tree cannot be had.
    """
    wanted = PurePath(path)
    if wanted.name in {"", ".."}:
        raise InvalidData(f"{path!r} is no path for a new file or folder")
    parent = target.open_folder(str(wanted.parent))
    try:
        writer = _Writer(files, force=force, progress=progress)
        await writer.write(parent, str(wanted), place)
        return writer.written
    finally:
        os.close(parent)


@final
class _Writer:
    def __init__(self, files: Files, *, force: bool, progress: Callable[[Exported], None]) -> None:
        self.written = Exported()
        self._files = files
        self._force = force
        self._progress = progress
        self._open: list[_Open] = []

    async def write(self, parent: int, path: str, root: Place) -> None:
        try:
            await self._write_one(parent, path, root)
            while self._open:
                folder = self._open[-1]
                entered = await anext(folder.contents, None)
                if entered is None:
                    self._close(self._open.pop())
                else:
                    entry, place = entered
                    path = f"{folder.path}/{entry.name}"
                    await self._write_one(folder.descriptor, path, place)
                self._progress(self.written)
        finally:
            for folder in self._open:
                os.close(folder.descriptor)

    async def _write_one(self, parent: int, path: str, place: Place) -> None:
        node, name = place.node, path.rpartition("/")[2]
        if isinstance(node, FolderNode | ShardNode):
            if len(self._open) >= TREE_DEPTH_MAX:
                raise LimitExceeded("TREE_DEPTH_MAX", TREE_DEPTH_MAX)
            contents = await self._files.contents(place)
            descriptor = target.make_folder(parent, name, path, force=self._force)
            self._open.append(_Open(place, contents, descriptor, path))
            self.written.folders += 1
        elif isinstance(node, FileNode):
            await self._write_file(parent, path, place, node)
        elif isinstance(node, SymlinkNode):
            _check_symlink(node.target, len(self._open), place.path)
            target.make_symlink(parent, name, node.target, path, force=self._force)
            self.written.symlinks += 1
        else:
            raise InvalidNode(f"{place.path} is a value, and no file; ipvm dag get prints it")

    def _close(self, folder: _Open) -> None:
        node = folder.place.node
        try:
            assert isinstance(node, FolderNode | ShardNode)
            with target.translated(folder.path):
                target.set_metadata(folder.descriptor, node.mode, node.mtime_nanoseconds)
        finally:
            os.close(folder.descriptor)

    async def _write_file(self, parent: int, path: str, place: Place, node: FileNode) -> None:
        reader = await self._files.open(place)
        file = target.PartialFile(parent, path)
        try:
            if node.size < _THREAD_BYTES:
                data = await reader.read()
                file.write(data)
                self._wrote(len(data))
            else:
                await pour(reader.pieces(), partial(self._write_pieces, file))
            name = path.rpartition("/")[2]
            file.finish(name, node.mode, node.mtime_nanoseconds, force=self._force)
            self.written.files += 1
        finally:
            file.close()

    async def _write_pieces(self, file: target.PartialFile, pieces: Sequence[Piece]) -> None:
        await trio.to_thread.run_sync(file.write, *pieces)
        self._wrote(sum(map(len, pieces)))

    def _wrote(self, size: int) -> None:
        self.written.content_bytes += size
        self._progress(self.written)


def _check_symlink(link: bytes, depth: int, path: str) -> None:
    """Raise `UnsafeSymlink` unless a link stays in the tree, whatever else is a symlink there.

    Going up is exact only at the beginning, from the folder that the link is in: behind a name it
    would go up from wherever that leads.
    """
    ups, below = 0, False
    for step in link.split(b"/"):
        if step == b".." and below:
            raise UnsafeSymlink(f"{path} is a symlink that goes up from another name")
        ups += step == b".."
        below = below or step not in {b"", b".", b".."}
    if link.startswith(b"/") or ups >= depth:
        raise UnsafeSymlink(f"{path} is a symlink that leads out of what is written")
