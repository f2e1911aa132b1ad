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
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import wasmtime
from wasmtime import _bindings

from ipvm.engine.compile_worker import configure
from ipvm.engine.module import CompiledModule, load_artifact
from ipvm.engine.profile import SETTINGS, Engine, engine_for
from ipvm.model import Profile

__all__ = ["POOL_TABLE_ELEMENTS_MAX", "PoolKind", "in_pool", "pooled_engine_for"]

PoolKind: TypeAlias = Literal["brief", "waiting"]
"""For calls that are run at once, one after the other; or for many that wait on fibers."""

POOL_TABLE_ELEMENTS_MAX: Final = 20_000
"""Elements of a table of a pooled engine."""


@dataclass(frozen=True, slots=True)
class _Size:
    """How much there is of what.

    Attributes:
        memories: Linear memories.
        instances: Instances, and half as many tables.
        fibers: Guests that may be suspended.
        kept_bytes: The first bytes of a memory, which stay and are zeroed after use; what was
            touched beyond is given back to the system, and costs a page fault each time.
    """

    memories: int
    instances: int
    fibers: int
    kept_bytes: int


_SIZES: Final[dict[PoolKind, _Size]] = {
    "brief": _Size(memories=160, instances=1024, fibers=0, kept_bytes=128 * 1024),
    "waiting": _Size(memories=2048, instances=8192, fibers=1000, kept_bytes=8 * 1024),
}
_SHARED: Final = {
    "max_core_instance_size": 1024 * 1024,
    "max_memories_per_module": 16,
    "max_tables_per_module": 16,
    "max_memory_size": 2**32,
    "table_elements": POOL_TABLE_ELEMENTS_MAX,
    "table_keep_resident": 4096,
    "async_stack_keep_resident": 16 * 1024,
}


def pooled_engine_for(profile: Profile, kind: PoolKind) -> Engine | None:
    """Give a pooled engine of a profile; None where this process has no room for one.

    Making it takes up to ten milliseconds. It may be called on any thread.
    """
    with _LOCK:
        if (profile, kind) not in _ENGINES:
            engine_for(profile)  # sets up what engines need of the process
            size = _SIZES[kind]
            _ENGINES[profile, kind] = (
                Engine(profile, _config(profile, size), fibers=size.fibers) if _fits(size) else None
            )
        return _ENGINES[profile, kind]


_ENGINES: Final[dict[tuple[Profile, PoolKind], Engine | None]] = {}
_LOCK: Final = threading.Lock()


def in_pool(module: CompiledModule, engine: Engine) -> CompiledModule:
    """Load the machine code of a module once more, for a pooled engine of the same profile.

    Raises:
        InvalidArtifact: It needs more of something than the pool has for one module.
    """
    return load_artifact(engine, bytes(module.serialize()))


def _config(profile: Profile, size: _Size) -> wasmtime.Config:
    numbers = {
        **_SHARED,
        "total_memories": size.memories,
        "total_core_instances": size.instances,
        "total_tables": size.instances // 2,
        "total_stacks": size.fibers + 8,
        "linear_memory_keep_resident": size.kept_bytes,
    }
    config = configure(SETTINGS[profile])
    pool = _bindings.wasmtime_pooling_allocation_config_new()
    for name, number in numbers.items():
        getattr(_bindings, f"wasmtime_pooling_allocation_config_{name}_set")(pool, number)
    _bindings.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    _bindings.wasmtime_pooling_allocation_config_delete(pool)
    return config


def _fits(size: _Size) -> bool:
    """Tell whether the process may map as much as a pool does.

    wasmtime ends the process when it cannot have what it needs, so it is asked for before.
    """
    mappings = 3 * size.fibers + 5 * size.memories
    with contextlib.suppress(OSError, ValueError, OverflowError):
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        mmap.mmap(-1, size.memories * _SLOT_BYTES, flags=flags, prot=0).close()
        most = int(Path("/proc/sys/vm/max_map_count").read_text("ascii"))
        with Path("/proc/self/maps").open("rb") as maps:
            return sum(1 for _ in maps) + mappings < most
    return False


_SLOT_BYTES: Final = 5 * 2**30
"""Address space for a memory, rounded up."""
