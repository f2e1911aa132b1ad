"""Write down what was asked and what came of it, so that two honest runs write the same."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from ipvm.engine import WASMTIME_MAJOR
from ipvm.errors import GuestError, LimitExceeded
from ipvm.exchange import BlockService
from ipvm.ipld import DAG_CBOR, Block, Cid, Value, encode
from ipvm.limits import BLOCK_BYTES_MAX, FUEL_DEFAULT, MEMORY_DEFAULT, READS_INLINE_MAX
from ipvm.linker import CompiledProgram
from ipvm.model import Command, Failure, Invocation, Outcome, Profile, Receipt
from ipvm.runtime.identity import kernel_cid, machine, wasi_cid
from ipvm.runtime.options import CallOptions

__all__ = ["Kept", "invocation_block", "keep_receipt", "outcome"]

_TOLD: Final = frozenset({"abort", "trap"})
"""Failures whose detail goes into a receipt. That of the others is the wording of this runtime."""


class Kept(NamedTuple):
    """A receipt that was stored."""

    cid: Cid
    record: Receipt
    reads: tuple[Cid, ...]


def invocation_block(
    options: CallOptions,
    *,
    run: Cid,
    func: str,
    args: Sequence[Value],
    profile: Profile,
    wasi: Command | None = None,
) -> Block:
    """Write an invocation.

    Raises:
        LimitExceeded: It is larger than a block.
        InvalidRecord: There can be no such invocation.
    """
    counts = profile == "deterministic" and options.fuel != FUEL_DEFAULT
    record = Invocation(
        run=run,
        func=func,
        args=tuple(args),
        profile=profile,
        fuel=options.fuel if counts else None,
        memory=None if options.memory == MEMORY_DEFAULT else options.memory,
        wasi=wasi,
    )
    return _block(record.to_value(), "the invocation, which holds the arguments")


def outcome(value: Value, error: GuestError | None) -> Outcome:
    """Write what came of a run."""
    if error is None:
        return Outcome(ok=value)
    message = error.detail if error.kind in _TOLD else None
    return Outcome(error=Failure(kind=error.kind, code=error.code, message=message))


async def keep_receipt(
    blocks: BlockService,
    below: Sequence[Block],
    out: Outcome,
    *,
    fuel: int | None,
    reads: Collection[Cid],
    program: CompiledProgram,
) -> Kept:
    """Store a receipt, together with what it stands on.

    Args:
        blocks: Where.
        below: What the run made and is not stored yet; and behind that the invocation.
        out: What came of it.
        fuel: Fuel used, if it is known.
        reads: Blocks that were asked for.
        program: What ran.

    Raises:
        LimitExceeded: It is larger than a block.
    """
    listed = tuple(sorted(reads, key=bytes))
    extra = [*below]
    links: tuple[Cid, ...] | Cid = listed
    if len(listed) > READS_INLINE_MAX:
        extra.append(_block(list(listed), "the list of the blocks that it read"))
        links = extra[-1].cid
    record = Receipt(ran=below[-1].cid, out=out, fuel=fuel, reads=links, engine=_engine(program))
    block = _block(record.to_value(), "the receipt, which holds the result")
    await blocks.put_many([*extra, block])
    return Kept(block.cid, record, listed)


def _block(value: Value, what: str) -> Block:
    """Encode a part of a receipt.

    Raises:
        LimitExceeded: It is larger than a block. Every runtime comes to the same.
    """
    data = encode(value, DAG_CBOR)
    if len(data) > BLOCK_BYTES_MAX:
        how = f"that is {what}: pass large values as links to blocks"
        raise LimitExceeded("block_bytes", BLOCK_BYTES_MAX, found=len(data), how=how)
    return Block.of(data, codec=DAG_CBOR)


def _engine(program: CompiledProgram) -> dict[str, Value]:
    engine: dict[str, Value] = {
        "kernel": kernel_cid(),
        "profile": program.profile,
        "wasmtime": WASMTIME_MAJOR,
    }
    if program.calls_wasi:
        engine["wasi"] = wasi_cid()
    if program.profile != "deterministic":
        engine["machine"] = machine()
    return engine
