"""Run a function at once, in the straight line that most calls are; see `ipvm.engine.attempt`.

Here the time of a call is spent, so what a call on a fiber keeps in objects stands in local variables.
A guest that is run this way does not wait: either it need not, or it is run again (`Replay`).
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import trio

from ipvm.engine import WELCOME_SECONDS, EngineFault, Postponed, Store, Trap
from ipvm.errors import GuestError
from ipvm.host import KERNEL, MEMORY, Attendant, Kernel, Syscalls, arm_at_once
from ipvm.ipld import Cid
from ipvm.linker import CompiledProgram, LinkPlan
from ipvm.runtime.abi import Operand, Result, read_results
from ipvm.runtime.backtrace import failure_of
from ipvm.runtime.replay import Replay
from ipvm.runtime.task import fuel_used, place

if TYPE_CHECKING:
    from ipvm.runtime.entry import Entry
    from ipvm.runtime.run import LogSink

__all__ = ["Listener", "run_at_once"]


@trio.lowlevel.enable_ki_protection  # else an interrupt may leave a store open
def run_at_once(
    entry: "Entry",
    operands: Sequence[Operand],
    *,
    fuel: int | None,
    memory: int,
    attendant: Attendant | None,
) -> tuple[list[Result], int | None]:
    """Run a function in a store of its own, and give its results and the fuel that it used.

    Args:
        entry: The function. It is `brief`.
        operands: What goes to it.
        fuel: Fuel that it may use; None in a profile that does not count.
        memory: Bytes that its memories may take.
        attendant: Serves its guests, if they call the host. They can wait only if it is a Replay.

    Raises:
        Unanswered: It has to wait until the Replay has another answer.
        WouldWait: It has to wait, and needs a Replay for that.
        Postponed: It has to be run on a fiber.
        GuestError: The function failed.
        Refused: The memory or the engine of this runner did not suffice.
    """
    began = time.perf_counter()
    program = entry.program
    try:
        if program.pooled is not None:
            try:
                return _run(entry, program.pooled, operands, attendant, fuel, memory)
            except EngineFault:  # a full pool, or what is said again below
                pass
        return _run(entry, program, operands, attendant, fuel, memory)
    except EngineFault as fault:
        raise failure_of(fault, program.plan, fuel_used=None) from fault
    except Postponed:
        if time.perf_counter() - began > WELCOME_SECONDS:
            entry.is_welcome = False
        raise


def _run(
    entry: "Entry",
    program: CompiledProgram,
    operands: Sequence[Operand],
    attendant: Attendant | None,
    fuel: int | None,
    memory: int,
) -> tuple[list[Result], int | None]:
    layout = program.layout(blocks=entry.takes_blocks, is_brief=True)
    bounds = program.bounds(memory)
    assembly = layout.assembly
    store = Store(program.engine, outcome=assembly.outcome)
    kernel: Kernel | None = None
    try:
        store.ration(fuel)
        if layout.kernel is not None:
            assembly.build(store, KERNEL, KERNEL + 1)
            assembly.export_into(store, KERNEL, MEMORY, assembly.extern)
            kernel = Kernel(store, assembly.extern, heap_bytes=memory, is_brief=True)
            if attendant is not None:
                services = attendant if isinstance(attendant, Replay) else None
                store.host = Syscalls(store, kernel, attendant, services)
                if services is not None:
                    arm_at_once(assembly, store)
        store.bound(bounds)
        numbers = [place(kernel, operand) for operand in operands]
        assembly.build(store, layout.first)
        attempt = entry.attempt
        assembly.export_into(store, layout.root, entry.export, attempt.extern)
        results = read_results(entry.signature, kernel, attempt.call(store, numbers))
        return results, None if fuel is None else fuel - store.fuel
    except (Trap, GuestError) as ended:
        used = fuel_used(fuel, store, ended)
        raise failure_of(ended, program.plan, fuel_used=used) from ended
    finally:
        if kernel is not None:
            kernel.close()
        store.close()


@final
class Listener:
    """Serves guests of whom it is not known that they wait: it keeps what they say until it counts."""

    __slots__ = ("_logs", "_plan")

    def __init__(self, plan: LinkPlan) -> None:
        self._plan = plan
        self._logs: list[tuple[Cid, str]] = []

    def log(self, guest: int, message: str) -> None:
        """Keep what a guest says."""
        self._logs.append((self.cid_of(guest), message))

    def cid_of(self, guest: int) -> Cid:
        """Give the CID by which a guest was linked."""
        return self._plan.nodes[guest].cid

    def pass_on(self, on_log: "LogSink") -> None:
        """Pass it on."""
        for cid, message in self._logs:
            on_log(cid, message)
