"""Where a path leads, and that it never leads out.

A path begins at a folder that the guest holds, and cannot leave it: neither by `..`, nor by being
absolute, nor through a symbolic link that does either. What lies above is not looked at, so it makes no
difference whether it is there.
"""

from dataclasses import dataclass
from typing import Final

from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.folder import Folder, Node
from ipvm.host.wasi.nodes import Link

__all__ = ["NAME_BYTES_MAX", "PATH_BYTES_MAX", "Place", "check_path", "resolve"]

PATH_BYTES_MAX: Final = 4096
NAME_BYTES_MAX: Final = 255
LINKS_MAX: Final = 40
"""Symbolic links that are followed on the way of one path."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads.

    Attributes:
        folder: The folder that holds the last name.
        name: The last name; empty where the path ends in the folder itself, as `.` and `..` do.
        node: What stands there; the folder itself where there is no name; None for nothing.
        is_folder: Whether the path says that it is a folder, by a slash at its end.
    """

    folder: Folder
    name: bytes
    node: Node | None
    is_folder: bool

    def existing(self) -> Node:
        """Give what stands there.

        Raises:
            Failed: There is nothing, or it is no folder and should be one.
        """
        if self.node is None:
            raise Failed(Errno.NOENT)
        if self.is_folder and not isinstance(self.node, Folder):
            raise Failed(Errno.NOTDIR)
        return self.node

    def vacant(self) -> None:
        """Make sure that something can be put there.

        Raises:
            Failed: Something is there, or the folder cannot be changed.
        """
        if self.node is not None:
            raise Failed(Errno.EXIST)
        if self.folder.is_removed:
            raise Failed(Errno.NOENT)
        self.changeable()

    def changeable(self) -> None:
        """Make sure that what stands there can be replaced or removed.

        Raises:
            Failed: It cannot.
        """
        if not self.name:
            raise Failed(Errno.INVAL)
        if self.folder.read_only:
            raise Failed(Errno.ROFS)


def check_path(path: bytes) -> None:
    """Refuse what is no path.

    Raises:
        Failed: It is empty, too long, or not text.
    """
    if not path:
        raise Failed(Errno.NOENT)
    if len(path) > PATH_BYTES_MAX:
        raise Failed(Errno.NAMETOOLONG)
    if b"\0" in path:
        raise Failed(Errno.INVAL)
    try:
        path.decode()
    except UnicodeDecodeError as error:
        raise Failed(Errno.ILSEQ) from error


def resolve(start: Folder, path: bytes, *, follow: bool, keep_link: bool = False) -> Place:
    """Find out where a path leads.

    Args:
        start: Where it begins, and what it does not leave.
        path: Names with slashes between them.
        follow: Whether a symbolic link at its end is followed. Others always are.
        keep_link: Whether it is not followed even if a slash comes after it.

    Raises:
        Failed: It leads nowhere, or out.
        Wanted: More has to be fetched.
    """
    check_path(path)
    if path.startswith(b"/"):
        raise Failed(Errno.PERM)
    way = [start]
    pending = _parts(path)
    is_folder = _says_folder(path)
    links = 0
    while pending:
        part = pending.pop()
        start.nodes.steps += 1
        if part == b".":
            continue
        if part == b"..":
            way.pop()
            if not way:
                raise Failed(Errno.PERM)
            continue
        node = way[-1].get(_name(part))
        if isinstance(node, Link) and (pending or follow or (is_folder and not keep_link)):
            links += 1
            is_folder = _says_folder(node.target) or is_folder if not pending else is_folder
            pending += _linked(node, links)
            continue
        if not pending:
            return Place(way[-1], part, node, is_folder)
        way.append(_entered(node))
    return Place(way[-1], b"", way[-1], is_folder=True)


def _linked(link: Link, links: int) -> list[bytes]:
    if links > LINKS_MAX:
        raise Failed(Errno.LOOP)
    check_path(link.target)
    if link.target.startswith(b"/"):
        raise Failed(Errno.PERM)
    return _parts(link.target)


def _entered(node: Node | None) -> Folder:
    if node is None:
        raise Failed(Errno.NOENT)
    if not isinstance(node, Folder):
        raise Failed(Errno.NOTDIR)
    return node


def _name(part: bytes) -> bytes:
    if len(part) > NAME_BYTES_MAX:
        raise Failed(Errno.NAMETOOLONG)
    return part


def _parts(path: bytes) -> list[bytes]:
    """Give the names, the first one last."""
    return [part for part in reversed(path.split(b"/")) if part]


def _says_folder(path: bytes) -> bool:
    return path.endswith(b"/")
