"""A linked program that is compiled, and how it becomes live instances in one store.

Everything that can be worked out once is worked out here: which module comes when, and for each of
its imports whether the stub of a host call or an export of an earlier instance goes there. What is
left for each invocation is a loop over C calls.
"""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
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
from ipvm.host import Binding, Companions, HostCall, Kernel, companions_for
from ipvm.ipld import Cid
from ipvm.linker.bounds import memory_share, table_share
from ipvm.linker.plan import Export, LinkPlan, PlanNode
from ipvm.model import Profile
from ipvm.wasm import FuncType

__all__ = ["INITIALIZER", "START_EXPORT", "CompiledProgram", "LinkedStore"]

START_EXPORT: Final = "ipvm:start"
"""The name under which a start function is exported after `ipvm.wasm.prepare`."""

INITIALIZER: Final = "_initialize"
"""The export that a toolchain leaves to be called once before all others."""

_NOTHING: Final = CallShape((), ())
_BOUNDS_KEPT_MAX: Final = 64
"""Amounts of memory of which it is kept how they are shared."""


@dataclass(frozen=True, slots=True)
class _Step:
    """How one node becomes an instance."""

    module: CompiledModule
    names: tuple[tuple[bytes, bytes], ...]
    sources: tuple[tuple[int | HostCall, bytes], ...]
    """For each import a host call, or the position of an earlier step and the name of its export."""
    memory: str | int | None
    initializers: tuple[bytes, ...]


@final
class CompiledProgram:
    """A program, ready to be instantiated any number of times."""

    def __init__(
        self, plan: LinkPlan, modules: Mapping[Cid, CompiledModule], profile: Profile
    ) -> None:
        self.plan = plan
        self.profile = profile
        self.calls_host = any(node.memory is not None for node in plan.nodes)
        positions = {node.cid: position for position, node in enumerate(plan.nodes)}
        self.machine_code_bytes = sum(module.size for module in modules.values())
        """Bytes of the machine code of its modules."""
        self._steps = [_step(node, modules[node.code], positions) for node in plan.nodes]
        self._imports_max = max(len(step.names) for step in self._steps)
        self._tables = sum(len(node.info.tables) for node in plan.nodes)
        self._memories = sum(len(node.info.memories) for node in plan.nodes)
        self.initializes = any(step.initializers for step in self._steps)
        self._table_share = table_share(plan)
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
            bounds = self._bounds_for[memory] = self._bounds(memory_share(self.plan, memory))
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
        for number, step in enumerate(self._steps):
            await linked.add(number, step, ctypes.addressof(externs))

    def _bounds(self, memory_bytes: int) -> StoreBounds:
        nodes = len(self._steps)
        return StoreBounds(
            memory_bytes=memory_bytes,
            table_elements=max(self._table_share, 64),
            instances=3 * nodes + 1,
            tables=self._tables + nodes + 1,
            memories=self._memories + 1,
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

    async def add(self, number: int, step: _Step, externs: int) -> None:
        """Instantiate one node; `externs` is the address of room for its imports."""
        binding: Binding | None = None
        if step.memory is not None:
            assert self.kernel is not None
            binding = await self.kernel.stub(number)
        for slot, (source, name) in enumerate(step.sources):
            address = externs + slot * EXTERN_BYTES
            if isinstance(source, int):
                self._instances[source].export_into(name, address)
            else:
                assert binding is not None
                binding.export_into(source, address)
        instance = await instantiate(self.store, step.module, externs, step.names)
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

    def _memory(self, step: _Step, instance: Instance) -> Extern:
        if isinstance(step.memory, str):
            return instance.export(step.memory.encode())
        assert step.memory is not None
        source, name = step.sources[step.memory]
        assert isinstance(source, int)
        return self._instances[source].export(name)


def _step(node: PlanNode, module: CompiledModule, positions: Mapping[Cid, int]) -> _Step:
    return _Step(
        module=module,
        names=tuple((wanted.module.encode(), wanted.name.encode()) for wanted in node.info.imports),
        sources=tuple(
            (positions[server.node], server.name.encode())
            if isinstance(server, Export)
            else (server, b"")
            for server in node.servers
        ),
        memory=node.memory,
        initializers=_initializers(node),
    )


def _initializers(node: PlanNode) -> tuple[bytes, ...]:
    """Name the exports that have to run right after instantiation."""
    names: list[bytes] = []
    if node.info.start is not None:
        names.append(START_EXPORT.encode())
    reactor = node.info.export(INITIALIZER)
    if reactor is not None and reactor.type == FuncType(params=(), results=()):
        names.append(INITIALIZER.encode())
    return tuple(names)
