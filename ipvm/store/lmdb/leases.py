"""Hold leases that end with their process: a record in the store, and a locked file beside it.

The lock is the operating system's (`flock`), which lets go of it however a process ends. The file is
locked before the record is written, so whoever finds a record whose file can be locked, or is not
there, has found one of a process that is gone. Each new lease clears away what such processes left.
"""

import fcntl
import itertools
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final, final

from ipvm.store.lmdb import journal
from ipvm.store.lmdb.environment import Environment
from ipvm.store.lmdb.failures import condition
from ipvm.store.lmdb.opening import LEASES_FOLDER
from ipvm.store.lmdb.transaction import Transaction

_MARKS_SUFFIX: Final = ".marks"
_numbers: Final[Iterator[int]] = itertools.count()


@final
class Lease:
    """A lease that was begun. It waits for the disk to begin and to end, so that is for a thread."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        folder = environment.path / LEASES_FOLDER
        try:
            folder.mkdir(exist_ok=True)
            self._file, self._descriptor = _lock_new(folder)
        except OSError as error:
            raise condition(error, environment.path) from error
        try:
            environment.transact(partial(_begin, file=self._file))
        except OSError as error:
            self._unlock()
            raise condition(error, environment.path) from error
        except BaseException:
            self._unlock()
            raise

    @property
    def marks(self) -> Path:
        """Where a collection may make its marks: if it is killed, the next lease removes them."""
        return _marks(self._file)

    def end(self) -> None:
        """End it."""
        try:
            name = os.fsencode(self._file.name)
            self._environment.transact(lambda transaction: journal.end(transaction, [name]))
        finally:
            self._unlock()

    def _unlock(self) -> None:
        self._file.unlink(missing_ok=True)
        os.close(self._descriptor)


def _begin(transaction: Transaction, file: Path) -> None:
    names = {os.fsdecode(name) for name in journal.leases(transaction)}
    # One that was killed early has a file, and no record yet.
    names |= {each.name for each in file.parent.iterdir() if each.suffix != _MARKS_SUFFIX}
    gone = [os.fsencode(name) for name in names if _is_gone(file.with_name(name))]
    if gone:
        journal.end(transaction, gone)
    journal.begin(transaction, os.fsencode(file.name))


def _marks(file: Path) -> Path:
    return file.with_name(file.name + _MARKS_SUFFIX)


def _lock_new(folder: Path) -> tuple[Path, int]:
    while True:
        # Processes that share a folder need not share their numbers.
        file = folder / f"{os.getpid()}-{next(_numbers)}"
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if _lock(descriptor) and _is_at(descriptor, file):
            return file, descriptor
        os.close(descriptor)


def _is_gone(file: Path) -> bool:
    """Whether the process that holds the lease of a file has ended; if so, the file is removed."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:  # another user's; to keep more than is needed does no harm
        return False
    try:
        gone = _lock(descriptor)
        if gone:
            _marks(file).unlink(missing_ok=True)
            file.unlink(missing_ok=True)
        return gone
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(descriptor: int, file: Path) -> bool:
    """Whether a file is the open one: somebody may have removed it before it was locked."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
