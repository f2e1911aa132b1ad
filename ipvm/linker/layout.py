"""A linked program as parts of an assembly: which module comes when, and what serves its imports."""

from collections.abc import Mapping
from typing import Final, Literal, final

from ipvm.engine import Assembly, CompiledModule, Engine, Import, InstanceExport, Part
from ipvm.host import (
    KERNEL,
    binding_part,
    kernel_part,
    stub_export,
    stub_part,
)
from ipvm.ipld import Cid
from ipvm.linker.plan import Export, LinkPlan, PlanNode
from ipvm.wasm import FuncType

__all__ = ["INITIALIZER", "START_EXPORT", "Layout", "initializers_of"]

START_EXPORT: Final = "ipvm:start"
"""The name under which a start function is exported after `ipvm.wasm.prepare`."""

INITIALIZER: Final = "_initialize"
"""The export that a toolchain leaves to be called once before all others."""


@final
class Layout:
    """The parts of a program for one engine, with the kernel or without.

    Attributes:
        kernel: Which kernel is the first part, if one is: the full one, or the small one for calls
            that are only tried.
        first: Position of the first part that belongs to the program.
        count: Number of parts.
        root: Position of the part whose exports a caller calls.
        initializers: By the position of the part after which they run: instance and name of each.
        assembly: For one store after the other, if nothing waits while it is built.
    """

    def __init__(
        self,
        plan: LinkPlan,
        modules: Mapping[Cid, CompiledModule],
        engine: Engine,
        *,
        kernel: Literal["full", "brief"] | None,
    ) -> None:
        self._modules = modules
        self._engine = engine
        self._parts: list[Part] = []
        self._positions: dict[Cid, int] = {}
        self._stub: int | None = None
        self.kernel = kernel
        self.initializers: dict[int, list[InstanceExport]] = {}
        if kernel is not None:
            self._stub = KERNEL
            self._parts.append(kernel_part(engine, is_brief=kernel == "brief"))
        self.first = len(self._parts)
        for number, node in enumerate(plan.nodes):
            self._add(number, node)
        self.count = len(self._parts)
        self.root = self._positions[plan.root.cid]
        self.assembly = self.new_assembly()

    def new_assembly(self) -> Assembly:
        """Make an assembly for one store alone."""
        return Assembly(self._engine, self._parts)

    def _add(self, number: int, node: PlanNode) -> None:
        stub = self._stub_for(node)
        position = self._positions[node.cid] = len(self._parts)
        self._parts.append(self._part(node, stub))
        if node.memory is not None:
            memory = self._memory(node)
            binding = binding_part(self._engine, stub=stub, memory=memory, number=number)
            self._parts.append(binding)
        names = initializers_of(node)
        if names:
            after = [InstanceExport(position, name) for name in names]
            self.initializers[len(self._parts) - 1] = after

    def _stub_for(self, node: PlanNode) -> int:
        """Give the position of the stub of a node: the kernel is that of the first one."""
        if node.memory is None:
            return KERNEL
        stub, self._stub = self._stub, None
        if stub is None:
            stub = len(self._parts)
            self._parts.append(stub_part(self._engine))
        return stub

    def _part(self, node: PlanNode, stub: int) -> Part:
        imports: list[Import] = [
            InstanceExport(self._positions[server.node], server.name.encode())
            if isinstance(server, Export)
            else stub_export(stub, server)
            for server in node.servers
        ]
        names = [(wanted.module.encode(), wanted.name.encode()) for wanted in node.info.imports]
        return Part(self._modules[node.code], tuple(imports), tuple(names))

    def _memory(self, node: PlanNode) -> InstanceExport:
        """Find the memory that host calls of a node work on."""
        if isinstance(node.memory, str):
            return InstanceExport(self._positions[node.cid], node.memory.encode())
        assert node.memory is not None
        server = node.servers[node.memory]
        assert isinstance(server, Export)
        return InstanceExport(self._positions[server.node], server.name.encode())


def initializers_of(node: PlanNode) -> tuple[bytes, ...]:
    """Name the exports that have to run right after instantiation."""
    names: list[bytes] = []
    if node.info.start is not None:
        names.append(START_EXPORT.encode())
    reactor = node.info.export(INITIALIZER)
    if reactor is not None and reactor.type == FuncType(params=(), results=()):
        names.append(INITIALIZER.encode())
    return tuple(names)
