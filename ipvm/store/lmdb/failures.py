"""Turn what LMDB and the file system report into conditions that say what to do."""

import errno
import os
import resource
from pathlib import Path
from typing import Final

import lmdb

from ipvm.errors import IpvmError
from ipvm.limits import STORE_COMMIT_BYTES_MAX
from ipvm.store.conditions import (
    NotAStore,
    StoreDamaged,
    StoreFull,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from ipvm.store.lmdb.records import FORMAT

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""No room. EFBIG is the answer of a limit on the size of files."""

FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""This user may not write, or nobody may."""

_ELSEWHERE: Final = frozenset({errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG})
_DAMAGE: Final = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.PageFullError,
    lmdb.CursorFullError,
    lmdb.IncompatibleError,
    lmdb.BadValsizeError,
)


def condition(error: lmdb.Error | OSError, path: Path) -> IpvmError:
    """Return the condition that `error` means for the store at `path`."""
    if isinstance(error, OSError):
        return _from_system(error.errno or 0, error.strerror or str(error), path)
    if isinstance(error, lmdb.VersionMismatchError):
        return StoreTooNew(path, None, FORMAT)
    if isinstance(error, lmdb.InvalidError):
        return NotAStore(path, "its data.mdb is not an LMDB file")
    if isinstance(error, _DAMAGE):
        return StoreDamaged(path, error.reason)
    return _from_system(error.code, error.reason, path)


def was_cut_short(error: lmdb.Error, file: Path) -> bool:
    """Whether a commit failed because only a part of it found room.

    LMDB calls that an input/output error, as it calls a disk that fails. What was written of it has
    used up the room, so that there is still less than a commit may take.
    """
    if error.code != errno.EIO:
        return False
    disk = os.statvfs(file)
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    is_limited = (
        limit != resource.RLIM_INFINITY and file.stat().st_size + STORE_COMMIT_BYTES_MAX > limit
    )
    return is_limited or disk.f_bavail * disk.f_frsize < STORE_COMMIT_BYTES_MAX


def _from_system(code: int, reason: str, path: Path) -> IpvmError:
    if code in FULL:
        return StoreFull(path, reason)
    if code in FORBIDDEN:
        return StoreReadOnly(path, reason)
    if code in _ELSEWHERE:
        return NotAStore(path, reason)
    if code == errno.EIO:
        return StoreDamaged(path, reason)
    return StoreUnavailable(path, reason)
