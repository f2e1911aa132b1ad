"""The live instances of a program in one store."""

from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, final

from ipvm.engine import (
    Assembly,
    CallShape,
    Engine,
    EngineFault,
    Extern,
    Store,
    Trap,
    call,
    hold_mappings,
    release_mappings,
)
from ipvm.errors import GuestError
from ipvm.host import (
    FIRST_OPERATION,
    KERNEL,
    MAIL,
    MEMORY,
    Ended,
    Kernel,
    Services,
    Syscalls,
    arm,
    take_fuel,
)
from ipvm.linker.layout import Layout

if TYPE_CHECKING:
    from ipvm.host.wasi.process import Process, Setting
    from ipvm.host.wasi.serving import Serving

__all__ = ["LinkedStore"]

Failed: TypeAlias = Trap | EngineFault | GuestError | Ended
"""How guests may end."""

_NOTHING: Final = CallShape((), ())


@final
class LinkedStore:
    """The instances of a program, to be run on fibers. Close it.

    Those that are not living share an assembly with others: what is needed of them is taken before
    the first wait.
    """

    __slots__ = ("_assembly", "_layout", "_mappings", "_serving", "kernel", "store")

    def __init__(self, engine: Engine, layout: Layout, *, is_living: bool) -> None:
        """Make room for the instances of one store.

        Args:
            engine: Where they will live.
            layout: Of the program.
            is_living: Whether something is asked of them after others may have been made.

        Raises:
            LimitExceeded: Too many are open.
        """
        self.kernel: Kernel | None = None
        self._serving: Serving | None = None
        self._layout = layout
        alone = is_living or bool(layout.initializers)
        self._assembly: Assembly = layout.new_assembly() if alone else layout.assembly
        hold_mappings(layout.mappings)
        self._mappings = layout.mappings
        self.store = Store(engine)

    def add_kernel(self, heap_bytes: int) -> None:
        """Instantiate the kernel, and the mail of WASI, where the program has them."""
        if self._layout.kernel is None:
            return
        self._assembly.build(self.store, KERNEL, self._layout.first)
        memory = self._assembly.export(self.store, KERNEL, MEMORY)
        self.kernel = Kernel(self.store, memory.address, heap_bytes=heap_bytes)

    def begin_process(self, setting: "Setting") -> "Process":
        """Give the guests what WASI is about. Without it they cannot call it."""
        from ipvm.host.wasi.binding import MAIL_BYTES  # noqa: PLC0415 - most programs have no WASI
        from ipvm.host.wasi.serving import Serving  # noqa: PLC0415

        memory = self._assembly.export(self.store, MAIL, MEMORY)
        view = self.store.memory_view(memory.address, MAIL_BYTES)
        self._serving = Serving(view, setting, partial(take_fuel, self.store))
        return self._serving.process

    def serve(self, services: Services) -> None:
        """Have the guests served, from now on, by these services."""
        if self.kernel is None:
            return
        syscalls = Syscalls(self.store, self.kernel, services, services)
        serving = self._serving
        if serving is None:
            self.store.host = syscalls
        elif self._layout.calls_host:
            self.store.host = _WithWasi(syscalls, serving)
        else:
            self.store.host = serving

    def settle(self) -> None:
        """Charge what the guests owe, now that they are done.

        Raises:
            Trap: They had less fuel than that.
        """
        if self._serving is not None:
            self._serving.settle()

    def settled(self, ended: Failed) -> Failed:
        """Charge what the guests owe, now that they ended like that; give how they ended then."""
        if isinstance(ended, GuestError | Ended):  # after anything else fuel cannot be relied on
            try:
                self.settle()
            except Trap as exhausted:
                return exhausted
        return ended

    def build(self) -> None:
        """Instantiate all nodes of a program that has nothing to initialise."""
        self._assembly.build(self.store, self._layout.first)

    async def initialize(self) -> None:
        """Instantiate all nodes in order, and run what each has to initialise."""
        layout = self._layout
        for position in range(layout.first, layout.count):
            if self.store.entered:
                await self._assembly.build_late(self.store, position)
            else:
                self._assembly.build(self.store, position, position + 1)
            for initializer in layout.initializers.get(position, ()):
                self.enter()
                function = self._assembly.export(self.store, *initializer)
                await call(self.store, function, _NOTHING, ())

    def enter(self) -> None:
        """Get ready to run guest code. Doing it twice is harmless."""
        if not self.store.entered:
            if self.kernel is not None:
                arm(self._assembly, self.store)
            self.store.enter()

    def export(self, name: bytes) -> Extern:
        """Give an export of the root."""
        return self._assembly.export(self.store, self._layout.root, name)

    def close(self) -> None:
        """Free everything."""
        if self.kernel is not None:
            self.kernel.close()
        if self._serving is not None:
            self._serving.close()
            self._serving = None
        self.store.close()
        release_mappings(self._mappings)
        self._mappings = 0


@final
class _WithWasi:
    """The host of guests that call WASI as well."""

    __slots__ = ("_serving", "_syscalls")

    def __init__(self, syscalls: Syscalls, serving: "Serving") -> None:
        self._syscalls = syscalls
        self._serving = serving

    def now(self, operation: int) -> int:
        """Do an operation at once."""
        if operation >= FIRST_OPERATION:
            return self._serving.now(operation)
        return self._syscalls.now(operation)

    async def wait(self, operation: int) -> int:
        """Do an operation that may wait."""
        if operation >= FIRST_OPERATION:
            return await self._serving.wait(operation)
        return await self._syscalls.wait(operation)
