"""Run a function at once, in the straight line that most calls are; see `ipvm.engine.attempt`.

Here the time of a call is spent, so what a call on a fiber keeps in objects stands in local variables.
A guest that is run this way cannot wait, so of the services of the host it needs the least.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

from ipvm.engine import FIRST_SLICES, EngineFault, Postponed, Store, Trap
from ipvm.errors import GuestError
from ipvm.host import KERNEL, MEMORY, Kernel, Syscalls
from ipvm.ipld import Cid
from ipvm.linker import CompiledProgram, LinkPlan
from ipvm.runtime.abi import Operand, Result, read_results
from ipvm.runtime.backtrace import failure_of
from ipvm.runtime.task import fuel_used, place

if TYPE_CHECKING:
    from ipvm.runtime.entry import Entry
    from ipvm.runtime.run import LogSink

__all__ = ["run_at_once"]


def run_at_once(
    entry: "Entry", operands: Sequence[Operand], *, fuel: int, memory: int, on_log: "LogSink"
) -> tuple[list[Result], int] | None:
    """Run a function in a store of its own, and give its results and the fuel that it used.

    Args:
        entry: The function. If it cannot be run this way, it is not `brief` any more.
        operands: What goes to it.
        fuel: Fuel that it may use.
        memory: Bytes that its memories may take.
        on_log: Takes what guests say, when it is certain that they do not say it again.

    Returns:
        None where it has to be run on a fiber.

    Raises:
        GuestError: The function failed.
        Refused: The memory or the engine of this runner did not suffice.
    """
    program = entry.program
    attendant = _Attendant(program.plan) if program.calls_host else None
    try:
        pooled = program.pooled.get("brief")
        if pooled is not None:
            try:
                return _run(entry, pooled, operands, attendant, fuel, memory)
            except EngineFault:  # a full pool, or what is said again below
                pass
        return _run(entry, program, operands, attendant, fuel, memory)
    except Postponed:
        entry.stop_trying()
        attendant = None
        return None
    except EngineFault as fault:
        raise failure_of(fault, program.plan, fuel_used=None) from fault
    finally:
        if attendant is not None:
            attendant.pass_on_logs(on_log)


def _run(
    entry: "Entry",
    program: CompiledProgram,
    operands: Sequence[Operand],
    attendant: "_Attendant | None",
    fuel: int,
    memory: int,
) -> tuple[list[Result], int]:
    layout = program.layout(blocks=entry.takes_blocks, is_brief=True)
    bounds = program.bounds(memory)
    assembly = layout.assembly
    store = Store(program.engine, outcome=assembly.outcome)
    kernel: Kernel | None = None
    try:
        store.ration(fuel, FIRST_SLICES)
        if layout.kernel is not None:
            assembly.build(store, KERNEL, KERNEL + 1)
            assembly.export_into(store, KERNEL, MEMORY, assembly.extern)
            kernel = Kernel(store, assembly.extern, heap_bytes=memory, is_brief=True)
            if attendant is not None:
                store.host = Syscalls(store, kernel, attendant)
        store.bound(bounds)
        numbers = [place(kernel, operand) for operand in operands]
        assembly.build(store, layout.first)
        attempt = entry.attempt
        assembly.export_into(store, layout.root, entry.export, attempt.extern)
        results = read_results(entry.signature, kernel, attempt.call(store, numbers))
        return results, fuel - store.fuel
    except (Trap, GuestError) as ended:
        used = fuel_used(fuel, store, ended)
        raise failure_of(ended, program.plan, fuel_used=used) from ended
    finally:
        if kernel is not None:
            kernel.close()
        store.close()


@final
class _Attendant:
    """What the guests of a brief call may ask for."""

    __slots__ = ("_logs", "_plan")

    def __init__(self, plan: LinkPlan) -> None:
        self._plan = plan
        self._logs: list[tuple[Cid, str]] = []

    def log(self, guest: int, message: str) -> None:
        self._logs.append((self.cid_of(guest), message))

    def cid_of(self, guest: int) -> Cid:
        return self._plan.nodes[guest].cid

    def pass_on_logs(self, on_log: "LogSink") -> None:
        for cid, message in self._logs:
            on_log(cid, message)
