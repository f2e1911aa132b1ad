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
import struct
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import wasmtime

from ipvm.engine import capi
from ipvm.engine.profile import Engine
from ipvm.engine.trap import read_failure

if TYPE_CHECKING:
    from ipvm.engine.module import CompiledModule

__all__ = ["Extern", "Host", "Instance", "PendingCall", "Postponed", "Store", "StoreBounds"]

_SLICE_FUEL: Final = 1_000_000
"""Fuel that takes about a millisecond."""
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


class Instance:
    """One instance in a store."""

    __slots__ = ("_buffer", "_store", "address")

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._buffer = ctypes.create_string_buffer(capi.INSTANCE_BYTES)
        self.address = ctypes.addressof(self._buffer)

    def export_into(self, name: bytes, address: int) -> None:
        """Write the export of that name to the 32 bytes at an address.

        Raises:
            KeyError: There is no such export. The linker has checked names before; meeting it is
                a bug.
        """
        found = capi.instance_export_get(
            self._store.context, self.address, name, len(name), address
        )
        if not found:
            raise KeyError(name)

    def export(self, name: bytes) -> Extern:
        """Give the export of that name; see `export_into`."""
        extern = Extern()
        self.export_into(name, extern.address)
        return extern


class Postponed(Exception):
    """Guest code cannot go on where it was tried at once: it has to wait, or to compute for long."""


class PendingCall(NamedTuple):
    """A call of `wait` that its guest is suspended on."""

    operation: int
    result_address: int


class Store:
    """One store. Use it on one thread at a time, and close it: nothing in it outlives it."""

    __slots__ = (
        "_address",
        "_reserve",
        "_slice_end",
        "_slices",
        "_words",
        "_words_address",
        "context",
        "engine",
        "entered",
        "failure",
        "host",
        "pending",
    )

    def __init__(self, engine: Engine, *, bounds: StoreBounds | None = None) -> None:
        self.engine = engine
        self.host: Host | None = None
        self.entered = False
        self.failure: BaseException | None = None
        self.pending: PendingCall | None = None
        self._address = capi.store_new(engine.address, None, None)
        self.context = capi.store_context(self._address)
        self._reserve = 0
        self._slice_end = self._slices = 0
        self._words = (ctypes.c_uint64 * 2)()
        self._words_address = ctypes.addressof(self._words)
        if not engine.metered:  # else the epoch may end code that instantiation runs
            capi.set_epoch_deadline(self.context, _NO_DEADLINE)
        _STORES[self.context] = self
        if bounds is not None:
            self.bound(bounds)

    def close(self) -> None:
        """Free the store and all its instances. Closing twice is harmless."""
        if self._address:
            _STORES.pop(self.context, None)
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
        Setting it raises Postponed where what was kept back by `ration` would have to be touched.
        """
        self._raise(capi.get_fuel(self.context, self._words_address), None)
        left = self._words[0]
        if not left and self._reserve:
            raise Postponed
        return left + self._reserve

    @fuel.setter
    def fuel(self, amount: int) -> None:
        if amount < self._reserve:
            raise Postponed
        self._raise(capi.set_fuel(self.context, amount - self._reserve), None)
        if amount < self._slice_end:
            # Setting fuel begins the slice anew, and a guest that makes one host call after the
            # other would never yield. So the first time that its slice is over, it is ended here.
            self._slice_end = self._slices = 0
            self._raise(capi.fuel_yield_interval(self.context, 1), None)

    @property
    def rationed(self) -> bool:
        """Whether guest code has less fuel than there is."""
        return self._reserve > 0

    def ration(self, slices: int) -> None:
        """Keep back all fuel but that of so many slices; see `use_slices`."""
        amount = self.fuel
        self._reserve = max(amount - slices * _SLICE_FUEL, 0)
        self.fuel = amount

    def enter(self) -> None:
        """Get ready to run guest code. From here on the store is entered asynchronously."""
        self.entered = True
        self.use_slices(1)

    def use_slices(self, slices: int) -> None:
        """Let guest code yield each time it has computed for that many milliseconds or so."""
        self._slices = slices
        if self.engine.metered:
            amount = slices * _SLICE_FUEL
            self._slice_end = self.fuel - amount
            self._raise(capi.fuel_yield_interval(self.context, amount), None)
        else:
            capi.epoch_yield(self.context, slices)
            capi.set_epoch_deadline(self.context, slices)

    def begin_again(self, fuel: int | None) -> None:
        """Get ready for another call of what lives here, with so much fuel and a slice of its own."""
        if fuel is None:
            capi.set_epoch_deadline(self.context, 1)
            return
        self._raise(capi.set_fuel(self.context, fuel), None)  # which begins a slice, too
        self._slice_end = fuel - _SLICE_FUEL
        if self._slices != 1:
            self.use_slices(1)

    def instantiate(self, module: "CompiledModule", imports: int, count: int) -> Instance:
        """Instantiate a module with `count` imports, which stand as an array at address `imports`.

        The store must not have been entered; see `ipvm.engine.instantiate`.

        Raises:
            Trap: An active segment does not fit.
            EngineFault: wasmtime refused, for example because a bound of the store was reached.
        """
        instance = Instance(self)
        words = self._words
        words[0] = 0
        error = capi.instance_new(
            self.context, module.address, imports, count, instance.address, self._words_address
        )
        if error or words[0]:
            self._raise(error, words[0])
        return instance

    def memory_view(self, memory: int, size: int) -> memoryview:
        """Give a writable view of a memory of known size, which stands as an extern at an address.

        The view dangles once the store is closed: whoever takes it releases it before.
        """
        payload = memory + capi.EXTERN_PAYLOAD
        if capi.memory_data_size(self.context, payload) != size:
            raise ValueError(f"the memory does not have {size} bytes")
        data = _array(size).from_address(capi.memory_data(self.context, payload))
        return memoryview(data).cast("B")

    def constant_i32(self, value: int, address: int) -> None:
        """Make an immutable global and write it as an extern to the 32 bytes at an address."""
        initial = _value(capi.KIND_I32, value)
        error = capi.global_new(
            self.context, _CONSTANT_I32, ctypes.addressof(initial), address + capi.EXTERN_PAYLOAD
        )
        self._raise(error, None)
        ctypes.c_uint8.from_address(address).value = capi.EXTERN_GLOBAL

    def set_table(self, table: Extern, index: int, function: Extern) -> None:
        """Put a function into a table."""
        value = _value(capi.KIND_FUNCREF, 0)
        ctypes.memmove(
            ctypes.addressof(value) + capi.VAL_PAYLOAD, function.payload, capi.FUNC_BYTES
        )
        error = capi.table_set(self.context, table.payload, index, ctypes.addressof(value))
        self._raise(error, None)

    def _raise(self, error: int | None, trap: int | None) -> None:
        if error or trap:
            failure = read_failure(error, trap)
            assert failure is not None
            raise failure


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


def _value(kind: int, payload: int) -> "ctypes.Array[ctypes.c_char]":
    buffer = ctypes.create_string_buffer(capi.VAL_BYTES)
    struct.pack_into("<B7xq", buffer, 0, kind, payload)
    return buffer
