"""wasmtime, alone behind one adapter: engines, stores, compiled modules, and calls on fibers."""

from ipvm.engine import selftest
from ipvm.engine.artifacts import ArtifactCache, ArtifactStatistics, artifacts_path
from ipvm.engine.assembly import Assembly, Import, InstanceExport, Part
from ipvm.engine.attempt import KERNEL_NAME, Attempt
from ipvm.engine.bundles import Bundle, Bundles
from ipvm.engine.call import WELCOME_SECONDS, CallShape, call, worker_limiter
from ipvm.engine.compiler import BySize, Cached, Compiler, InProcess, ModuleSource
from ipvm.engine.fixed import fixed_module, keep_fixed_modules
from ipvm.engine.helper import Helper
from ipvm.engine.hostport import host_port_for
from ipvm.engine.mappings import hold_mappings, release_mappings
from ipvm.engine.module import (
    CompiledModule,
    InvalidArtifact,
    InvalidText,
    NotCompiled,
    compile_module,
    compile_now,
    text_to_module,
    validate,
)
from ipvm.engine.opening import opened_engine
from ipvm.engine.pool import POOL_TABLE_ELEMENTS_MAX, in_pool, pooled_engine_for
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
from ipvm.engine.store import Extern, Host, Postponed, Store, StoreBounds, WouldWait
from ipvm.engine.trap import OUT_OF_FUEL, STACK_OVERFLOW, EngineFault, Frame, Trap

__all__ = [
    "KERNEL_NAME",
    "OUT_OF_FUEL",
    "POOL_TABLE_ELEMENTS_MAX",
    "PROFILES",
    "STACK_LIMIT",
    "STACK_OVERFLOW",
    "WASMTIME_MAJOR",
    "WASM_STACK_BYTES",
    "WELCOME_SECONDS",
    "ArtifactCache",
    "ArtifactStatistics",
    "Assembly",
    "Attempt",
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
    "Import",
    "InProcess",
    "InstanceExport",
    "InvalidArtifact",
    "InvalidText",
    "ModuleSource",
    "NotCompiled",
    "Part",
    "Postponed",
    "ResidentFunction",
    "Store",
    "StoreBounds",
    "Trap",
    "WouldWait",
    "artifacts_path",
    "call",
    "compile_module",
    "compile_now",
    "engine_for",
    "fixed_module",
    "hold_mappings",
    "host_port_for",
    "in_pool",
    "is_stack_ample",
    "keep_fixed_modules",
    "opened_engine",
    "pooled_engine_for",
    "release_mappings",
    "selftest",
    "text_to_module",
    "validate",
    "wasmtime_version",
    "worker_limiter",
]
