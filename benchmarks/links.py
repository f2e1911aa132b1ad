"""Rows about what happens inside a linked program: calls from module to module, and host calls."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import wasmtime

import ipvm
from benchmarks.guests import guest
from benchmarks.measure import beside
from benchmarks.programs import loaded
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import FUEL, Stock, our_engine

__all__ = ["ROWS"]

_KIBIBYTE: Final = bytes(range(256)) * 4


async def cid_to_cid(effort: Effort) -> Sequence[Line]:
    """Call from one module into another, many times in one call from Python."""
    calls = effort.size(5_000_000, 1000)
    engine = our_engine()
    store = wasmtime.Store(engine)
    store.set_fuel(FUEL)
    linker = wasmtime.Linker(engine)
    linker.define_instance(
        store, "other", linker.instantiate(store, wasmtime.Module(engine, guest("add")))
    )
    instance = linker.instantiate(store, wasmtime.Module(engine, guest("repeat")))
    repeat = instance.exports(store)["f"]
    assert isinstance(repeat, wasmtime.Func)

    async def rival(times: int) -> None:
        for _ in range(times):
            repeat(store, calls)

    async with loaded("repeat", imports={"other": "add"}) as function:

        async def ours(times: int) -> None:
            for _ in range(times):
                await function(calls)

        line = await beside(ours, rival, effort, bar=1.1)
    return [_each(line, calls, calls)]


async def block_read(effort: Effort) -> Sequence[Line]:
    """Read a block, many times in one call from Python; the share of that call is negligible."""
    our_reads = effort.size(200_000, 100)
    rival_reads = effort.size(1000, 10)
    engine = our_engine()
    i32 = wasmtime.ValType.i32()
    type_ = wasmtime.FuncType([i32] * 5, [i32])
    store = wasmtime.Store(engine)
    store.set_fuel(FUEL)
    read = wasmtime.Func(store, type_, _read_into, access_caller=True)
    stock = Stock(engine, wasmtime.Module(engine, guest("read")), [read], store=store)

    async def rival(times: int) -> None:
        for _ in range(times):
            stock(1, rival_reads)

    signature = ipvm.Signature(params=("bytes", "i32"), results=("i32",))
    async with loaded("read", signature) as function:

        async def ours(times: int) -> None:
            for _ in range(times):
                await function(_KIBIBYTE, our_reads)

        line = await beside(ours, rival, effort, bar=1 / 100)
    return [_each(line, our_reads, rival_reads)]


def _read_into(
    caller: wasmtime.Caller,
    _out: int,
    _handle: int,
    offset: int,
    to: int,
    size: int,
) -> int:
    memory = caller["memory"]
    assert isinstance(memory, wasmtime.Memory)
    memory.write(caller, _KIBIBYTE[offset : offset + size], to)
    return 0


def _each(line: Line, ours: int, rivals: int) -> Line:
    """Turn what a loop takes into what one time around takes, on each side."""
    assert line.rival is not None
    assert line.ratio is not None
    assert line.spread is not None
    low, high = line.spread
    return replace(
        line,
        ours=line.ours / ours,
        rival=line.rival / rivals,
        ratio=line.ratio * rivals / ours,
        spread=(low * rivals / ours, high * rivals / ours),
    )


ROWS: Final = (
    Row(
        "cid-to-cid",
        "a call from one CID into another beside the same two modules in a bare wasmtime Linker",
        cid_to_cid,
    ),
    Row(
        "block-read",
        "`block_read` of 1 KiB in a guest beside the same by a stock Python host function",
        block_read,
    ),
)
