"""Run one function of a program: open a store, carry the arguments in, run, carry the results out.

The executor is the same for a call from outside and for one that a guest makes. What differs is the
form of arguments and results, so it takes operands and gives what the guest returned.
"""

from collections.abc import Sequence
from typing import Final, final

import trio

from ipvm.engine import EngineFault, Postponed, Trap, call
from ipvm.errors import GuestError, IpvmError, LimitExceeded
from ipvm.host import EXIT_NUMBERS, CallOutcome, Ended, OpenBlock, Services
from ipvm.ipld import Block, Cid
from ipvm.limits import CALL_DEPTH_MAX, CALL_MEMORY_KEPT
from ipvm.runtime.abi import operands_from_blocks, read_results, result_block
from ipvm.runtime.backtrace import failure_of
from ipvm.runtime.brief import run_at_once
from ipvm.runtime.programs import Programs
from ipvm.runtime.replay import Replay, Unanswered
from ipvm.runtime.run import Run
from ipvm.runtime.setting import setting_of_call
from ipvm.runtime.task import Execution, Task, fuel_used, place

__all__ = ["Executor"]

WAITS_MAX: Final = 4
"""Times that a guest is run again after it had to wait, before it gets a fiber to wait on."""


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
        services = self.services(task)
        if not task.entry.brief:
            task.entry.note_fiber()
            return await _run_on_fiber(task, services)
        replay = Replay(services, self._run)
        execution = await _replay(task, replay)
        if execution is None:
            task.entry.give_up()
            replay.begin(is_live=True)
            execution = await _run_on_fiber(task, replay)
        return execution

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


async def _replay(task: Task, replay: Replay) -> Execution | None:
    """Run a task at once, and again each time that it got an answer; give up after a few."""
    entry = task.entry
    attendant = replay if entry.program.calls_host else None
    for _ in range(WAITS_MAX + 1):
        replay.begin()
        try:
            done = run_at_once(
                entry, task.operands, fuel=task.fuel, memory=task.memory, attendant=attendant
            )
        except Unanswered:
            pass
        except Postponed:
            return None
        except IpvmError:  # whoever called the function may go on
            await replay.keep_made()
            raise
        else:
            await replay.keep_made()
            return Execution(*done)
        await replay.get_answer()
    return None


@trio.lowlevel.enable_ki_protection  # else an interrupt may leave a store open
async def _run_on_fiber(task: Task, services: Services) -> Execution:
    entry = task.entry
    program = entry.program
    linked = program.open(fuel=task.fuel, memory=task.memory, blocks=entry.takes_blocks)
    kernel = linked.kernel
    try:
        if program.calls_wasi:
            linked.begin_process(setting_of_call(entry, services))
        numbers = [place(kernel, operand) for operand in task.operands]
        linked.serve(services)
        if program.initializes:
            await linked.initialize()
        else:
            linked.build()
        function = linked.export(entry.export)
        linked.enter()
        raw = await call(linked.store, function, entry.shape, numbers, is_welcome=entry.is_welcome)
        linked.settle()
        results = read_results(entry.signature, kernel, raw)
        return Execution(results, fuel_used(task.fuel, linked.store))
    except (Trap, EngineFault, GuestError, Ended) as ended:
        final = linked.settled(ended)
        used = fuel_used(task.fuel, linked.store, final)
        raise failure_of(final, program.plan, fuel_used=used) from ended
    finally:
        linked.close()
