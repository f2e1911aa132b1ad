"""Run one function of a program: open a store, carry the arguments in, run, carry the results out.

The executor is the same for a call from outside and for one that a guest makes. What differs is the
form of arguments and results, so it takes operands and gives what the guest returned.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from ipvm.engine import OUT_OF_FUEL, STACK_OVERFLOW, WASM_STACK_BYTES, CallShape, Trap, call
from ipvm.errors import GuestError, IpvmError, LimitExceeded
from ipvm.host import EXIT_NUMBERS, CallOutcome, OpenBlock, Syscalls
from ipvm.ipld import Block, Cid
from ipvm.limits import CALL_DEPTH_MAX
from ipvm.linker import CompiledProgram, LinkedStore
from ipvm.model import BLOCK_TYPES, Signature, wasm_type
from ipvm.runtime.abi import (
    Operand,
    Result,
    operands_from_blocks,
    read_results,
    result_block,
    signature_of,
)
from ipvm.runtime.backtrace import guest_frames
from ipvm.runtime.programs import Programs
from ipvm.runtime.run import Run

__all__ = ["Execution", "Executor", "Task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What has to run, and with what."""

    program: CompiledProgram
    function: str
    signature: Signature
    operands: Sequence[Operand]
    fuel: int | None
    memory: int
    depth: int = 0


@dataclass(frozen=True, slots=True)
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

    async def execute(self, task: Task) -> Execution:
        """Run a task in a store of its own.

        Raises:
            GuestError: The function trapped, aborted, ran out of fuel, or returned what its
                signature does not promise.
            LimitExceeded: The stack or the memory of this runner did not suffice.
        """
        blocks = not BLOCK_TYPES.isdisjoint(task.signature.params + task.signature.results)
        linked = task.program.open(fuel=task.fuel, memory=task.memory, blocks=blocks)
        try:
            return await self._execute(task, linked)
        except Trap as trap:
            raise _failure(trap, task.program) from trap
        except GuestError as error:
            if isinstance(error.__cause__, Trap):
                frames = guest_frames(error.__cause__.frames, task.program.plan)
                raise GuestError(
                    error.kind, error.detail, code=error.code, frames=frames
                ) from error
            raise
        finally:
            linked.close()

    async def _execute(self, task: Task, linked: LinkedStore) -> Execution:
        numbers = [_place(linked, operand) for operand in task.operands]
        if linked.kernel is not None:
            services = _Services(self, self._run, task)
            linked.store.host = Syscalls(linked.store, linked.kernel, services)
        await task.program.instantiate(linked)
        raw = await call(
            linked.store, linked.export(task.function), _shape(task.signature), numbers
        )
        return Execution(read_results(task.signature, linked.kernel, raw), _used(task, linked))

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
        program = await self._programs.get(cid, caller.program.profile)
        root = program.plan.root
        signature = signature_of(root.info, root.signatures, function)
        task = Task(
            program=program,
            function=function,
            signature=signature,
            operands=operands_from_blocks(signature, arguments, function),
            fuel=fuel,
            memory=caller.memory,
            depth=caller.depth + 1,
        )
        try:
            execution = await self.execute(task)
            block = result_block(signature, execution.results)
        except GuestError as error:
            return CallOutcome(
                exit=EXIT_NUMBERS[error.kind], code=error.code or 0, fuel_used=fuel or 0
            )
        return CallOutcome(
            exit=EXIT_NUMBERS["ok"], result=block, fuel_used=execution.fuel_used or 0
        )


@final
class _Services:
    """What the guests of one task are given. Notes what stands in the way of a receipt."""

    def __init__(self, executor: Executor, run: Run, task: Task) -> None:
        self._executor = executor
        self._run = run
        self._task = task

    async def open(self, cid: Cid) -> Block:
        with self._run.noting():
            return await self._run.open(cid)

    async def keep(self, block: Block) -> None:
        await self._run.keep(block)

    async def call(
        self, cid: Cid, function: str, arguments: list[OpenBlock | None], fuel: int | None
    ) -> CallOutcome:
        self._run.reads.add(cid)
        with self._run.noting():
            return await self._executor.call_by_cid(
                cid, function, arguments, fuel=fuel, caller=self._task
            )

    def log(self, guest: int, message: str) -> None:
        self._run.on_log(self.cid_of(guest), message)

    def cid_of(self, guest: int) -> Cid:
        return self._task.program.plan.nodes[guest].cid


def _place(linked: LinkedStore, operand: Operand) -> int | float:
    if operand is None:
        return 0
    if not isinstance(operand, OpenBlock):
        return operand
    assert linked.kernel is not None
    return linked.kernel.place(operand)


def _used(task: Task, linked: LinkedStore) -> int | None:
    return None if task.fuel is None else task.fuel - linked.store.fuel


@functools.lru_cache(maxsize=1024)
def _shape(signature: Signature) -> CallShape:
    return CallShape(
        [wasm_type(type_) for type_ in signature.params],
        [wasm_type(type_) for type_ in signature.results],
    )


def _failure(trap: Trap, program: CompiledProgram) -> IpvmError:
    """Say what a trap means: an answer of the guest, or a bound of this runner."""
    if trap.code == STACK_OVERFLOW:
        return LimitExceeded("wasm_stack_bytes", WASM_STACK_BYTES)
    frames = guest_frames(trap.frames, program.plan)
    if trap.code == OUT_OF_FUEL:
        return GuestError("out-of-fuel", "the fuel is used up", frames=frames)
    return GuestError("trap", trap.code.replace("-", " "), frames=frames)
