"""The live instances of a program in one store."""

from typing import Final, final

from ipvm.engine import (
    Assembly,
    CallShape,
    Engine,
    Extern,
    Store,
    call,
    hold_mappings,
    release_mappings,
)
from ipvm.host import KERNEL, MEMORY, Kernel, arm
from ipvm.linker.layout import Layout

__all__ = ["LinkedStore"]

_NOTHING: Final = CallShape((), ())


@final
class LinkedStore:
    """The instances of a program, to be run on fibers. Close it.

    Those that are not living share an assembly with others: what is needed of them is taken before
    the first wait.
    """

    __slots__ = ("_assembly", "_layout", "_mappings", "kernel", "store")

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
        self._layout = layout
        alone = is_living or bool(layout.initializers)
        self._assembly: Assembly = layout.new_assembly() if alone else layout.assembly
        hold_mappings(layout.mappings)
        self._mappings = layout.mappings
        self.store = Store(engine)

    def add_kernel(self, heap_bytes: int) -> None:
        """Instantiate the kernel."""
        self._assembly.build(self.store, KERNEL, KERNEL + 1)
        memory = self._assembly.export(self.store, KERNEL, MEMORY)
        self.kernel = Kernel(self.store, memory.address, heap_bytes=heap_bytes)

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
        self.store.close()
        release_mappings(self._mappings)
        self._mappings = 0
