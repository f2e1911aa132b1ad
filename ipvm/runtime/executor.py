"""Run one function of a program: open a store, carry the arguments in, run, carry the results out.

The executor is the same for a call from outside and for one that a guest makes. What differs is the
form of arguments and results, so it takes operands and gives what the guest returned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from ipvm.engine import OUT_OF_FUEL, EngineFault, Postponed, Trap, attempt, call
from ipvm.errors import GuestError, LimitExceeded
from ipvm.host import EXIT_NUMBERS, CallOutcome, OpenBlock, Services, Syscalls
from ipvm.ipld import Block, Cid
from ipvm.limits import CALL_DEPTH_MAX, CALL_MEMORY_KEPT
from ipvm.linker import LinkedStore
from ipvm.runtime.abi import Operand, Result, operands_from_blocks, read_results, result_block
from ipvm.runtime.backtrace import failure_of
from ipvm.runtime.entry import Entry
from ipvm.runtime.programs import Programs
from ipvm.runtime.run import Run

__all__ = ["Execution", "Executor", "Task", "fuel_used_by", "place"]


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


@final
class Executor:
    """Runs tasks of one call tree."""

    def __init__(self, programs: Programs, run: Run) -> None:
        self._programs = programs
        self._run = run

    def services(self, task: Task) -> Services:
        """Give what serves the guests of a task that somebody else runs, on a fiber."""
        return _Services(self, self._run, task, brief=False)

    async def execute(self, task: Task) -> Execution:
        """Run a task in a store of its own: at once if it is brief, else on a fiber.

        Raises:
            GuestError: The function trapped, aborted, ran out of fuel, or returned what its
                signature does not promise.
            Refused: The stack, the memory or the engine of this runner did not suffice.
        """
        if task.entry.brief:
            try:
                return await self._execute(task, brief=True)
            except Postponed:
                task.entry.brief = False
        return await self._execute(task, brief=False)

    async def _execute(self, task: Task, *, brief: bool) -> Execution:
        entry = task.entry
        linked = entry.program.open(fuel=task.fuel, memory=task.memory, blocks=entry.takes_blocks)
        services = _Services(self, self._run, task, brief=brief)
        try:
            raw = await _enter(task, linked, services, brief=brief)
            results = read_results(entry.signature, linked.kernel, raw)
            fuel_used = fuel_used_by(task, linked)
        except (Trap, EngineFault, GuestError) as ended:
            services.pass_on_logs()
            fuel_used = fuel_used_by(task, linked, ended)
            raise failure_of(ended, entry.program.plan, fuel_used=fuel_used) from ended
        finally:
            linked.close()
        services.pass_on_logs()
        return Execution(results, fuel_used)

    async def call_by_cid(
        self,
        cid: Cid,
        function: str,
        arguments: Sequence[OpenBlock | None],
        *,
        fuel: int | None,
        caller: Task,
    ) -> CallOutcome:
        """Run a function for another one; see `ipvm.host.Services.call`."""
        if caller.depth + 1 > CALL_DEPTH_MAX:
            raise LimitExceeded("call_depth", CALL_DEPTH_MAX)
        blocks = self._run if self._run.has_kept else None
        loaded = await self._programs.get(cid, caller.entry.program.profile, blocks=blocks)
        entry = loaded.entry(function)
        signature = entry.signature
        task = Task(
            entry=entry,
            operands=operands_from_blocks(signature, arguments, function),
            fuel=fuel,
            memory=caller.memory - caller.memory // CALL_MEMORY_KEPT,
            depth=caller.depth + 1,
        )
        fuel_used = fuel
        try:
            execution = await self.execute(task)
            fuel_used = execution.fuel_used
            block = result_block(signature, execution.results)
        except GuestError as error:
            used = fuel_used if error.fuel_used is None else error.fuel_used
            return CallOutcome(
                exit=EXIT_NUMBERS[error.kind], code=error.code or 0, fuel_used=used or 0
            )
        return CallOutcome(exit=EXIT_NUMBERS["ok"], result=block, fuel_used=fuel_used or 0)


@final
class _Services:
    """What the guests of one task are given. Notes what stands in the way of a receipt."""

    __slots__ = ("_brief", "_executor", "_logs", "_run", "_task")

    def __init__(self, executor: Executor, run: Run, task: Task, *, brief: bool) -> None:
        self._executor = executor
        self._run = run
        self._task = task
        self._brief = brief
        self._logs: list[tuple[Cid, str]] = []

    async def open(self, cid: Cid) -> Block:
        with self._run.noting():
            return await self._run.open(cid)

    async def keep(self, block: Block) -> None:
        await self._run.keep(block)

    async def call(
        self, cid: Cid, function: str, arguments: list[OpenBlock | None], fuel: int | None
    ) -> CallOutcome:
        self._run.note_read(cid)
        with self._run.noting():
            return await self._executor.call_by_cid(
                cid, function, arguments, fuel=fuel, caller=self._task
            )

    def log(self, guest: int, message: str) -> None:
        if self._brief:
            self._logs.append((self.cid_of(guest), message))
        else:
            self._run.on_log(self.cid_of(guest), message)

    def cid_of(self, guest: int) -> Cid:
        return self._task.entry.program.plan.nodes[guest].cid

    def pass_on_logs(self) -> None:
        """Pass on what a brief call said; one that was given up says it again."""
        for cid, message in self._logs:
            self._run.on_log(cid, message)


async def _enter(
    task: Task, linked: LinkedStore, services: _Services, *, brief: bool
) -> tuple[int | float, ...]:
    """Carry the arguments in, bring the program to life, and call the function."""
    numbers = [place(linked, operand) for operand in task.operands]
    if linked.kernel is not None:
        linked.store.host = Syscalls(linked.store, linked.kernel, services)
    await task.entry.program.instantiate(linked)
    function = linked.export(task.entry.name)
    if brief:
        return await attempt(linked.store, function, task.entry.shape, numbers)
    linked.enter()
    return await call(linked.store, function, task.entry.shape, numbers)


def fuel_used_by(task: Task, linked: LinkedStore, ended: Exception | None = None) -> int | None:
    """Give the fuel that was used; None where it is not counted, or the count cannot be relied on."""
    if task.fuel is None:
        return None
    if isinstance(ended, Trap):
        return task.fuel if ended.code == OUT_OF_FUEL else None
    return task.fuel - linked.store.fuel


def place(linked: LinkedStore, operand: Operand) -> int | float:
    """Give the number by which an operand goes to the guest; a block is opened in its store."""
    if operand is None:
        return 0
    if not isinstance(operand, OpenBlock):
        return operand
    assert linked.kernel is not None
    return linked.kernel.place(operand)
