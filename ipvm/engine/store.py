"""One isolated world of instances: a store, its fuel, its bounds and its way out to the host.

A store lives for one invocation. Guest code in it reaches Python through two functions only, `now`
and `wait`, which the kernel module calls with the number of an operation; everything else about a
host call stands in the kernel's memory. `now` answers at once, on whatever thread the guest runs.
`wait` suspends the guest's fiber and is answered by a coroutine on the trio thread.

No exception crosses the C boundary: what `now` raises is kept in the store that it belongs to
(wasmtime-py keeps it in a global of the process, where threads overwrite each other), the guest gets
a trap, and the executor raises what was kept.
"""

import ctypes
import functools
import math
import struct
from typing import Final, NamedTuple, Protocol

import wasmtime

from ipvm.engine import capi
from ipvm.engine.profile import Engine
from ipvm.engine.trap import Outcome

__all__ = [
    "FIRST_SLICES",
    "Extern",
    "Host",
    "PendingCall",
    "Postponed",
    "Store",
    "StoreBounds",
    "WouldWait",
    "i32_value",
    "stores_by_context",
]

_SLICE_FUEL: Final = 1_000_000
"""Fuel that takes about a millisecond, and a hundred times that where each instruction touches a page
of memory that nobody has touched before."""
FIRST_SLICES: Final = 1.0
"""Slices that a guest may use on the trio thread before it counts as CPU-bound."""
_FIRST_FUEL: Final = int(FIRST_SLICES * _SLICE_FUEL)
_FIRST_TICKS: Final = 2
"""Ticks in which guest code is ended that is only tried: after one to two milliseconds."""
_NO_DEADLINE: Final = 2**62
"""Ticks that never come."""


class Host(Protocol):
    """What a guest's kernel may ask for while it runs.

    Both take the number of an operation and return an error number, 0 for none. An exception ends
    the guest and is raised from the call that runs it. `now` may be called on any thread, one call
    at a time for each store; `wait` runs on the trio thread, and its cancellation ends the guest.
    """

    def now(self, operation: int) -> int:
        """Do an operation that cannot wait."""
        ...

    async def wait(self, operation: int) -> int:
        """Do an operation that may wait."""
        ...


class StoreBounds(NamedTuple):
    """Bounds that wasmtime enforces in one store, in the order in which it takes them.

    The first two hold for each memory and each table, the others for all instances together.
    """

    memory_bytes: int
    table_elements: int
    instances: int
    tables: int
    memories: int


class Extern:
    """A function, memory, table or global of one store, as the 32 bytes that wasmtime passes."""

    __slots__ = ("_buffer", "address", "payload")

    def __init__(self) -> None:
        self._buffer = ctypes.create_string_buffer(capi.EXTERN_BYTES)
        self.address = ctypes.addressof(self._buffer)
        self.payload = self.address + capi.EXTERN_PAYLOAD


class Postponed(Exception):
    """Guest code cannot go on where it was tried at once: it has to wait, or to compute for long."""


class WouldWait(Postponed):
    """Guest code that was tried at once has to wait for the host."""


class PendingCall(NamedTuple):
    """A call of `wait` that its guest is suspended on."""

    operation: int
    result_address: int


class Store:
    """One store. Use it on one thread at a time, and close it: nothing in it outlives it."""

    __slots__ = (
        "_address",
        "_outcome",
        "_reserve",
        "_slice_end",
        "_slices",
        "context",
        "engine",
        "entered",
        "failure",
        "host",
        "pending",
    )

    def __init__(self, engine: Engine, *, outcome: Outcome | None = None) -> None:
        """Make a store.

        Args:
            engine: Its engine.
            outcome: Room for C calls, if somebody has some to spare for as long as it is open.
        """
        self.engine = engine
        self.host: Host | None = None
        self.entered = False
        self.failure: BaseException | None = None
        self.pending: PendingCall | None = None
        self._outcome = Outcome() if outcome is None else outcome
        self._reserve = 0
        self._slice_end = 0
        self._slices = 0.0
        self._address = capi.store_new(engine.address, None, None)
        self.context = capi.store_context(self._address)
        if not engine.metered:  # else the epoch may end code that instantiation runs
            capi.set_epoch_deadline(self.context, _NO_DEADLINE)
        _STORES[self.context] = self

    def close(self) -> None:
        """Free the store and all its instances. Closing twice is harmless."""
        if self._address:
            self.host = None  # which knows the store, and the collector would have to find that
            del _STORES[self.context]
            capi.store_delete(self._address)
            self._address = 0

    def bound(self, bounds: StoreBounds) -> None:
        """Set what wasmtime enforces from here on."""
        capi.store_limiter(self._address, *bounds)

    @property
    def fuel(self) -> int:
        """Fuel that is left. Unreliable after any trap but running out of it.

        Postponed is raised where that cannot be told: guest code that has used up its ration may
        have gone beyond it, for the engine looks at fuel only where functions and loops begin.
        """
        room = self._outcome
        self._check(capi.get_fuel(self.context, room.address))
        left = room.values[0]
        room.values[0] = 0
        if not left and self._reserve:
            raise Postponed
        return left + self._reserve

    @fuel.setter
    def fuel(self, amount: int) -> None:
        if self._reserve:  # what guest code may use at once does not become more
            amount_here = min(self.fuel - self._reserve, amount)
            self._reserve = amount - amount_here
            self._check(capi.set_fuel(self.context, amount_here))
            return
        self._check(capi.set_fuel(self.context, amount))
        if amount < self._slice_end:
            # Setting fuel begins the slice anew, and a guest that makes one host call after the
            # other would never yield. So the first time that its slice is over, it is ended here.
            self._slice_end = 0
            self._slices = 0.0
            self._check(capi.fuel_yield_interval(self.context, 1))

    @property
    def rationed(self) -> bool:
        """Whether guest code has less fuel, or time, than there is."""
        return self._reserve > 0

    def ration(self, fuel: int | None) -> None:
        """Set the fuel, and keep back all but that of the first slices; or see `hurry`."""
        if fuel is None:
            self._reserve = 1
            return
        self._reserve = fuel - _FIRST_FUEL if fuel > _FIRST_FUEL else 0
        self._check(capi.set_fuel(self.context, fuel - self._reserve))

    def hurry(self) -> None:
        """End guest code when it has computed for a moment, where no fuel is counted."""
        capi.set_epoch_deadline(self.context, _FIRST_TICKS)

    def enter(self) -> None:
        """Get ready to run guest code. From here on the store is entered asynchronously."""
        self.entered = True
        self.use_slices(FIRST_SLICES)

    def use_slices(self, slices: float) -> None:
        """Let guest code yield each time it has computed for that many milliseconds or so."""
        self._slices = slices
        if self.engine.metered:
            amount = int(slices * _SLICE_FUEL)
            self._slice_end = self.fuel - amount
            self._check(capi.fuel_yield_interval(self.context, amount))
        else:
            ticks = math.ceil(slices)
            capi.epoch_yield(self.context, ticks)
            capi.set_epoch_deadline(self.context, ticks)

    def begin_again(self, fuel: int | None) -> None:
        """Get ready for another call of what lives here, with so much fuel and a slice of its own."""
        if fuel is None:
            capi.set_epoch_deadline(self.context, 1)
            return
        self._check(capi.set_fuel(self.context, fuel))  # which begins a slice, too
        self._slice_end = fuel - _FIRST_FUEL
        if self._slices != FIRST_SLICES:
            self.use_slices(FIRST_SLICES)

    def memory_view(self, memory: int, size: int) -> memoryview:
        """Give a writable view of a memory of known size, which stands as an extern at an address.

        The view dangles once the store is closed: whoever takes it releases it before.
        """
        payload = memory + capi.EXTERN_PAYLOAD
        if capi.memory_data_size(self.context, payload) != size:
            raise ValueError(f"the memory does not have {size} bytes")
        data = _array(size).from_address(capi.memory_data(self.context, payload))
        return memoryview(data).cast("B")

    def constant(self, value: int, address: int) -> None:
        """Make an immutable i32 global.

        Args:
            value: Address of an `i32_value`.
            address: Of an extern, for the global; its kind stands there already.
        """
        payload = address + capi.EXTERN_PAYLOAD
        self._check(capi.global_new(self.context, _CONSTANT_I32, value, payload))

    def set_table(self, table: Extern, index: int, function: Extern) -> None:
        """Put a function into a table."""
        value = _value(capi.KIND_FUNCREF, 0)
        ctypes.memmove(
            ctypes.addressof(value) + capi.VAL_PAYLOAD, function.payload, capi.FUNC_BYTES
        )
        error = capi.table_set(self.context, table.payload, index, ctypes.addressof(value))
        self._check(error)

    def _check(self, error: int | None) -> None:
        if error:
            raise self._outcome.failure(error)


def stores_by_context() -> dict[int, Store]:
    """Give the open stores by the address of their context, for the callbacks of `hostport`."""
    return _STORES


_STORES: dict[int, Store] = {}
_CONSTANT_I32_TYPE = wasmtime.GlobalType(wasmtime.ValType.i32(), mutable=False)
_CONSTANT_I32: Final = capi.address_of(_CONSTANT_I32_TYPE.ptr())


@functools.cache
def _array(size: int) -> "type[ctypes.Array[ctypes.c_char]]":
    """Give the array type of a size; making one takes ten times as long as using it."""
    return ctypes.c_char * size


def i32_value(value: int) -> "ctypes.Array[ctypes.c_char]":
    """Give a `wasmtime_val_t` of an i32; see `Store.constant`."""
    return _value(capi.KIND_I32, value)


def _value(kind: int, payload: int) -> "ctypes.Array[ctypes.c_char]":
    buffer = ctypes.create_string_buffer(capi.VAL_BYTES)
    struct.pack_into("<B7xq", buffer, 0, kind, payload)
    return buffer
