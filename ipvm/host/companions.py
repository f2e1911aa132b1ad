"""The fixed modules that stand beside every guest: kernel, stub and binding, compiled once.

WASI has a stub and a binding of its own, and a mail where the kernel has a heap.

A guest imports the host calls before its memory exists, so it cannot import functions that work on
that memory. It imports a stub instead, whose functions jump through a table; once the guest exists,
its binding fills the table with functions that know the guest's memory and the kernel's.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeAlias

from ipvm.engine import (
    KERNEL_NAME,
    CompiledModule,
    Engine,
    engine_for,
    fixed_module,
    in_pool,
    text_to_module,
)
from ipvm.host.calls import HOST_CALLS, HostCall
from ipvm.host.wasi.binding import binding_text, mail_text, stub_text
from ipvm.host.wasi.calls import WasiCall
from ipvm.wasm import prepare, read_module

__all__ = ["CompanionName", "companion_bytes", "companion_for", "companion_text", "export_name"]


CompanionName: TypeAlias = Literal[
    "kernel",
    "brief-kernel",
    "stub",
    "binding",
    "first-binding",
    "wasi-mail",
    "wasi-stub",
    "wasi-binding",
]

_MODULE_NAMES: Final[dict[CompanionName, str]] = {
    "kernel": KERNEL_NAME,
    "brief-kernel": KERNEL_NAME,
    "stub": "ipvm:stub",
    "binding": "ipvm:binding",
    "first-binding": "ipvm:binding",
    "wasi-mail": "ipvm:mail",
    "wasi-stub": "ipvm:stub",
    "wasi-binding": "ipvm:binding",
}
"""What backtraces call them."""

_WASI_TEXTS: Final[dict[CompanionName, Callable[[], str]]] = {
    "wasi-mail": mail_text,
    "wasi-stub": stub_text,
    "wasi-binding": binding_text,
}
_FULL_MEMORY: Final = '(memory (export "memory") 16384 16384)'
_NUMBER: Final = '  (import "guest" "number" (global $guest i32))\n'
_NUMBER_0: Final = "  (global $guest i32 (i32.const 0))"
_TABLE: Final = '  (import "stub" "table" (table $stub 14 14 funcref))'
_BRIEF_MEMORY: Final = '(memory (export "memory") 256 256)'


@functools.cache
def companion_for(engine: Engine, name: CompanionName) -> CompiledModule:
    """Give a companion for an engine; the same object for the whole process."""
    if engine is not engine_for(engine.profile):
        return in_pool(companion_for(engine_for(engine.profile), name), engine)
    module_name = _MODULE_NAMES[name]
    source = f"{module_name}\n{companion_text(name)}"
    return fixed_module(engine.profile, source, lambda: _named(name, module_name))


def _named(companion: CompanionName, module_name: str) -> bytes:
    data = companion_bytes(companion)
    return prepare(data, read_module(data), module_name=module_name)


@functools.cache
def companion_bytes(name: CompanionName) -> bytes:
    """Give the WebAssembly of a companion.

    The CIDs of `kernel`, `stub` and `binding` stand in the spec, because the fuel of a call counts
    their instructions too. `brief-kernel` has a small memory, for calls that are only tried, and
    `first-binding` is for the guest with the number 0, which most programs have only. They are the
    same otherwise, and no result depends on them.
    """
    return text_to_module(companion_text(name))


def companion_text(name: CompanionName) -> str:
    """Give a companion as text."""
    if name in _WASI_TEXTS:
        return _WASI_TEXTS[name]()
    if name == "stub":
        return f"(module\n{_stub_fields()})\n"
    if name == "binding":
        return _file("binding")
    if name == "first-binding":
        return _file("binding").replace(_NUMBER, "").replace(_TABLE, f"{_TABLE}\n{_NUMBER_0}")
    kernel = f"{_file('kernel').rstrip().removesuffix(')')}\n{_stub_fields()})\n"
    return kernel if name == "kernel" else kernel.replace(_FULL_MEMORY, _BRIEF_MEMORY)


def _file(name: str) -> str:
    return Path(__file__).with_name(f"{name}.wat").read_text("utf-8")


def export_name(call: HostCall | WasiCall) -> bytes:
    """Give the name under which a stub exports a call."""
    return f"{call.module}.{call.name}".encode()


def _stub_fields() -> str:
    """Write the stub: for each host call a function that jumps through the table."""
    functions = "\n".join(_stub_function(slot, call) for slot, call in enumerate(HOST_CALLS))
    size = len(HOST_CALLS)
    return f'(table $stub (export "table") {size} {size} funcref)\n{functions}'


def _stub_function(slot: int, call: HostCall) -> str:
    params = " ".join(call.type.params)
    values = " ".join(f"(local.get {index})" for index in range(len(call.parameters)))
    head = f'(func (export "{call.module}.{call.name}") (param {params}) (result i32)'
    return (
        f"{head} (call_indirect $stub (param {params}) (result i32) {values} (i32.const {slot})))"
    )
