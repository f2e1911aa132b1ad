"""What one run of a WASI module has: files, arguments, a clock, and chance that is none.

All that it learns is a function of what it was given: the clock stands still but for being read and
slept by, and chance comes from a seed.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

from ipvm.host.wasi.descriptors import Descriptor, Descriptors, Sink
from ipvm.host.wasi.folder import Folder, Nodes
from ipvm.host.wasi.ledger import Ledger
from ipvm.host.wasi.mail import Mail
from ipvm.host.wasi.nodes import BEGINNING
from ipvm.host.wasi.origin import FileOrigin, FolderOrigin, GivenFile
from ipvm.host.wasi.rights import FILE_RIGHTS, FOLDER_RIGHTS, READ, STREAM_RIGHTS, WRITE
from ipvm.host.wasi.tree import Tree

__all__ = ["CLOCK_STEP", "Mount", "Process", "Setting"]

CLOCK_STEP: Final = 1000
"""Nanoseconds by which the clock advances each time it is read, so that who waits for it gets on; the
binding does that."""
_FIRST_FOLDER: Final = 3
"""Behind the standard streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A folder that a guest is given.

    Attributes:
        path: Where it finds it.
        origin: What stands in it; None for an empty one.
        read_only: Whether it may not be changed.
    """

    path: bytes
    origin: FolderOrigin | None = None
    read_only: bool = False


def _ignore(_data: bytes) -> None:
    pass


def _preopened(folder: Folder, path: bytes) -> Descriptor:
    """Give a folder as the guest gets it, under a path."""
    return Descriptor(folder, FOLDER_RIGHTS, FOLDER_RIGHTS | FILE_RIGHTS, preopened=path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a guest is given.

    Attributes:
        arguments: Its name first.
        environ: Its environment.
        mounts: Its folders; the first one has descriptor 3.
        stdin: What it reads from standard input.
        stdout: Takes its standard output.
        stderr: Takes its standard error.
        seed: Where its chance comes from.
        written_bytes_max: Bytes that it may have written at any time.
    """

    arguments: Sequence[bytes] = ()
    environ: Mapping[bytes, bytes] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    stdin: FileOrigin = field(default_factory=lambda: GivenFile(b""))
    stdout: Sink = _ignore
    stderr: Sink = _ignore
    seed: bytes = bytes(32)
    written_bytes_max: int = 2**32


@final
class Process:
    """One run.

    Attributes:
        mail: Between it and its guests.
        setting: What it was given.
        descriptors: What it has open.
        open: The same by its numbers.
        nodes: Makes what stands in its folders.
        tree: The names of its files.
        roots: The folders that it was given, by their paths.
    """

    def __init__(self, mail: Mail, setting: Setting) -> None:
        self.mail = mail
        self.setting = setting
        self.ledger = Ledger(setting.written_bytes_max)
        nodes = self.nodes = Nodes(self.ledger)
        self.tree = Tree(nodes, self.now)
        self.descriptors = Descriptors(self.ledger)
        self.open = self.descriptors.open
        self._drawn = 0
        stdin = nodes.stream(setting.stdin)
        add = self.descriptors.add
        add(Descriptor(stdin, STREAM_RIGHTS | READ, is_stream=True))
        add(Descriptor(setting.stdout, STREAM_RIGHTS | WRITE, is_stream=True))
        add(Descriptor(setting.stderr, STREAM_RIGHTS | WRITE, is_stream=True))
        self.roots: dict[bytes, Folder] = {}
        for mount in setting.mounts:
            root = nodes.root(mount.path, mount.origin, read_only=mount.read_only)
            self.roots[mount.path] = root
            add(_preopened(root, mount.path))

    def begin_in(self, folder: Folder) -> None:
        """Have relative paths begin in a folder: the first one, for some programs look no further."""
        self.descriptors.insert(_FIRST_FOLDER, _preopened(folder, b"."))

    def find(self, path: bytes) -> Folder | None:
        """Find a folder by the path that the guest has for it; no link is followed.

        Raises:
            Wanted: It is not known.
        """
        for root in sorted(self.roots, key=len, reverse=True):
            if path == root or path.startswith(root.rstrip(b"/") + b"/"):
                return _below(self.roots[root], path[len(root) :])
        return None

    def now(self) -> int:
        """Give the time in nanoseconds since 1970."""
        return BEGINNING + self.mail.elapsed

    def draw(self, size: int) -> bytes:
        """Give bytes of chance: SHAKE-256 of the seed and of how often it was asked, as a u64."""
        source = self.setting.seed + self._drawn.to_bytes(8, "little")
        self._drawn += 1
        return hashlib.shake_256(source).digest(size)

    def close(self) -> None:
        """Forget what was written."""
        self.ledger.close()


def _below(folder: Folder, path: bytes) -> Folder | None:
    for step in path.split(b"/"):
        found = folder.get(step) if step else folder
        if not isinstance(found, Folder):
            return None
        folder = found
    return folder
