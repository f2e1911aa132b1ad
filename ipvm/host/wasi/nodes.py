"""Files and links of a guest's file system: given ones, and what the guest made of them.

A node of a given tree is a view of its origin until it is changed; what was changed lies over it.
"""

import hashlib
from typing import Final, Protocol, final

from ipvm.host.wasi.errno import Errno, Failed
from ipvm.host.wasi.ledger import PAGE_BYTES, Ledger
from ipvm.host.wasi.origin import REGULAR_FILE, SYMBOLIC_LINK, FileOrigin, LinkOrigin
from ipvm.host.wasi.window import READ_BYTES_MAX, Window

__all__ = ["BEGINNING", "FILE_BYTES_MAX", "GIVEN_INO", "File", "Link", "Stamped", "given_ino"]

BEGINNING: Final = 946_684_800_000_000_000
"""2000-01-01T00:00:00Z in nanoseconds: when a guest begins, and when all was made that it is given."""
FILE_BYTES_MAX: Final = 2**63 - 1
GIVEN_INO: Final = 2**62
"""From here on are the numbers of what was given."""


def given_ino(parent: int, name: bytes) -> int:
    """Number a node of a given tree; those that the guest makes are below 2**62."""
    digest = hashlib.sha256(parent.to_bytes(8, "little") + name).digest()
    return GIVEN_INO | int.from_bytes(digest[:8], "little") >> 2


class Home(Protocol):
    """The folder that a node was given in."""

    def retain(self, name: bytes, node: "Stamped") -> None:
        """Have the node stay."""
        ...


class Stamped:
    """What all nodes have.

    Attributes:
        home: The folder that it was given in, as long as it is as it was given.
        name: Its name there.
        ino: A number of its own.
        links: How many names lead to it.
        accessed: When it was read, in nanoseconds since 1970. Only guests that set it change it.
        modified: When its content changed.
        changed: When anything about it changed.
    """

    __slots__ = (
        "__weakref__",
        "accessed",
        "changed",
        "home",
        "ino",
        "links",
        "modified",
        "name",
    )

    def __init__(self, ino: int, time: int) -> None:
        self.home: Home | None = None
        self.name = b""
        self.ino = ino
        self.links = 1
        self.accessed = self.modified = self.changed = time

    def keep(self) -> None:
        """Have it stay, with what is about to be changed about it.

        Raises:
            LimitExceeded: The guest changes too much.
        """
        home, self.home = self.home, None
        if home is not None:
            home.retain(self.name, self)


@final
class Link(Stamped):
    """A symbolic link.

    Attributes:
        origin: It as it was given, and as it is, since links do not change.
        target: Where it leads.
    """

    __slots__ = ("origin", "target")
    type: Final = SYMBOLIC_LINK

    def __init__(self, ino: int, origin: LinkOrigin, *, time: int = BEGINNING) -> None:
        super().__init__(ino, time)
        self.origin = origin
        self.target = origin.target

    @property
    def size(self) -> int:
        """Bytes of its target."""
        return len(self.target)


@final
class File(Stamped):
    """A file: a part of its origin from the start on, and pages that were written over and after it.

    Attributes:
        size: In bytes.
        opened: How many descriptors hold it.
        read_only: Whether it is of a tree that the guest may not change.
    """

    __slots__ = (
        "_charged",
        "_ledger",
        "_origin",
        "_pages",
        "_visible",
        "_window",
        "opened",
        "read_only",
        "size",
    )
    type: Final = REGULAR_FILE

    def __init__(
        self,
        ino: int,
        ledger: Ledger,
        window: Window,
        *,
        origin: FileOrigin | None = None,
        read_only: bool = False,
        time: int = BEGINNING,
    ) -> None:
        super().__init__(ino, time)
        self.size = self._visible = 0 if origin is None else origin.size
        self.opened = 0
        self.read_only = read_only
        self._origin = origin
        self._ledger = ledger
        self._window = window
        self._pages: dict[int, int] = {}
        self._charged = 0

    @property
    def given(self) -> FileOrigin | None:
        """Its origin, unless it was changed since."""
        if self._origin is None or self._pages:
            return None
        return self._origin if self.size == self._visible == self._origin.size else None

    def read(self, offset: int, size: int) -> bytes | memoryview:
        """Give up to `READ_BYTES_MAX` bytes; fewer at the end of the file, and none after it.

        Raises:
            Wanted: They are not here.
        """
        size = min(size, READ_BYTES_MAX, self.size - offset)
        if size <= 0:
            return b""
        if not self._pages:
            if offset + size <= self._visible and self._origin is not None:
                return self._window.read(self._origin, offset, size)
            return self._given(offset, size)
        parts: list[bytes | memoryview] = []
        end = offset + size
        while offset < end:
            number, start = divmod(offset, PAGE_BYTES)
            count = min(PAGE_BYTES - start, end - offset)
            page = self._pages.get(number)
            if page is None:
                parts.append(self._given(offset, count))
            else:
                parts.append(bytes(self._ledger.page(page)[start : start + count]))
            offset += count
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes, whatever is or is not there yet.

        Raises:
            Wanted: A page is changed in part, and what it holds is not here.
            LimitExceeded: The guest writes too much.
            Failed: The file would be too large.
        """
        end = offset + len(data)
        if end > FILE_BYTES_MAX:
            raise Failed(Errno.FBIG)
        self.keep()
        numbers = range(offset // PAGE_BYTES, -(-end // PAGE_BYTES)) if data else range(0)
        fresh = [number for number in numbers if number not in self._pages]
        old = {number: self._beneath(number) for number in fresh[:1] + fresh[-1:]}
        self._account(max(end, self.size), self._visible, len(self._pages) + len(fresh))
        for number in fresh:
            self._pages[number] = self._ledger.new_page(old.get(number, b""))
        for number in numbers:
            at = number * PAGE_BYTES
            first, last = max(offset - at, 0), min(end - at, PAGE_BYTES)
            page = self._ledger.page(self._pages[number])
            page[first:last] = data[at + first - offset : at + last - offset]
        if data:
            self.size = max(end, self.size)

    def resize(self, size: int) -> None:
        """Cut the file, or let zeros follow.

        Raises:
            LimitExceeded: The guest writes too much.
        """
        self.keep()
        visible = min(size, self._visible)
        kept = sum(number * PAGE_BYTES < size for number in self._pages)
        self._account(size, visible, kept)
        for number in [n for n in self._pages if n * PAGE_BYTES >= size]:
            self._ledger.drop(self._pages.pop(number))
        number, start = divmod(size, PAGE_BYTES)
        if start and size < self.size and number in self._pages:
            self._ledger.page(self._pages[number])[start:] = bytes(PAGE_BYTES - start)
        self.size, self._visible = size, visible

    def forget(self) -> None:
        """Give back what it takes, once no name and no descriptor leads to it."""
        if self._charged and not self.links and not self.opened:
            self.resize(0)

    def _beneath(self, number: int) -> bytes | memoryview:
        """Give the given bytes of a page."""
        at = number * PAGE_BYTES
        size = min(self._visible - at, PAGE_BYTES)
        return self._given(at, size) if size > 0 else b""

    def _given(self, offset: int, size: int) -> bytes | memoryview:
        count = min(size, self._visible - offset)
        if count <= 0:
            return bytes(size)
        assert self._origin is not None
        given = self._window.read(self._origin, offset, count)
        return given if count == size else bytes(given) + bytes(size - count)

    def _account(self, size: int, visible: int, pages: int) -> None:
        """Count what follows the given bytes, holes included, and the pages, which may lie over them."""
        needed = max(size - visible, 0) + min(pages, -(-visible // PAGE_BYTES)) * PAGE_BYTES
        self._ledger.charge(needed - self._charged)
        self._charged = needed
