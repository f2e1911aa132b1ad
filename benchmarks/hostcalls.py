"""The rows about host calls: one that is answered at once, and one that may wait.

Our host calls do something, for there is none that does not: the first tells the fuel, which is read
and written into the guest's memory; the second opens a block of 1 KiB that is at hand in the store,
and puts it into the kernel. The stock functions of the rivals do nothing at all.
"""

from collections.abc import Callable, Sequence
from typing import Final

import trio
import wasmtime

import ipvm
from benchmarks.guests import guest
from benchmarks.measure import OURS, Side, each_of, in_turns
from benchmarks.programs import in_memory, loaded
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import Stock
from ipvm.testing import Library

__all__ = ["ROWS"]

_FUNCTION: Final = "wasmtime-py's function"
_THREAD: Final = "the same, by trio.from_thread"


async def host_call(effort: Effort) -> Sequence[Line]:
    """Make a host call that cannot wait, in the loop of a guest."""
    ours = effort.size(10_000, 10)
    theirs = effort.size(1000, 10)
    stock = _asking(_nothing)

    async def rival(times: int) -> None:
        for _ in range(times):
            stock(theirs)

    async with loaded("fuel") as function:

        async def side(times: int) -> None:
            for _ in range(times):
                await function(ours)

        sides = {OURS: each_of(side, ours), _FUNCTION: each_of(rival, theirs)}
        return (await in_turns(sides, effort)).lines({_FUNCTION: None})


async def host_wait(effort: Effort) -> Sequence[Line]:
    """Make a host call that may wait, in the loop of a guest."""
    calls = effort.size(1000, 10)
    waiting = _asking(lambda _number: trio.from_thread.run(_nothing_async))
    stock = _asking(_nothing)

    async def rival(times: int) -> None:
        for _ in range(times):
            stock(calls)

    async def threaded(times: int) -> None:
        for _ in range(times):
            await trio.to_thread.run_sync(waiting, calls)

    rivals: dict[str, Side] = {_THREAD: each_of(threaded, calls), _FUNCTION: each_of(rival, calls)}
    library = Library()
    signature = ipvm.Signature(params=("link", "i32"), results=("i32",))
    cid = library.manifest(guest("wait"), exports={"f": signature})
    async with in_memory(library) as node:
        link = await node.put(bytes(1024))
        function = (await node.load(cid))["f"]

        async def side(times: int) -> None:
            for _ in range(times):
                await function(link, calls)

        rounds = await in_turns({OURS: each_of(side, calls), **rivals}, effort)
    return rounds.lines(dict.fromkeys(rivals))


def _asking(answer: Callable[[int], int]) -> Stock:
    """Give a guest whose host call is a function of Python."""
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    i32 = wasmtime.ValType.i32()
    ask = wasmtime.Func(store, wasmtime.FuncType([i32], [i32]), answer)
    return Stock(engine, wasmtime.Module(engine, guest("ask")), [ask], store=store)


def _nothing(_number: int) -> int:
    return 0


async def _nothing_async() -> int:
    return 0


ROWS: Final = (
    Row(
        "host-call",
        "a host call that is answered at once beside a stock Python host function that does nothing",
        host_call,
    ),
    Row(
        "host-wait",
        "a host call that may wait, for a block of 1 KiB, beside one that waits by threads",
        host_wait,
    ),
)
