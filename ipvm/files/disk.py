"""Read files, folders and symlinks from a disk, step by step, and make blocks of them.

A walk is a generator: each step gives a batch of blocks, children before their parents, or a file
that is too large for a step, whose root is then sent into it. So whoever drives it decides in which
thread it works, and how much is in memory.

What happens on the disk meanwhile cannot lead out of the folder, nor make a file that never was:
everything is opened by its name in a folder that is open, symlinks are read and never followed, and
a file whose length or time of modification has changed when its end is reached is refused.
"""

import os
import stat
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from typing import Final, Literal, NamedTuple, TypeAlias, final

from ipvm.errors import LimitExceeded
from ipvm.files.balanced import small_file
from ipvm.files.directory import InvalidEntry, directory, entry
from ipvm.files.nodes import Link, Metadata, Written, symlink
from ipvm.files.profiles import V1_2025, ImportProfile
from ipvm.files.sources import (
    FLAGS,
    FileChanged,
    condition,
    reading,
    require_file,
    require_unchanged,
    shown,
    whole,
)
from ipvm.ipld import Block, Cid
from ipvm.limits import FOLDER_NESTING_MAX

__all__ = ["Added", "Batch", "ImportOptions", "LargeFile", "Walk", "walk"]

SMALL_BYTES_MAX: Final = 4 * 1024 * 1024
"""Longest file that is read in one step."""

_BATCH_BYTES: Final = 8 * 1024 * 1024
_BATCH_BLOCKS: Final = 4096
_PERMISSIONS: Final = 0o7777


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """What to import, and how.

    Attributes:
        profile: How files and folders become blocks.
        hidden: Whether to take what is in a folder under a name that begins with a dot.
        preserve_mode: Whether to keep permissions. Leaves are wrapped then.
        preserve_mtime: Whether to keep times of modification. Leaves are wrapped then.
    """

    profile: ImportProfile = V1_2025
    hidden: bool = False
    preserve_mode: bool = False
    preserve_mtime: bool = False

    def settled(self) -> "ImportOptions":
        """Give the same options, and leaves that can hold what is to be preserved."""
        if not (self.preserve_mode or self.preserve_mtime):
            return self
        return replace(self, profile=replace(self.profile, raw_leaves=False))

    def metadata(self, status: os.stat_result) -> Metadata:
        """Tell what is to be kept of what the disk says about a file."""
        return Metadata(
            stat.S_IMODE(status.st_mode) & _PERMISSIONS if self.preserve_mode else None,
            status.st_mtime_ns if self.preserve_mtime else None,
        )


class Added(NamedTuple):
    """Something that was imported."""

    path: str
    """Its path below what was named, beginning with the name of that."""
    cid: Cid
    kind: Literal["file", "folder", "symlink"]
    file_bytes: int
    """Bytes of the content of a file, or of the target of a symlink."""


class Batch(NamedTuple):
    """What one step has made: blocks to keep, and what is whole when they are kept."""

    blocks: list[Block]
    added: list[Added]


@dataclass(frozen=True, slots=True)
class LargeFile:
    """A file to be read by whoever drives the walk. It is closed when its root was sent."""

    descriptor: int
    path: str
    status: os.stat_result


Walk: TypeAlias = Generator[Batch | LargeFile, Written | None, Written]
"""A walk under way; in the end it returns the root."""


@dataclass(slots=True)
class _Folder:
    descriptor: int
    name: str
    path: str
    status: os.stat_result
    ahead: list["os.DirEntry[str]"]
    """What is still to be read, last first."""
    entries: list[Link] = field(default_factory=list)


def walk(path: str, name: str, options: ImportOptions) -> Walk:
    """Import a file or a folder. If `path` itself is a symlink, it is followed.

    Raises:
        NotFound: Something is not there, or has vanished.
        FileChanged: A file was written to meanwhile.
        Refused: Something cannot be read, or is neither file, folder nor symlink.
        InvalidEntry: A name is no UTF-8.
        LimitExceeded: Folders are nested too deep.
    """
    return _Walk(options).root(path, name)


@final
class _Walk:
    def __init__(self, options: ImportOptions) -> None:
        self._options = options
        self._batch = Batch([], [])
        self._bytes = 0
        self._open: list[_Folder] = []

    def root(self, path: str, name: str) -> Walk:
        try:
            with reading(path):
                mode = os.stat(path).st_mode  # noqa: PTH116
                is_folder = stat.S_ISDIR(mode)
                if not is_folder:
                    require_file(mode, path)
                target = os.path.realpath(path, strict=True)
            if is_folder:
                self._enter(target, name, path, None)
                root = yield from self._folders()
            else:
                root = yield from self._file(target, name, path, None)
            yield self._batch
            return root
        finally:
            for folder in self._open:
                os.close(folder.descriptor)

    def _enter(self, target: str, name: str, path: str, inside: int | None) -> None:
        if len(self._open) == FOLDER_NESTING_MAX:
            raise LimitExceeded("folder_nesting_max", FOLDER_NESTING_MAX, how=shown(path))
        with reading(path):
            descriptor = os.open(target, FLAGS | os.O_DIRECTORY, dir_fd=inside)
            folder = _Folder(descriptor, name, path, os.fstat(descriptor), [])
            self._open.append(folder)
            with os.scandir(descriptor) as found:
                folder.ahead = [each for each in found if self._wants(each.name)]
        folder.ahead.sort(key=lambda each: each.name, reverse=True)

    def _wants(self, name: str) -> bool:
        return self._options.hidden or not name.startswith(".")

    def _folders(self) -> Walk:
        """Import what is in the folder that was entered, and then itself."""
        written: Written | None = None
        while self._open:
            folder = self._open[-1]
            found = folder.ahead.pop() if folder.ahead else None
            if found is None:
                written = self._leave()
            elif _is_folder(found, folder):
                name, path = f"{folder.name}/{found.name}", f"{folder.path}/{found.name}"
                self._enter(found.name, name, path, folder.descriptor)
            else:
                yield from self._entry(folder, found)
            if self._bytes >= _BATCH_BYTES or len(self._batch.blocks) >= _BATCH_BLOCKS:
                yield self._take()
        assert written is not None
        return written

    def _leave(self) -> Written:
        folder = self._open.pop()
        os.close(folder.descriptor)
        metadata = self._options.metadata(folder.status)
        written, blocks = directory(folder.entries, self._options.profile, metadata)
        self._keep(folder.name, "folder", written, blocks)
        if self._open:
            _put(folder.path.rpartition("/")[2], written, self._open[-1])
        return written

    def _entry(
        self, folder: _Folder, found: "os.DirEntry[str]"
    ) -> Generator[Batch | LargeFile, Written | None, None]:
        name = f"{folder.name}/{found.name}"
        path = f"{folder.path}/{found.name}"
        if found.is_symlink():
            written = self._symlink(found, name, path, folder.descriptor)
        elif found.is_file(follow_symlinks=False):
            written = yield from self._file(found.name, name, path, folder.descriptor)
        else:
            with reading(path):
                require_file(found.stat(follow_symlinks=False).st_mode, path)
            raise FileChanged(f"{shown(path)} changed while it was read; add it again")
        _put(found.name, written, folder)

    def _symlink(self, found: "os.DirEntry[str]", name: str, path: str, inside: int) -> Written:
        with reading(path):
            target = os.fsencode(os.readlink(found.name, dir_fd=inside))
            status = os.stat(found.name, dir_fd=inside, follow_symlinks=False)
        metadata = self._options.metadata(status)._replace(mode=None)  # it is the same for all
        written, block = symlink(target, self._options.profile, metadata)
        self._keep(name, "symlink", written, [block])
        return written

    def _file(self, target: str, name: str, path: str, inside: int | None) -> Walk:
        with reading(path):
            descriptor = os.open(target, FLAGS, dir_fd=inside)
        try:
            with reading(path):
                status = os.fstat(descriptor)
                require_file(status.st_mode, path)
            if status.st_size > SMALL_BYTES_MAX:
                root = yield LargeFile(descriptor, path, status)
                assert root is not None
                self._keep(name, "file", root, [])
                return root
            with reading(path):
                data = whole(descriptor, status.st_size)
                require_unchanged(descriptor, path, status, len(data))
        finally:
            os.close(descriptor)
        metadata = self._options.metadata(status)
        written, blocks = small_file(data, self._options.profile, metadata)
        self._bytes += len(data)
        self._keep(name, "file", written, blocks)
        return written

    def _keep(
        self,
        name: str,
        kind: Literal["file", "folder", "symlink"],
        written: Written,
        blocks: list[Block],
    ) -> None:
        self._batch.blocks.extend(blocks)
        self._batch.added.append(Added(name, written.cid, kind, written.file_bytes))

    def _take(self) -> Batch:
        taken, self._batch, self._bytes = self._batch, Batch([], []), 0
        return taken


def _is_folder(found: "os.DirEntry[str]", inside: _Folder) -> bool:
    try:
        return found.is_dir(follow_symlinks=False)
    except OSError as error:  # some file systems do not say it in the list
        raise condition(error, f"{inside.path}/{found.name}") from error


def _put(name: str, written: Written, folder: _Folder) -> None:
    try:
        folder.entries.append(entry(os.fsencode(name), written))
    except InvalidEntry as error:
        raise InvalidEntry(f"{shown(folder.path)}: {error}") from error
