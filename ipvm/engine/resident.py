"""Call a function of a living instance again and again, with its buffers made once.

A store runs one call at a time, so a function needs one buffer for its arguments and results, which
`ipvm.engine.call` makes for each call. A call is cut into steps, so that one that is done at its first
step, as most are, costs no coroutine.
"""

import ctypes
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from ipvm.engine import capi
from ipvm.engine.call import CallShape, drive, poll, raise_failure
from ipvm.engine.capi import VAL_BYTES, VAL_PAYLOAD

if TYPE_CHECKING:
    from ipvm.engine.store import Extern, Store

__all__ = ["ResidentFunction"]

_Slot: TypeAlias = ctypes.c_int32 | ctypes.c_int64 | ctypes.c_float | ctypes.c_double

_SLOTS: Final[dict[str, type[_Slot]]] = {
    "i32": ctypes.c_int32,
    "i64": ctypes.c_int64,
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
}


class ResidentFunction:
    """A function of a store that has been entered. Of all those of a store, one is called at a time.

    A call is `start`, then `finish` if it is not done yet, and `results`.
    """

    __slots__ = (
        "_arguments",
        "_buffer",
        "_call",
        "_failure",
        "_function",
        "_future",
        "_results",
        "_store",
    )

    def __init__(
        self, store: "Store", function: "Extern", params: Sequence[str], results: Sequence[str]
    ) -> None:
        self._store = store
        self._function = function  # whose address stands in `_call`
        self._future = 0
        self._failure = (ctypes.c_void_p * 2)()
        shape = CallShape(params, results)
        self._buffer = shape.typed([0] * len(params))
        self._arguments = _slots(self._buffer, params, 0)
        self._results = _slots(self._buffer, results, shape.results_offset)
        start = ctypes.addressof(self._buffer)
        failure = ctypes.addressof(self._failure)
        self._call = (
            store.context,
            function.payload,
            start,
            len(params),
            start + shape.results_offset,
            len(results),
            failure,
            failure + 8,
        )

    def start(self, arguments: Iterable[int | float]) -> bool:
        """Begin a call and run it until it waits or has used up a slice; tell whether it is done."""
        for slot, number in zip(self._arguments, arguments, strict=True):
            slot.value = number
        self._future = capi.func_call_async(*self._call)
        done = poll(self._store, self._future)
        if done:
            capi.call_future_delete(self._future)
        return done

    async def finish(self) -> None:
        """See a call through that was not done at once.

        If this is cancelled or raises, the guest is unwound, and the store of no use after that.

        Raises:
            BaseException: Whatever the store's host raised while the guest waited.
        """
        try:
            await drive(self._store, self._future)
        finally:
            capi.call_future_delete(self._future)

    def results(self) -> list[int | float]:
        """Give the results of a call that is done.

        Raises:
            Trap: The guest trapped.
            BaseException: Whatever the store's host raised.
        """
        trap, error = self._failure
        if trap or error or self._store.failure is not None:
            self._failure[:] = [None, None]
            raise_failure(self._store, trap=trap, error=error)
        return [slot.value for slot in self._results]


def _slots(buffer: "ctypes.Array[ctypes.c_char]", kinds: Sequence[str], offset: int) -> list[_Slot]:
    """Give the numbers of the values that lie in a buffer from an offset on."""
    return [
        _SLOTS[kind].from_buffer(buffer, offset + number * VAL_BYTES + VAL_PAYLOAD)
        for number, kind in enumerate(kinds)
    ]
