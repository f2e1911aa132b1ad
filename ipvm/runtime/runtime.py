"""Turn an invocation into a receipt.

The runtime takes CIDs, never names: what can change ends above it, so that a run is a function of
content. A call is validated against the signature of the export before anything is instantiated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import trio

from ipvm.engine import Bundles, Compiler, Postponed, WouldWait
from ipvm.errors import GuestError
from ipvm.exchange import BlockService
from ipvm.ipld import Block, Cid, Value
from ipvm.limits import Limits
from ipvm.model import Profile, arguments
from ipvm.runtime.abi import Operand, operands_from_values, result_value
from ipvm.runtime.brief import Listener, run_at_once
from ipvm.runtime.direct import direct_value
from ipvm.runtime.entry import Entry, LoadedProgram
from ipvm.runtime.executor import Executor
from ipvm.runtime.options import CallOptions
from ipvm.runtime.programs import Compiling, Programs
from ipvm.runtime.receipt import Receipt
from ipvm.runtime.records import invocation_block, keep_receipt, outcome
from ipvm.runtime.run import LogSink, Run
from ipvm.runtime.task import task_of
from ipvm.runtime.turns import Turns

__all__ = ["Runtime"]

WARM_CALLS: Final = 8
"""Calls of a function after which its program is loaded into the pool."""


@dataclass(frozen=True, slots=True)
class _Ended:
    run: Run
    value: Value
    error: GuestError | None
    fuel_used: int | None


@final
class Runtime:
    """Calls functions by the CID of their program."""

    def __init__(
        self,
        blocks: BlockService,
        *,
        compiler: Compiler,
        bundles: Bundles | None,
        limits: Limits,
        on_log: LogSink,
    ) -> None:
        self.blocks = blocks
        self.limits = limits
        self.on_log = on_log
        self._programs = Programs(blocks, compiler=compiler, bundles=bundles, limits=limits)
        self._turns = Turns()

    @property
    def compiling(self) -> Compiling | None:
        """What is being compiled, if anything is."""
        return self._programs.compiling

    async def load(self, root: Cid, profile: Profile) -> LoadedProgram:
        """Fetch, link and compile a program, or find it at hand. A checkpoint.

        Raises:
            NotFound, Unavailable, InvalidData, LinkError, LimitExceeded: It cannot be had.
        """
        await trio.lowlevel.checkpoint()
        loaded = self._programs.loaded(root, profile)
        return loaded if loaded is not None else await self._programs.get(root, profile)

    def run(self) -> Run:
        """Begin a call tree."""
        return Run(self.blocks, self.on_log, limits=self.limits)

    def executor(self, run: Run) -> Executor:
        """Give what runs the tasks of a call tree."""
        return Executor(self._programs, run)

    async def answer(
        self, entry: Entry, values: Sequence[object], options: CallOptions
    ) -> tuple[Value, int | None]:
        """Call a function and give its result and the fuel that it used. Cancelling stops the guest.

        Raises:
            InvalidArguments: The values do not fit the signature.
            GuestError: The function failed.
            IpvmError: What is wrong with this runner.
        """
        await self._turns.take()
        operands = entry.arguments.operands(values)
        answer = None
        if entry.brief and not entry.waits:
            answer = self._answer_at_once(entry, operands, options)
        if answer is None:
            answer = await self._answer_later(entry, operands, options)
        if entry.calls < WARM_CALLS:
            await self._count(entry)
        return answer

    def _answer_at_once(
        self, entry: Entry, operands: Sequence[Operand], options: CallOptions
    ) -> tuple[Value, int | None] | None:
        program = entry.program
        fuel, memory = options.fuel_for(program.profile), options.memory
        listener = Listener(program.plan) if program.calls_host else None
        try:
            results, used = run_at_once(
                entry, operands, fuel=fuel, memory=memory, attendant=listener
            )
        except Postponed as postponed:
            entry.waits = isinstance(postponed, WouldWait)
            if not entry.waits:
                entry.give_up()
            listener = None
            return None
        finally:
            if listener is not None:
                listener.pass_on(self.on_log)
        return direct_value(entry.signature, results), used

    async def _answer_later(
        self, entry: Entry, operands: Sequence[Operand], options: CallOptions
    ) -> tuple[Value, int | None]:
        run = self.run()
        try:
            execution = await self.executor(run).execute(task_of(entry, options, operands))
            value = direct_value(entry.signature, execution.results)
            if run.has_kept:
                await run.store()
        finally:
            if run.is_leased:
                await run.release()
        return value, execution.fuel_used

    async def _count(self, entry: Entry) -> None:
        """Count a call. A program that is called again and again is loaded into the pool."""
        entry.calls += 1
        if entry.calls == WARM_CALLS and entry.brief and entry.program.pooled is None:
            await trio.to_thread.run_sync(entry.program.load_into_pool)

    async def receipt(
        self, entry: Entry, values: Sequence[object], options: CallOptions
    ) -> Receipt:
        """Call a function and give the receipt, which is stored with the invocation.

        A function that fails has a receipt too. A function that met a condition of this runner has
        none: a block that was missing here may be there elsewhere.

        Raises:
            InvalidArguments: The values do not fit the signature.
            LimitExceeded: The arguments or the result are too large for a record.
            IpvmError: What is wrong with this runner.
        """
        await trio.lowlevel.checkpoint()
        given = arguments(entry.signature, values, name=entry.name)
        invocation = _invocation(entry, given, options)
        run = self.run()
        try:
            ended = await self._run(run, entry, given, options)
            if run.obstacle is not None:
                raise run.obstacle
            return await self._keep_receipt(ended, invocation, entry)
        finally:
            await run.release()

    async def _run(
        self, run: Run, entry: Entry, given: Sequence[Value], options: CallOptions
    ) -> _Ended:
        task = task_of(entry, options, operands_from_values(entry.signature, given))
        fuel_used: int | None = None
        try:
            execution = await self.executor(run).execute(task)
            fuel_used = execution.fuel_used
            value = result_value(entry.signature, execution.results)
        except GuestError as error:
            return _Ended(
                run, None, error, fuel_used if error.fuel_used is None else error.fuel_used
            )
        return _Ended(run, value, None, fuel_used)

    async def _keep_receipt(self, ended: _Ended, invocation: Block, entry: Entry) -> Receipt:
        made = () if ended.error else ended.run.take()
        kept = await keep_receipt(
            self.blocks,
            [*made, invocation],
            outcome(ended.value, ended.error),
            fuel=ended.fuel_used,
            reads=ended.run.reads,
            program=entry.program,
        )
        return Receipt(
            cid=kept.cid,
            invocation=invocation.cid,
            signature=entry.signature,
            error=ended.error,
            fuel=ended.fuel_used,
            reads=kept.reads,
            record=kept.record,
        )


def _invocation(entry: Entry, given: Sequence[Value], options: CallOptions) -> Block:
    return invocation_block(
        options,
        run=entry.program.plan.root.cid,
        func=entry.name,
        args=given,
        profile=entry.program.profile,
    )
