"""Share the memory of an invocation among the memories of a program.

wasmtime bounds each memory of a store by one number. The number here is the largest one with which
all memories together stay within the budget; memories that say themselves how far they grow leave
the rest to the others. It follows from the program and the budget alone, so whether `memory.grow`
succeeds is the same on every machine.
"""

from collections.abc import Sequence

from ipvm.errors import LimitExceeded
from ipvm.limits import TABLE_ELEMENTS_MAX
from ipvm.wasm import Bounds

__all__ = ["memory_share", "share", "table_share"]

_HOW = "raise it with --memory BYTES or memory=BYTES"


def memory_share(bounds: Sequence[Bounds], budget: int) -> int:
    """Give the bytes that each memory may have when all together may have `budget` bytes.

    Raises:
        LimitExceeded: The memories do not even start within it.
    """
    smallest = [bound.minimum * bound.page_bytes for bound in bounds]
    largest = [_largest(bound, bound.page_bytes) for bound in bounds]
    most = share(largest, budget)
    needed = max(smallest, default=0)
    if sum(smallest) > budget or needed > most:
        found = max(sum(smallest), needed * len(bounds))
        raise LimitExceeded("memory", budget, found=found, how=_HOW)
    return most


def table_share(bounds: Sequence[Bounds]) -> int:
    """Give the elements that each table may have.

    Raises:
        LimitExceeded: The tables do not even start within `TABLE_ELEMENTS_MAX`.
    """
    most = share([_largest(bound, 1) for bound in bounds], TABLE_ELEMENTS_MAX)
    needed = max((bound.minimum for bound in bounds), default=0)
    if needed > most or sum(bound.minimum for bound in bounds) > TABLE_ELEMENTS_MAX:
        raise LimitExceeded("table_elements", TABLE_ELEMENTS_MAX, found=needed)
    return most


def share(largest: Sequence[int | None], budget: int) -> int:
    """Give the largest number n such that the sum of min(largest, n) stays within the budget."""
    rest, count = budget, len(largest)
    for most in sorted(bound for bound in largest if bound is not None):
        if most * count > rest:
            break
        rest -= most
        count -= 1
    return budget if count == 0 else rest // count


def _largest(bound: Bounds, unit: int) -> int | None:
    return None if bound.maximum is None else bound.maximum * unit
