"""wasmtime, alone behind one adapter: engines, stores, compiled modules, and calls on fibers."""

from ipvm.engine import selftest
from ipvm.engine.artifacts import ArtifactCache, ArtifactStatistics, artifacts_path
from ipvm.engine.attempt import KERNEL_NAME, attempt
from ipvm.engine.bundles import Bundle, Bundles
from ipvm.engine.call import CallShape, call, worker_limiter
from ipvm.engine.capi import EXTERN_BYTES
from ipvm.engine.compiler import BySize, Cached, Compiler, InProcess, ModuleSource
from ipvm.engine.fixed import fixed_module, keep_fixed_modules
from ipvm.engine.helper import Helper
from ipvm.engine.hostport import HostPort, host_port_for
from ipvm.engine.instantiate import instantiate
from ipvm.engine.module import (
    CompiledModule,
    InvalidText,
    NotCompiled,
    compile_module,
    compile_now,
    text_to_module,
    validate,
)
from ipvm.engine.profile import (
    PROFILES,
    STACK_LIMIT,
    WASM_STACK_BYTES,
    WASMTIME_MAJOR,
    Engine,
    engine_for,
    wasmtime_version,
)
from ipvm.engine.resident import ResidentFunction
from ipvm.engine.stack import is_stack_ample
from ipvm.engine.store import Extern, Host, Instance, Postponed, Store, StoreBounds
from ipvm.engine.trap import OUT_OF_FUEL, STACK_OVERFLOW, EngineFault, Frame, Trap

__all__ = [
    "EXTERN_BYTES",
    "KERNEL_NAME",
    "OUT_OF_FUEL",
    "PROFILES",
    "STACK_LIMIT",
    "STACK_OVERFLOW",
    "WASMTIME_MAJOR",
    "WASM_STACK_BYTES",
    "ArtifactCache",
    "ArtifactStatistics",
    "Bundle",
    "Bundles",
    "BySize",
    "Cached",
    "CallShape",
    "CompiledModule",
    "Compiler",
    "Engine",
    "EngineFault",
    "Extern",
    "Frame",
    "Helper",
    "Host",
    "HostPort",
    "InProcess",
    "Instance",
    "InvalidText",
    "ModuleSource",
    "NotCompiled",
    "Postponed",
    "ResidentFunction",
    "Store",
    "StoreBounds",
    "Trap",
    "artifacts_path",
    "attempt",
    "call",
    "compile_module",
    "compile_now",
    "engine_for",
    "fixed_module",
    "host_port_for",
    "instantiate",
    "is_stack_ample",
    "keep_fixed_modules",
    "selftest",
    "text_to_module",
    "validate",
    "wasmtime_version",
    "worker_limiter",
]
