"""The fixed modules that stand beside every guest: kernel, stub and binding, compiled once.

A guest imports the host calls before its memory exists, so it cannot import functions that work on
that memory. It imports a stub instead, whose functions jump through a table; once the guest exists,
its binding fills the table with functions that know the guest's memory and the kernel's.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

from ipvm.engine import KERNEL_NAME, CompiledModule, fixed_module, text_to_module
from ipvm.host.calls import HOST_CALLS, HostCall
from ipvm.model import Profile
from ipvm.wasm import prepare, read_module

__all__ = ["Companions", "companion_bytes", "companion_text", "companions_for", "export_name"]


@dataclass(frozen=True, slots=True)
class Companions:
    """The three companion modules, compiled for one profile."""

    kernel: CompiledModule
    stub: CompiledModule
    binding: CompiledModule


@functools.cache
def companions_for(profile: Profile) -> Companions:
    """Give the companions for a profile, made once in a process."""
    return Companions(
        kernel=_compiled(profile, "kernel", KERNEL_NAME),
        stub=_compiled(profile, "stub", "ipvm:stub"),
        binding=_compiled(profile, "binding", "ipvm:binding"),
    )


def _compiled(profile: Profile, companion: str, module_name: str) -> CompiledModule:
    source = f"{module_name}\n{companion_text(companion)}"
    return fixed_module(profile, source, lambda: _named(companion, module_name))


def _named(companion: str, module_name: str) -> bytes:
    data = companion_bytes(companion)
    return prepare(data, read_module(data), module_name=module_name)


@functools.cache
def companion_bytes(name: str) -> bytes:
    """Give the WebAssembly of a companion: `kernel`, `stub` or `binding`.

    Their CIDs stand in the spec, because the fuel of a call counts their instructions too.
    """
    return text_to_module(companion_text(name))


def companion_text(name: str) -> str:
    """Give a companion as text."""
    if name == "stub":
        return _stub_text()
    return Path(__file__).with_name(f"{name}.wat").read_text("utf-8")


def export_name(call: HostCall) -> bytes:
    """Give the name under which the stub exports a host call."""
    return f"{call.module}.{call.name}".encode()


def _stub_text() -> str:
    """Write the stub: for each host call a function that jumps through the table."""
    functions = "\n".join(_stub_function(slot, call) for slot, call in enumerate(HOST_CALLS))
    size = len(HOST_CALLS)
    return f'(module (table $t (export "table") {size} {size} funcref)\n{functions})'


def _stub_function(slot: int, call: HostCall) -> str:
    params = " ".join(call.type.params)
    values = " ".join(f"(local.get {index})" for index in range(len(call.parameters)))
    head = f'(func (export "{call.module}.{call.name}") (param {params}) (result i32)'
    return f"{head} (call_indirect (param {params}) (result i32) {values} (i32.const {slot})))"
