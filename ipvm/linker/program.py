"""A linked program that is compiled, and how it becomes live instances in one store.

Everything that can be worked out once is worked out here: which module comes when, and for each of
its imports whether the stub of a host call or an export of an earlier instance goes there. What is
left for each invocation is a loop over C calls.
"""

from collections.abc import Mapping
from typing import Final, Literal, final

from ipvm.engine import (
    POOL_TABLE_ELEMENTS_MAX,
    CompiledModule,
    Engine,
    InvalidArtifact,
    PoolKind,
    Store,
    StoreBounds,
    engine_for,
    in_pool,
    pooled_engine_for,
)
from ipvm.ipld import Cid
from ipvm.linker.bounds import memory_share, table_share
from ipvm.linker.layout import Layout, initializers_of
from ipvm.linker.linked import LinkedStore
from ipvm.linker.plan import LinkPlan
from ipvm.model import Profile

__all__ = ["CompiledProgram"]

POOLED_NODES_MAX: Final = 64
"""Nodes of a program that may run in a pool, which has room for so many instances."""
POOLED_BYTES_MAX: Final = 16 * 1024 * 1024
"""Machine code of a program that may run in a pool, which it is loaded for once more."""

_BOUNDS_KEPT_MAX: Final = 64
"""Amounts of memory of which it is kept how they are shared."""


@final
class CompiledProgram:
    """A program, ready to be instantiated any number of times, on one thread.

    Attributes:
        plan: What is linked to what.
        profile: What it is compiled for.
        engine: Where its instances live.
        calls_host: Whether a guest makes host calls.
        initializes: Whether something has to run before the functions can be called.
        machine_code_bytes: Bytes of the machine code of its modules.
        pooled: The same program on the pooled engines for which it was loaded; None where it cannot
            run there. A guest notices no difference.
    """

    def __init__(
        self,
        plan: LinkPlan,
        modules: Mapping[Cid, CompiledModule],
        profile: Profile,
        *,
        engine: Engine | None = None,
    ) -> None:
        self.plan = plan
        self.profile: Profile = profile
        self.engine = engine_for(profile) if engine is None else engine
        self.calls_host = any(node.memory is not None for node in plan.nodes)
        self.initializes = any(initializers_of(node) for node in plan.nodes)
        self.pooled: dict[PoolKind, CompiledProgram | None] = {}
        self.machine_code_bytes = sum(module.size for module in modules.values())
        self._modules = modules
        self._tables = sum(len(node.info.tables) for node in plan.nodes)
        self._memories = sum(len(node.info.memories) for node in plan.nodes)
        self._table_share = table_share(plan)
        self._bounds_for: dict[int, StoreBounds] = {}
        self._layouts: dict[tuple[bool, bool], Layout] = {}

    def load_into_pool(self, kind: PoolKind) -> None:
        """Load the program where it runs faster, if it can run there: see `pooled`.

        It takes milliseconds, and may be called on any thread.
        """
        self.pooled[kind] = self._in_pool(kind)

    def _in_pool(self, kind: PoolKind) -> "CompiledProgram | None":
        if len(self.plan.nodes) > POOLED_NODES_MAX or not _tables_fit(self.plan):
            return None
        if self.machine_code_bytes > POOLED_BYTES_MAX or self.initializes:
            return None
        engine = pooled_engine_for(self.profile, kind)
        if engine is None:
            return None
        try:
            modules = {cid: in_pool(module, engine) for cid, module in self._modules.items()}
        except InvalidArtifact:
            return None
        return CompiledProgram(self.plan, modules, self.profile, engine=engine)

    def open(self, *, fuel: int | None, memory: int, blocks: bool) -> LinkedStore:
        """Make a store for one invocation on a fiber; nothing of the program is instantiated yet.

        Args:
            fuel: Fuel that the invocation may use; None in a profile that does not count.
            memory: Bytes that all linear memories may take, and again the blocks held open.
            blocks: Whether a caller needs block handles, even if the program makes no host calls.

        Raises:
            LimitExceeded: The program does not start within the memory.
        """
        bounds = self.bounds(memory)
        layout = self.layout(blocks=blocks)
        linked = LinkedStore(Store(self.engine), layout)
        try:
            if fuel is not None:
                linked.store.fuel = fuel
            if layout.kernel is not None:
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
                self.plan, self._modules, self.engine, kernel=kernel if with_kernel else None
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
            nodes = len(self.plan.nodes)
            bounds = self._bounds_for[memory] = StoreBounds(
                memory_bytes=memory_share(self.plan, memory),
                table_elements=max(self._table_share, 64),
                instances=3 * nodes + 1,
                tables=self._tables + nodes + 2,
                memories=self._memories + 1,
            )
        return bounds


def _tables_fit(plan: LinkPlan) -> bool:
    """Tell whether no table can outgrow those of a pool, where it would notice."""
    bounds = [table.bounds for node in plan.nodes for table in node.info.tables]
    return all((bound.maximum or 2**32) <= POOL_TABLE_ELEMENTS_MAX for bound in bounds)
