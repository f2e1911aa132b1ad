"""What has to run, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from ipvm.engine import OUT_OF_FUEL, Trap
from ipvm.host import Kernel, OpenBlock
from ipvm.linker import LinkedStore
from ipvm.runtime.abi import Operand, Result
from ipvm.runtime.entry import Entry

__all__ = ["Execution", "Task", "fuel_used", "place"]


@dataclass(slots=True, kw_only=True)
class Task:
    """What has to run, and with what."""

    entry: Entry
    operands: Sequence[Operand]
    fuel: int | None
    memory: int
    depth: int = 0


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


def fuel_used(task: Task, linked: LinkedStore, ended: Exception | None = None) -> int | None:
    """Give the fuel that was used; None where it is not counted, or the count cannot be relied on."""
    if task.fuel is None:
        return None
    if isinstance(ended, Trap):
        return task.fuel if ended.code == OUT_OF_FUEL else None
    return task.fuel - linked.store.fuel
