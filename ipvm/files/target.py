"""Write files and folders below one folder of the disk, and nowhere else.

Every name is looked up in a folder that is held open, and no symlink is followed on the way, so that
neither what is written nor what others do meanwhile can lead out of it. A file is written under
another name, and gets its own when it is whole.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from typing import Final, final

from ipvm.errors import Refused

__all__ = [
    "PartialFile",
    "make_folder",
    "make_symlink",
    "open_folder",
    "set_metadata",
    "translated",
]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PERMISSIONS: Final = 0o777
"""What is taken of a mode: never set-user-id and the like, which a stranger could have set."""
_NO_HARD_LINKS: Final = {errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK}
_NUMBERS: Final = count()


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn failures of the system into ours.

    Raises:
        Refused: It cannot be written.
    """
    try:
        yield
    except FileExistsError as error:
        raise Refused(f"{path} is already there; --force replaces files") from error
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from error


def open_folder(path: str) -> int:
    """Open the folder in which the target will be; here, symlinks are followed."""
    with translated(path):
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def make_folder(parent: int, name: str, path: str, *, force: bool) -> int:
    """Make a folder and open it; with `force`, it may be there already."""
    with translated(path):
        try:
            os.mkdir(name, dir_fd=parent)
        except FileExistsError:
            if not force:
                raise
        return os.open(name, _FOLDER, dir_fd=parent)


def make_symlink(parent: int, name: str, target: bytes, path: str, *, force: bool) -> None:
    """Make a symlink; with `force`, in the place of a file or symlink."""
    with translated(path):
        temporary = _temporary()
        os.symlink(target, os.fsencode(temporary), dir_fd=parent)
        _give_name(parent, temporary, name, force=force)


def set_metadata(descriptor: int, mode: int | None, mtime_nanoseconds: int | None) -> None:
    """Set what is told of mode and time of an open file or folder."""
    if mode is not None:
        os.fchmod(descriptor, mode & _PERMISSIONS)
    if mtime_nanoseconds is not None:
        with suppress(OverflowError):  # a time that the system cannot say
            os.utime(descriptor, ns=(mtime_nanoseconds, mtime_nanoseconds))


@final
class PartialFile:
    """A file that is being written. It is not there until `finish`, and nothing stays of it else.

    Args:
        parent: The open folder.
        path: Path of the file, for messages.
    """

    def __init__(self, parent: int, path: str) -> None:
        self._parent = parent
        self._path = path
        self._temporary = _temporary()
        with translated(path):
            self._descriptor = os.open(self._temporary, _NEW_FILE, 0o666, dir_fd=parent)

    def write(self, *pieces: memoryview | bytes) -> None:
        """Append bytes."""
        with translated(self._path):
            for piece in pieces:
                view = memoryview(piece)
                while view:
                    view = view[os.write(self._descriptor, view) :]

    def finish(
        self, name: str, mode: int | None, mtime_nanoseconds: int | None, *, force: bool
    ) -> None:
        """Give it its name; with `force`, in the place of another file."""
        with translated(self._path):
            set_metadata(self._descriptor, mode, mtime_nanoseconds)
            _give_name(self._parent, self._temporary, name, force=force)

    def close(self) -> None:
        """Let go of it; what has not got its name is removed."""
        os.close(self._descriptor)
        with suppress(OSError):
            os.unlink(self._temporary, dir_fd=self._parent)


def _temporary() -> str:
    return f".ipvm-{os.getpid()}-{next(_NUMBERS)}.part"


def _give_name(parent: int, temporary: str, name: str, *, force: bool) -> None:
    try:
        if not force:
            _reserve(parent, temporary, name)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=parent)


def _reserve(parent: int, temporary: str, name: str) -> None:
    """Take a name that nobody has: a link to what will have it, or, without links, a new file."""
    try:
        os.link(temporary, name, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        os.close(os.open(name, _NEW_FILE, stat.S_IRUSR, dir_fd=parent))
