"""Instantiate modules, before and after guest code has run in their store.

A store that guest code may suspend in has to be entered asynchronously, which the C API allows for a
linker only. So the imports are then defined in a linker made for the one module, which costs tens of
microseconds where the plain way costs two. Most programs never need it: only one whose dependencies
have something to initialise.
"""

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio
import wasmtime

from ipvm.engine import capi
from ipvm.engine.store import Instance, Store
from ipvm.engine.trap import read_failure

if TYPE_CHECKING:
    from ipvm.engine.module import CompiledModule

__all__ = ["instantiate"]


async def instantiate(
    store: Store, module: "CompiledModule", imports: int, names: Sequence[tuple[bytes, bytes]]
) -> Instance:
    """Instantiate a module whose imports stand as an array at address `imports`.

    Args:
        store: The store.
        module: A module without a start function.
        imports: Address of the externs.
        names: The two names of each of them, in order.

    Raises:
        Trap: An active segment does not fit.
        EngineFault: wasmtime refused.
    """
    if not store.entered:
        return store.instantiate(module, imports, len(names))
    linker = wasmtime.Linker(store.engine.wasmtime)
    linker.allow_shadowing = True
    address = capi.address_of(linker.ptr())
    for slot, (module_name, name) in enumerate(names):
        extern = imports + slot * capi.EXTERN_BYTES
        capi.linker_define(
            address,
            store.context,
            module_name,
            len(module_name),
            name,
            len(name),
            extern,
        )
    instance = Instance(store)
    outcome = (ctypes.c_void_p * 2)()
    future = capi.linker_instantiate_async(
        address,
        store.context,
        module.address,
        instance.address,
        ctypes.addressof(outcome),
        ctypes.addressof(outcome) + 8,
    )
    try:
        while not capi.call_future_poll(future):
            await trio.lowlevel.checkpoint()
    finally:
        capi.call_future_delete(future)
    failure = read_failure(outcome[1], outcome[0])
    if failure is not None:
        raise failure
    return instance
