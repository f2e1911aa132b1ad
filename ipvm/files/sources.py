"""Open what is on a disk and read it, and say in our words what is wrong with it.

A file is what it was when it was opened, or it is refused: whoever has read one asks whether its
length and its time of modification are still the same. Opening a pipe does not wait.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ipvm.errors import IpvmError, NotFound, Refused, Unavailable

__all__ = [
    "FLAGS",
    "FileChanged",
    "condition",
    "reading",
    "require_file",
    "require_unchanged",
    "shown",
    "whole",
]

FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
"""How everything is opened."""


class FileChanged(Unavailable):
    """A file was written to, or cut off, while it was read."""


def require_unchanged(descriptor: int, path: str, before: os.stat_result, size: int) -> None:
    """Make sure that what was read is what the file was, from the first byte to the last.

    Raises:
        FileChanged: It is not.
    """
    after = os.fstat(descriptor)
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if size != before.st_size or not same:
        raise FileChanged(f"{shown(path)} changed while it was read; add it again")


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Say what is wrong with the file at `path` when the system says that something is."""
    try:
        yield
    except OSError as error:
        raise condition(error, path) from error
    except ValueError as error:  # a zero byte, which no path has
        raise NotFound(f"{shown(path)} is not there") from error


def whole(descriptor: int, size: int) -> bytes:
    """Read what is there, and one byte more if there is one."""
    data = os.read(descriptor, size + 1)
    while data and len(data) < size:
        more = os.read(descriptor, size + 1 - len(data))
        if not more:
            break
        data += more
    return data


_KINDS: Final = (
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def require_file(mode: int, path: str) -> None:
    """Make sure that what has this mode is a file.

    Raises:
        Refused: It is something else, which the message names.
    """
    if stat.S_ISREG(mode):
        return
    kind = next((name for test, name in _KINDS if test(mode)), "no file")
    raise Refused(f"{shown(path)} is {kind}, which cannot be added; only what is in files can")


def condition(error: OSError, path: str) -> IpvmError:
    """Return the condition that an error of the system means."""
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return NotFound(f"{shown(path)} is not there")
    if error.errno == errno.ENXIO:
        return Refused(
            f"{shown(path)} is a socket, which cannot be added; only what is in files can"
        )
    return Refused(f"{shown(path)} cannot be read: {error.strerror}")


def shown(path: str) -> str:
    """Give a path as text: bytes in it that are no UTF-8 become escapes."""
    return os.fsencode(path).decode(errors="backslashreplace") or "''"
