"""A linked program as parts of an assembly: which module comes when, and what serves its imports."""

from collections.abc import Sequence
from typing import Final, Literal, final

from ipvm.engine import Assembly, CompiledModule, Engine, InstanceExport, Part
from ipvm.host import (
    CALLS,
    KERNEL,
    WasiCall,
    binding_part,
    kernel_part,
    stub_export,
    stub_part,
    wasi_binding_part,
    wasi_mail_part,
    wasi_stub_part,
)
from ipvm.linker.recipe import Recipe, Step

__all__ = ["Layout"]

_FIBER_MAPPINGS: Final = 2
"""A stack and its guard."""
_MEMORY_MAPPINGS: Final = 3
"""What a module puts there, what a guest may reach beyond that, and what is reserved."""


@final
class Layout:
    """The parts of a program for one engine, with a kernel or without.

    Attributes:
        kernel: Which kernel is the first part, if one is: the full one, or the small one for calls
            that are only tried.
        first: Position of the first part that belongs to the program.
        count: Number of parts.
        root: Position of the part whose exports a caller calls.
        initializers: By the position of the part after which they run: instance and name of each.
        calls_host: Whether a guest makes host calls besides those of WASI.
        calls_wasi: Whether the second part is the mail of WASI.
        mappings: Mappings of memory that a store takes with these parts and a fiber.
        assembly: For one store after the other, if nothing waits while it is built.
    """

    def __init__(
        self,
        recipe: Recipe,
        modules: Sequence[CompiledModule],
        engine: Engine,
        *,
        kernel: Literal["full", "brief"] | None,
    ) -> None:
        self._modules = modules
        self._engine = engine
        self._parts: list[Part] = []
        self._positions: list[int] = []
        self._stub: int | None = KERNEL
        self.kernel = kernel
        self.initializers: dict[int, list[InstanceExport]] = {}
        if kernel is not None:
            self._parts.append(kernel_part(engine, is_brief=kernel == "brief"))
        self.calls_host = any(step.calls_host for step in recipe.steps)
        self.calls_wasi = any(step.calls_wasi for step in recipe.steps)
        if self.calls_wasi:
            self._parts.append(wasi_mail_part(engine))
        self.first = len(self._parts)
        for number, step in enumerate(recipe.steps):
            self._add(number, step)
        self.count = len(self._parts)
        memories = len(recipe.memories) + self.first
        self.mappings = _FIBER_MAPPINGS + _MEMORY_MAPPINGS * memories
        self.root = self._positions[-1]
        self.assembly = self.new_assembly()

    def new_assembly(self) -> Assembly:
        """Make an assembly for one store alone."""
        return Assembly(self._engine, self._parts)

    def _add(self, number: int, step: Step) -> None:
        stubs = self._stubs(step)
        position = len(self._parts)
        self._positions.append(position)
        imports = tuple([self._import(step, slot, stubs) for slot in range(len(step.sources))])
        self._parts.append(Part(self._modules[step.module], imports, step.names))
        if step.memory is not None:
            memory = (
                InstanceExport(position, step.memory.encode())
                if isinstance(step.memory, str)
                else imports[step.memory]
            )
            self._bind(number, step, stubs, memory)
        if step.initializers:
            after = [InstanceExport(position, name) for name in step.initializers]
            self.initializers[len(self._parts) - 1] = after

    def _stubs(self, step: Step) -> tuple[int, int]:
        """Give the positions of the stubs of a guest, for host calls and for WASI, where it needs them."""
        stub = self._next_stub() if step.calls_host else KERNEL
        if not step.calls_wasi:
            return stub, KERNEL
        self._parts.append(wasi_stub_part(self._engine))
        return stub, len(self._parts) - 1

    def _bind(
        self, number: int, step: Step, stubs: tuple[int, int], memory: InstanceExport
    ) -> None:
        if step.calls_host:
            part = binding_part(self._engine, stub=stubs[0], memory=memory, number=number)
            self._parts.append(part)
        if step.calls_wasi:
            self._parts.append(wasi_binding_part(self._engine, stub=stubs[1], memory=memory))

    def _next_stub(self) -> int:
        """Give the position of a stub that has no guest yet: first of all the kernel."""
        stub, self._stub = self._stub, None
        if stub is None:
            stub = len(self._parts)
            self._parts.append(stub_part(self._engine))
        return stub

    def _import(self, step: Step, slot: int, stubs: tuple[int, int]) -> InstanceExport:
        source = step.sources[slot]
        if source >= 0:
            return InstanceExport(self._positions[source], step.names[slot][1])
        served = CALLS[~source]
        return stub_export(stubs[isinstance(served, WasiCall)], served)
