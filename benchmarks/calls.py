"""Rows about one call from Python: the bare call of an export, and calls in a fresh sandbox."""

from collections.abc import Sequence
from typing import Final

import wasmtime

import ipvm
from benchmarks import extism, stock
from benchmarks.guests import guest
from benchmarks.measure import OURS, Side, in_turns, one_by_one
from benchmarks.node import NODE, open_v8
from benchmarks.programs import Calling, living, loaded
from benchmarks.row import Effort, Line, Row, optional
from benchmarks.stock import FUEL, STOCK, Stock
from ipvm.engine import (
    Assembly,
    Attempt,
    CallShape,
    Part,
    Store,
    compile_now,
    engine_for,
    text_to_module,
)

__all__ = ["BYTES_TO_BYTES", "ROWS", "calls_of"]

BYTES_TO_BYTES: Final = ipvm.Signature(params=("bytes",), results=("bytes",))
_KIBIBYTE: Final = bytes(range(256)) * 4
_SIXTY_FOUR: Final = _KIBIBYTE * 64
_AT: Final = 1024
_RARE: Final = 0.01
_NEW: Final = "extism, a plug-in a call"
_LIVING: Final = "wasmtime-py, living"
_PYTHON: Final = "a function of Python"


async def scalar_inner(effort: Effort) -> Sequence[Line]:
    """Call an export of a living instance, without the scheduler."""
    engine = engine_for("deterministic")
    assembly = Assembly(engine, [Part(compile_now(engine, text_to_module(guest("add"))))])
    store = Store(engine)
    store.fuel = FUEL
    assembly.build(store)
    function = Attempt(CallShape(("i32", "i32"), ("i32",)))
    assembly.export_into(store, 0, b"f", function.extern)

    async def ours(times: int) -> None:
        for _ in range(times):
            function.call(store, (1, 2))

    async def python(times: int) -> None:
        for _ in range(times):
            _add(1, 2)

    sides = {OURS: ours, STOCK: stock.calling("add", 1, 2), _PYTHON: python}
    try:
        async with open_v8(effort) as v8:
            if v8 is not None:
                sides[NODE], _ = await v8.side("add", (1, 2))
            rounds = await in_turns(sides, effort)
    finally:
        store.close()
    return rounds.lines({STOCK: 1 / 20, _PYTHON: None, NODE: None})


def _add(one: int, other: int) -> int:
    return one + other


def calls_of(function: Calling, *arguments: object) -> Side:
    """Give the side that awaits a function, one call after the other."""

    async def side(times: int) -> None:
        for _ in range(times):
            await function(*arguments)

    return side


async def call_isolated(effort: Effort) -> Sequence[Line]:
    """Call a loaded function, in a fresh store each time."""
    rivals = {_LIVING: stock.calling("add", 1, 2), STOCK: _stock_anew()}
    with optional(effort):
        rivals[extism.EXTISM] = extism.calling("nothing_extism", b"")
        rivals[_NEW] = extism.renewing("nothing_extism", b"")
    async with loaded("add") as function, loaded("add", profile="fast") as fast:
        sides = {OURS: calls_of(function, 1, 2), "fast": calls_of(fast, 1, 2), **rivals}
        rounds = await in_turns(sides, effort)
        rare = {name: side for name, side in sides.items() if name in {OURS, extism.EXTISM}}
        slow = await one_by_one(rare, effort, share=_RARE)
    return [
        *rounds.lines({extism.EXTISM: 1, _LIVING: 1, _NEW: None, STOCK: None}),
        *rounds.lines({extism.EXTISM: None}, ours="fast", part="profile fast"),
        *slow.lines({extism.EXTISM: None}, part="slowest hundredth"),
    ]


async def call_session(effort: Effort) -> Sequence[Line]:
    """Call a function of a living instance, through the scheduler."""
    rivals = {_LIVING: stock.calling("add", 1, 2)}
    with optional(effort):
        rivals[extism.EXTISM] = extism.calling("nothing_extism", b"")
    async with living("add") as function, living("add", profile="fast") as fast:
        sides = {OURS: calls_of(function, 1, 2), "fast": calls_of(fast, 1, 2), **rivals}
        rounds = await in_turns(sides, effort)
    return [
        *rounds.lines({extism.EXTISM: 0.4, _LIVING: None}),
        *rounds.lines({extism.EXTISM: None}, ours="fast", part="profile fast"),
    ]


def _stock_anew() -> Side:
    """Give the side that makes a store and an instance for each call."""
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, guest("add"))

    async def side(times: int) -> None:
        for _ in range(times):
            Stock(engine, module)(1, 2)

    return side


async def call_blocks(effort: Effort) -> Sequence[Line]:
    """Call a function that takes 1 KiB and gives 1 KiB, in a fresh store each time."""
    async with loaded("echo", BYTES_TO_BYTES) as function:
        sides = {OURS: calls_of(function, _KIBIBYTE), STOCK: _through(_KIBIBYTE)}
        return (await in_turns(sides, effort)).lines({STOCK: 0.4})


async def bytes_64k(effort: Effort) -> Sequence[Line]:
    """Carry 64 KiB through the memory of a function and back."""
    rivals = {STOCK: _through(_SIXTY_FOUR), _LIVING: _through(_SIXTY_FOUR, living=True)}
    with optional(effort):
        rivals[extism.EXTISM] = extism.calling("echo_extism", _SIXTY_FOUR)
        _require_same(bytes(extism.open_plugin("echo_extism").call("f", _SIXTY_FOUR)))
    async with loaded("echo", BYTES_TO_BYTES) as function:
        _require_same(await function(_SIXTY_FOUR))
        sides = {OURS: calls_of(function, _SIXTY_FOUR), **rivals}
        rounds = await in_turns(sides, effort)
    return rounds.lines({extism.EXTISM: 0.5, STOCK: None, _LIVING: None})


def _through(data: bytes, *, living: bool = False) -> Side:
    """Give the side that writes bytes into an instance, calls it, and reads its answer."""
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, guest("echo_memory"))
    kept = Stock(engine, module) if living else None

    async def side(times: int) -> None:
        for _ in range(times):
            instance = kept or Stock(engine, module)
            instance.memory.write(instance.store, data, _AT)
            at = int(instance(_AT, len(data)))
            bytes(instance.memory.read(instance.store, at, at + len(data)))

    return side


def _require_same(echoed: object) -> None:
    if echoed != _SIXTY_FOUR:
        raise RuntimeError("a side does not give back what it was given")


ROWS: Final = (
    Row(
        "scalar-inner",
        "a call of an export of a living instance, without trio, beside stock wasmtime-py",
        scalar_inner,
    ),
    Row(
        "call-isolated",
        "`await f(1, 2)` in a fresh store beside a no-op on a living plug-in of extism",
        call_isolated,
    ),
    Row(
        "call-session",
        "`await f(1, 2)` in a session beside a no-op on a living plug-in of extism",
        call_session,
    ),
    Row(
        "call-blocks",
        "a call with 1 KiB in and out in a fresh store beside the same in stock wasmtime-py",
        call_blocks,
    ),
    Row(
        "bytes-64k",
        "64 KiB through guest memory and back beside the same on a living plug-in of extism",
        bytes_64k,
    ),
)
