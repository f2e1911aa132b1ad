"""A linked program that is compiled, and how it becomes live instances in one store.

Everything that can be worked out once is worked out here: which module comes when, and for each of
its imports whether the stub of a host call or an export of an earlier instance goes there. What is
left for each invocation is a loop over C calls.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, final

from ipvm.engine import (
    POOL_TABLE_ELEMENTS_MAX,
    Assembly,
    CallShape,
    CompiledModule,
    Engine,
    Extern,
    Import,
    InstanceExport,
    InvalidArtifact,
    Part,
    Store,
    StoreBounds,
    call,
    engine_for,
    in_pool,
    pooled_engine_for,
)
from ipvm.host import (
    KERNEL,
    MEMORY,
    Companions,
    Kernel,
    arm,
    binding_part,
    companions_for,
    kernel_part,
    stub_export,
    stub_part,
)
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

POOLED_NODES_MAX: Final = 64
"""Nodes of a program that may run in a pool, which has room for so many instances."""
POOLED_BYTES_MAX: Final = 16 * 1024 * 1024
"""Machine code of a program that may run in a pool, which it is loaded for once more."""

_TAKEN: Final = -1
"""Stands for the position of a stub that has its guest."""

_NOTHING: Final = CallShape((), ())
_BOUNDS_KEPT_MAX: Final = 64
"""Amounts of memory of which it is kept how they are shared."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """The parts of a program, and what has to be called after which of them."""

    parts: tuple[Part, ...]
    initializers: Mapping[int, tuple[tuple[int, bytes], ...]]
    """By the position of the part after which they run: the instance and the name of each."""
    root: int


@final
class CompiledProgram:
    """A program, ready to be instantiated any number of times."""

    def __init__(
        self, plan: LinkPlan, modules: Mapping[Cid, CompiledModule], profile: Profile
    ) -> None:
        self.plan = plan
        self.profile = profile
        self.calls_host = any(node.memory is not None for node in plan.nodes)
        self.initializes = any(_initializers(node) for node in plan.nodes)
        self.pooled: CompiledProgram | None = None
        """The same program on the pooled engine, if it was loaded for that and can run there."""
        self._modules = modules
        self._engine = engine_for(profile)
        self._companions: Companions | None = None
        self._tables = sum(len(node.info.tables) for node in plan.nodes)
        self._memories = sum(len(node.info.memories) for node in plan.nodes)
        self._table_share = table_share(plan)
        self._bounds_for: dict[int, StoreBounds] = {}
        self._layouts: dict[bool, _Layout] = {}
        self._assemblies: dict[bool, Assembly] = {}

    def load_into_pool(self) -> None:
        """Make `pooled`. It takes milliseconds, and may be called on any thread."""
        self.pooled = self._pooled()

    def _pooled(self) -> "CompiledProgram | None":
        if len(self.plan.nodes) > POOLED_NODES_MAX or not _tables_fit(self.plan):
            return None
        if sum(module.size for module in self._modules.values()) > POOLED_BYTES_MAX:
            return None
        engine = pooled_engine_for(self.profile)
        if engine is None:
            return None
        try:
            modules = {cid: in_pool(module, engine) for cid, module in self._modules.items()}
        except InvalidArtifact:
            return None
        program = CompiledProgram(self.plan, modules, self.profile)
        program._engine = engine
        program._companions = companions_for(engine)
        return program

    def open(
        self, *, fuel: int | None, memory: int, blocks: bool, slices: int | None = None
    ) -> "LinkedStore":
        """Make a store for one invocation; nothing of the program is instantiated yet.

        Args:
            fuel: Fuel that the invocation may use; None in a profile that does not count.
            memory: Bytes that all linear memories may take, and again the blocks held open.
            blocks: Whether a caller needs block handles, even if the program makes no host calls.
            slices: If the call is only tried, the slices of fuel that it gets for that.

        Raises:
            LimitExceeded: The program does not start within the memory.
        """
        bounds = self._bounds_for.get(memory) or self._bounds(memory)
        with_kernel = blocks or self.calls_host
        assembly = self._assembly(with_kernel)
        store = Store(self._engine, outcome=None if slices is None else assembly.outcome)
        try:
            linked = LinkedStore(store, assembly, self._layouts[with_kernel])
            if slices is not None:
                assert fuel is not None
                store.ration(fuel, slices)
            elif fuel is not None:
                store.fuel = fuel
            if with_kernel:
                linked.add_kernel(memory)
            store.bound(bounds)
        except BaseException:
            store.close()
            raise
        return linked

    def _assembly(self, with_kernel: bool) -> Assembly:  # noqa: FBT001 - a key
        """Give an assembly: the one of this program, unless it is used across a wait."""
        assembly = self._assemblies.get(with_kernel)
        if assembly is None:
            layout = self._layouts.get(with_kernel)
            if layout is None:
                layout = self._layouts[with_kernel] = self._layout(with_kernel)
            assembly = Assembly(self._engine, layout.parts)
            if not self.initializes:
                self._assemblies[with_kernel] = assembly
        return assembly

    def _layout(self, with_kernel: bool) -> _Layout:  # noqa: FBT001 - a key
        companions = self._companions or companions_for(self._engine)
        parts: list[Part] = [kernel_part(companions)] if with_kernel else []
        positions: dict[Cid, int] = {}
        initializers: dict[int, tuple[tuple[int, bytes], ...]] = {}
        stub = KERNEL
        for number, node in enumerate(self.plan.nodes):
            if node.memory is not None and stub == _TAKEN:
                stub = len(parts)
                parts.append(stub_part(companions))
            positions[node.cid] = len(parts)
            parts.append(_part(node, self._modules[node.code], positions, stub))
            if node.memory is not None:
                memory = _memory(node, positions)
                parts.append(binding_part(companions, stub=stub, memory=memory, number=number))
                stub = _TAKEN
            names = _initializers(node)
            if names:
                initializers[len(parts) - 1] = tuple((positions[node.cid], name) for name in names)
        return _Layout(tuple(parts), initializers, positions[self.plan.root.cid])

    def _bounds(self, memory: int) -> StoreBounds:
        if len(self._bounds_for) >= _BOUNDS_KEPT_MAX:
            self._bounds_for.clear()
        nodes = len(self.plan.nodes)
        bounds = self._bounds_for[memory] = StoreBounds(
            memory_bytes=memory_share(self.plan, memory),
            table_elements=max(self._table_share, 64),
            instances=3 * nodes + 1,
            tables=self._tables + nodes + 1,
            memories=self._memories + 1,
        )
        return bounds


@final
class LinkedStore:
    """The live instances of a program in one store. Close it.

    Until the first wait, the instances belong to the assembly's last store: take what is needed of
    them before.
    """

    __slots__ = ("_assembly", "_first", "_layout", "kernel", "store")

    def __init__(self, store: Store, assembly: Assembly, layout: _Layout) -> None:
        self.store = store
        self.kernel: Kernel | None = None
        self._assembly = assembly
        self._layout = layout
        self._first = 0

    def add_kernel(self, heap_bytes: int) -> None:
        """Instantiate the kernel."""
        self._assembly.build(self.store, KERNEL, KERNEL + 1)
        self._first = KERNEL + 1
        memory = self._assembly.export(self.store, KERNEL, MEMORY)
        self.kernel = Kernel(self.store, memory.address, heap_bytes=heap_bytes)

    def build(self) -> None:
        """Instantiate all nodes of a program that has nothing to initialise."""
        self._assembly.build(self.store, self._first)

    async def instantiate(self) -> None:
        """Instantiate all nodes in order, and run what each has to initialise."""
        if not self._layout.initializers:
            self.build()
            return
        for position in range(self._first, len(self._layout.parts)):
            if self.store.entered:
                await self._assembly.build_late(self.store, position)
            else:
                self._assembly.build(self.store, position, position + 1)
            for instance, name in self._layout.initializers.get(position, ()):
                self.enter()
                function = self._assembly.export(self.store, instance, name)
                await call(self.store, function, _NOTHING, ())

    def enter(self) -> None:
        """Get ready to run guest code on a fiber. Doing it twice is harmless."""
        if not self.store.entered:
            if self.kernel is not None:
                arm(self._assembly, self.store)
            self.store.enter()

    def export(self, name: bytes) -> Extern:
        """Give an export of the root."""
        return self._assembly.export(self.store, self._layout.root, name)

    def export_into(self, name: bytes, address: int) -> None:
        """Write an export of the root to the 32 bytes at an address."""
        self._assembly.export_into(self.store, self._layout.root, name, address)

    def close(self) -> None:
        """Free everything."""
        if self.kernel is not None:
            self.kernel.close()
        self.store.close()


def _tables_fit(plan: LinkPlan) -> bool:
    """Tell whether no table can outgrow those of a pool, where it would notice."""
    bounds = [table.bounds for node in plan.nodes for table in node.info.tables]
    return all((bound.maximum or 2**32) <= POOL_TABLE_ELEMENTS_MAX for bound in bounds)


def _part(
    node: PlanNode, module: CompiledModule, positions: Mapping[Cid, int], stub: int
) -> Part:
    imports: list[Import] = [
        InstanceExport(positions[server.node], server.name.encode())
        if isinstance(server, Export)
        else stub_export(stub, server)
        for server in node.servers
    ]
    names = tuple((wanted.module.encode(), wanted.name.encode()) for wanted in node.info.imports)
    return Part(module, tuple(imports), names)


def _memory(node: PlanNode, positions: Mapping[Cid, int]) -> InstanceExport:
    """Find the memory that host calls of a node work on."""
    if isinstance(node.memory, str):
        return InstanceExport(positions[node.cid], node.memory.encode())
    assert node.memory is not None
    server = node.servers[node.memory]
    assert isinstance(server, Export)
    return InstanceExport(positions[server.node], server.name.encode())


def _initializers(node: PlanNode) -> tuple[bytes, ...]:
    """Name the exports that have to run right after instantiation."""
    names: list[bytes] = []
    if node.info.start is not None:
        names.append(START_EXPORT.encode())
    reactor = node.info.export(INITIALIZER)
    if reactor is not None and reactor.type == FuncType(params=(), results=()):
        names.append(INITIALIZER.encode())
    return tuple(names)
