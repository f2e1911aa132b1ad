"""Folders of a guest's file system, and how nodes come to be.

The number of a given node (`ino`) follows from its place in the tree, not from when it was first met.
A given node that is as it was given can be forgotten and met again; who is about to change it makes
sure that it stays (`keep`), so what a guest only looks at takes a bounded part of memory.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias, final
from weakref import WeakValueDictionary

from ipvm.host.wasi.ledger import Ledger
from ipvm.host.wasi.names import Names, NamesInMemory
from ipvm.host.wasi.nodes import BEGINNING, GIVEN_INO, File, Link, Stamped, given_ino
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
MET_MAX: Final = 4096
"""Given nodes that stay in memory without being open or changed."""
_ABSENT_MAX: Final = 1024
"""Names of which it is kept that they are not there; more than one call asks for."""


@final
class Nodes:
    """Makes the nodes of one file system.

    Attributes:
        ledger: What the guest has written.
        listings: Names of given folders.
        steps: Names that were looked at on the way of paths; whoever charges for them sets it back.
    """

    def __init__(self, ledger: Ledger, *, met_max: int = MET_MAX) -> None:
        self.ledger = ledger
        self._met_max = met_max
        self.listings: NamesInMemory[Folder] = NamesInMemory()
        self.steps = 0
        self._window = Window()
        self._made = 0
        self._met: list[Node] = []

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
        if link.ino < GIVEN_INO:
            self.ledger.charge(-len(link.target))

    def root(self, name: bytes, origin: FolderOrigin | None, *, read_only: bool) -> "Folder":
        """Make a folder that no other one holds."""
        return Folder(self, given_ino(0, name), origin=origin, read_only=read_only)

    def stream(self, origin: FileOrigin) -> File:
        """Make a file that stands in no folder, for standard input."""
        return File(self._next(), self.ledger, self._window, origin=origin, read_only=True)

    def given(self, parent: "Folder", name: bytes, origin: Origin) -> "Node":
        """Make a node of what stands in a given folder. It stays until the call is done, or longer."""
        node = self._given(parent, name, origin)
        node.home, node.name = parent, name
        self._met.append(node)
        return node

    def call_done(self) -> None:
        """Let go of given nodes that were met long ago."""
        if len(self._met) > self._met_max:
            del self._met[: -self._met_max // 2]

    def _given(self, parent: "Folder", name: bytes, origin: Origin) -> "Node":
        ino = given_ino(parent.ino, name)
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
        nodes: Made it.
        is_removed: Whether no name leads to it any more: nothing can be added then.
    """

    __slots__ = (
        "_absent",
        "_added",
        "_hidden",
        "_kept",
        "_known",
        "is_removed",
        "nodes",
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
        self.nodes = nodes
        self.origin = origin
        self._added: dict[bytes, Node] = {}
        self._hidden: set[bytes] = set()
        self._kept: dict[bytes, Stamped] = {}
        self._known: WeakValueDictionary[bytes, Node] = WeakValueDictionary()
        self._absent: set[bytes] = set()

    def get(self, name: bytes) -> "Node | None":
        """Give what stands under a name.

        Raises:
            Wanted: It is not known.
        """
        node = self._added.get(name)
        if node is not None or self.origin is None or name in self._hidden:
            return node
        node = self._known.get(name)
        if node is not None or name in self._absent:
            return node
        listing = self.nodes.listings.get(self)
        if listing is not None and listing.find(name) is None:
            return None
        raise Wanted(partial(self._look_up, name))

    def names(self) -> Sequence[bytes]:
        """Give all names, by their bytes. The sequence does not change when the folder does.

        Raises:
            Wanted: They are not known.
        """
        given = self.given_names()
        if not self.is_changed:
            return given
        names = [name for name in given if name not in self._hidden]
        names += self._added
        return sorted(names)

    def given_names(self) -> Sequence[bytes]:
        """Give the names that were given, by their bytes.

        Raises:
            Wanted: They are not known.
        """
        return self._listing().names if self.origin is not None else ()

    def is_empty(self) -> bool:
        """Tell whether there is no name.

        Raises:
            Wanted: They are not known.
        """
        return not self._added and len(self.given_names()) == len(self._hidden)

    def entry(self, name: bytes) -> tuple[int, int] | None:
        """Give number and type of what stands under a name, which `names` gave; None if it is gone.

        Raises:
            Wanted: They are not known.
        """
        node = self._added.get(name)
        if node is None and self.origin is not None and name not in self._hidden:
            listing = self._listing()
            place = listing.find(name)
            if place is None:
                return None
            if not listing.types[place]:
                node = self.get(name)
                assert node is not None
                listing.types[place] = node.type
            return given_ino(self.ino, name), listing.types[place]
        return None if node is None else (node.ino, node.type)

    @property
    def is_changed(self) -> bool:
        """Whether names were added or removed."""
        return bool(self._added or self._hidden)

    @property
    def changes(self) -> "Mapping[bytes, Node | None]":
        """What was put under a name since it was given; None for what was removed."""
        return {**dict.fromkeys(self._hidden), **self._added}

    @property
    def kept(self) -> "Mapping[bytes, Stamped]":
        """What was given under a name and may have been changed, or something in it."""
        return self._kept

    def put(self, name: bytes, node: "Node", time: int) -> None:
        """Set what stands under a name, which `get` was asked for before.

        Raises:
            LimitExceeded: The guest writes too much.
        """
        self.keep()
        if name not in self._added:
            if name in self._known:
                self._hide(name)
            self.nodes.ledger.charge(ENTRY_BYTES + len(name))
        self._added[name] = node
        self.modified = self.changed = time

    def remove(self, name: bytes, time: int) -> None:
        """Have nothing stand under a name, which `get` found something under before.

        Raises:
            LimitExceeded: The guest removes more names than can be noted.
        """
        self.keep()
        if name in self._added:
            self.nodes.ledger.charge(-ENTRY_BYTES - len(name))
            del self._added[name]
        else:
            self._hide(name)
        self.modified = self.changed = time

    def retain(self, name: bytes, node: Stamped) -> None:
        """Have a node that was given under a name stay; see `Stamped.keep`."""
        self.nodes.ledger.charge(ENTRY_BYTES + len(name))
        self._kept[name] = node
        self.keep()

    def _hide(self, name: bytes) -> None:
        if name not in self._hidden:
            self.nodes.ledger.charge(ENTRY_BYTES + len(name))
            self._hidden.add(name)

    def _listing(self) -> Names:
        listing = self.nodes.listings.get(self)
        if listing is None:
            raise Wanted(self._list)
        return listing

    async def _list(self) -> None:
        assert self.origin is not None
        self.nodes.listings.put(self, Names(await self.origin.list()))
        self._absent.clear()

    async def _look_up(self, name: bytes) -> None:
        assert self.origin is not None
        found = await self.origin.lookup(name)
        if found is not None:
            self._known[name] = self.nodes.given(self, name, found)
            return
        if len(self._absent) >= _ABSENT_MAX:
            self._absent.clear()
        self._absent.add(name)


Node: TypeAlias = File | Folder | Link
