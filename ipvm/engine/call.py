"""Run guest code on a fiber, as a citizen of trio.

A call is a future that is polled. A poll returns when the guest is done, when it waits for the host,
or when its slice of fuel is used up. It starts on the trio thread, where most calls end within
microseconds; a guest that uses up a slice is bound to compute, and goes on in slices on a worker
thread, a slice at a time, so that the loop stays alive and several guests use several cores.
Between two slices the call looks for cancellation. Dropping the future unwinds the guest.
"""

import ctypes
import os
import struct
import time
from typing import TYPE_CHECKING, Final, NoReturn

import trio
from trio.lowlevel import RunVar

from ipvm.engine import capi
from ipvm.engine.store import FIRST_SLICES
from ipvm.engine.trap import read_failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ipvm.engine.store import Extern, PendingCall, Store

__all__ = [
    "WELCOME_SECONDS",
    "CallShape",
    "call",
    "drive",
    "poll",
    "raise_failure",
    "raise_kept",
    "worker_limiter",
]

WORKER_SECONDS: Final = 0.008
"""Time between two looks for cancellation on a worker thread. Slices are measured, and made to last
as long, because an instruction may take a nanosecond, or fill a gigabyte."""
WORKER_SLICES_FIRST: Final = 0.1
WORKER_SLICES_MIN: Final = 0.02
WORKER_SLICES_MAX: Final = 20.0
WELCOME_SECONDS: Final = 0.02
"""Time that a guest may hold up the trio thread. A slice is a thousand times shorter than what it takes
to fill a gigabyte, which is one instruction. One that took longer is kept away from then on."""

_FORMATS: Final = {"i32": "i", "i64": "q", "f32": "f", "f64": "d"}
_KINDS: Final = {"i32": 0, "i64": 1, "f32": 2, "f64": 3}
_PADDING: Final = {"i32": "12x", "i64": "8x", "f32": "12x", "f64": "8x"}
"""What is left of the 16 bytes of a number."""


class CallShape:
    """How arguments and results of one function type lie in memory.

    They are numbers side by side, or values that name their types (`typed`).

    Attributes:
        argument_count: Number of arguments.
        result_count: Number of results.
        slots: The larger of the two.
        pack: Packs the arguments as numbers.
        unpack: Unpacks the results from numbers.
    """

    __slots__ = (
        "_kinds",
        "_typed",
        "_typed_results",
        "argument_count",
        "pack",
        "result_count",
        "slots",
        "unpack",
    )

    def __init__(self, params: "Sequence[str]", results: "Sequence[str]") -> None:
        self.argument_count = len(params)
        self.result_count = len(results)
        self.slots = max(len(params), len(results))
        self.pack = struct.Struct("<" + "".join(map(_number, params))).pack_into
        self.unpack = struct.Struct("<" + "".join(map(_number, results))).unpack_from
        self._kinds = [_KINDS[kind] for kind in params]
        self._typed = struct.Struct("<" + "".join(f"B7x{_number(kind)}8x" for kind in params))
        self._typed_results = struct.Struct(
            "<" + "".join(f"8x{_number(kind)}8x" for kind in results)
        )

    def typed(self, arguments: "Sequence[int | float]") -> "ctypes.Array[ctypes.c_char]":
        """Give the arguments as typed values, with room for the results after them."""
        size = self._typed.size + self._typed_results.size
        buffer = ctypes.create_string_buffer(max(size, 1))
        flat = [part for pair in zip(self._kinds, arguments, strict=True) for part in pair]
        self._typed.pack_into(buffer, 0, *flat)
        return buffer

    @property
    def results_offset(self) -> int:
        """Where the results begin among typed values."""
        return self._typed.size

    def typed_results(self, buffer: "ctypes.Array[ctypes.c_char]") -> tuple[int | float, ...]:
        """Read the results from typed values after the call."""
        return self._typed_results.unpack_from(buffer, self._typed.size)


def _number(kind: str) -> str:
    return _FORMATS[kind] + _PADDING[kind]


async def call(
    store: "Store",
    function: "Extern",
    shape: CallShape,
    arguments: "Sequence[int | float]",
    *,
    is_welcome: bool = True,
) -> tuple[int | float, ...]:
    """Call a function of the store and give its results.

    It is a checkpoint only if the guest waits or computes for long. Cancellation ends the guest;
    the store is of no use after that, nor after any exception.

    Args:
        store: Where it is.
        function: The function.
        shape: Its type.
        arguments: For it.
        is_welcome: Whether the guest may begin on the trio thread; see `WELCOME_SECONDS`.

    Raises:
        Trap: The guest trapped.
        BaseException: Whatever the store's host raised.
    """
    buffer = shape.typed(arguments)
    start = ctypes.addressof(buffer)
    outcome = (ctypes.c_void_p * 2)()
    future = capi.func_call_async(
        store.context,
        function.payload,
        start,
        shape.argument_count,
        start + shape.results_offset,
        shape.result_count,
        ctypes.addressof(outcome),
        ctypes.addressof(outcome) + 8,
    )
    try:
        await drive(store, future, is_welcome=is_welcome)
    finally:
        capi.call_future_delete(future)
    raise_failure(store, trap=outcome[0], error=outcome[1])
    return shape.typed_results(buffer)


async def drive(store: "Store", future: int, *, is_welcome: bool = True) -> None:
    """Poll until the guest is done, answering what it waits for.

    Args:
        store: The guest's.
        future: The call.
        is_welcome: Whether the guest may begin on the trio thread; see `WELCOME_SECONDS`.
    """
    turn: Callable[[Store, int], Awaitable[bool]] = _poll_here
    welcome = is_welcome
    slices = WORKER_SLICES_FIRST
    if not welcome:
        store.use_slices(slices)
        turn = _poll_on_worker
    started = time.perf_counter()
    while not await turn(store, future):
        seconds = time.perf_counter() - started
        pending = store.pending
        if turn is _poll_here:
            welcome = welcome and seconds < WELCOME_SECONDS
        elif pending is None:
            slices = _adapted(slices, seconds)
        if pending is None:
            await trio.lowlevel.checkpoint()
        else:
            await _answer(store, pending)
        if pending is None or not welcome:
            store.use_slices(slices)
            turn = _poll_on_worker
        elif turn is _poll_on_worker:
            store.use_slices(FIRST_SLICES)
            turn = _poll_here
        started = time.perf_counter()


def _adapted(slices: float, seconds: float) -> float:
    """Give the slices that would have lasted as long as they should, or a step towards that."""
    wanted = slices * min(WORKER_SECONDS / max(seconds, 1e-6), 2.0)
    return min(max(wanted, WORKER_SLICES_MIN), WORKER_SLICES_MAX)


async def _answer(store: "Store", pending: "PendingCall") -> None:
    store.pending = None
    assert store.host is not None
    error_number = await store.host.wait(pending.operation)
    ctypes.c_int32.from_address(pending.result_address).value = error_number


async def _poll_here(store: "Store", future: int) -> bool:
    return poll(store, future)


async def _poll_on_worker(store: "Store", future: int) -> bool:
    return await trio.to_thread.run_sync(poll, store, future, limiter=worker_limiter())


def poll(store: "Store", future: int) -> bool:
    """Let the guest run until it is done, waits, or has used up its slice; tell whether it is done."""
    if store.engine.metered:
        return bool(capi.call_future_poll(future))
    with store.engine.ticker.running():
        return bool(capi.call_future_poll(future))


def worker_limiter() -> trio.CapacityLimiter:
    """Give the limiter that keeps as many guests computing as there are cores."""
    try:
        return _WORKERS.get()
    except LookupError:
        limiter = trio.CapacityLimiter(os.cpu_count() or 1)
        _WORKERS.set(limiter)
        return limiter


_WORKERS: Final[RunVar[trio.CapacityLimiter]] = RunVar("ipvm workers")


def raise_failure(store: "Store", *, trap: int | None, error: int | None) -> None:
    """Raise what ended the guest: what the host raised first of all, with the trap as its cause."""
    ended = read_failure(error, trap)
    if store.failure is not None:
        raise_kept(store, ended)
    if ended is not None:
        raise ended


def raise_kept(store: "Store", cause: Exception | None) -> NoReturn:
    """Raise what the host raised.

    An exception that is still named where it was raised from is a cycle, with all that its frames
    hold, and many calls end this way.
    """
    failure, store.failure = store.failure, None
    assert failure is not None
    try:
        raise failure from cause
    finally:
        del failure
