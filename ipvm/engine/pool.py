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
from typing import Final

import wasmtime
from wasmtime import _bindings

from ipvm.engine.compile_worker import configure
from ipvm.engine.module import CompiledModule, load_artifact
from ipvm.engine.profile import SETTINGS, Engine, engine_for
from ipvm.model import Profile

__all__ = ["POOL_TABLE_ELEMENTS_MAX", "in_pool", "pooled_engine_for"]

POOL_TABLE_ELEMENTS_MAX: Final = 20_000
"""Elements of a table of a pooled engine."""

_MEMORIES: Final = 160
_POOL: Final = {
    "total_memories": _MEMORIES,
    "total_tables": 512,
    "total_core_instances": 1024,
    "total_stacks": 8,
    "max_core_instance_size": 1024 * 1024,
    "max_memories_per_module": 16,
    "max_tables_per_module": 16,
    "max_memory_size": 2**32,
    "table_elements": POOL_TABLE_ELEMENTS_MAX,
    # The first bytes of a memory stay, and are zeroed after use; what was touched beyond is given back
    # to the system, and costs a page fault each time.
    "linear_memory_keep_resident": 128 * 1024,
    "table_keep_resident": 4096,
}
_SLOT_BYTES: Final = 5 * 2**30
"""Address space for a memory, rounded up."""


def pooled_engine_for(profile: Profile) -> Engine | None:
    """Give the pooled engine of a profile; None where this process has no room for one.

    Making it takes a few milliseconds. It may be called on any thread.
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
    for name, number in _POOL.items():
        getattr(_bindings, f"wasmtime_pooling_allocation_config_{name}_set")(pool, number)
    _bindings.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    _bindings.wasmtime_pooling_allocation_config_delete(pool)
    return config


def _fits() -> bool:
    """Tell whether the process may map as much as the pool does.

    wasmtime ends the process when it cannot have what it needs, so it is asked for before.
    """
    with contextlib.suppress(OSError, ValueError, OverflowError):
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        mmap.mmap(-1, _MEMORIES * _SLOT_BYTES, flags=flags, prot=0).close()
        return True
    return False
