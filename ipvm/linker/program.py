"""A linked program that is compiled, and the engines that it is loaded in.

What can be worked out once stands in its layouts: which module comes when, and what serves each of
its imports. What is left for each invocation is a loop over C calls.
"""

from collections.abc import Sequence
from typing import Final, Literal, final

from ipvm.engine import (
    POOL_TABLE_ELEMENTS_MAX,
    CompiledModule,
    Engine,
    InvalidArtifact,
    StoreBounds,
    engine_for,
    in_pool,
    pooled_engine_for,
)
from ipvm.linker.bounds import memory_share, table_share
from ipvm.linker.layout import Layout
from ipvm.linker.linked import LinkedStore
from ipvm.linker.plan import LinkPlan
from ipvm.linker.recipe import Recipe
from ipvm.model import Profile

__all__ = ["CompiledProgram"]

POOLED_NODES_MAX: Final = 32
"""Nodes of a program that may run in a pool, which has room for so many instances."""
POOLED_BYTES_MAX: Final = 16 * 1024 * 1024
"""Machine code of a program that may run in a pool, for which it is loaded once more."""

_BOUNDS_KEPT_MAX: Final = 64
"""Amounts of memory of which it is kept how they are shared."""


@final
class CompiledProgram:
    """A program, ready to be instantiated any number of times, on one thread.

    Attributes:
        plan: The program on paper.
        recipe: How it becomes instances.
        modules: Its modules, in the order of `LinkPlan.code`.
        profile: What they are compiled for.
        engine: Where its instances live.
        calls_host: Whether a guest makes host calls, those of WASI among them.
        calls_wasi: Whether a guest makes calls of WASI.
        initializes: Whether something has to run before the functions can be called.
        machine_code_bytes: Bytes of the machine code of its modules.
        pooled: The same program on the pooled engine, if it was loaded for that and can run there. A
            guest notices no difference.
    """

    def __init__(
        self,
        plan: LinkPlan,
        recipe: Recipe,
        modules: Sequence[CompiledModule],
        profile: Profile,
        *,
        engine: Engine | None = None,
    ) -> None:
        self.plan = plan
        self.recipe = recipe
        self.modules = modules
        self.profile: Profile = profile
        self.engine = engine_for(profile) if engine is None else engine
        self.calls_host = any(step.memory is not None for step in recipe.steps)
        self.calls_wasi = any(step.calls_wasi for step in recipe.steps)
        self.initializes = any(step.initializers for step in recipe.steps)
        self.machine_code_bytes = sum([module.size for module in modules])
        self.pooled: CompiledProgram | None = None
        self._table_share = table_share(recipe.tables)
        self._bounds_for: dict[int, StoreBounds] = {}
        self._layouts: dict[tuple[bool, bool], Layout] = {}

    def load_into_pool(self) -> None:
        """Make `pooled`. It takes milliseconds, and may be called on any thread."""
        self.pooled = self._pooled()

    def _pooled(self) -> "CompiledProgram | None":
        if len(self.recipe.steps) > POOLED_NODES_MAX or not self._tables_fit():
            return None
        if self.machine_code_bytes > POOLED_BYTES_MAX or self.initializes or self.calls_wasi:
            return None
        engine = pooled_engine_for(self.profile)
        if engine is None:
            return None
        try:
            modules = [in_pool(module, engine) for module in self.modules]
        except InvalidArtifact:
            return None
        return CompiledProgram(self.plan, self.recipe, modules, self.profile, engine=engine)

    def _tables_fit(self) -> bool:
        """Tell whether no table can outgrow those of a pool, where it would notice."""
        return all(
            bound.maximum is not None and bound.maximum <= POOL_TABLE_ELEMENTS_MAX
            for bound in self.recipe.tables
        )

    def open(
        self, *, fuel: int | None, memory: int, blocks: bool, is_living: bool = False
    ) -> LinkedStore:
        """Make a store for one invocation on a fiber; nothing of the program is instantiated yet.

        Args:
            fuel: Fuel that the invocation may use; None in a profile that does not count.
            memory: Bytes that all linear memories may take, and again the blocks held open.
            blocks: Whether a caller needs block handles, even if the program makes no host calls.
            is_living: Whether it is for more than one call; see `LinkedStore`.

        Raises:
            LimitExceeded: The program does not start within the memory, or too many wait already.
        """
        bounds = self.bounds(memory)
        layout = self.layout(blocks=blocks)
        linked = LinkedStore(self.engine, layout, is_living=is_living)
        try:
            if fuel is not None:
                linked.store.fuel = fuel
            linked.add_kernel(memory)
            linked.store.bound(bounds)
        except BaseException:
            linked.close()
            raise
        return linked

    def layout(self, *, blocks: bool, is_brief: bool = False) -> Layout:
        """Give the parts of the program, for a call on a fiber or for one that is tried."""
        with_kernel = blocks or self.calls_host
        layout = self._layouts.get((with_kernel, is_brief))
        if layout is None:
            kernel: Literal["brief", "full"] = "brief" if is_brief else "full"
            layout = self._layouts[with_kernel, is_brief] = Layout(
                self.recipe, self.modules, self.engine, kernel=kernel if with_kernel else None
            )
        return layout

    def bounds(self, memory: int) -> StoreBounds:
        """Give what wasmtime has to enforce where all memories may take so many bytes.

        Raises:
            LimitExceeded: The program does not start within them.
        """
        bounds = self._bounds_for.get(memory)
        if bounds is None:
            if len(self._bounds_for) >= _BOUNDS_KEPT_MAX:
                self._bounds_for.clear()
            nodes = len(self.recipe.steps)
            bounds = self._bounds_for[memory] = StoreBounds(
                memory_bytes=memory_share(self.recipe.memories, memory),
                table_elements=max(self._table_share, 64),
                instances=5 * nodes + 2,
                tables=len(self.recipe.tables) + 2 * nodes + 2,
                memories=len(self.recipe.memories) + 2,
            )
        return bounds
