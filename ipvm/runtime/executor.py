"""Run one function of a program: open a store, carry the arguments in, run, carry the results out.

The executor is the same for a call from outside and for one that a guest makes. What differs is the
form of arguments and results, so it takes operands and gives what the guest returned.
"""

from collections.abc import Sequence
from typing import final

from ipvm.engine import EngineFault, Trap, call
from ipvm.errors import GuestError, IpvmError, LimitExceeded
from ipvm.host import EXIT_NUMBERS, CallOutcome, OpenBlock, Services, Syscalls
from ipvm.ipld import Block, Cid
from ipvm.limits import CALL_DEPTH_MAX, CALL_MEMORY_KEPT
from ipvm.linker import CompiledProgram
from ipvm.runtime.abi import operands_from_blocks, read_results, result_block
from ipvm.runtime.backtrace import failure_of
from ipvm.runtime.brief import run_at_once
from ipvm.runtime.programs import Programs
from ipvm.runtime.run import Run
from ipvm.runtime.task import Execution, Task, fuel_used, place

__all__ = ["Executor"]


@final
class Executor:
    """Runs tasks of one call tree."""

    def __init__(self, programs: Programs, run: Run) -> None:
        self._programs = programs
        self._run = run

    def services(self, task: Task) -> Services:
        """Give what serves the guests of a task that somebody else runs, on a fiber."""
        return _Services(self, self._run, task)

    async def execute(self, task: Task) -> Execution:
        """Run a task in a store of its own: at once if it is brief, else on a fiber.

        Raises:
            GuestError: The function trapped, aborted, ran out of fuel, or returned what its
                signature does not promise.
            Refused: The stack, the memory or the engine of this runner did not suffice.
        """
        entry = task.entry
        if entry.brief and task.fuel is not None:
            done = run_at_once(
                entry,
                task.operands,
                fuel=task.fuel,
                memory=task.memory,
                on_log=self._run.on_log,
            )
            if done is not None:
                return Execution(*done)
        return await self._execute(task)

    async def _execute(self, task: Task) -> Execution:
        program = task.entry.program
        pooled = program.pooled.get("waiting")
        if pooled is not None and pooled.engine.take_fiber():
            try:
                return await self._run_on(pooled, task)
            except EngineFault:  # a full pool, or what is said again below
                pass
            finally:
                pooled.engine.give_fiber()
        try:
            return await self._run_on(program, task)
        except EngineFault as fault:
            raise failure_of(fault, program.plan, fuel_used=None) from fault

    async def _run_on(self, program: CompiledProgram, task: Task) -> Execution:
        entry = task.entry
        linked = program.open(fuel=task.fuel, memory=task.memory, blocks=entry.takes_blocks)
        kernel = linked.kernel
        try:
            numbers = [place(kernel, operand) for operand in task.operands]
            if kernel is not None:
                services = _Services(self, self._run, task)
                linked.store.host = Syscalls(linked.store, kernel, services, services)
            if program.initializes:
                await linked.initialize()
            else:
                linked.build()
            function = linked.export(entry.export)
            linked.enter()
            raw = await call(linked.store, function, entry.shape, numbers)
            results = read_results(entry.signature, kernel, raw)
            return Execution(results, fuel_used(task.fuel, linked.store))
        except (Trap, GuestError) as ended:
            used = fuel_used(task.fuel, linked.store, ended)
            raise failure_of(ended, program.plan, fuel_used=used) from ended
        finally:
            linked.close()

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
        used = fuel
        try:
            execution = await self.execute(task)
            used = execution.fuel_used
            block = result_block(signature, execution.results)
        except GuestError as error:
            used = used if error.fuel_used is None else error.fuel_used
            return CallOutcome(
                exit=EXIT_NUMBERS[error.kind], code=error.code or 0, fuel_used=used or 0
            )
        return CallOutcome(exit=EXIT_NUMBERS["ok"], result=block, fuel_used=used or 0)


@final
class _Services:
    """What the guests of one task are given. Notes what stands in the way of a receipt."""

    __slots__ = ("_executor", "_run", "_task")

    def __init__(self, executor: Executor, run: Run, task: Task) -> None:
        self._executor = executor
        self._run = run
        self._task = task

    async def open(self, cid: Cid) -> Block:
        return await self._run.open(cid)

    async def keep(self, block: Block) -> None:
        await self._run.keep(block)

    async def call(
        self, cid: Cid, function: str, arguments: list[OpenBlock | None], fuel: int | None
    ) -> CallOutcome:
        self._run.note_read(cid)
        try:
            return await self._executor.call_by_cid(
                cid, function, arguments, fuel=fuel, caller=self._task
            )
        except IpvmError as error:
            self._run.note(error)
            raise

    def log(self, guest: int, message: str) -> None:
        self._run.on_log(self.cid_of(guest), message)

    def cid_of(self, guest: int) -> Cid:
        return self._task.entry.program.plan.nodes[guest].cid
