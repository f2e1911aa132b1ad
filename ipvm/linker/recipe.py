"""How a plan becomes instances: all that can be worked out once, in numbers and names.

What remains for each invocation is a loop over C calls. A recipe can be kept (`stored`): it is read in
a fraction of the time of the plan that it was made from.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from ipvm.host import CALLS, HostCall, WasiCall
from ipvm.ipld import Cid
from ipvm.linker.plan import Export, LinkPlan, PlanNode
from ipvm.wasm import Bounds, FuncType

__all__ = ["INITIALIZER", "START_EXPORT", "Recipe", "Step", "recipe_of"]

START_EXPORT: Final = "ipvm:start"
"""The name under which a start function is exported after `ipvm.wasm.prepare`."""

INITIALIZER: Final = "_initialize"
"""The export that a toolchain leaves to be called once before all others."""


class Step(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """How one node becomes an instance.

    Attributes:
        module: The number of its module in the order of `LinkPlan.code`.
        names: The two names of each import. The export that serves it has the second, too.
        sources: For each import the number of the step that serves it, or `~` that of a call of the host.
        memory: As in `PlanNode`.
        calls_host: Whether it makes host calls other than those of WASI.
        calls_wasi: Whether it makes calls of WASI.
        initializers: Exports that have to run right after instantiation.
    """

    module: int
    names: tuple[tuple[bytes, bytes], ...]
    sources: tuple[int, ...]
    memory: str | int | None
    calls_host: bool
    calls_wasi: bool
    initializers: tuple[bytes, ...]


class Recipe(Struct, frozen=True, kw_only=True, array_like=True):
    """How a program comes to life.

    Attributes:
        steps: One for each node, in their order.
        memories: The bounds of all memories that its modules define.
        tables: Likewise of all tables.
    """

    steps: tuple[Step, ...]
    memories: tuple[Bounds, ...]
    tables: tuple[Bounds, ...]


def recipe_of(plan: LinkPlan) -> Recipe:
    """Work out how a plan becomes instances."""
    places = {node.cid: place for place, node in enumerate(plan.nodes)}
    modules = {code: number for number, code in enumerate(plan.code)}
    return Recipe(
        steps=tuple([_step(node, modules[node.code], places) for node in plan.nodes]),
        memories=tuple([each.bounds for node in plan.nodes for each in node.info.memories]),
        tables=tuple([each.bounds for node in plan.nodes for each in node.info.tables]),
    )


def _step(node: PlanNode, module: int, places: Mapping[Cid, int]) -> Step:
    return Step(
        module=module,
        names=tuple(
            [(wanted.module.encode(), wanted.name.encode()) for wanted in node.info.imports]
        ),
        sources=tuple(
            [
                places[server.node] if isinstance(server, Export) else ~CALLS.index(server)
                for server in node.servers
            ]
        ),
        memory=node.memory,
        calls_host=any(isinstance(server, HostCall) for server in node.servers),
        calls_wasi=any(isinstance(server, WasiCall) for server in node.servers),
        initializers=_initializers(node),
    )


def _initializers(node: PlanNode) -> tuple[bytes, ...]:
    names: list[bytes] = []
    if node.info.start is not None:
        names.append(START_EXPORT.encode())
    reactor = node.info.export(INITIALIZER)
    if reactor is not None and reactor.type == FuncType(params=(), results=()):
        names.append(INITIALIZER.encode())
    return tuple(names)
