"""Run a task at once, in the straight line that most calls are; see `ipvm.engine.attempt`."""

from typing import TYPE_CHECKING

from ipvm.engine import FIRST_SLICES, EngineFault, Trap
from ipvm.errors import GuestError
from ipvm.host import Services, Syscalls
from ipvm.runtime.abi import read_results
from ipvm.runtime.backtrace import failure_of
from ipvm.runtime.task import Execution, Task, fuel_used, place

if TYPE_CHECKING:
    from ipvm.linker import CompiledProgram

__all__ = ["run_at_once"]


def run_at_once(task: Task, services: Services | None) -> Execution:
    """Run a task in a store of its own, if it neither waits nor computes for long.

    Args:
        task: What has to run. Its entry is brief.
        services: For its guests; None where none of them calls the host.

    Raises:
        Postponed: It has to be run on a fiber.
        GuestError: The function failed.
        Refused: The memory or the engine of this runner did not suffice.
    """
    pooled = task.entry.program.pooled
    if pooled is not None:
        try:
            return _run(task, services, pooled)
        except EngineFault:  # a pool that is full, or what the other engine says better
            pass
    program = task.entry.program
    try:
        return _run(task, services, program)
    except EngineFault as fault:
        raise failure_of(fault, program.plan, fuel_used=None) from fault


def _run(task: Task, services: Services | None, program: "CompiledProgram") -> Execution:
    entry = task.entry
    linked = program.open(
        fuel=task.fuel, memory=task.memory, blocks=entry.takes_blocks, slices=FIRST_SLICES
    )
    try:
        kernel = linked.kernel
        numbers = [place(kernel, operand) for operand in task.operands]
        if services is not None:
            assert kernel is not None
            linked.store.host = Syscalls(linked.store, kernel, services)
        linked.build()
        attempt = entry.attempt
        linked.export_into(entry.export, attempt.extern)
        results = read_results(entry.signature, kernel, attempt.call(linked.store, numbers))
        return Execution(results, fuel_used(task, linked))
    except (Trap, GuestError) as ended:
        used = fuel_used(task, linked, ended)
        raise failure_of(ended, program.plan, fuel_used=used) from ended
    finally:
        linked.close()
