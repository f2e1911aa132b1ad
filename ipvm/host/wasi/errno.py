"""The error numbers of WASI preview 1, and how the model says that a call failed.

Only those stand here that a call can return. The numbers are those of `wasi_snapshot_preview1`.
"""

from enum import IntEnum

__all__ = ["Errno", "Failed"]


class Errno(IntEnum):
    """What a WASI call returns. Zero is success."""

    SUCCESS = 0
    BADF = 8
    BUSY = 10
    EXIST = 20
    FAULT = 21
    FBIG = 22
    ILSEQ = 25
    INVAL = 28
    ISDIR = 31
    LOOP = 32
    MFILE = 33
    NAMETOOLONG = 37
    NOENT = 44
    NOSYS = 52
    NOTDIR = 54
    NOTEMPTY = 55
    NOTSOCK = 57
    NOTSUP = 58
    OVERFLOW = 61
    PERM = 63
    ROFS = 69
    SPIPE = 70
    NOTCAPABLE = 76


class Failed(Exception):
    """A call came to nothing, and changed nothing; the guest gets the number."""

    def __init__(self, errno: Errno) -> None:
        super().__init__(errno.name)
        self.errno = errno
