"""Engines that run one store after the other in the same memory.

The engines of `profile` map fresh memory for each instance and unmap it afterwards, which costs more
than most calls do. A pooled engine reserves address space once and cleans what a store has touched
before the next one gets it. It runs the machine code of the other engine of its profile, unchanged.
It has room for so many at a time, and what does not fit runs on the other engine, with the same
result: nothing that a guest can observe depends on where it runs.
"""

import contextlib
import mmap
import threading
from pathlib import Path
from typing import Final

import wasmtime
from wasmtime import _bindings

from ipvm.engine.compile_worker import configure
from ipvm.engine.module import CompiledModule, load_artifact
from ipvm.engine.profile import SETTINGS, Engine, engine_for
from ipvm.model import Profile

__all__ = ["POOL_FIBERS_MAX", "POOL_TABLE_ELEMENTS_MAX", "in_pool", "pooled_engine_for"]

POOL_FIBERS_MAX: Final = 1000
"""Fibers of a pooled engine: guests that may be suspended in it at once."""
POOL_TABLE_ELEMENTS_MAX: Final = 20_000
"""Elements of a table of a pooled engine."""
KEPT_BYTES: Final = 128 * 1024
"""The first bytes of a memory, which are zeroed after use; what is touched beyond is given back."""

_STACKS: Final = POOL_FIBERS_MAX + 24
_MEMORIES: Final = 2048
_POOL: Final = {
    "total_memories": _MEMORIES,
    "total_tables": 4096,
    "total_stacks": _STACKS,
    "total_core_instances": 8192,
    "max_core_instance_size": 1024 * 1024,
    "max_memories_per_module": 16,
    "max_tables_per_module": 16,
    "max_memory_size": 2**32,
    "table_elements": POOL_TABLE_ELEMENTS_MAX,
    "linear_memory_keep_resident": KEPT_BYTES,
    "table_keep_resident": 4096,
    "async_stack_keep_resident": 16 * 1024,
    "max_unused_warm_slots": 100,
}
_ADDRESS_SPACE: Final = _MEMORIES * 5 * 2**30
"""Bytes of address space that a pooled engine takes, rounded up."""
_MAPPINGS: Final = 3 * _STACKS + 5 * _MEMORIES
"""Mappings that a process has more when a pooled engine is in full use."""


def pooled_engine_for(profile: Profile) -> Engine | None:
    """Give the pooled engine of a profile; None where this process has no room for one.

    Making it takes about ten milliseconds. It may be called on any thread.
    """
    with _LOCK:
        if profile not in _ENGINES:
            engine_for(profile)  # sets up what engines need of the process
            _ENGINES[profile] = Engine(profile, _config(profile)) if _fits() else None
        return _ENGINES[profile]


_ENGINES: Final[dict[Profile, Engine | None]] = {}
_LOCK: Final = threading.Lock()


def in_pool(module: CompiledModule, engine: Engine) -> CompiledModule:
    """Load the machine code of a module once more, for a pooled engine of the same profile.

    Raises:
        InvalidArtifact: It needs more of something than the pool has for one module.
    """
    return load_artifact(engine, bytes(module.serialize()))


def _config(profile: Profile) -> wasmtime.Config:
    config = configure(SETTINGS[profile])
    pool = _bindings.wasmtime_pooling_allocation_config_new()
    for name, value in _POOL.items():
        getattr(_bindings, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    _bindings.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    _bindings.wasmtime_pooling_allocation_config_delete(pool)
    return config


def _fits() -> bool:
    """Tell whether the process may map as much as the pool does.

    wasmtime ends the process when it cannot have what it needs, so it is asked for before.
    """
    with contextlib.suppress(OSError, ValueError, OverflowError):
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        mmap.mmap(-1, _ADDRESS_SPACE, flags=flags, prot=0).close()
        most = int(Path("/proc/sys/vm/max_map_count").read_text("ascii"))
        with Path("/proc/self/maps").open("rb") as maps:
            return sum(1 for _ in maps) + _MAPPINGS < most
    return False
