"""What has to run, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ipvm.engine import OUT_OF_FUEL, Store, Trap
from ipvm.host import Kernel, OpenBlock
from ipvm.runtime.abi import Operand, Result
from ipvm.runtime.entry import Entry
from ipvm.runtime.options import CallOptions

__all__ = ["Execution", "Task", "fuel_used", "place", "task_of"]


@dataclass(slots=True, kw_only=True)
class Task:
    """What has to run, and with what."""

    entry: Entry
    operands: Sequence[Operand]
    fuel: int | None
    memory: int
    depth: int = 0


def task_of(entry: Entry, options: CallOptions, operands: Sequence[Operand] = ()) -> Task:
    """Give the task of a call within its bounds; without operands, somebody else carries them in."""
    fuel = options.fuel_for(entry.program.profile)
    return Task(entry=entry, operands=operands, fuel=fuel, memory=options.memory)


@dataclass(slots=True)
class Execution:
    """What came of a task that ended well."""

    results: list[Result]
    fuel_used: int | None


def place(kernel: Kernel | None, operand: Operand) -> int | float:
    """Give the number by which an operand goes to the guest; a block is opened in its store."""
    if operand is None:
        return 0
    if not isinstance(operand, OpenBlock):
        return operand
    assert kernel is not None
    return kernel.place(operand)


def fuel_used(fuel: int | None, store: Store, ended: Exception | None = None) -> int | None:
    """Give what was used of the fuel; None where it is not counted, or cannot be relied on.

    Args:
        fuel: What there was.
        store: Where the guests ran.
        ended: What ended them, if they did not come to their end.
    """
    if fuel is None:
        return None
    if isinstance(ended, Trap):
        return fuel if ended.code == OUT_OF_FUEL else None
    return fuel - store.fuel
