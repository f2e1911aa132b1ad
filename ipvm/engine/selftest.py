"""Find out, before anything is run, whether the installed wasmtime is the one this package knows.

The C structures are laid out by hand and the calls are unchecked, so another wasmtime would not
fail: it would corrupt memory. The test runs the whole way once: a call, both ways to the host, a
host exception, a trap, and running out of fuel.
"""

import ctypes
import functools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, TypeVar

from wasmtime import _bindings

from ipvm.engine import capi
from ipvm.engine.assembly import Assembly, Part
from ipvm.engine.attempt import Attempt
from ipvm.engine.call import CallShape, call
from ipvm.engine.fixed import fixed_module
from ipvm.engine.hostport import host_port_for
from ipvm.engine.module import CompiledModule, text_to_module
from ipvm.engine.profile import WASMTIME_MAJOR, engine_for, wasmtime_version
from ipvm.engine.store import Store
from ipvm.engine.trap import OUT_OF_FUEL, Trap
from ipvm.errors import Refused

__all__ = ["EngineUnknown", "require", "run"]

_T = TypeVar("_T")

_TEXT: Final = """(module
  (import "host" "now" (func $now (param i32) (result i32)))
  (type $wait (func (param i32) (result i32)))
  (table (export "wait") 1 1 funcref)
  (func (export "now") (param i32) (result i32) (call $now (local.get 0)))
  (func (export "wait_for") (param i32) (result i32)
    (call_indirect (type $wait) (local.get 0) (i32.const 0)))
  (func (export "trap") (param i32) (result i32) unreachable)
  (func (export "spin") (param i32) (result i32) (loop $again (br $again)) i32.const 0))"""
_FUEL: Final = 10_000
_AT_ONCE, _WAITED = 41, 42
_SHAPE: Final = CallShape(("i32",), ("i32",))

_SIZES: Final = {
    "wasmtime_val_t": capi.VAL_BYTES,
    "wasmtime_extern_t": capi.EXTERN_BYTES,
    "wasmtime_func_t": capi.FUNC_BYTES,
    "wasmtime_val_raw_t": capi.RAW_BYTES,
}
"""Bytes of the structures that are laid out here."""


class EngineUnknown(Refused):
    """The installed wasmtime is not the one that this version of ipvm works with."""


class _Planned(Exception):
    pass


class _Host:
    def now(self, operation: int) -> int:
        if operation < 0:
            raise _Planned
        return _AT_ONCE

    async def wait(self, _operation: int) -> int:
        return _WAITED


@functools.cache
def require() -> None:
    """Run the test once in this process.

    Raises:
        EngineUnknown: It failed; the message says how to get the right wasmtime.
    """
    version = wasmtime_version()
    if version.split(".")[0] != str(WASMTIME_MAJOR):
        _refuse(f"wasmtime {version} is installed")
    if capi.MISSING:
        _refuse(f"wasmtime {version} has no function {capi.MISSING[0]}")
    for name, known in _SIZES.items():
        found = ctypes.sizeof(getattr(_bindings, name))
        if found != known:
            _refuse(f"{name} of wasmtime {version} has {found} bytes instead of {known}")
    for name, passed in run().items():
        if not passed:
            _refuse(f"wasmtime {version} fails the test: {name}")


def run() -> dict[str, bool]:
    """Run the test and tell what passed; for `ipvm doctor`."""
    return {
        "a call without a fiber": _passes(lambda: _attempts("now", 40) == _AT_ONCE),
        "a trap without a fiber": _passes(lambda: _raises(Trap, lambda: _attempts("trap", 0))),
        "a call of the host that answers at once": _passes(lambda: _calls("now", 40) == _AT_ONCE),
        "a call of the host that is waited for": _passes(lambda: _calls("wait_for", 40) == _WAITED),
        "an exception of the host": _passes(lambda: _raises(_Planned, lambda: _calls("now", -1))),
        "a trap": _passes(lambda: _raises(Trap, lambda: _calls("trap", 0))),
        "running out of fuel": _passes(
            lambda: _trap_code(lambda: _calls("spin", 0)) == OUT_OF_FUEL
        ),
    }


def _passes(test: Callable[[], bool]) -> bool:
    try:
        return test()
    except Exception:  # noqa: BLE001 - whatever an engine does that is not known, it is not known
        return False


@functools.cache
def _module() -> CompiledModule:
    """Make the guest once for all tests: compiling it takes longer than they do."""
    return fixed_module("deterministic", _TEXT, lambda: text_to_module(_TEXT))


@contextmanager
def _guest() -> Iterator[tuple[Store, Assembly]]:
    engine = engine_for("deterministic")
    assembly = Assembly(engine, [Part(_module(), ("host.now",))])
    store = Store(engine)
    try:
        store.fuel = _FUEL
        store.host = _Host()
        assembly.build(store)
        yield store, assembly
    finally:
        store.close()


def _attempts(function: str, argument: int) -> int:
    with _guest() as (store, assembly):
        attempt = Attempt(_SHAPE)
        assembly.export_into(store, 0, function.encode(), attempt.extern)
        return int(attempt.call(store, (argument,))[0])


def _calls(function: str, argument: int) -> int:
    with _guest() as (store, assembly):
        wait = host_port_for(store.engine).wait(store)
        store.set_table(assembly.export(store, 0, b"wait"), 0, wait)
        exported = assembly.export(store, 0, function.encode())
        return int(_finish(call(store, exported, _SHAPE, (argument,)))[0])


def _finish(running: Coroutine[object, object, _T]) -> _T:
    """Run a coroutine that does not wait."""
    try:
        running.send(None)
    except StopIteration as end:
        result: _T = end.value
        return result
    running.close()
    raise EngineUnknown("the engine waits where it should not")


def _raises(expected: type[BaseException], action: Callable[[], object]) -> bool:
    try:
        action()
    except expected:
        return True
    return False


def _trap_code(action: Callable[[], object]) -> str | None:
    try:
        action()
    except Trap as trap:
        return trap.code
    return None


def _refuse(problem: str) -> NoReturn:
    raise EngineUnknown(
        f"{problem}; this version of ipvm works with wasmtime {WASMTIME_MAJOR}.*: "
        f"pip install 'wasmtime=={WASMTIME_MAJOR}.*'"
    )
