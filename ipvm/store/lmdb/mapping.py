"""Give back the pages of the file that are mapped into this process.

What is read through the map counts as memory of the process until the system needs it elsewhere, so
that reading a store of 10 GiB looks as if it took 10 GiB. The pages stay in the cache of the system,
and are mapped again when they are touched: letting go of them costs a millisecond, and no reading.
"""

import mmap
import os
from pathlib import Path

__all__ = ["let_go", "resident_bytes"]

_MAPS = Path("/proc/self/maps")
_STATM = Path("/proc/self/statm")
_MADV_DONTNEED = 4


def resident_bytes() -> int:
    """Tell how much of mapped files is in the memory of this process; elsewhere than on Linux, 0."""
    try:
        return int(_STATM.read_text("ascii").split()[2]) * mmap.PAGESIZE
    except OSError:
        return 0


def let_go(file: Path) -> None:
    """Give back the pages of a file that is mapped to be shared; elsewhere than on Linux, nothing.

    Nobody may unmap it meanwhile: something else could be in its place.
    """
    try:
        status, maps = file.stat(), _MAPS.read_text("utf-8", "surrogateescape")
    except OSError:
        return
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for line in maps.splitlines():
        span, permissions, _, where, inode, *_ = line.split(maxsplit=5)
        # A private one may hold what is nowhere else. The pages of a shared one are the file.
        if (where, inode) == (device, str(status.st_ino)) and permissions.endswith("s"):
            _advise(*(int(bound, 16) for bound in span.split("-")))


def _advise(start: int, end: int) -> None:
    import ctypes  # noqa: PLC0415 - for those alone who read much

    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    madvise(start, end - start, _MADV_DONTNEED)
