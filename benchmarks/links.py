"""Rows about what happens inside a linked program: calls from module to module, and host calls."""

from collections.abc import Callable, Sequence
from typing import Final

import wasmtime

import ipvm
from benchmarks.guests import guest
from benchmarks.measure import OURS, Rounds, Side, each_of, in_turns, seconds_of
from benchmarks.programs import loaded
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import FUEL, Stock, our_engine

__all__ = ["ROWS"]

_LINKER: Final = "a bare Linker"
_FUNCTION: Final = "wasmtime-py's function"
_CALLS_AT_ONCE: Final = 75_000
"""Calls that the first slice of fuel is enough for; a longer computation moves to another thread."""
_TIMES: Final = 20
_KIBIBYTE: Final = bytes(range(256)) * 4


async def cid_to_cid(effort: Effort) -> Sequence[Line]:
    """Call from one module into another: the cost of one more call, and of very many at a time."""
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

    def rival(calls: int) -> Side:
        async def side(times: int) -> None:
            for _ in range(times):
                repeat(store, calls)

        return side

    async with loaded("repeat", imports={"other": "add"}) as function:

        def ours(calls: int) -> Side:
            async def side(times: int) -> None:
                for _ in range(times):
                    await function(calls)

            return side

        calls = effort.size(_CALLS_AT_ONCE, 10_000)
        few: dict[str, list[float]] = {OURS: [], _LINKER: []}
        for _ in range(effort.rounds):
            few[OURS].append(await _marginal(ours, calls))
            few[_LINKER].append(await _marginal(rival, calls))
        many = effort.size(5_000_000, 10_000)
        long = {OURS: each_of(ours(many), many), _LINKER: each_of(rival(many), many)}
        rounds = await in_turns(long, effort)
    return [
        Rounds(few).line(_LINKER, bar=1.1),
        rounds.line(_LINKER, part="in a long computation"),
    ]


async def _marginal(side: Callable[[int], Side], calls: int) -> float:
    """Give the seconds of one call among many, without what the call from Python takes."""
    few = await seconds_of(side(1), _TIMES)
    return (await seconds_of(side(calls), _TIMES) - few) / (calls - 1)


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

        sides = {OURS: each_of(ours, our_reads), _FUNCTION: each_of(rival, rival_reads)}
        return (await in_turns(sides, effort)).lines({_FUNCTION: 1 / 100})


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
