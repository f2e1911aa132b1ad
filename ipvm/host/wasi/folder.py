"""Folders of a guest's file system, and how nodes come to be.

The number of a given node (`ino`) follows from its place in the tree, not from when it was first met.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, final

from ipvm.host.wasi.ledger import Ledger
from ipvm.host.wasi.nodes import BEGINNING, File, Link, Stamped
from ipvm.host.wasi.origin import (
    DIRECTORY,
    FileOrigin,
    FolderOrigin,
    LinkOrigin,
    Origin,
    Wanted,
)
from ipvm.host.wasi.window import Window

__all__ = ["Folder", "Node", "Nodes"]

ENTRY_BYTES: Final = 512
"""Bytes that a name counts for, besides its own: about what it takes."""
_ABSENT_MAX: Final = 1024
"""Names of which it is kept that they are not there; more than one call asks for."""
_GIVEN: Final = 2**62


def _given_ino(parent: int, name: bytes) -> int:
    """Number a node of a given tree; those that the guest makes are below 2**62."""
    digest = hashlib.sha256(parent.to_bytes(8, "little") + name).digest()
    return _GIVEN | int.from_bytes(digest[:8], "little") >> 2


@final
class Nodes:
    """Makes the nodes of one file system."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._window = Window()
        self._made = 0

    def file(self, time: int) -> File:
        """Make an empty file."""
        return File(self._next(), self.ledger, self._window, time=time)

    def folder(self, parent: "Folder", time: int) -> "Folder":
        """Make an empty folder."""
        return Folder(self, self._next(), parent=parent, time=time)

    def link(self, target: bytes, time: int) -> Link:
        """Make a symbolic link."""
        self.ledger.charge(len(target))
        return Link(self._next(), LinkOrigin(target), time=time)

    def forget(self, link: Link) -> None:
        """Give back what a link takes that no name leads to any more, if the guest made it."""
        if link.ino < _GIVEN:
            self.ledger.charge(-len(link.target))

    def root(self, name: bytes, origin: FolderOrigin | None, *, read_only: bool) -> "Folder":
        """Make a folder that no other one holds."""
        return Folder(self, _given_ino(0, name), origin=origin, read_only=read_only)

    def stream(self, origin: FileOrigin) -> File:
        """Make a file that stands in no folder, for standard input."""
        return File(self._next(), self.ledger, self._window, origin=origin, read_only=True)

    def given(self, parent: "Folder", name: bytes, origin: Origin) -> "Node":
        """Make a node of what stands in a given folder."""
        ino = _given_ino(parent.ino, name)
        if isinstance(origin, LinkOrigin):
            return Link(ino, origin)
        read_only = parent.read_only
        if isinstance(origin, FolderOrigin):
            return Folder(self, ino, parent=parent, origin=origin, read_only=read_only)
        return File(ino, self.ledger, self._window, origin=origin, read_only=read_only)

    def _next(self) -> int:
        self._made += 1
        return self._made


@final
class Folder(Stamped):
    """A folder: names of its origin, and over them those that were added, replaced or removed.

    Attributes:
        parent: The folder that it stands in; itself where it is a root.
        read_only: Whether it is of a tree that the guest may not change.
        origin: It as it was given, if it was.
        is_removed: Whether no name leads to it any more: nothing can be added then.
    """

    __slots__ = (
        "_absent",
        "_changes",
        "_given",
        "_known",
        "_merged",
        "_nodes",
        "is_removed",
        "origin",
        "parent",
        "read_only",
    )
    type: Final = DIRECTORY
    size: Final = 0

    def __init__(
        self,
        nodes: Nodes,
        ino: int,
        *,
        parent: "Folder | None" = None,
        origin: FolderOrigin | None = None,
        read_only: bool = False,
        time: int = BEGINNING,
    ) -> None:
        super().__init__(ino, time)
        self.parent = self if parent is None else parent
        self.read_only = read_only
        self.is_removed = False
        self._nodes = nodes
        self.origin = origin
        self._changes: dict[bytes, Node | None] = {}
        self._known: dict[bytes, Node] = {}
        self._absent: set[bytes] = set()
        self._given: dict[bytes, int] | None = {} if origin is None else None
        self._merged: list[bytes] | None = None

    def get(self, name: bytes) -> "Node | None":
        """Give what stands under a name.

        Raises:
            Wanted: It is not known.
        """
        if name in self._changes:
            return self._changes[name]
        known = self._known.get(name)
        if known is not None or self.origin is None or name in self._absent:
            return known
        if self._given is not None and name not in self._given:
            return None
        raise Wanted(lambda: self._look_up(name))

    def names(self) -> Sequence[bytes]:
        """Give all names, by their bytes. The sequence does not change when the folder does.

        Raises:
            Wanted: They are not known.
        """
        if self._merged is None:
            given = self._listed()
            names = {name for name in given if name not in self._changes}
            names.update(name for name, node in self._changes.items() if node is not None)
            self._merged = sorted(names)
        return self._merged

    def is_empty(self) -> bool:
        """Tell whether there is no name.

        Raises:
            Wanted: They are not known.
        """
        return not self.names()

    def entry(self, name: bytes) -> tuple[int, int] | None:
        """Give number and type of what stands under a name, which `names` gave; None if it is gone.

        Raises:
            Wanted: They are not known.
        """
        node = self._changes.get(name, self._known.get(name))
        if node is None and name not in self._changes:
            type_ = self._listed().get(name)
            if type_:
                return _given_ino(self.ino, name), type_
            node = None if type_ is None else self.get(name)
        return None if node is None else (node.ino, node.type)

    @property
    def changes(self) -> "Mapping[bytes, Node | None]":
        """What was put under a name since it was given; None for what was removed."""
        return self._changes

    @property
    def met(self) -> "Mapping[bytes, Node]":
        """What was given under a name, and was looked at; all that was changed is among it."""
        return self._known

    def put(self, name: bytes, node: "Node", time: int) -> None:
        """Set what stands under a name, which `get` was asked for before.

        Raises:
            LimitExceeded: The guest writes too much.
        """
        if self._changes.get(name) is None:
            self._nodes.ledger.charge(ENTRY_BYTES + len(name))
        self._changes[name] = node
        self._touch(time)

    def remove(self, name: bytes, time: int) -> None:
        """Have nothing stand under a name, which `get` was asked for before."""
        if self._changes.get(name) is not None:
            self._nodes.ledger.charge(-ENTRY_BYTES - len(name))
        if name in self._known:
            self._changes[name] = None
        else:
            self._changes.pop(name, None)
        self._touch(time)

    def _touch(self, time: int) -> None:
        self.modified = self.changed = time
        self._merged = None

    def _listed(self) -> dict[bytes, int]:
        if self._given is None:
            raise Wanted(self._list)
        return self._given

    async def _list(self) -> None:
        assert self.origin is not None
        self._given = dict(await self.origin.list())
        self._absent.clear()

    async def _look_up(self, name: bytes) -> None:
        assert self.origin is not None
        found = await self.origin.lookup(name)
        if found is not None:
            self._known[name] = self._nodes.given(self, name, found)
            return
        if len(self._absent) >= _ABSENT_MAX:
            self._absent.clear()
        self._absent.add(name)


Node: TypeAlias = File | Folder | Link
