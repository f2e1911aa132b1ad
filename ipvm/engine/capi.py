"""The C functions of wasmtime that this package calls, typed as plain addresses and numbers.

The classes of wasmtime-py convert and check at each call, which costs 20 µs where the call itself
costs 0.4 µs. Everything that runs once per invocation goes through these prototypes instead. They
take what `ctypes.addressof` gives, and check nothing: only this package calls them, with structures
that it laid out itself, and `selftest` proves the layout before anything else runs.

Calls that cannot reach Python again keep the GIL (`_quick`); those that run or compile guest code
release it (`_long`).
"""

import ctypes
from collections.abc import Callable
from ctypes import c_bool, c_char_p, c_int64, c_size_t, c_uint8, c_uint64, c_void_p
from typing import Any, Final, TypeAlias

from wasmtime import _bindings, _ffi

__all__ = [
    "EXTERN_BYTES",
    "EXTERN_PAYLOAD",
    "VAL_BYTES",
    "VAL_PAYLOAD",
    "ContinuationCallback",
    "HostAsyncCallback",
    "HostCallback",
    "address_of",
]

_dll = _ffi.dll


_Function: TypeAlias = Callable[..., int]


MISSING: Final[list[str]] = []
"""The functions of these that the installed wasmtime does not have; `selftest` refuses it for one."""


def _quick(name: str, result: Any, *arguments: Any) -> _Function:
    return _found(ctypes.PYFUNCTYPE(result, *arguments), name)


def _long(name: str, result: Any, *arguments: Any) -> _Function:
    return _found(ctypes.CFUNCTYPE(result, *arguments), name)


def _found(prototype: Any, name: str) -> _Function:
    try:
        function: _Function = prototype((name, _dll))
    except AttributeError:
        MISSING.append(name)
        return _no_function
    return function


def _no_function(*_arguments: object) -> int:
    raise NotImplementedError(f"wasmtime lacks {', '.join(MISSING)}")


VAL_BYTES: Final = 32
"""Size of `wasmtime_val_t`: a kind byte, then a union at `VAL_PAYLOAD`."""
VAL_PAYLOAD: Final = 8
RAW_BYTES: Final = 16
"""Size of `wasmtime_val_raw_t`, which has no kind."""
EXTERN_BYTES: Final = 32
"""Size of `wasmtime_extern_t`: a kind byte, then a union at `EXTERN_PAYLOAD`."""
EXTERN_PAYLOAD: Final = 8
FUNC_BYTES: Final = 16
"""Size of `wasmtime_func_t`."""
INSTANCE_BYTES: Final = ctypes.sizeof(_bindings.wasmtime_instance_t)

KIND_I32: Final = 0
KIND_FUNCREF: Final = 5
EXTERN_GLOBAL: Final = 1

HostCallback = ctypes.CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_void_p, c_size_t)
"""`wasmtime_func_unchecked_callback_t`: env, caller, arguments and results, their number."""
HostAsyncCallback = ctypes.CFUNCTYPE(
    None, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_void_p
)
"""`wasmtime_func_async_callback_t`: env, caller, arguments, results, trap, continuation."""
ContinuationCallback = ctypes.CFUNCTYPE(c_bool, c_void_p)
"""`wasmtime_func_async_continuation_callback_t`: whether the host call is done."""


def address_of(pointer: object) -> int:
    """Give the address that a ctypes pointer of wasmtime-py holds."""
    return int(ctypes.cast(pointer, c_void_p).value or 0)  # type: ignore[arg-type]


store_new = _quick("wasmtime_store_new", c_void_p, c_void_p, c_void_p, c_void_p)
store_context = _quick("wasmtime_store_context", c_void_p, c_void_p)
store_delete = _long("wasmtime_store_delete", None, c_void_p)
store_limiter = _quick(
    "wasmtime_store_limiter", None, c_void_p, c_int64, c_int64, c_int64, c_int64, c_int64
)
set_fuel = _quick("wasmtime_context_set_fuel", c_void_p, c_void_p, c_uint64)
get_fuel = _quick("wasmtime_context_get_fuel", c_void_p, c_void_p, c_void_p)
fuel_yield_interval = _quick(
    "wasmtime_context_fuel_async_yield_interval", c_void_p, c_void_p, c_uint64
)
# The header says that it returns an error; it returns nothing (wasmtime 50.0.1).
epoch_yield = _quick(
    "wasmtime_context_epoch_deadline_async_yield_and_update", None, c_void_p, c_uint64
)
set_epoch_deadline = _quick("wasmtime_context_set_epoch_deadline", None, c_void_p, c_uint64)
engine_increment_epoch = _quick("wasmtime_engine_increment_epoch", None, c_void_p)

module_new = _long("wasmtime_module_new", c_void_p, c_void_p, c_char_p, c_size_t, c_void_p)
module_delete = _long("wasmtime_module_delete", None, c_void_p)
module_serialize = _long("wasmtime_module_serialize", c_void_p, c_void_p, c_void_p)
module_deserialize = _long(
    "wasmtime_module_deserialize", c_void_p, c_void_p, c_void_p, c_size_t, c_void_p
)
module_deserialize_file = _long(
    "wasmtime_module_deserialize_file", c_void_p, c_void_p, c_char_p, c_void_p
)
module_image_range = _quick("wasmtime_module_image_range", None, c_void_p, c_void_p, c_void_p)
bytes_delete = _quick("wasm_byte_vec_delete", None, c_void_p)

instance_new = _quick(
    "wasmtime_instance_new",
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
    c_size_t,
    c_void_p,
    c_void_p,
)
instance_export_get = _quick(
    "wasmtime_instance_export_get",
    c_bool,
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    c_void_p,
)
linker_get = _quick(
    "wasmtime_linker_get",
    c_bool,
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    c_char_p,
    c_size_t,
    c_void_p,
)
linker_define = _quick(
    "wasmtime_linker_define",
    c_void_p,
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    c_char_p,
    c_size_t,
    c_void_p,
)
linker_instantiate_async = _quick(
    "wasmtime_linker_instantiate_async",
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
)
linker_define_func = _quick(
    "wasmtime_linker_define_func_unchecked",
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    c_char_p,
    c_size_t,
    c_void_p,
    HostCallback,
    c_void_p,
    c_void_p,
)
linker_define_async_func = _quick(
    "wasmtime_linker_define_async_func",
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    c_char_p,
    c_size_t,
    c_void_p,
    HostAsyncCallback,
    c_void_p,
    c_void_p,
)
table_set = _quick("wasmtime_table_set", c_void_p, c_void_p, c_void_p, c_uint64, c_void_p)
global_new = _quick("wasmtime_global_new", c_void_p, c_void_p, c_void_p, c_void_p, c_void_p)
memory_data = _quick("wasmtime_memory_data", c_void_p, c_void_p, c_void_p)
memory_data_size = _quick("wasmtime_memory_data_size", c_size_t, c_void_p, c_void_p)
caller_context = _quick("wasmtime_caller_context", c_void_p, c_void_p)
trap_new_code = _quick("wasmtime_trap_new_code", c_void_p, c_uint8)
trap_delete = _quick("wasm_trap_delete", None, c_void_p)
TRAP_INTERRUPT: Final = 10
func_call_async = _quick(
    "wasmtime_func_call_async",
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
    c_size_t,
    c_void_p,
    c_size_t,
    c_void_p,
    c_void_p,
)
func_call_unchecked = _long(
    "wasmtime_func_call_unchecked",
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
    c_size_t,
    c_void_p,
)
call_future_poll = _long("wasmtime_call_future_poll", c_bool, c_void_p)
call_future_delete = _long("wasmtime_call_future_delete", None, c_void_p)
