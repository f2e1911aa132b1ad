"""A linked program that is compiled, and how it becomes live instances in one store.

What can be worked out once stands in its recipe: which module comes when, and for each of its imports
whether the stub of a host call or an export of an earlier instance goes there. What is left for each
invocation is a loop over C calls.
"""

import ctypes
from collections.abc import Sequence
from typing import Final, final

from ipvm.engine import (
    EXTERN_BYTES,
    CallShape,
    CompiledModule,
    Extern,
    HostPort,
    Instance,
    Store,
    StoreBounds,
    call,
    engine_for,
    host_port_for,
    instantiate,
)
from ipvm.host import HOST_CALLS, Binding, Companions, Kernel, companions_for
from ipvm.linker.bounds import memory_share, table_share
from ipvm.linker.plan import LinkPlan
from ipvm.linker.recipe import Recipe, Step
from ipvm.model import Profile

__all__ = ["CompiledProgram", "LinkedStore"]

_NOTHING: Final = CallShape((), ())
_BOUNDS_KEPT_MAX: Final = 64
"""Amounts of memory of which it is kept how they are shared."""


@final
class CompiledProgram:
    """A program, ready to be instantiated any number of times.

    Args:
        plan: The program on paper.
        recipe: How it becomes instances.
        modules: Its modules, in the order of `LinkPlan.code`.
        profile: What they are compiled for.
    """

    def __init__(
        self,
        plan: LinkPlan,
        recipe: Recipe,
        modules: Sequence[CompiledModule],
        profile: Profile,
    ) -> None:
        self.plan = plan
        self.modules = modules
        self.profile = profile
        self.calls_host = any(step.memory is not None for step in recipe.steps)
        self.initializes = any(step.initializers for step in recipe.steps)
        self.machine_code_bytes = sum([module.size for module in modules])
        """Bytes of the machine code of its modules."""
        self.recipe = recipe
        self._imports_max = max([len(step.names) for step in recipe.steps])
        self._table_share = table_share(recipe.tables)
        self._bounds_for: dict[int, StoreBounds] = {}

    def open(self, *, fuel: int | None, memory: int, blocks: bool) -> "LinkedStore":
        """Make a store for one invocation; nothing is instantiated yet.

        Args:
            fuel: Fuel that the invocation may use; None in a profile that does not count.
            memory: Bytes that all linear memories may take, and again the blocks held open.
            blocks: Whether a caller needs block handles, even if the program makes no host calls.

        Raises:
            LimitExceeded: The program does not start within the memory.
        """
        bounds = self._bounds_for.get(memory)
        if bounds is None:
            if len(self._bounds_for) >= _BOUNDS_KEPT_MAX:
                self._bounds_for.clear()
            bounds = self._bounds_for[memory] = self._bounds(
                memory_share(self.recipe.memories, memory)
            )
        linked = LinkedStore(Store(engine_for(self.profile)))
        try:
            if fuel is not None:
                linked.store.fuel = fuel
            if blocks or self.calls_host:
                linked.add_kernel(companions_for(self.profile), host_port_for(self.profile), memory)
            linked.store.bound(bounds)
        except BaseException:
            linked.close()
            raise
        return linked

    async def instantiate(self, linked: "LinkedStore") -> None:
        """Instantiate all nodes in order, and run what each has to initialise."""
        externs = ctypes.create_string_buffer(max(self._imports_max, 1) * EXTERN_BYTES)
        for step in self.recipe.steps:
            await linked.add(step, self.modules[step.module], ctypes.addressof(externs))

    def _bounds(self, memory_bytes: int) -> StoreBounds:
        nodes = len(self.recipe.steps)
        return StoreBounds(
            memory_bytes=memory_bytes,
            table_elements=max(self._table_share, 64),
            instances=3 * nodes + 1,
            tables=len(self.recipe.tables) + nodes + 1,
            memories=len(self.recipe.memories) + 1,
        )


@final
class LinkedStore:
    """The live instances of a program in one store. Close it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.kernel: Kernel | None = None
        self._instances: list[Instance] = []

    def add_kernel(self, companions: Companions, port: HostPort, heap_bytes: int) -> None:
        """Instantiate the kernel."""
        self.kernel = Kernel(self.store, companions, port, heap_bytes=heap_bytes)

    async def add(self, step: Step, module: CompiledModule, externs: int) -> None:
        """Instantiate one node; `externs` is the address of room for its imports."""
        binding: Binding | None = None
        if step.memory is not None:
            assert self.kernel is not None
            binding = await self.kernel.stub(len(self._instances))
        address = externs
        for source, (_, name) in zip(step.sources, step.names, strict=True):
            if source >= 0:
                self._instances[source].export_into(name, address)
            else:
                assert binding is not None
                binding.export_into(HOST_CALLS[~source], address)
            address += EXTERN_BYTES
        instance = await instantiate(self.store, module, externs, step.names)
        self._instances.append(instance)
        if binding is not None:
            await binding.bind(self._memory(step, instance))
        for name_ in step.initializers:
            self.enter()
            await call(self.store, instance.export(name_), _NOTHING, ())

    def enter(self) -> None:
        """Get ready to run guest code. Doing it twice is harmless."""
        if not self.store.entered:
            if self.kernel is not None:
                self.kernel.arm()
            self.store.enter()

    def export(self, name: str) -> Extern:
        """Give an export of the root."""
        return self._instances[-1].export(name.encode())

    def close(self) -> None:
        """Free everything."""
        if self.kernel is not None:
            self.kernel.close()
        self.store.close()

    def _memory(self, step: Step, instance: Instance) -> Extern:
        if isinstance(step.memory, str):
            return instance.export(step.memory.encode())
        assert step.memory is not None
        _, name = step.names[step.memory]
        return self._instances[step.sources[step.memory]].export(name)
