"""Find out which processes serve a store, and where: each keeps a record beside the store.

A record is a file that its process holds locked (`flock`). The operating system lets go of the lock
however the process ends, so a record that can be locked is one of a process that is gone; whoever
finds it removes it. The file is locked before it gets its name, and a name is never used again, so
nobody finds one that is not locked yet, or removes another's.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, final

import msgspec

from ipvm.store.location import SERVING_FOLDER
from ipvm.store.secret import fresh_name

__all__ = ["Serving", "serving", "servings"]

_RECORD_BYTES_MAX: Final = 64 * 1024
_SUFFIX: Final = ".json"


@final
class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """Where a process serves a store.

    Attributes:
        gateway: Address of its gateway, as in `http://127.0.0.1:8480`.
        peer: Addresses at which peers find it; none if it serves no peers.
        dht: Whether it tells others what was announced.
        pid: Number of the process, where it runs.
    """

    gateway: str
    peer: tuple[str, ...] = ()
    dht: bool = False
    pid: int


@contextmanager
def serving(folder: Path, record: Serving) -> Iterator[None]:
    """Keep a record of what serves a store, until the context or the process ends.

    Args:
        folder: Folder of the store.
        record: The record.

    Raises:
        OSError: It cannot be written.
    """
    records = folder / SERVING_FOLDER
    records.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{record.pid}-{fresh_name()}"
    new, file = records / f".{name}", records / f"{name}{_SUFFIX}"
    descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, json.dumps(msgspec.to_builtins(record), indent=1).encode())
        new.rename(file)
        yield
    finally:
        for path in (new, file):
            path.unlink(missing_ok=True)
        os.close(descriptor)


def servings(folder: Path) -> list[Serving]:
    """Give the records of the processes that serve a store now.

    What processes that were killed have left is removed. What cannot be read is left out.

    Args:
        folder: Folder of the store.
    """
    try:
        files = sorted((folder / SERVING_FOLDER).glob(f"*{_SUFFIX}"))
    except OSError:
        return []
    found = (_read(file) for file in files)
    return [record for record in found if record is not None]


def _read(file: Path) -> Serving | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # it has just ended, or it is another user's
        return None
    try:
        if _is_locked(descriptor):
            return msgspec.json.decode(os.read(descriptor, _RECORD_BYTES_MAX), type=Serving)
        with suppress(OSError):
            file.unlink(missing_ok=True)
    except (OSError, msgspec.DecodeError):
        return None
    finally:
        os.close(descriptor)
    return None


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
