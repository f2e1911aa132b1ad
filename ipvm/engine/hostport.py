"""The two functions through which guest code reaches Python: `host.now` and `host.wait`.

They are defined once for each engine. Which store a call belongs to is told by the address of its
context. Both callbacks run on the stack of a guest's fiber, below frames of wasmtime that no Python
exception may cross, so everything is caught here and given to the store.
"""

import functools
from ctypes import c_int32, c_uint8, c_uint64
from typing import Final

import trio
import wasmtime

from ipvm.engine import capi
from ipvm.engine.profile import Engine
from ipvm.engine.store import Extern, PendingCall, Store, stores_by_context

__all__ = ["HostPort", "host_port_for"]

_MODULE: Final = b"host"
_STORES: Final = stores_by_context()


@trio.lowlevel.enable_ki_protection
def _on_now(_env: int, caller: int, slots: int, _count: int) -> int:
    store = _STORES[capi.caller_context(caller)]
    try:
        slot = c_int32.from_address(slots)
        assert store.host is not None
        slot.value = store.host.now(slot.value)
    except BaseException as failure:  # noqa: BLE001 - nothing may cross the C boundary (D5)
        store.failure = failure
        return capi.trap_new_code(capi.TRAP_INTERRUPT)
    return 0


@trio.lowlevel.enable_ki_protection
def _on_wait(
    _env: int,
    caller: int,
    arguments: int,
    _count: int,
    results: int,
    _result_count: int,
    _trap: int,
    continuation: int,
) -> None:
    context = capi.caller_context(caller)
    operation = c_int32.from_address(arguments + capi.VAL_PAYLOAD).value
    c_uint8.from_address(results).value = capi.KIND_I32
    _STORES[context].pending = PendingCall(operation, results + capi.VAL_PAYLOAD)
    c_uint64.from_address(continuation).value = _IS_DONE
    c_uint64.from_address(continuation + 8).value = context
    c_uint64.from_address(continuation + 16).value = 0


@trio.lowlevel.enable_ki_protection
def _is_done(context: int) -> bool:
    return _STORES[context].pending is None


_ON_NOW: Final = capi.HostCallback(_on_now)
_ON_WAIT: Final = capi.HostAsyncCallback(_on_wait)
_IS_DONE_CALLBACK: Final = capi.ContinuationCallback(_is_done)
_IS_DONE: Final = capi.address_of(_IS_DONE_CALLBACK)


class HostPort:
    """`host.now` and `host.wait`, ready to be put into any store of one engine."""

    def __init__(self, engine: Engine) -> None:
        i32 = wasmtime.ValType.i32()
        self._type = wasmtime.FuncType([i32], [wasmtime.ValType.i32()])
        self._linker = wasmtime.Linker(engine.wasmtime)
        self._address = capi.address_of(self._linker.ptr())
        function_type = capi.address_of(self._type.ptr())
        module, now, wait = _MODULE, b"now", b"wait"
        names = (self._address, module, len(module))
        capi.linker_define_func(*names, now, len(now), function_type, _ON_NOW, None, None)
        capi.linker_define_async_func(*names, wait, len(wait), function_type, _ON_WAIT, None, None)

    def now(self, store: Store, address: int) -> None:
        """Write `host.now` as an extern of the store to the 32 bytes at an address."""
        capi.linker_get(self._address, store.context, _MODULE, len(_MODULE), b"now", 3, address)

    def wait(self, store: Store) -> Extern:
        """Give `host.wait` as an extern of the store.

        From here on wasmtime takes the store for one that must be entered asynchronously, so what is
        instantiated after that goes the long way; see `ipvm.engine.assembly`.
        """
        extern = Extern()
        capi.linker_get(
            self._address, store.context, _MODULE, len(_MODULE), b"wait", 4, extern.address
        )
        return extern


@functools.cache
def host_port_for(engine: Engine) -> HostPort:
    """Give the host port of an engine; the same object for the whole process."""
    return HostPort(engine)
