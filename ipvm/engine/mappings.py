"""Hold as many stores at a time as the system lets a process have mappings of memory.

A store that stays open holds a few mappings, of which Linux gives a process 65 530 unless told
otherwise. Whatever asks for one more when there is none left ends the process, be it wasmtime or the
allocator. So they are counted here, by what a store may take at most, and a part is left for others.
"""

import functools
import threading
from pathlib import Path
from typing import Final

from ipvm.errors import LimitExceeded

__all__ = ["hold_mappings", "mappings_max", "release_mappings"]

_SHARE: Final = 7 / 8
"""The part of all mappings that open stores may take."""
_UNBOUNDED: Final = 2**62
_HOW: Final = "let fewer functions wait at once, or raise the sysctl vm.max_map_count"


def hold_mappings(count: int) -> None:
    """Count mappings that a store is going to take.

    Raises:
        LimitExceeded: So many might be more than this process can have.
    """
    global _held  # noqa: PLW0603 - the process has one bound
    with _LOCK:
        if _held + count > mappings_max():
            raise LimitExceeded("mappings", mappings_max(), how=_HOW)
        _held += count


def release_mappings(count: int) -> None:
    """Take back what was counted."""
    global _held  # noqa: PLW0603 - the process has one bound
    with _LOCK:
        _held -= count


@functools.cache
def mappings_max() -> int:
    """Give the most mappings that open stores may take together; systems but Linux have no bound."""
    try:
        return int(int(Path("/proc/sys/vm/max_map_count").read_text("ascii")) * _SHARE)
    except (OSError, ValueError):
        return _UNBOUNDED


_held = 0
_LOCK: Final = threading.Lock()
