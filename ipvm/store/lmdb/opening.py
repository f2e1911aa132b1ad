"""Decide whether a folder is a store, and open it or make it one.

Nothing foreign is touched: a folder with other files in it is refused, and a file of another
program too. Reading makes nothing: a store that is not there is an empty one, until the first put.

What the file says about itself is checked before it is used: its length (`structure`), whose it is,
and the version of its layout. The inside of each page is checked by the library as it goes; py-lmdb
3.0 has far more such checks than LMDB itself.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import lmdb

from ipvm.limits import STORE_PROCESSES_MAX
from ipvm.store.conditions import NotAStore, StoreTooNew
from ipvm.store.lmdb import records
from ipvm.store.lmdb.failures import FORBIDDEN, FULL, condition
from ipvm.store.lmdb.structure import DATA_FILE, require_whole
from ipvm.store.location import IDENTITY_FILE, SERVING_FOLDER, TOKEN_FILE

LEASES_FOLDER: Final = "leases"
"""Folder of the files that are locked by who holds a lease."""

_LOCK_FILE: Final = "lock.mdb"
# lost+found is in each ext file system.
_OURS: Final = frozenset(
    {
        DATA_FILE,
        _LOCK_FILE,
        LEASES_FOLDER,
        IDENTITY_FILE,
        SERVING_FOLDER,
        TOKEN_FILE,
        "lost+found",
    }
)
_LOCK_BYTES: Final = 64 * STORE_PROCESSES_MAX + 128
_MAP_BYTES_MIN: Final = 1024 * 1024
# No address space for the map (ENOMEM), or a file that long could not be on this file system.
_MAP_TOO_BIG: Final = frozenset({errno.ENOMEM, errno.EOVERFLOW, errno.EINVAL, errno.EFBIG})


def open_file(path: Path, map_bytes: int) -> lmdb.Environment | None:
    """Open the store in the folder `path`; None if there is none.

    Args:
        path: The folder.
        map_bytes: Address space to reserve. Where that much cannot be had, it is less.

    Raises:
        NotAStore: There is something else.
        StoreDamaged: The file is cut off, or its header makes no sense.
        StoreTooNew: It was written by a newer version.
        StoreReadOnly: This user may not open it.
        StoreUnavailable: It cannot be opened now.
    """
    try:
        if not (path / DATA_FILE).exists():
            _require_free(path)
            return None
        return _validated(path, _open_mapped(path, map_bytes))
    except (lmdb.Error, OSError) as error:
        raise condition(error, path) from error


def make_file(path: Path, map_bytes: int) -> lmdb.Environment:
    """Open the store in the folder `path`; make folder and store where there is none.

    Args:
        path: The folder.
        map_bytes: As for `open_file`.

    Raises:
        StoreFull: There is no room to make it.
        IpvmError: What `open_file` raises.
    """
    handle = open_file(path, map_bytes)
    if handle is not None:
        return handle
    try:
        changed = {
            path,
            *(folder.parent for folder in (path, *path.parents) if not folder.exists()),
        }
        path.mkdir(parents=True, exist_ok=True)
        handle = _open_mapped(path, map_bytes)
        with _closing_on_failure(handle), handle.begin(write=True) as transaction:
            if not transaction.stat()["entries"]:  # another process may be making it too
                records.initialise(transaction)
        for folder in changed:
            _sync(folder)
    except (lmdb.Error, OSError) as error:
        raise condition(error, path) from error
    return handle


def _require_free(path: Path) -> None:
    try:
        others = {entry.name for entry in path.iterdir()} - _OURS
    except FileNotFoundError:
        return
    if others:
        raise NotAStore(path, f"it holds other files ({min(others)}) and no {DATA_FILE}")


def _open_mapped(path: Path, map_bytes: int) -> lmdb.Environment:
    while True:
        try:
            return _open(path, map_bytes)
        except lmdb.Error as error:
            if error.code not in _MAP_TOO_BIG or map_bytes <= _MAP_BYTES_MIN:
                raise
        map_bytes //= 2


def _open(path: Path, map_bytes: int) -> lmdb.Environment:
    try:
        return _open_as(path, map_bytes, readonly=False)
    except lmdb.Error as error:
        if error.code not in FORBIDDEN:
            raise
    return _open_as(path, map_bytes, readonly=True)


def _open_as(path: Path, map_bytes: int, *, readonly: bool) -> lmdb.Environment:
    if not readonly:
        _allocate_lock(path / _LOCK_FILE)
    return lmdb.Environment(
        os.fsencode(path),  # a name need not be UTF-8
        map_size=map_bytes,
        readonly=readonly,
        create=False,
        readahead=True,  # what is read from the disk is mostly next to what was read before
        max_readers=STORE_PROCESSES_MAX,
        max_spare_txns=1,  # one reader slot, kept and used again
    )


def _sync(folder: Path) -> None:
    """Make new names in a folder durable, which a commit to a file does not."""
    with suppress(OSError):  # it may be unreadable, or on a file system that knows no such thing
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _allocate_lock(file: Path) -> None:
    """Give a new lock file its blocks: LMDB leaves it sparse, and dies where the disk is full.

    Only a new one is touched. The size of one in use is the number of readers for all who have it
    open, and to open and close it again would drop the locks that this process has on it.
    """
    if sys.platform != "linux" or (file.exists() and file.stat().st_size):
        return
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, _LOCK_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno in FULL:
            raise  # whatever else is wrong, LMDB meets it too, and knows a way or says so


def _validated(path: Path, handle: lmdb.Environment) -> lmdb.Environment | None:
    with _closing_on_failure(handle):
        handle.reader_check()  # frees the slots of processes that were killed
        require_whole(path, handle)
        with handle.begin() as transaction:
            empty = not transaction.stat()["entries"]
            version = records.version(transaction)
        if not empty and version is None:
            raise NotAStore(path, f"its {DATA_FILE} belongs to another program")
        if version is not None and version != records.FORMAT:
            raise StoreTooNew(path, version, records.FORMAT)
    if empty:  # whoever was about to make it has not come far
        handle.close()
        return None
    return handle


@contextmanager
def _closing_on_failure(handle: lmdb.Environment) -> Iterator[None]:
    try:
        yield
    except BaseException:
        handle.close()
        raise
