"""What can be done to the names of a guest's file system.

Each function either does what it says or raises, and then has changed nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder, Node, Nodes
from ipvm.host.wasi.nodes import File, Link
from ipvm.host.wasi.paths import Place, check_path, resolve

__all__ = ["Opening", "Tree"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a path is opened.

    Attributes:
        follow: Whether a symbolic link at its end is followed.
        create: Whether a file is made where there is nothing.
        exclusive: Whether nothing may be there.
        truncate: Whether the file is emptied.
        folder: Whether it has to be a folder.
        write: Whether it will be written to.
    """

    follow: bool = True
    create: bool = False
    exclusive: bool = False
    truncate: bool = False
    folder: bool = False
    write: bool = False


@final
class Tree:
    """The names of one file system. All paths begin at a folder, and cannot leave it.

    What is said of the exceptions holds for all methods:

    Raises:
        Failed: It cannot be done; the guest is told why.
        Wanted: More has to be fetched first.
        LimitExceeded: The guest writes too much.
    """

    def __init__(self, nodes: Nodes, time: Callable[[], int]) -> None:
        """Begin.

        Args:
            nodes: Makes what is new.
            time: Gives the time in nanoseconds since 1970.
        """
        self._nodes = nodes
        self._time = time

    def open(self, start: Folder, path: bytes, how: Opening) -> File | Folder:
        """Find or make what a path leads to."""
        if how.create and how.folder:
            raise Failed(Errno.INVAL)
        if how.create and path.endswith(b"/") and _last_name(start, path):
            raise Failed(Errno.ISDIR)
        follow = how.follow and not (how.create and how.exclusive)
        place = resolve(start, path, follow=follow)
        if place.node is None and how.create:
            return self._create(place)
        if how.create and how.exclusive:
            raise Failed(Errno.EXIST)
        return self._enter(place.existing(), how)

    def _enter(self, node: Node, how: Opening) -> File | Folder:
        if isinstance(node, Link):
            raise Failed(Errno.LOOP)
        if isinstance(node, Folder):
            if how.create or how.truncate or how.write:
                raise Failed(Errno.ISDIR)
        elif how.folder:
            raise Failed(Errno.NOTDIR)
        elif how.truncate or how.write:
            self._ready(node, truncate=how.truncate)
        return node

    def _create(self, place: Place) -> File:
        if place.is_folder:
            raise Failed(Errno.ISDIR)
        place.vacant()
        time = self._time()
        file = self._nodes.file(time)
        place.folder.put(place.name, file, time)
        return file

    def _ready(self, file: File, *, truncate: bool) -> None:
        if file.read_only:
            raise Failed(Errno.ROFS)
        if truncate:
            file.resize(0)
            file.modified = file.changed = self._time()

    def find(self, start: Folder, path: bytes, *, follow: bool) -> Node:
        """Give what a path leads to."""
        return resolve(start, path, follow=follow).existing()

    def make_folder(self, start: Folder, path: bytes) -> None:
        """Make a folder."""
        place = resolve(start, path, follow=False, keep_link=True)
        place.vacant()
        time = self._time()
        place.folder.put(place.name, self._nodes.folder(place.folder, time), time)

    def make_link(self, target: bytes, start: Folder, path: bytes) -> None:
        """Make a symbolic link. One that leads nowhere may be made, but none that is absolute."""
        check_path(target)
        if target.startswith(b"/"):
            raise Failed(Errno.PERM)
        place = resolve(start, path, follow=False, keep_link=True)
        if place.node is None and place.is_folder:
            raise Failed(Errno.NOENT)
        place.vacant()
        time = self._time()
        link = self._nodes.link(target, time)
        place.folder.put(place.name, link, time)

    def read_link(self, start: Folder, path: bytes) -> bytes:
        """Give the target of a symbolic link."""
        node = self.find(start, path, follow=False)
        if not isinstance(node, Link):
            raise Failed(Errno.INVAL)
        return node.target

    def add_name(self, start: Folder, path: bytes, to: Folder, new: bytes, *, follow: bool) -> None:
        """Give a file another name."""
        node = self.find(start, path, follow=follow)
        place = resolve(to, new, follow=False, keep_link=True)
        if place.node is None and place.is_folder:
            raise Failed(Errno.NOENT)
        place.vacant()
        if isinstance(node, Folder):
            raise Failed(Errno.PERM)
        if isinstance(node, File) and node.read_only:
            raise Failed(Errno.ROFS)
        node.keep()
        node.changed = self._time()
        place.folder.put(place.name, node, node.changed)
        node.links += 1

    def remove_file(self, start: Folder, path: bytes) -> None:
        """Remove the name of what is no folder."""
        place = resolve(start, path, follow=False, keep_link=True)
        if isinstance(place.node, Folder):
            raise Failed(Errno.ISDIR)
        node = place.existing()
        place.changeable()
        place.folder.remove(place.name, self._time())
        self._drop(node)

    def remove_folder(self, start: Folder, path: bytes) -> None:
        """Remove a folder that is empty."""
        place = resolve(start, path, follow=False, keep_link=True)
        if not place.name:
            raise Failed(Errno.INVAL if _ends_in_dot(path) else Errno.NOTEMPTY)
        node = place.existing()
        if not isinstance(node, Folder):
            raise Failed(Errno.NOTDIR)
        if not node.is_empty():
            raise Failed(Errno.NOTEMPTY)
        place.changeable()
        place.folder.remove(place.name, self._time())
        self._drop(node)

    def rename(self, start: Folder, path: bytes, to: Folder, new: bytes) -> None:
        """Move what a path leads to, in place of what is there if that may be replaced."""
        old = resolve(start, path, follow=False, keep_link=True)
        place = resolve(to, new, follow=False, keep_link=True)
        _may_move(old, place)
        node, replaced = old.existing(), place.node
        if node is replaced:
            return
        if isinstance(replaced, Folder) and _is_within(old.folder, replaced):
            raise Failed(Errno.NOTEMPTY)
        if replaced is not None:
            _may_replace(node, replaced)
        elif place.folder.is_removed:
            raise Failed(Errno.NOENT)
        time = self._time()
        place.folder.put(place.name, node, time)
        old.folder.remove(old.name, time)
        node.changed = time
        if isinstance(node, Folder):
            node.parent = place.folder
        if replaced is not None:
            self._drop(replaced)

    def _drop(self, node: Node) -> None:
        """Note that a name of a node is gone."""
        node.links -= 1
        node.changed = self._time()
        if isinstance(node, Folder):
            node.is_removed = True
        elif isinstance(node, File):
            node.forget()
        elif not node.links:
            self._nodes.forget(node)


def _last_name(start: Folder, path: bytes) -> bytes:
    return resolve(start, path, follow=False, keep_link=True).name


def _ends_in_dot(path: bytes) -> bool:
    return path.rstrip(b"/").rpartition(b"/")[2] == b"."


def _may_move(old: Place, new: Place) -> None:
    if not old.name or not new.name:
        raise Failed(Errno.BUSY)
    node = old.existing()
    old.changeable()
    new.changeable()
    if not isinstance(node, Folder):
        if new.is_folder:
            raise Failed(Errno.NOTDIR)
        return
    if _is_within(new.folder, node):
        raise Failed(Errno.INVAL)


def _is_within(folder: Folder, outer: Folder) -> bool:
    while folder is not outer and folder.parent is not folder:
        folder = folder.parent
    return folder is outer


def _may_replace(node: Node, replaced: Node) -> None:
    if isinstance(replaced, Folder):
        if not isinstance(node, Folder):
            raise Failed(Errno.ISDIR)
        if not replaced.is_empty():
            raise Failed(Errno.NOTEMPTY)
    elif isinstance(node, Folder):
        raise Failed(Errno.NOTDIR)
