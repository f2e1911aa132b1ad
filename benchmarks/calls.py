"""Rows about one call from Python: the bare call of an export, and calls in a fresh sandbox."""

import ctypes
from collections.abc import Coroutine, Sequence
from typing import Final

import wasmtime

import ipvm
from benchmarks.extism import open_plugin
from benchmarks.guests import guest
from benchmarks.measure import beside
from benchmarks.programs import loaded
from benchmarks.row import Effort, Line, Row
from benchmarks.stock import FUEL, Stock
from ipvm.engine import CallShape, Store, attempt, compile_now, engine_for, text_to_module

__all__ = ["ROWS"]

BYTES_TO_BYTES: Final = ipvm.Signature(params=("bytes",), results=("bytes",))
_KIBIBYTE: Final = bytes(range(256)) * 4
_SIXTY_FOUR: Final = _KIBIBYTE * 64


async def scalar_inner(effort: Effort) -> Sequence[Line]:
    """Call an export of a living instance, without the scheduler."""
    engine = engine_for("deterministic")
    module = compile_now(engine, text_to_module(guest("add")))
    store = Store(engine)
    store.fuel = FUEL
    nothing = ctypes.create_string_buffer(1)
    function = store.instantiate(module, ctypes.addressof(nothing), 0).export(b"f")
    shape = CallShape(("i32", "i32"), ("i32",))

    async def ours(times: int) -> None:
        for _ in range(times):
            _drive(attempt(store, function, shape, (1, 2)))

    plain = wasmtime.Engine()
    stock = Stock(plain, wasmtime.Module(plain, guest("add")))

    async def rival(times: int) -> None:
        for _ in range(times):
            stock(1, 2)

    try:
        return [await beside(ours, rival, effort, bar=1 / 20)]
    finally:
        store.close()


def _drive(call: Coroutine[object, None, tuple[int | float, ...]]) -> tuple[int | float, ...]:
    """Run a coroutine that does not wait to its end."""
    try:
        call.send(None)
    except StopIteration as done:
        result: tuple[int | float, ...] = done.value
        return result
    raise RuntimeError("the call waits")


async def call_isolated(effort: Effort) -> Sequence[Line]:
    """Call a loaded function, in a fresh store each time."""
    plugin = open_plugin("nothing_extism")

    async def rival(times: int) -> None:
        for _ in range(times):
            plugin.call("f", b"")

    async with loaded("add") as function:

        async def ours(times: int) -> None:
            for _ in range(times):
                await function(1, 2)

        return [await beside(ours, rival, effort, bar=1)]


async def call_blocks(effort: Effort) -> Sequence[Line]:
    """Call a function that takes 1 KiB and gives 1 KiB, in a fresh store each time."""
    engine = wasmtime.Engine()
    module = wasmtime.Module(engine, guest("echo_memory"))

    async def rival(times: int) -> None:
        for _ in range(times):
            stock = Stock(engine, module)
            stock.memory.write(stock.store, _KIBIBYTE, 1024)
            at = int(stock(1024, len(_KIBIBYTE)))
            bytes(stock.memory.read(stock.store, at, at + len(_KIBIBYTE)))

    async with loaded("echo", BYTES_TO_BYTES) as function:

        async def ours(times: int) -> None:
            for _ in range(times):
                await function(_KIBIBYTE)

        return [await beside(ours, rival, effort, bar=0.4)]


async def bytes_64k(effort: Effort) -> Sequence[Line]:
    """Carry 64 KiB through the memory of a function and back."""
    plugin = open_plugin("echo_extism")

    async def rival(times: int) -> None:
        for _ in range(times):
            bytes(plugin.call("f", _SIXTY_FOUR))

    async with loaded("echo", BYTES_TO_BYTES) as function:
        _require_same(bytes(plugin.call("f", _SIXTY_FOUR)), await function(_SIXTY_FOUR))

        async def ours(times: int) -> None:
            for _ in range(times):
                await function(_SIXTY_FOUR)

        return [await beside(ours, rival, effort, bar=0.5)]


def _require_same(theirs: bytes, ours: object) -> None:
    if not theirs == ours == _SIXTY_FOUR:
        raise RuntimeError("the two sides do not do the same")


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
