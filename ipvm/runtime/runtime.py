"""Turn an invocation into a receipt.

The runtime takes CIDs, never names: what can change ends above it, so that a run is a function of
content. A call is validated against the signature of the export before anything is instantiated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import trio

from ipvm.engine import PROFILES, WASMTIME_MAJOR
from ipvm.errors import GuestError, InvalidArguments
from ipvm.exchange import BlockService
from ipvm.ipld import Block, Cid, Value
from ipvm.limits import FUEL_DEFAULT, MEMORY_DEFAULT, READS_INLINE_MAX, Limits
from ipvm.linker import CompiledProgram
from ipvm.model import (
    Failure,
    Invocation,
    Outcome,
    Profile,
    Receipt as ReceiptRecord,
    Signature,
    arguments,
    from_result,
)
from ipvm.runtime.abi import operands_from_values, result_value, signature_of
from ipvm.runtime.executor import Executor, Task
from ipvm.runtime.identity import kernel_cid, machine
from ipvm.runtime.programs import Programs
from ipvm.runtime.receipt import Receipt
from ipvm.runtime.run import LogSink, Run

__all__ = ["CallOptions", "Runtime"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """The bounds of a call, which are part of its invocation.

    Attributes:
        fuel: Fuel that the call may use, and the calls it makes; about 10^9 are a second.
        memory: Bytes that its linear memories may take together, and again its open blocks.
        profile: `deterministic`, or `fast`, which counts no fuel.

    Raises:
        InvalidArguments: A bound is not positive, or there is no such profile.
    """

    fuel: int = FUEL_DEFAULT
    memory: int = MEMORY_DEFAULT
    profile: Profile = "deterministic"

    def __post_init__(self) -> None:
        if self.profile not in PROFILES:
            raise InvalidArguments(f'no profile "{self.profile}"; there are {", ".join(PROFILES)}')
        if not 0 < self.fuel < 2**63:
            raise InvalidArguments(f"fuel is a number from 1 to 2^63 - 1, not {self.fuel}")
        if not 0 < self.memory < 2**63:
            raise InvalidArguments(f"memory is a number of bytes from 1, not {self.memory}")


@dataclass(frozen=True, slots=True)
class _Ended:
    run: Run
    value: Value
    error: GuestError | None
    fuel_used: int | None


@final
class Runtime:
    """Calls functions by the CID of their program."""

    def __init__(self, blocks: BlockService, *, limits: Limits, on_log: LogSink) -> None:
        self.blocks = blocks
        self.limits = limits
        self._on_log = on_log
        self._programs = Programs(blocks, limits=limits)

    async def load(self, root: Cid, profile: Profile) -> CompiledProgram:
        """Fetch, link and compile a program, or find it at hand. A checkpoint.

        Raises:
            NotFound, Unavailable, InvalidData, LinkError, LimitExceeded: It cannot be had.
        """
        await trio.lowlevel.checkpoint()
        loaded = self._programs.loaded(root, profile)
        return loaded if loaded is not None else await self._programs.get(root, profile)

    async def call(
        self, root: Cid, function: str, values: Sequence[object], options: CallOptions
    ) -> Value:
        """Call a function and give its result. A checkpoint; cancelling it stops the guest.

        Raises:
            InvalidArguments: The values do not fit the signature, or there is no such function.
            GuestError: The function failed.
            IpvmError: What `load` raises, and what is wrong with this runner.
        """
        program = await self.load(root, options.profile)
        signature = self.signature(program, function)
        given = arguments(signature, values, name=function)
        ended = await self._run(program, function, signature, given, options)
        if ended.error is not None:
            raise ended.error
        await ended.run.store()
        return from_result(signature, ended.value)

    async def receipt(
        self, root: Cid, function: str, values: Sequence[object], options: CallOptions
    ) -> Receipt:
        """Call a function and give the receipt, which is stored with the invocation.

        A function that fails has a receipt too. A function that met a condition of this runner has
        none: a block that was missing here may be there elsewhere.

        Raises:
            InvalidArguments: The values do not fit the signature, or there is no such function.
            IpvmError: What `load` raises, and what is wrong with this runner.
        """
        program = await self.load(root, options.profile)
        signature = self.signature(program, function)
        given = arguments(signature, values, name=function)
        invocation = Invocation(
            run=root,
            func=function,
            args=tuple(given),
            profile=options.profile,
            fuel=None if options.fuel == FUEL_DEFAULT else options.fuel,
            memory=None if options.memory == MEMORY_DEFAULT else options.memory,
        ).to_block()
        ended = await self._run(program, function, signature, given, options)
        if ended.run.obstacle is not None:
            raise ended.run.obstacle
        return await self._keep_receipt(ended, invocation, signature, options.profile)

    @staticmethod
    def signature(program: CompiledProgram, function: str) -> Signature:
        """Give the signature of an export of a program's root.

        Raises:
            InvalidArguments: There is no such function.
        """
        root = program.plan.root
        return signature_of(root.info, root.signatures, function)

    async def _run(
        self,
        program: CompiledProgram,
        function: str,
        signature: Signature,
        given: Sequence[Value],
        options: CallOptions,
    ) -> _Ended:
        run = Run(self.blocks, self._on_log)
        fuel = options.fuel if options.profile == "deterministic" else None
        task = Task(
            program=program,
            function=function,
            signature=signature,
            operands=operands_from_values(signature, given),
            fuel=fuel,
            memory=options.memory,
        )
        try:
            execution = await Executor(self._programs, run).execute(task)
            value = result_value(signature, execution.results)
        except GuestError as error:
            return _Ended(run, None, error, fuel if error.kind == "out-of-fuel" else None)
        return _Ended(run, value, None, execution.fuel_used)

    async def _keep_receipt(
        self, ended: _Ended, invocation: Block, signature: Signature, profile: Profile
    ) -> Receipt:
        reads = tuple(sorted(ended.run.reads, key=bytes))
        extra = [invocation]
        links: tuple[Cid, ...] | Cid = reads
        if len(reads) > READS_INLINE_MAX:
            extra.append(Block.encode(list(reads)))
            links = extra[-1].cid
        record = ReceiptRecord(
            ran=invocation.cid,
            out=_outcome(ended),
            fuel=ended.fuel_used,
            reads=links,
            engine=_engine(profile),
        )
        block = record.to_block()
        if ended.error is None:
            await ended.run.store()
        await self.blocks.put_many([*extra, block])
        return Receipt(
            cid=block.cid,
            invocation=invocation.cid,
            signature=signature,
            error=ended.error,
            fuel=ended.fuel_used,
            reads=reads,
            record=record,
        )


def _outcome(ended: _Ended) -> Outcome:
    error = ended.error
    if error is None:
        return Outcome(ok=ended.value)
    return Outcome(error=Failure(kind=error.kind, code=error.code, message=error.detail))


def _engine(profile: Profile) -> dict[str, Value]:
    engine: dict[str, Value] = {
        "kernel": kernel_cid(),
        "profile": profile,
        "wasmtime": WASMTIME_MAJOR,
    }
    return engine if profile == "deterministic" else {**engine, "machine": machine()}
