"""Decide where a module is compiled, and compile it once.

Compilers are stacked: each is one concern over the same small interface. What is small is compiled in
this process, because starting another costs more; all else in a child with limits (`helper`); and
above both stands what was compiled before, by any process of this user (`artifacts`).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, final
from weakref import WeakValueDictionary

import trio

from ipvm.engine.artifacts import ArtifactCache
from ipvm.engine.fingerprint import artifact_key
from ipvm.engine.module import CompiledModule, compile_now
from ipvm.engine.profile import engine_for
from ipvm.model import Profile
from ipvm.wasm import ModuleInfo

__all__ = ["BySize", "Cached", "Compiler", "InProcess", "ModuleSource", "is_small", "prepared"]

SMALL_MODULE_BYTES_MAX: Final = 64 * 1024
"""Larger modules are compiled in a child: see `is_small`."""
SMALL_FUNCTION_BYTES_MAX: Final = 16 * 1024
"""Modules with larger functions are compiled in a child: see `is_small`."""
SMALL_FUNCTIONS_MAX: Final = 1000
"""Modules with more functions are compiled in a child: see `is_small`."""

INLINE_BYTES_MAX: Final = 256 * 1024
"""Up to this size, work on bytes takes less time than another thread needs to begin with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSource:
    """A module that is to be compiled.

    Attributes:
        code: Its binary CID.
        info: What `read_module` gave for it.
        prepare: Gives the bytes for the engine, which are a function of the CID. It is called when
            they are needed, on any thread, and may raise InvalidData.
    """

    code: bytes
    info: ModuleInfo
    prepare: Callable[[], bytes]


class Compiler(Protocol):
    """Something that turns modules into machine code.

    It may be asked for several modules at once. Cancelled, it keeps nothing; whether the work goes on
    somewhere for a while is its own affair.
    """

    async def compile(self, source: ModuleSource, profile: Profile) -> CompiledModule:
        """Compile a module for a profile.

        Raises:
            NotCompiled: The engine refused it.
            Refused: It costs more than it may here.
        """
        ...


async def prepared(source: ModuleSource) -> bytes:
    """Give the bytes of a module for the engine, without holding up the loop."""
    if source.info.size <= INLINE_BYTES_MAX:
        await trio.lowlevel.checkpoint()
        return source.prepare()
    return await trio.to_thread.run_sync(source.prepare)


def is_small(info: ModuleInfo) -> bool:
    """Tell whether a module may be compiled in this process: it is cheap, whatever is in it.

    Compiling costs up to the square of the largest function. Each function costs by itself, 10 µs
    and 5 KB. And a segment that begins at the end of a memory or table makes the artifact hold all
    before it: up to 17 MB a memory, however small the module is.
    """
    return (
        info.size <= SMALL_MODULE_BYTES_MAX
        and info.function_bytes_largest <= SMALL_FUNCTION_BYTES_MAX
        and info.function_count <= SMALL_FUNCTIONS_MAX
        and (len(info.memories) <= 1 or not info.data_count)
        and (len(info.tables) <= 1 or not info.element_count)
    )


@final
class InProcess:
    """Compiles on threads of this process. It cannot be stopped, and nothing limits it."""

    def __init__(self) -> None:
        self._turns = trio.CapacityLimiter(os.cpu_count() or 1)

    async def compile(self, source: ModuleSource, profile: Profile) -> CompiledModule:
        """Compile a module; see `Compiler`."""
        return await trio.to_thread.run_sync(
            lambda: compile_now(engine_for(profile), source.prepare()),
            abandon_on_cancel=True,  # the engine cannot be stopped; nobody waits for it
            limiter=self._turns,
        )


@final
class BySize:
    """Gives small modules to one compiler, and the others to another."""

    def __init__(self, *, small: Compiler, large: Compiler) -> None:
        self._small = small
        self._large = large

    async def compile(self, source: ModuleSource, profile: Profile) -> CompiledModule:
        """Compile a module; see `Compiler`."""
        compiler = self._small if is_small(source.info) else self._large
        return await compiler.compile(source, profile)


@final
class Cached:
    """Keeps what another compiler makes. Who asks for a module that is being made waits for it."""

    def __init__(self, compiler: Compiler, artifacts: ArtifactCache) -> None:
        self._compiler = compiler
        self._artifacts = artifacts
        self._locks: WeakValueDictionary[bytes, trio.Lock] = WeakValueDictionary()

    async def compile(self, source: ModuleSource, profile: Profile) -> CompiledModule:
        """Compile a module, unless that was done before; see `Compiler`."""
        await trio.lowlevel.checkpoint()
        key = artifact_key(source.code, profile)
        module = await self._load(key, profile)
        if module is not None:
            return module
        lock = self._locks.setdefault(key, trio.Lock())
        waited = lock.locked()
        async with lock:
            module = await self._load(key, profile) if waited else None
            if module is None:
                module = await self._compiler.compile(source, profile)
                await trio.to_thread.run_sync(self._artifacts.store, key, module)
            return module

    async def _load(self, key: bytes, profile: Profile) -> CompiledModule | None:
        size = self._artifacts.size(key)
        if size is None:
            return None
        engine = engine_for(profile)
        if size <= INLINE_BYTES_MAX:
            return self._artifacts.load(key, engine)
        return await trio.to_thread.run_sync(self._artifacts.load, key, engine)
